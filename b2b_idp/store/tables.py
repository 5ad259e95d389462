"""The tables. Times are microseconds since 1970 (UTC); documents are JSON in the shape their edge gave them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
    true,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime kept as an integer, exact on every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else _EPOCH + timedelta(microseconds=int(value))


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id() -> Column[str]:
    return Column("id", String(36), primary_key=True)


tenant = Table(
    "tenant",
    metadata,
    _id(),
    Column("name", String, nullable=False),
    Column("default_domain", String, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("config_version", Integer, nullable=False, default=0),
    Column("rules_version", BigInteger, nullable=False, default=0, server_default="0"),
    Column("apps_version", BigInteger, nullable=False, server_default="0"),
)
"""One row. Every request reads it, so nothing that is often written stands here: of two transactions that are
serializable, one that writes a row and one that reads it can be in each other's way."""

change_counter = Table("change_counter", metadata, _id(), Column("seq", BigInteger, nullable=False))
"""How many changes were noted; one row, of the tenant's id."""

audit_head = Table(
    "audit_head", metadata, _id(), Column("seq", BigInteger, nullable=False), Column("hash", LargeBinary)
)
"""The end of the audit chain; one row, of the tenant's id."""

membership_progress = Table(
    "membership_progress",
    metadata,
    _id(),
    Column("settled_seq", BigInteger, nullable=False),
    Column("pass_version", BigInteger, nullable=False),
    Column("pass_after", String(36), nullable=False),
    Column("passed_version", BigInteger, nullable=False),
    Column("passed_at", Instant),
)
"""How far the stored members of dynamic groups follow; one row, of the tenant's id."""

users = Table(
    "users",
    metadata,
    _id(),
    Column("user_type", String, nullable=False),
    Column("upn", String, nullable=False),
    Column("upn_key", String, nullable=False, unique=True),
    Column("mail", String),
    Column("mail_key", String),
    Column("account_enabled", Boolean, nullable=False),
    Column("creation_type", String),
    Column("state", String),
    Column("state_changed_at", Instant),
    Column("issuer", String),
    Column("subject", String),
    Column("home_tenant_id", String(36)),
    Column("proved_mail", String),
    Column("home_mfa_seen_at", Instant),
    Column("sessions_valid_from", Instant),
    Column("created_at", Instant, nullable=False),
    Column("properties", JSON, nullable=False),
    Column("display_name_key", String),
    Column("deleted_at", Instant),
    Column("expires_at", Instant),
    Column("last_signin_at", Instant),
    UniqueConstraint("issuer", "subject"),
    Index("ix_users_mail_key", "mail_key"),
    Index("ix_users_display_name_key", "display_name_key"),
    Index("ix_users_state_id", "state", "id"),
    Index("ix_users_created_at", "created_at"),
    # of the deleted alone: it must not look like a way to those who are not, which are nearly all
    Index(
        "ix_users_deleted_at",
        "deleted_at",
        sqlite_where=text("deleted_at IS NOT NULL"),
        postgresql_where=text("deleted_at IS NOT NULL"),
    ),
    Index("ix_users_expires_at", "expires_at"),
)

invitations = Table(
    "invitations",
    metadata,
    _id(),
    Column("user_id", String(36), ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("email", String, nullable=False),
    Column("redirect_url", String, nullable=False),
    Column("display_name", String),
    Column("user_type", String, nullable=False),
    Column("send_message", Boolean, nullable=False),
    Column("message", JSON, nullable=False),
    Column("reset_redemption", Boolean, nullable=False),
    Column("status", String, nullable=False),
    Column("generation", Integer, nullable=False, default=0),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("invited_by", String, nullable=False),
    Column("revoked_at", Instant),
    Index("ix_invitations_invited_by_created_at", "invited_by", "created_at"),
    Index("ix_invitations_status_id", "status", "id"),
)

homes = Table(
    "homes",
    metadata,
    Column("tenant_id", String(36), primary_key=True),
    Column("issuer", String, nullable=False, unique=True),
    Column("document", JSON, nullable=False),
    Column("secret", LargeBinary),
    Column("created_at", Instant, nullable=False),
    Column("deleted_at", Instant),
)

home_domains = Table(
    "home_domains",
    metadata,
    Column("domain", String, primary_key=True),
    Column("tenant_id", String(36), ForeignKey("homes.tenant_id"), nullable=False, index=True),
)

partners = Table(
    "partners",
    metadata,
    Column("tenant_id", String(36), primary_key=True),
    Column("document", JSON, nullable=False),
)

policies = Table(
    "policies",
    metadata,
    _id(),
    Column("kind", String, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("modified_at", Instant),
    Column("document", JSON, nullable=False),
    Index("ix_policies_kind", "kind"),
)

apps = Table(
    "apps",
    metadata,
    _id(),
    Column("app_id", String(36), nullable=False, unique=True),
    Column("sp_id", String(36), nullable=False, unique=True),
    Column("sp_explicit", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("version", Integer, nullable=False, default=0),
    Column("application", JSON, nullable=False),
    Column("service_principal", JSON, nullable=False),
    Column("claims_policy_id", String(36), ForeignKey("policies.id")),
)

app_identifier_uris = Table(
    "app_identifier_uris",
    metadata,
    Column("uri", String, primary_key=True),
    Column("app", String(36), ForeignKey("apps.id", ondelete="CASCADE"), nullable=False, index=True),
)

app_origins = Table(
    "app_origins",
    metadata,
    Column("origin", String, primary_key=True),
    Column("app", String(36), ForeignKey("apps.id", ondelete="CASCADE"), primary_key=True),
)

app_secrets = Table(
    "app_secrets",
    metadata,
    Column("key_id", String(36), primary_key=True),
    Column("app", String(36), ForeignKey("apps.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("hint", String, nullable=False),
    Column("display_name", String),
    Column("starts_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
)

app_keys = Table(
    "app_keys",
    metadata,
    Column("key_id", String(36), primary_key=True),
    Column("app", String(36), ForeignKey("apps.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("kid", String, nullable=False, index=True),
    Column("thumbprint", String, nullable=False),
    Column("display_name", String, nullable=False),
    Column("certificate", LargeBinary, nullable=False),
    Column("private", LargeBinary, nullable=False),
    Column("starts_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Column("signs_from", Instant, nullable=False),
)

role_assignments = Table(
    "role_assignments",
    metadata,
    _id(),
    Column("principal_id", String(36), nullable=False),
    Column("principal_type", String, nullable=False),
    Column("resource_sp_id", String(36), nullable=False, index=True),
    Column("app_role_id", String(36), nullable=False),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("principal_id", "resource_sp_id", "app_role_id"),
)

groups = Table(
    "groups",
    metadata,
    _id(),
    Column("created_at", Instant, nullable=False),
    Column("document", JSON, nullable=False),
)

group_members = Table(
    "group_members",
    metadata,
    Column("group_id", String(36), ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True),
    Column("member_id", String(36), primary_key=True, index=True),
)

membership_rules = Table(
    "membership_rules",
    metadata,
    Column("group_id", String(36), ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True),
    Column("text", String, nullable=False),
    Column("processing", Boolean, nullable=False),
)

relations = Table(
    "relations",
    metadata,
    Column("kind", String, primary_key=True),
    Column("object_id", String(36), primary_key=True),
    Column("target_id", String(36), primary_key=True, index=True),
)

directory_roles = Table(
    "directory_roles",
    metadata,
    Column("template_id", String(36), primary_key=True),
    Column("id", String(36), nullable=False, unique=True),
)

directory_role_assignments = Table(
    "directory_role_assignments",
    metadata,
    _id(),
    Column("principal_id", String(36), nullable=False),
    Column("template_id", String(36), nullable=False, index=True),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("principal_id", "template_id"),
)

changes = Table(
    "changes",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String, nullable=False),
    Column("object_id", String(36), nullable=False),
    Column("member_id", String(36), nullable=False),
    Column("gone", Boolean, nullable=False),
    UniqueConstraint("kind", "object_id", "member_id"),
)

answers = Table(
    "answers",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("status", Integer, nullable=False),
    Column("body", LargeBinary),
    Column("at", Instant, nullable=False, index=True),
)

consents = Table(
    "consents",
    metadata,
    Column("user_id", String(36), ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("app_id", String(36), primary_key=True),
    Column("scopes", JSON, nullable=False),
    Column("at", Instant, nullable=False),
)

signins = Table(
    "signins",
    metadata,
    _id(),
    Column("browser", LargeBinary, nullable=False),
    Column("version", Integer, nullable=False),
    Column("waiting", String, nullable=False),
    Column("known", JSON, nullable=False),
    Column("correlation_id", String(36), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
)

sessions = Table(
    "sessions",
    metadata,
    _id(),
    Column("user_id", String(36), ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("evidence", JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    Column("ended_at", Instant),
    Column("home_session", String, index=True),
)

grants = Table(
    "grants",
    metadata,
    _id(),
    Column("user_id", String(36), ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("app_id", String(36), nullable=False, index=True),
    Column("session_id", String(36), nullable=False, index=True),
    Column("document", JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    Column("code_used_at", Instant),
    Column("generation", Integer, nullable=False),
    Column("rotated_at", Instant),
    Column("revoked_at", Instant),
)

pushed_requests = Table(
    "pushed_requests",
    metadata,
    _id(),
    Column("app_id", String(36), nullable=False),
    Column("parameters", JSON, nullable=False),
    Column("signed", Boolean, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    Column("answered_at", Instant),
)

initial_access_tokens = Table(
    "initial_access_tokens",
    metadata,
    _id(),
    Column("secret_hash", LargeBinary, nullable=False, unique=True),
    Column("display_name", String, nullable=False),
    Column("created_by", String(36)),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("uses", Integer, nullable=False),
    Column("uses_left", Integer, nullable=False),
    Column("require_pkce", Boolean, nullable=False),
)

revoked_tokens = Table(
    "revoked_tokens",
    metadata,
    Column("jti", String, primary_key=True),
    Column("expires_at", Instant, nullable=False, index=True),
)

used_assertions = Table(
    "used_assertions",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    Column("expires_at", Instant, nullable=False, index=True),
)

device_codes = Table(
    "device_codes",
    metadata,
    _id(),
    Column("user_code", LargeBinary, nullable=False, unique=True),
    Column("app_id", String(36), nullable=False),
    Column("document", JSON, nullable=False),
    Column("address", String, nullable=False, index=True),
    Column("status", String, nullable=False),
    Column("grant_id", String(36)),
    Column("pause", Integer, nullable=False),
    Column("polled_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
)

factors = Table(
    "factors",
    metadata,
    _id(),
    Column("user_id", String(36), ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("method", String, nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("last_step", BigInteger, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("last_used_at", Instant),
    Column("by_home", Boolean, nullable=False, server_default=true()),
)

passkeys = Table(
    "passkeys",
    metadata,
    _id(),
    Column("user_id", String(36), ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("credential_id", LargeBinary, nullable=False, unique=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("aaguid", String(36), nullable=False),
    Column("name", String, nullable=False),
    Column("transports", JSON, nullable=False),
    Column("backed_up", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("last_used_at", Instant),
    Column("by_home", Boolean, nullable=False, server_default=true()),
)

access_passes = Table(
    "access_passes",
    metadata,
    _id(),
    Column("user_id", String(36), ForeignKey("users.id", ondelete="CASCADE"), nullable=False, unique=True),
    Column("code_hash", LargeBinary, nullable=False),
    Column("created_by", String(36), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("starts_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Column("usable_once", Boolean, nullable=False),
    Column("used_at", Instant),
)

agreement_acceptances = Table(
    "agreement_acceptances",
    metadata,
    _id(),
    Column("agreement_id", String(36), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("user_id", String(36), ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("at", Instant, nullable=False),
    UniqueConstraint("user_id", "agreement_id", "version"),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("user_id", String(36), ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("code_hash", LargeBinary, primary_key=True),
    Column("used_at", Instant),
)

guess_budgets = Table(
    "guess_budgets",
    metadata,
    Column("scope", String, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", Instant, nullable=False),
)

known_browsers = Table(
    "known_browsers",
    metadata,
    Column("user_id", String(36), ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("browser", LargeBinary, primary_key=True),
    Column("at", Instant, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    _id(),
    Column("once", String, nullable=False, unique=True),
    Column("recipient", String, nullable=False),
    Column("recipient_key", LargeBinary, nullable=False),
    Column("subject", String, nullable=False),
    Column("body", LargeBinary),
    Column("status", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("sent_at", Instant),
    Column("last_error", String),
    Column("html", LargeBinary),
    Column("language", String, nullable=False, default="en", server_default="en"),
    Column("kind", String, nullable=False, default="code", server_default="code"),
    Column("related_id", String(36), index=True),
    Index("ix_outbox_status_next_at", "status", "next_at"),
    Index("ix_outbox_recipient_key_created_at", "recipient_key", "created_at"),
)

signin_log = Table(
    "signin_log",
    metadata,
    _id(),
    Column("at", Instant, nullable=False, index=True),
    Column("user_id", String(36), index=True),
    Column("app_id", String(36), index=True),
    Column("correlation_id", String(36), index=True),
    Column("document", JSON, nullable=False),
    Column("home_tenant_id", String(36)),
    Column("outcome", String),
    Column("asked_home", Boolean),
    Column("home_mfa", Boolean),
    Column("local_mfa", Boolean),
    Column("replay", Text),
    Column("evidence", LargeBinary),
    Index("ix_signin_log_home_tenant_id_at", "home_tenant_id", "at"),
)

notices = Table(
    "notices",
    metadata,
    _id(),
    Column("app_id", String(36), nullable=False),
    Column("address", String, nullable=False),
    Column("document", JSON, nullable=False),
    Column("status", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("last_error", String),
    Index("ix_notices_status_next_at", "status", "next_at"),
)

audit_log = Table(
    "audit_log",
    metadata,
    _id(),
    Column("at", Instant, nullable=False, index=True),
    Column("activity", String, nullable=False),
    Column("document", Text, nullable=False),
    Column("seq", BigInteger, unique=True),
    Column("hash", LargeBinary),
    Column("erased", LargeBinary),
)

erasures = Table(
    "erasures",
    metadata,
    _id(),
    Column("person", LargeBinary, nullable=False),
    Column("since", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
)
