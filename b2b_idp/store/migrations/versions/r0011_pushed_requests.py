"""Pushed authorization requests."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None
online = True


def upgrade() -> None:
    op.create_table(
        "pushed_requests",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("app_id", sa.String(36), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("signed", sa.Boolean(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False, index=True),
        sa.Column("answered_at", sa.BigInteger()),
    )


def downgrade() -> None:
    op.drop_table("pushed_requests")
