# ruff: noqa: S608 - all names are from the tables below
"""What is often written leaves the tenant's row, which every request reads."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_MOVED = {
    # new table: its columns, each with the tenant's column of before
    "change_counter": {"seq": "change_seq"},
    "audit_head": {"seq": "audit_seq", "hash": "audit_hash"},
    "membership_progress": {
        name: name for name in ("settled_seq", "pass_version", "pass_after", "passed_version", "passed_at")
    },
}
_OF_TENANT: dict[str, sa.types.TypeEngine[Any]] = {
    "change_seq": sa.BigInteger(),
    "audit_seq": sa.BigInteger(),
    "audit_hash": sa.LargeBinary(),
    "settled_seq": sa.BigInteger(),
    "pass_version": sa.BigInteger(),
    "pass_after": sa.String(36),
    "passed_version": sa.BigInteger(),
    "passed_at": sa.BigInteger(),
}
_EMPTY = {"audit_hash", "passed_at"}


def upgrade() -> None:
    for table, columns in _MOVED.items():
        op.create_table(
            table,
            sa.Column("id", sa.String(36), nullable=False),
            *(sa.Column(name, _OF_TENANT[old], nullable=old in _EMPTY) for name, old in columns.items()),
            sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        )
        op.execute(
            f"INSERT INTO {table} (id, {', '.join(columns)}) SELECT id, {', '.join(columns.values())} FROM tenant"
        )
    with op.batch_alter_table("tenant") as tenant:
        tenant.add_column(sa.Column("apps_version", sa.BigInteger(), nullable=False, server_default="0"))
        for name in _OF_TENANT:
            tenant.drop_column(name)


def downgrade() -> None:
    with op.batch_alter_table("tenant") as tenant:
        tenant.drop_column("apps_version")
        for name, type_ in _OF_TENANT.items():
            default = None if name in _EMPTY else "" if name == "pass_after" else "0"
            tenant.add_column(sa.Column(name, type_, nullable=name in _EMPTY, server_default=default))
    for table, columns in _MOVED.items():
        for name, old in columns.items():
            op.execute(f"UPDATE tenant SET {old} = (SELECT {name} FROM {table})")
        op.drop_table(table)
