"""Dynamic groups: their rules, and how far the stored members follow them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_NUMBERS = ("rules_version", "settled_seq", "pass_version", "passed_version")


def upgrade() -> None:
    op.create_table(
        "membership_rules",
        sa.Column("group_id", sa.String(length=36), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("processing", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], name="fk_membership_rules_group_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("group_id", name="pk_membership_rules"),
    )
    with op.batch_alter_table("tenant") as tenant:
        for name in _NUMBERS:
            tenant.add_column(sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
        tenant.add_column(sa.Column("pass_after", sa.String(length=36), nullable=False, server_default=""))
        tenant.add_column(sa.Column("passed_at", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("tenant") as tenant:
        for name in ("passed_at", "pass_after", *_NUMBERS):
            tenant.drop_column(name)
    op.drop_table("membership_rules")
