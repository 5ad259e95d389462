# ruff: noqa: S608 - all names are from the tables below
"""Marks by which a replica's answer is proved, on PostgreSQL.

Each change of a row gives the row's key a new random mark in the same transaction (see store/followed.py). Triggers do
it, so that no writer can forget it. SQLite has no replicas and gets nothing.
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_KEYS = {
    "users": "id",
    "group_members": "member_id",
    "role_assignments": "principal_id",
    "directory_role_assignments": "principal_id",
    "relations": "object_id",
    "consents": "user_id",
    "factors": "user_id",
    "passkeys": "user_id",
    "recovery_codes": "user_id",
    "access_passes": "user_id",
    "agreement_acceptances": "user_id",
    "homes": "'configuration'",
    "home_domains": "'configuration'",
    "partners": "'configuration'",
    "policies": "'configuration'",
    "tenant": "'configuration'",
    "membership_rules": "'rules'",
    "apps": "'apps'",
    "app_identifier_uris": "'apps'",
    "app_origins": "'apps'",
    "app_secrets": "'apps'",
    "app_keys": "'apps'",
    "groups": "'groups'",
}
_UNSEEN = {
    # columns that no sign-in is judged by, and that change often
    "users": ("last_signin_at",),
    "tenant": (
        "change_seq audit_seq audit_hash settled_seq pass_version pass_after passed_version passed_at rules_version"
    ).split(),
}


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    # room in each page, so that a new mark is a change within it
    op.execute('CREATE TABLE touched (key text COLLATE "C" PRIMARY KEY, mark uuid NOT NULL) WITH (fillfactor = 50)')
    for table, key in _KEYS.items():
        for function, rows in (
            (f"touch_{table}", f"SELECT {key} AS key FROM rows"),
            (f"touch_changed_{table}", _changed(table, key)),
        ):
            op.execute(
                f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                "INSERT INTO touched AS t "
                f"SELECT k.key, gen_random_uuid() FROM (SELECT DISTINCT key FROM ({rows}) AS r) AS k ORDER BY k.key "
                "ON CONFLICT (key) DO UPDATE SET mark = EXCLUDED.mark; "
                "RETURN NULL; END $$"
            )
        for event, tables, function in (
            ("INSERT", "NEW TABLE AS rows", f"touch_{table}"),
            ("DELETE", "OLD TABLE AS rows", f"touch_{table}"),
            ("UPDATE", "OLD TABLE AS old_rows NEW TABLE AS new_rows", f"touch_changed_{table}"),
        ):
            op.execute(
                f"CREATE TRIGGER touch_{event.lower()} AFTER {event} ON {table} REFERENCING {tables} "
                f"FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
            )


def _changed(table: str, key: str) -> str:
    unseen = _UNSEEN.get(table)
    if unseen is None:
        return f"SELECT {key} AS key FROM old_rows UNION ALL SELECT {key} FROM new_rows"
    names = "ARRAY[" + ", ".join(f"'{name}'" for name in unseen) + "]"
    return (
        f"SELECT {key} AS key FROM old_rows AS o FULL JOIN new_rows AS n USING (id) "
        f"WHERE to_jsonb(o) - {names} IS DISTINCT FROM to_jsonb(n) - {names}"
    )


def downgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in _KEYS:
        for event in ("insert", "delete", "update"):
            op.execute(f"DROP TRIGGER touch_{event} ON {table}")
        op.execute(f"DROP FUNCTION touch_{table}()")
        op.execute(f"DROP FUNCTION touch_changed_{table}()")
    op.execute("DROP TABLE touched")
