"""Factors whole: passkeys, one-time passes, terms accepted, sign-ins that can be replayed, notices to apps."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "passkeys",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("aaguid", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("transports", sa.JSON(), nullable=False),
        sa.Column("backed_up", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_passkeys_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_passkeys"),
        sa.UniqueConstraint("credential_id", name="uq_passkeys_credential_id"),
    )
    op.create_index("ix_passkeys_user_id", "passkeys", ["user_id"])
    op.create_table(
        "access_passes",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_by", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("starts_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("usable_once", sa.Boolean(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_access_passes_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_access_passes"),
    )
    op.create_index("ix_access_passes_user_id", "access_passes", ["user_id"])
    op.create_table(
        "agreement_acceptances",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("agreement_id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_agreement_acceptances_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_agreement_acceptances"),
        sa.UniqueConstraint(
            "user_id", "agreement_id", "version", name="uq_agreement_acceptances_user_id_agreement_id_version"
        ),
    )
    op.create_index("ix_agreement_acceptances_agreement_id", "agreement_acceptances", ["agreement_id"])
    op.create_table(
        "notices",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("app_id", sa.String(length=36), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
    )
    op.create_index("ix_notices_status_next_at", "notices", ["status", "next_at"])
    with op.batch_alter_table("factors") as factors:
        factors.add_column(sa.Column("last_used_at", sa.BigInteger(), nullable=True))
    with op.batch_alter_table("signin_log") as signin_log:
        signin_log.add_column(sa.Column("home_tenant_id", sa.String(length=36), nullable=True))
        signin_log.add_column(sa.Column("outcome", sa.String(), nullable=True))
        for name in ("asked_home", "home_mfa", "local_mfa"):
            signin_log.add_column(sa.Column(name, sa.Boolean(), nullable=True))
        signin_log.add_column(sa.Column("replay", sa.Text(), nullable=True))
        signin_log.add_column(sa.Column("evidence", sa.LargeBinary(), nullable=True))
        signin_log.create_index("ix_signin_log_home_tenant_id_at", ["home_tenant_id", "at"])


def downgrade() -> None:
    with op.batch_alter_table("signin_log") as signin_log:
        signin_log.drop_index("ix_signin_log_home_tenant_id_at")
        for name in ("evidence", "replay", "local_mfa", "home_mfa", "asked_home", "outcome", "home_tenant_id"):
            signin_log.drop_column(name)
    with op.batch_alter_table("factors") as factors:
        factors.drop_column("last_used_at")
    for table in ("notices", "agreement_acceptances", "access_passes", "passkeys"):
        op.drop_table(table)
