"""Applications' own token signing keys."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "app_keys",
        sa.Column("key_id", sa.String(length=36), nullable=False),
        sa.Column("app", sa.String(length=36), nullable=False),
        sa.Column("kid", sa.String(), nullable=False),
        sa.Column("thumbprint", sa.String(), nullable=False),
        sa.Column("display_name", sa.String(), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("private", sa.LargeBinary(), nullable=False),
        sa.Column("starts_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("signs_from", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["app"], ["apps.id"], name="fk_app_keys_app", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key_id", name="pk_app_keys"),
    )
    op.create_index("ix_app_keys_app", "app_keys", ["app"])
    op.create_index("ix_app_keys_kid", "app_keys", ["kid"])


def downgrade() -> None:
    op.drop_table("app_keys")
