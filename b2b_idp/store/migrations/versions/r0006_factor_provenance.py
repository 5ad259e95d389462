"""Which factors nobody but the home tenant vouched for, and one one-time pass a person."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("factors", "passkeys"):
        with op.batch_alter_table(name) as table:
            # of older ones nobody knows: they give no power until they are set up again
            table.add_column(sa.Column("by_home", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.execute(
        "DELETE FROM access_passes WHERE EXISTS (SELECT 1 FROM access_passes AS newer WHERE newer.user_id = "
        "access_passes.user_id AND (newer.created_at, newer.id) > (access_passes.created_at, access_passes.id))"
    )
    with op.batch_alter_table("access_passes") as passes:
        passes.drop_index("ix_access_passes_user_id")
        passes.create_unique_constraint("uq_access_passes_user_id", ["user_id"])


def downgrade() -> None:
    with op.batch_alter_table("access_passes") as passes:
        passes.drop_constraint("uq_access_passes_user_id", type_="unique")
        passes.create_index("ix_access_passes_user_id", ["user_id"])
    for name in ("factors", "passkeys"):
        with op.batch_alter_table(name) as table:
            table.drop_column("by_home")
