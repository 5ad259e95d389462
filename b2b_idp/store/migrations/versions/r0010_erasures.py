"""Erasure: who is to be taken out of the logs, and the audit entries from which somebody was."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0008"
branch_labels = None
depends_on = None
online = True


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("person", sa.LargeBinary(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_erasures"),
    )
    op.add_column("audit_log", sa.Column("erased", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("audit_log", "erased")
    op.drop_table("erasures")
