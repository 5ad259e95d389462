"""The directory whole: roles, relations, deleted users, changes, the audit chain, HTML mail."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("tenant") as tenant:
        tenant.add_column(sa.Column("change_seq", sa.BigInteger(), nullable=False, server_default="0"))
        tenant.add_column(sa.Column("audit_seq", sa.BigInteger(), nullable=False, server_default="0"))
        tenant.add_column(sa.Column("audit_hash", sa.LargeBinary(), nullable=True))
    with op.batch_alter_table("users") as users:
        users.add_column(sa.Column("display_name_key", sa.String(), nullable=True))
        for name in ("deleted_at", "expires_at", "last_signin_at"):
            users.add_column(sa.Column(name, sa.BigInteger(), nullable=True))
        users.create_index("ix_users_display_name_key", ["display_name_key"])
        users.create_index("ix_users_state_id", ["state", "id"])
        users.create_index("ix_users_created_at", ["created_at"])
        deleted = sa.text("deleted_at IS NOT NULL")
        users.create_index("ix_users_deleted_at", ["deleted_at"], sqlite_where=deleted, postgresql_where=deleted)
        users.create_index("ix_users_expires_at", ["expires_at"])
    with op.batch_alter_table("outbox") as outbox:
        outbox.add_column(sa.Column("html", sa.LargeBinary(), nullable=True))
        outbox.add_column(sa.Column("language", sa.String(), nullable=False, server_default="en"))
        outbox.add_column(sa.Column("kind", sa.String(), nullable=False, server_default="code"))
        outbox.add_column(sa.Column("related_id", sa.String(length=36), nullable=True))
        outbox.create_index("ix_outbox_related_id", ["related_id"])
    with op.batch_alter_table("audit_log") as audit_log:
        audit_log.alter_column("document", type_=sa.Text(), existing_type=sa.JSON(), existing_nullable=False)
        audit_log.add_column(sa.Column("seq", sa.BigInteger(), nullable=True))
        audit_log.add_column(sa.Column("hash", sa.LargeBinary(), nullable=True))
        audit_log.create_unique_constraint("uq_audit_log_seq", ["seq"])
    op.create_index("ix_invitations_invited_by_created_at", "invitations", ["invited_by", "created_at"])
    op.create_index("ix_invitations_status_id", "invitations", ["status", "id"])
    op.create_table(
        "relations",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("object_id", sa.String(length=36), nullable=False),
        sa.Column("target_id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("kind", "object_id", "target_id", name="pk_relations"),
    )
    op.create_index("ix_relations_target_id", "relations", ["target_id"])
    op.create_table(
        "directory_roles",
        sa.Column("template_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("template_id", name="pk_directory_roles"),
        sa.UniqueConstraint("id", name="uq_directory_roles_id"),
    )
    op.create_table(
        "directory_role_assignments",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("principal_id", sa.String(length=36), nullable=False),
        sa.Column("template_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_directory_role_assignments"),
        sa.UniqueConstraint(
            "principal_id", "template_id", name="uq_directory_role_assignments_principal_id_template_id"
        ),
    )
    op.create_index("ix_directory_role_assignments_template_id", "directory_role_assignments", ["template_id"])
    op.create_table(
        "changes",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("object_id", sa.String(length=36), nullable=False),
        sa.Column("member_id", sa.String(length=36), nullable=False),
        sa.Column("gone", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_changes"),
        sa.UniqueConstraint("kind", "object_id", "member_id", name="uq_changes_kind_object_id_member_id"),
    )
    op.create_table(
        "answers",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_answers"),
    )
    op.create_index("ix_answers_at", "answers", ["at"])
    _fold_names()


def _fold_names() -> None:
    """displayName in folded case, which no SQL function does alike on every database."""
    connection = op.get_bind()
    for id, properties in connection.execute(sa.text("SELECT id, properties FROM users")).all():
        document = json.loads(properties) if isinstance(properties, str) else properties
        name = document.get("displayName")
        if isinstance(name, str):
            connection.execute(
                sa.text("UPDATE users SET display_name_key = :key WHERE id = :id"),
                {"key": name.casefold(), "id": id},
            )


def downgrade() -> None:
    op.drop_index("ix_invitations_status_id", "invitations")
    op.drop_index("ix_invitations_invited_by_created_at", "invitations")
    for table in ("answers", "changes", "directory_role_assignments", "directory_roles", "relations"):
        op.drop_table(table)
    with op.batch_alter_table("audit_log") as audit_log:
        audit_log.drop_constraint("uq_audit_log_seq", type_="unique")
        audit_log.drop_column("hash")
        audit_log.drop_column("seq")
        audit_log.alter_column(
            "document",
            type_=sa.JSON(),
            existing_type=sa.Text(),
            existing_nullable=False,
            postgresql_using="document::json",
        )
    with op.batch_alter_table("outbox") as outbox:
        outbox.drop_index("ix_outbox_related_id")
        for name in ("related_id", "kind", "language", "html"):
            outbox.drop_column(name)
    with op.batch_alter_table("users") as users:
        for name in ("expires_at", "deleted_at", "created_at", "state_id", "display_name_key"):
            users.drop_index("ix_users_" + name)
        for name in ("last_signin_at", "expires_at", "deleted_at", "display_name_key"):
            users.drop_column(name)
    with op.batch_alter_table("tenant") as tenant:
        for name in ("audit_hash", "audit_seq", "change_seq"):
            tenant.drop_column(name)
