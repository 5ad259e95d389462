"""Applications with their service principals, secrets and role assignments; beside them the groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, or_, select, update

from b2b_idp.model.directory import App, AppRole, AppSecret, Registration, RoleAssignment, SigningAlg
from b2b_idp.model.optional_claims import OptionalClaim, OptionalClaims
from b2b_idp.model.url import host_of, origin_of
from b2b_idp.store.app_cache import KnownApps
from b2b_idp.store.connection import Connection
from b2b_idp.store.followed import OF_APPS, about
from b2b_idp.store.functions import among
from b2b_idp.store.groups import GroupsReader, GroupsWriter
from b2b_idp.store.statements import Prepared, insert_into
from b2b_idp.store.tables import (
    app_identifier_uris,
    app_origins,
    app_secrets,
    apps,
    role_assignments,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppRow:
    """An application and its service principal as documents in Graph's shape."""

    id: str
    app_id: str
    sp_id: str
    sp_explicit: bool
    created_at: datetime
    version: int
    application: Mapping[str, Any]
    service_principal: Mapping[str, Any]
    claims_policy_id: str | None = None


def app_of(row: AppRow) -> App:
    """The typed view of a stored application; its documents were validated when they were written."""
    application, sp = row.application, row.service_principal
    ours = application.get("b2bIdp") or {}
    uris: dict[str, None] = {}
    for part in ("web", "spa", "publicClient"):
        uris |= dict.fromkeys((application.get(part) or {}).get("redirectUris") or ())
    api = application.get("api") or {}
    tls = {kind: value for kind, value in (ours.get("tlsClientAuth") or {}).items() if value}
    by_key = bool(ours.get("jwks") or ours.get("jwksUri") or tls)
    registration = _registration(ours.get("registration"))
    fapi = ours.get("profile") == "fapi2"
    # FAPI 2.0 has no RS256
    signs_by: SigningAlg = "PS256" if fapi else "RS256"
    public = bool(application.get("isFallbackPublicClient")) or bool(
        (application.get("spa") or {}).get("redirectUris")
        or (application.get("publicClient") or {}).get("redirectUris")
    )
    return App(
        id=row.id,
        app_id=row.app_id,
        sp_id=row.sp_id,
        display_name=application["displayName"],
        enabled=sp.get("accountEnabled", True) is not False,
        redirect_uris=tuple(uris),
        post_logout_redirect_uris=(*ours.get("postLogoutRedirectUris", ()), *uris),
        frontchannel_logout_uri=(application.get("web") or {}).get("logoutUrl"),
        frontchannel_logout_session=ours.get("frontchannelLogoutSessionRequired", True) is not False,
        public=public and not by_key if registration is None else registration.public,
        identifier_uris=tuple(application.get("identifierUris") or ()),
        roles=tuple(
            AppRole(
                r["id"],
                r.get("value"),
                r["displayName"],
                r.get("isEnabled", True),
                tuple(r["allowedMemberTypes"]),
            )
            for r in application.get("appRoles") or ()
        ),
        scopes=tuple(s["value"] for s in api.get("oauth2PermissionScopes") or () if s.get("isEnabled", True)),
        assignment_required=bool(sp.get("appRoleAssignmentRequired")),
        group_membership_claims=tuple(
            c.strip() for c in (application.get("groupMembershipClaims") or "").split(",") if c.strip()
        ),
        accept_mapped_claims=bool(api.get("acceptMappedClaims")),
        optional_claims=_optional_claims(application.get("optionalClaims") or {}),
        preferred_key=sp.get("preferredTokenSigningKeyThumbprint"),
        require_pkce=fapi or ours.get("requirePkce", True) is not False,
        subject_type=ours.get("subjectType", "pairwise"),
        id_token_alg=ours.get("idTokenSignedResponseAlg") or signs_by,
        userinfo_alg=ours.get("userinfoSignedResponseAlg"),
        response_alg=ours.get("authorizationSignedResponseAlg") or signs_by,
        request_object_alg=ours.get("requestObjectSigningAlg"),
        require_signed_request=ours.get("requireSignedRequestObject") is True,
        require_pushed=fapi or ours.get("requirePushedAuthorizationRequests") is True,
        profile="fapi2" if fapi else None,
        jwks=tuple((ours.get("jwks") or {}).get("keys", ())),
        jwks_uri=ours.get("jwksUri"),
        assertion_alg=ours.get("tokenEndpointAuthSigningAlg"),
        device_flow=application.get("isFallbackPublicClient") is True,
        tls_client_auth=next(((kind, str(value)) for kind, value in tls.items()), None),
        certificate_bound=bool(ours.get("tlsClientCertificateBoundAccessTokens")),
        dpop_bound=bool(ours.get("dpopBoundAccessTokens")),
        dpop_nonce=bool(ours.get("dpopNonceRequired")),
        registration=registration,
        consent_granted=tuple(s.removeprefix("https://graph.microsoft.com/") for s in ours.get("adminConsent", ())),
        claims_policy_id=row.claims_policy_id,
        sp_explicit=row.sp_explicit,
        created_at=row.created_at,
        properties=application,
        sp_properties=sp,
    )


def _registration(registered: Mapping[str, Any] | None) -> Registration | None:
    if registered is None:
        return None
    metadata = registered["metadata"]
    sector = metadata.get("sector_identifier_uri")
    return Registration(
        grant_types=frozenset(metadata["grant_types"]),
        public=metadata["token_endpoint_auth_method"] == "none",
        sector=None if sector is None else host_of(sector),
        default_max_age=metadata.get("default_max_age"),
        default_acr_values=tuple(metadata.get("default_acr_values", ())),
    )


def _optional_claims(document: Mapping[str, Any]) -> OptionalClaims:
    def entries(token: str) -> tuple[OptionalClaim, ...]:
        return tuple(
            OptionalClaim(e["name"], e.get("source"), tuple(e.get("additionalProperties") or ()))
            for e in document.get(token) or ()
        )

    return OptionalClaims(entries("idToken"), entries("accessToken"))


_APP = Prepared(select(apps).where(apps.c.app_id == bindparam("app")), OF_APPS)
_ROW = Prepared(
    select(apps).where(
        or_(apps.c.id == bindparam("key"), apps.c.app_id == bindparam("key"), apps.c.sp_id == bindparam("key"))
    )
)
_SECRETS = Prepared(
    select(app_secrets).where(app_secrets.c.app == bindparam("app")).order_by(app_secrets.c.starts_at), OF_APPS
)
_ROLES_OF = Prepared(
    select(role_assignments).where(
        role_assignments.c.resource_sp_id == bindparam("resource"),
        among(role_assignments.c.principal_id, "principals"),
    ),
    about("principals"),
)


def _row(row: Mapping[Any, Any]) -> AppRow:
    return AppRow(**row)


_BY_ORIGIN = Prepared(
    select(apps)
    .join(app_origins, app_origins.c.app == apps.c.id)
    .where(app_origins.c.origin == bindparam("origin"))
    .order_by(apps.c.created_at),
    OF_APPS,
)
_OWNER_OF_URI = Prepared(
    select(app_identifier_uris.c.app).where(app_identifier_uris.c.uri == bindparam("uri")), OF_APPS
)
_EVERY = Prepared(select(apps).order_by(apps.c.created_at, apps.c.id))
_ASSIGNED_GROUPS = Prepared(
    select(role_assignments.c.principal_id).where(
        role_assignments.c.resource_sp_id == bindparam("resource"), role_assignments.c.principal_type == "Group"
    )
)
_ADD = insert_into(apps, AppRow.__slots__)
_ADD_URI = insert_into(app_identifier_uris, ("uri", "app"))
_ADD_ORIGIN = insert_into(app_origins, ("origin", "app"))
_ADD_SECRET = insert_into(app_secrets, ("app", *AppSecret.__slots__))
_ASSIGN = insert_into(role_assignments, RoleAssignment.__slots__)


class AppsReader(GroupsReader):
    def __init__(self, connection: Connection, known: KnownApps) -> None:
        super().__init__(connection)
        self._known = known

    def by_client_id(self, app_id: str) -> App | None:
        return self._known.get(("client", app_id), lambda: self._by_client_id(app_id))

    def _by_client_id(self, app_id: str) -> App | None:
        row = self._c.execute(_APP, {"app": app_id}).mappings().first()
        return None if row is None else app_of(_row(row))

    def row(self, key: str) -> AppRow | None:
        """By object id, appId or service principal id."""
        row = self._c.execute(_ROW, {"key": key}).mappings().first()
        return None if row is None else _row(row)

    def by_identifier_uri(self, uri: str) -> App | None:
        """The API that answers to this identifier URI or appId."""
        return self._known.get(("uri", uri), lambda: self._by_identifier_uri(uri))

    def _by_identifier_uri(self, uri: str) -> App | None:
        owner = self._c.execute(_OWNER_OF_URI, {"uri": uri}).scalar()
        row = self.row(owner if owner is not None else uri)
        return None if row is None else app_of(row)

    def by_origin(self, origin: str) -> App | None:
        """The oldest enabled app that has a redirect URI of this origin (scheme://host[:port] in lower case)."""
        found = self._c.execute(_BY_ORIGIN, {"origin": origin}).mappings()
        return next((a for a in map(app_of, map(_row, found)) if a.enabled), None)

    def rows(self) -> list[AppRow]:
        """Every application, oldest first."""
        return [_row(r) for r in self._c.execute(_EVERY).mappings()]

    def secrets(self, id: str) -> Sequence[AppSecret]:
        """An application's secrets, oldest first."""
        return self._known.get(("secrets", id), lambda: self._secrets(id))

    def _secrets(self, id: str) -> Sequence[AppSecret]:
        return tuple(
            AppSecret(r.key_id, r.secret_hash, r.hint, r.display_name, r.starts_at, r.ends_at)
            for r in self._c.execute(_SECRETS, {"app": id})
        )

    def role_ids(self, resource_sp_id: str, principals: list[str]) -> list[str]:
        """appRoleIds that any of these principals (a user and the groups it is a direct member of) holds."""
        rows = self._c.execute(_ROLES_OF, {"resource": resource_sp_id, "principals": principals})
        return [r.app_role_id for r in rows]

    def assigned_groups(self, resource_sp_id: str) -> frozenset[str]:
        return frozenset(self._c.execute(_ASSIGNED_GROUPS, {"resource": resource_sp_id}).scalars())

    def assignments(
        self, *, resource_sp_id: str | None = None, principal_id: str | None = None
    ) -> list[RoleAssignment]:
        statement = select(role_assignments).order_by(role_assignments.c.created_at, role_assignments.c.id)
        if resource_sp_id is not None:
            statement = statement.where(role_assignments.c.resource_sp_id == resource_sp_id)
        if principal_id is not None:
            statement = statement.where(role_assignments.c.principal_id == principal_id)
        return [RoleAssignment(**r) for r in self._c.execute(statement).mappings()]

    def assignment(self, id: str) -> RoleAssignment | None:
        row = self._c.execute(select(role_assignments).where(role_assignments.c.id == id)).mappings().first()
        return None if row is None else RoleAssignment(**row)


class AppsWriter(GroupsWriter, AppsReader):
    def add(self, row: AppRow) -> None:
        self._c.execute(_ADD, {name: getattr(row, name) for name in AppRow.__slots__})
        self._set_uris(row.id, row.application)

    def save(self, row: AppRow) -> None:
        """Replaces both documents of an application read in this same transaction."""
        values = {name: getattr(row, name) for name in AppRow.__slots__ if name not in ("id", "version")}
        self._c.execute(update(apps).where(apps.c.id == row.id).values(version=row.version + 1, **values))
        self._set_uris(row.id, row.application)

    def _set_uris(self, id: str, application: Mapping[str, Any]) -> None:
        self._known.changed()
        self._c.execute(delete(app_identifier_uris).where(app_identifier_uris.c.app == id))
        uris = application.get("identifierUris") or []
        if uris:
            self._c.execute(_ADD_URI, [{"uri": u, "app": id} for u in uris])
        self._c.execute(delete(app_origins).where(app_origins.c.app == id))
        origins = {
            origin_of(u)
            for part in ("web", "spa", "publicClient")
            for u in (application.get(part) or {}).get("redirectUris") or ()
            if u.startswith(("https://", "http://"))
        }
        if origins:
            self._c.execute(_ADD_ORIGIN, [{"origin": o, "app": id} for o in sorted(origins)])

    def delete(self, row: AppRow) -> None:
        self._c.execute(
            delete(role_assignments).where(
                or_(
                    role_assignments.c.resource_sp_id == row.sp_id,
                    role_assignments.c.principal_id == row.sp_id,
                )
            )
        )
        self._c.execute(delete(apps).where(apps.c.id == row.id))
        self._known.changed()

    def add_secret(self, id: str, secret: AppSecret) -> None:
        self._c.execute(_ADD_SECRET, {"app": id} | {name: getattr(secret, name) for name in AppSecret.__slots__})
        self._known.changed()

    def remove_secret(self, id: str, key_id: str) -> bool:
        done = self._c.execute(delete(app_secrets).where(app_secrets.c.app == id, app_secrets.c.key_id == key_id))
        self._known.changed()
        return done.rowcount == 1

    def assign(self, assignment: RoleAssignment) -> None:
        self._c.execute(_ASSIGN, {name: getattr(assignment, name) for name in RoleAssignment.__slots__})

    def unassign(self, id: str) -> bool:
        return self._c.execute(delete(role_assignments).where(role_assignments.c.id == id)).rowcount == 1
