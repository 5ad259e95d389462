"""From which session at home a session here began."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None
online = True


def upgrade() -> None:
    op.create_table(
        "home_sessions",
        sa.Column("session_id", sa.String(length=36), nullable=False),
        sa.Column("home_session", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name="fk_home_sessions_session_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("session_id", name="pk_home_sessions"),
    )
    op.create_index("ix_home_sessions_home_session", "home_sessions", ["home_session"])


def downgrade() -> None:
    op.drop_table("home_sessions")
