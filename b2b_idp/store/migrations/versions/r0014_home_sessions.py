"""From which session at home a session here began."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# sessions are few and short-lived: the index is made in a moment, also while servers run
online = True


def upgrade() -> None:
    op.add_column("sessions", sa.Column("home_session", sa.String(), nullable=True))
    op.create_index("ix_sessions_home_session", "sessions", ["home_session"])


def downgrade() -> None:
    op.drop_index("ix_sessions_home_session", "sessions")
    op.drop_column("sessions", "home_session")
