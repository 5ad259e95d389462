"""Home tenants, partners and policies as one frozen value, compiled once and kept by version."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update

from b2b_idp.claims.mapping import ClaimsMapping, compile_stored
from b2b_idp.logs import log
from b2b_idp.model.authorization import AuthorizationPolicy, DomainPolicy
from b2b_idp.model.directory import Tenant
from b2b_idp.model.home import MAILED_TENANT_ID, Home, Partner, Trust, effective_trust, mailed_home, mailed_trust
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.url import domain_of
from b2b_idp.policy.authentication_methods import EmailMethod, email_method_of
from b2b_idp.policy.authorization import authorization_policy_of, domain_policy_of
from b2b_idp.policy.documents import home_of, partner_of
from b2b_idp.policy.named_documents import Named, agreement_of, context_of, location_of, strength_of
from b2b_idp.policy.requirement import Policies
from b2b_idp.policy.stored import readable, stored_policy_of
from b2b_idp.policy.strengths import BUILT_IN
from b2b_idp.store.connection import Connection
from b2b_idp.store.directory import RolesOfGroups, roles_of_groups
from b2b_idp.store.followed import CONFIGURED
from b2b_idp.store.kept import History, Kept
from b2b_idp.store.sealing import Sealer
from b2b_idp.store.statements import Prepared, insert_into
from b2b_idp.store.tables import (
    apps,
    audit_head,
    change_counter,
    home_domains,
    homes,
    membership_progress,
    partners,
    policies,
    tenant,
)
from b2b_idp.store.versions import Versions

DEFAULT = "default"
"""The key of the default configuration among the partners."""
CONDITIONAL_ACCESS = "conditionalAccess"
CLAIMS_MAPPING = "claimsMapping"
AUTHORIZATION = "authorization"
B2B_MANAGEMENT = "b2bManagement"
STRENGTH = "authenticationStrength"
NAMED_LOCATION = "namedLocation"
AGREEMENT = "agreement"
AUTHENTICATION_CONTEXT = "authenticationContext"
EMAIL_METHOD = "emailMethod"


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What the administrators configured, as one consistent value at one version."""

    version: int
    tenant: Tenant
    homes: Mapping[str, Home]
    """By tenantId, the built-in one of mailed codes among them; deleted ones are not here."""
    homes_by_domain: Mapping[str, Home]
    partners: Mapping[str, Partner]
    default_partner: Partner
    trusts: Mapping[str, Trust]
    """What holds for each home, by tenantId: its partner entry and the default laid together."""
    policies: Policies
    """Conditional access policies."""
    named: Named
    """The strengths, locations, terms and contexts that they can name."""
    claims_mappings: Mapping[str, ClaimsMapping]
    authorization: AuthorizationPolicy
    domains: DomainPolicy | None
    email_method: EmailMethod = EmailMethod()
    roles_of_groups: RolesOfGroups = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    """Why stored policies, and what they name, cannot be enforced as they were written, by id. What they concern is
    closed."""

    @property
    def connected(self) -> list[Home]:
        """The homes that administrators connected: all but the built-in one."""
        return [h for h in self.homes.values() if not h.mailed]

    @property
    def mailed_home(self) -> Home:
        """The built-in home of guests whose domain has no other."""
        return self.homes[MAILED_TENANT_ID]

    def home_by_issuer(self, issuer: str) -> Home | None:
        return next((h for h in self.connected if h.issuer == issuer), None)

    def trust(self, home: Home) -> Trust:
        """What holds for this home; its own tenant's provider is trusted."""
        return self.trusts[home.tenant_id]


class ConfigurationCache:
    """The last configuration read by this process; replaced when the version in the database differs."""

    def __init__(self, sealer: Sealer, history: History) -> None:
        self._sealer = sealer
        self._lock = threading.Lock()
        self._kept: Kept[Configuration] = Kept(history)

    def get(self, connection: Connection, versions: Versions, *, keep: bool = True) -> Configuration:
        """What holds in this transaction. One that writes does not `keep` it: its changes may never be committed, and
        the next to be committed would have the same version."""
        known = versions.known()
        version = known.configuration
        if version is None:
            raise Problem(Code.UNAVAILABLE, "The service is not set up yet.", "no tenant: run `b2b-idp init`")
        kept = self._kept.good()
        if kept is not None and kept.version == version:
            return kept
        if kept is not None and kept.version > version:
            connection.is_behind()
        if not keep:
            return _load(connection, self._sealer)
        with self._lock:
            loaded = _load(connection, self._sealer)
            self._kept.hold(known.history, loaded)
        for id, why in loaded.problems.items():
            log.error("policy cannot be enforced, what it concerns is closed", policy_id=id, problem=why)
        for id, mapping in loaded.claims_mappings.items():
            if mapping.problems:
                log.warning("claims mapping policy is left out in part", policy_id=id, problems=mapping.problems)
        return loaded


_TENANT = Prepared(select(tenant), CONFIGURED)
_HOMES = Prepared(select(homes).where(homes.c.deleted_at.is_(None)).order_by(homes.c.created_at), CONFIGURED)
_DOMAINS = Prepared(select(home_domains), CONFIGURED)
_PARTNERS = Prepared(select(partners), CONFIGURED)
_POLICIES = Prepared(select(policies).order_by(policies.c.created_at, policies.c.id), CONFIGURED)
_TOUCH = Prepared(update(tenant).values(config_version=tenant.c.config_version + 1))


def _load(c: Connection, sealer: Sealer) -> Configuration:
    row = c.execute(_TENANT).one()
    found: dict[str, Home] = {}
    for h in c.execute(_HOMES):
        secret = None if h.secret is None else sealer.open(h.secret, "homes:" + h.tenant_id).decode()
        found[h.tenant_id] = home_of(h.tenant_id, h.document, secret)
    entries = {r.tenant_id: partner_of(r.tenant_id, r.document) for r in c.execute(_PARTNERS)}
    rows = c.execute(_POLICIES).all()
    default = entries.get(DEFAULT, Partner(tenant_id=DEFAULT))
    problems: dict[str, str] = {}
    named = named_of({kind: {r.id: r.document for r in rows if r.kind == kind} for kind in NAMED}, problems)
    access = [stored_policy_of(r.id, r.document, named) for r in rows if r.kind == CONDITIONAL_ACCESS]
    problems |= {p.id: p.problem for p in access if p.problem is not None}
    email_method = next((email_method_of(r.document) for r in rows if r.kind == EMAIL_METHOD), EmailMethod())
    found[MAILED_TENANT_ID] = mailed_home(email_method.signs_in)
    return Configuration(
        version=row.config_version,
        tenant=Tenant(row.id, row.name, row.default_domain, row.created_at),
        homes=found,
        homes_by_domain={r.domain: found[r.tenant_id] for r in c.execute(_DOMAINS) if r.tenant_id in found},
        default_partner=default,
        trusts={id: _trust(home, entries, default) for id, home in found.items()},
        partners={k: v for k, v in entries.items() if k != DEFAULT},
        policies=Policies(access),
        named=named,
        claims_mappings={r.id: compile_stored(r.document.get("definition")) for r in rows if r.kind == CLAIMS_MAPPING},
        authorization=next(
            (authorization_policy_of(r.document) for r in rows if r.kind == AUTHORIZATION), AuthorizationPolicy()
        ),
        domains=next((domain_policy_of(r.document, _folded) for r in rows if r.kind == B2B_MANAGEMENT), None),
        email_method=email_method,
        roles_of_groups=roles_of_groups(c),
        problems=problems,
    )


NAMED = (STRENGTH, NAMED_LOCATION, AGREEMENT, AUTHENTICATION_CONTEXT)
"""Kinds of documents that policies name."""


def named_of(documents: Mapping[str, Mapping[str, Mapping[str, Any]]], problems: dict[str, str]) -> Named:
    """Kind → id → document of what policies name, compiled; the built-in strengths beside the custom ones. What cannot
    be read is left out and told in `problems`, by id."""
    return Named(
        strengths={**BUILT_IN, **readable(documents.get(STRENGTH, {}), strength_of, problems)},
        locations=readable(documents.get(NAMED_LOCATION, {}), location_of, problems),
        agreements=readable(documents.get(AGREEMENT, {}), agreement_of, problems),
        contexts=readable(documents.get(AUTHENTICATION_CONTEXT, {}), context_of, problems),
    )


def _folded(domain: str) -> str:
    return domain_of("@" + domain)


def _trust(home: Home, partners: Mapping[str, Partner], default: Partner) -> Trust:
    if home.mailed:
        return mailed_trust(default)
    return Trust(mfa_accepted=True) if home.own else effective_trust(partners.get(home.tenant_id), default)


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """A policy document of one kind as it was written."""

    id: str
    kind: str
    created_at: datetime
    modified_at: datetime | None
    document: Mapping[str, Any]


_ADD_HOME = insert_into(homes, ("tenant_id", "issuer", "document", "secret", "created_at"))
_ADD_DOMAIN = insert_into(home_domains, ("domain", "tenant_id"))
_ADD_PARTNER = insert_into(partners, ("tenant_id", "document"))
_ADD_POLICY = insert_into(policies, PolicyRow.__slots__)


class ConfigurationReader:
    """The documents themselves, for the API that edits them."""

    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def has_tenant(self) -> bool:
        return self._c.execute(select(tenant.c.id)).first() is not None

    def home_issuer_taken(self, issuer: str, tenant_id: str) -> bool:
        """Whether an identityProvider, deleted ones included, has this issuer or this tenantId."""
        return (
            self._c.execute(
                select(homes.c.tenant_id).where((homes.c.issuer == issuer) | (homes.c.tenant_id == tenant_id))
            ).first()
            is not None
        )

    def domain_owner(self, domain: str) -> str | None:
        return self._c.execute(select(home_domains.c.tenant_id).where(home_domains.c.domain == domain)).scalar()

    def policies(self, kind: str) -> list[PolicyRow]:
        rows = self._c.execute(
            select(policies).where(policies.c.kind == kind).order_by(policies.c.created_at, policies.c.id)
        ).mappings()
        return [PolicyRow(**r) for r in rows]

    def policy(self, kind: str, id: str) -> PolicyRow | None:
        row = self._c.execute(select(policies).where(policies.c.kind == kind, policies.c.id == id)).mappings().first()
        return None if row is None else PolicyRow(**row)

    def policy_apps(self, policy_id: str) -> list[str]:
        """Service principal ids that a claims mapping policy is assigned to."""
        return list(self._c.execute(select(apps.c.sp_id).where(apps.c.claims_policy_id == policy_id)).scalars())


class ConfigurationWriter(ConfigurationReader):
    """Each change raises the version, so that every process compiles anew."""

    def __init__(self, connection: Connection, sealer: Sealer) -> None:
        super().__init__(connection)
        self._sealer = sealer

    def touch(self) -> None:
        self._c.execute(_TOUCH)

    def create_tenant(self, t: Tenant) -> None:
        self._c.execute(
            insert(tenant),
            {
                "id": t.id,
                "name": t.name,
                "default_domain": t.default_domain,
                "created_at": t.created_at,
                "config_version": 1,
            },
        )
        self._c.execute(insert(change_counter), {"id": t.id, "seq": 0})
        self._c.execute(insert(audit_head), {"id": t.id, "seq": 0})
        self._c.execute(
            insert(membership_progress),
            {"id": t.id, "settled_seq": 0, "pass_version": 0, "pass_after": "", "passed_version": 0},
        )

    def add_home(self, tenant_id: str, document: Mapping[str, Any], secret: str | None, at: datetime) -> None:
        """`document` is an identityProvider without its secret; validate it with `home_of` first."""
        self._c.execute(
            _ADD_HOME,
            {
                "tenant_id": tenant_id,
                "issuer": document["issuer"],
                "document": document,
                "secret": self._seal(tenant_id, secret),
                "created_at": at,
            },
        )
        self._set_domains(tenant_id, document)
        self.touch()

    def save_home(self, tenant_id: str, document: Mapping[str, Any], secret: str | None) -> None:
        """Replaces a home's document; `secret` None keeps the present one."""
        values: dict[str, Any] = {"document": document}
        if secret is not None:
            values["secret"] = self._seal(tenant_id, secret)
        self._c.execute(update(homes).where(homes.c.tenant_id == tenant_id).values(**values))
        self._set_domains(tenant_id, document)
        self.touch()

    def delete_home(self, tenant_id: str, at: datetime) -> None:
        """The row stays, without secret, so that issuer and tenantId are never given to another home."""
        self._c.execute(update(homes).where(homes.c.tenant_id == tenant_id).values(deleted_at=at, secret=None))
        self._c.execute(delete(home_domains).where(home_domains.c.tenant_id == tenant_id))
        self.touch()

    def _seal(self, tenant_id: str, secret: str | None) -> bytes | None:
        return None if secret is None else self._sealer.seal(secret.encode(), "homes:" + tenant_id)

    def _set_domains(self, tenant_id: str, document: Mapping[str, Any]) -> None:
        self._c.execute(delete(home_domains).where(home_domains.c.tenant_id == tenant_id))
        domains = document.get("b2bIdp", {}).get("domains", [])
        if domains:
            self._c.execute(_ADD_DOMAIN, [{"domain": d, "tenant_id": tenant_id} for d in domains])

    def set_partner(self, tenant_id: str, document: Mapping[str, Any]) -> None:
        self._c.execute(delete(partners).where(partners.c.tenant_id == tenant_id))
        self._c.execute(_ADD_PARTNER, {"tenant_id": tenant_id, "document": document})
        self.touch()

    def delete_partner(self, tenant_id: str) -> bool:
        gone = self._c.execute(delete(partners).where(partners.c.tenant_id == tenant_id)).rowcount == 1
        self.touch()
        return gone

    def add_policy(self, row: PolicyRow) -> None:
        self._c.execute(_ADD_POLICY, {name: getattr(row, name) for name in PolicyRow.__slots__})
        self.touch()

    def save_policy(self, id: str, document: Mapping[str, Any], at: datetime) -> None:
        self._c.execute(update(policies).where(policies.c.id == id).values(document=document, modified_at=at))
        self.touch()

    def delete_policy(self, id: str) -> bool:
        gone = self._c.execute(delete(policies).where(policies.c.id == id)).rowcount == 1
        self.touch()
        return gone


ConfigurationSource = Callable[[Connection], Configuration]
