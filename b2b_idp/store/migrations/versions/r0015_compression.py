"""Long texts compressed by LZ4, where PostgreSQL was built with it: its own way takes six times the CPU of a sign-in's
insert. What is stored stays as it is."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

online = True

_TEXTS = (("signin_log", "replay"), ("audit_log", "document"))
_DOCUMENTS = (("signin_log", "document"), ("grants", "document"), ("signins", "known"))


def upgrade() -> None:
    bind = op.get_bind()
    if bind.dialect.name != "postgresql":
        return
    known = bind.exec_driver_sql("SELECT enumvals FROM pg_settings WHERE name = 'default_toast_compression'").scalar()
    if "lz4" in (known or ()):
        for table, column in _TEXTS:
            # in a new database env.py would do so afterwards, and take the compression away by it
            op.execute(f'ALTER TABLE {table} ALTER COLUMN {column} TYPE text COLLATE "C"')
        _compress("lz4")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        _compress("default")


def _compress(by: str) -> None:
    for table, column in (*_TEXTS, *_DOCUMENTS):
        op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET COMPRESSION {by}")
