"""The composition root: `B2BIdp` wires the parts together and mounts them in a Flask app. Nothing else does."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.x509 import load_pem_x509_certificates
from flask import Flask, g

from b2b_idp.background import BackgroundParts, erase, start_background
from b2b_idp.cookies import Cookies
from b2b_idp.factors.outbox import OutboxRunner
from b2b_idp.graph import GraphParts, beta_blueprint, graph_blueprint
from b2b_idp.guests.apps import create_admin_app, graph_service_principal
from b2b_idp.health import HealthParts, health_blueprint
from b2b_idp.homes.oidc import OidcHomes
from b2b_idp.hooks import Hooks
from b2b_idp.keys.files import load_or_create_master
from b2b_idp.keys.ring import KeyRing
from b2b_idp.keys.vault import Vault
from b2b_idp.logs import log
from b2b_idp.metrics import Metrics
from b2b_idp.model.directory import Tenant
from b2b_idp.model.moment import Moment, uuid4_of
from b2b_idp.model.problem import Code, Problem
from b2b_idp.net.addresses import Allowed
from b2b_idp.net.http import Http, Limits
from b2b_idp.observing import Observer
from b2b_idp.openid import OpenIdParts, ReadyDocuments, openid_blueprint, respond
from b2b_idp.openid.client_documents import ClientDocuments
from b2b_idp.pages.render import Pages
from b2b_idp.pages.routes import PagesParts, Renderer, pages_blueprint
from b2b_idp.refusing import as_pages, unrouted
from b2b_idp.settings import Settings
from b2b_idp.signin import SignIn, SignInSettings
from b2b_idp.signin.continuity import Continuity
from b2b_idp.signin.home_logout import HomeLogouts
from b2b_idp.signin.whatif import WhatIf
from b2b_idp.store import Store, Writer
from b2b_idp.tokens.certificates import MutualTls
from b2b_idp.tokens.notices import Notifier


@dataclass(frozen=True, slots=True)
class Created:
    """A new instance's tenant and its first administrator app; the secret is told this once."""

    tenant: Tenant
    client_id: str
    client_secret: str = field(repr=False)


def system_moment() -> Moment:
    """The clock and randomness of this machine, read once."""
    return Moment(datetime.now(UTC), lambda: uuid4_of(secrets.token_bytes(16)), lambda: secrets.token_urlsafe(32))


class B2BIdp:
    """One instance of the identity provider.

    `B2BIdp(app, url_prefix="/idp", issuer=…, database_url=…)`, or `B2BIdp(**settings).init_app(app)`. The issuer
    ends with the prefix. Several instances in one process share nothing.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        url_prefix: str | None = None,
        settings: Settings | None = None,
        moment: Callable[[], Moment] = system_moment,
        keys: KeyRing | None = None,
        **given: Any,
    ) -> None:
        self.settings = settings or Settings.load(**given)
        self.moment = moment
        path = urlsplit(self.settings.issuer).path
        self.url_prefix = path if url_prefix is None else url_prefix.rstrip("/")
        self._given_keys = keys
        self._last_name = ""
        self._cookie = Cookies(self.settings, lambda: self.vault, self.request_moment)
        if app is not None:
            self.init_app(app)

    # --- parts, each made once, when first used ----------------------------------------------------------------------

    @cached_property
    def in_memory(self) -> bool:
        return self.settings.database_url in ("sqlite://", "")

    @cached_property
    def _name(self) -> str:
        """This instance's among those of a process."""
        return "b2b_idp_" + sha256(self.settings.issuer.encode()).hexdigest()[:8]

    @cached_property
    def vault(self) -> Vault:
        if self.in_memory:
            return Vault(secrets.token_bytes(32))
        return Vault(load_or_create_master(Path(self.settings.keys_dir)))

    @cached_property
    def keys(self) -> KeyRing:
        if self._given_keys is not None:
            return self._given_keys
        if self.in_memory:
            return KeyRing.in_memory(self.moment())
        ring = KeyRing.load(Path(self.settings.keys_dir))
        ring.ensure(self.moment())
        return ring

    @cached_property
    def store(self) -> Store:
        store = Store(
            self.settings.database_url or "sqlite://",
            self.vault,
            self.settings.replica_urls,
            timedelta(seconds=self.settings.max_staleness),
            self.metrics,
        )
        if self.in_memory:
            moment = self.moment()
            with store.write() as w:
                w.documents.create_tenant(Tenant(moment.new_id(), "Contoso", "contoso.example", moment.at))
        return store

    @cached_property
    def http(self) -> Http:
        return Http(Allowed.parse(self.settings.allow_private_upstreams))

    @cached_property
    def client_http(self) -> Http:
        """The way to addresses that apps supply, which are public ones whatever the settings let homes have."""
        return Http(Allowed(), Limits(total=5, body=64 * 1024))

    @cached_property
    def mutual_tls(self) -> MutualTls | None:
        """How client certificates arrive; None where the settings name no header. Raises Problem(BAD_SETTING)."""
        header, file = self.settings.client_certificate_header, self.settings.client_certificate_authorities
        if not header:
            return None
        try:
            authorities = load_pem_x509_certificates(Path(file).read_bytes()) if file else []
        except (OSError, ValueError) as e:
            raise Problem(Code.BAD_SETTING, f"CLIENT_CERTIFICATE_AUTHORITIES: {file} cannot be read: {e}") from None
        return MutualTls(header=header, url=self.settings.mtls_url, authorities=authorities)

    @cached_property
    def homes(self) -> OidcHomes:
        return OidcHomes(self.http, self._sign_for_home, self.metrics)

    def _sign_for_home(self, claims: Mapping[str, Any], alg: str, typ: str) -> str:
        return self.keys.signer(alg, self.moment().at).sign(claims, typ)

    @cached_property
    def signin(self) -> SignIn:
        return SignIn(
            self.store,
            self.vault,
            self.homes,
            SignInSettings(self.settings.issuer, timedelta(seconds=self.settings.home_recheck)),
            self.metrics,
        )

    @cached_property
    def home_logouts(self) -> HomeLogouts:
        return HomeLogouts(self.store, self.vault, self.homes, self.settings.issuer)

    @cached_property
    def continuity(self) -> Continuity:
        return Continuity(self.store)

    @cached_property
    def notifier(self) -> Notifier:
        """Tells apps that sessions are over; only a provider on loopback reaches apps there."""
        local = urlsplit(self.settings.issuer).scheme == "http"
        return Notifier(self.store, self.vault, self.keys, Http(Allowed.parse(local)), self.settings.issuer)

    @cached_property
    def what_if(self) -> WhatIf:
        return WhatIf(self.settings.issuer, self.vault)

    @cached_property
    def pages(self) -> Pages:
        return Pages(tenant_name=self._tenant_name, static_prefix=lambda: f"{self.settings.issuer}/static")

    @cached_property
    def metrics(self) -> Metrics:
        folder = self.settings.metrics_folder
        return Metrics(Path(folder) if folder else None, self._name)

    @cached_property
    def _hooks(self) -> Hooks:
        observer = Observer(self.metrics, self.url_prefix)
        return Hooks(self.settings.issuer, observer, self._cookie, self.request_moment)

    @cached_property
    def outbox(self) -> OutboxRunner:
        """The sender of mails; `serve` starts it."""
        return OutboxRunner(self.store, self.settings.mail_url, self._mail_from(), self.moment)

    def _tenant_name(self) -> str:
        """As it is, or was when the database answered last: the page that says that it does not has a name on it."""
        try:
            with self.store.read() as r:
                self._last_name = r.configuration.tenant.name
        except Problem:
            log.debug("the tenant's name cannot be read")
        return self._last_name

    def _mail_from(self) -> str:
        if self.settings.mail_from:
            return self.settings.mail_from
        with self.store.read() as r:
            return f"no-reply@{r.configuration.tenant.default_domain}"

    def create(self, tenant_name: str, default_domain: str) -> Created:
        """Makes the schema, the tenant and the first administrator app, which holds every application permission.

        Raises Problem(CONFLICT) when the database has a tenant already.
        """
        moment = self.moment()
        if not self.in_memory:
            self.store.migrate()
        with self.store.write() as w:
            if not self.in_memory:
                if w.documents.has_tenant():
                    raise Problem(Code.CONFLICT, "This database holds a tenant already.")
                w.documents.create_tenant(Tenant(moment.new_id(), tenant_name, default_domain, moment.at))
            row, secret = create_admin_app(w, self.vault, moment)
            return Created(w.configuration.tenant, row.app_id, secret)

    def upgrade(self, *, online: bool = False) -> str:
        """Brings the schema and the Graph API's permissions to this version; the name of the schema's revision.
        `online`: while servers run. Raises Problem(CONFLICT) where that is not safe, or somebody else does it."""
        revision = self.store.migrate_online() if online else self.store.migrate()
        self.store.transact(self._complete_permissions)
        return revision

    def _complete_permissions(self, w: Writer) -> None:
        if w.documents.has_tenant():
            graph_service_principal(w, self.moment())

    def start_background(self) -> None:
        """Starts what runs beside requests, in one of the processes over a database and in another when that one dies:
        mail from the outbox, notices to apps, the stored members of dynamic groups, and the removal of what is long
        over."""
        self.metrics.working()
        if self.settings.mail_url:
            self.outbox.start(self.store.leads)
        start_background(
            BackgroundParts(
                store=self.store,
                vault=self.vault,
                continuity=self.continuity,
                notifier=self.notifier,
                moment=self.moment,
            )
        )

    def erase(self) -> int:
        """Takes those who were deleted for good out of logs, mail and kept answers; how many entries it changed."""
        return erase(self.store, self.vault, self.moment)

    # --- mounting ----------------------------------------------------------------------------------------------------

    def init_app(self, app: Flask, *, alone: bool = False) -> None:
        """Mounts the provider's blueprints below `url_prefix`; the host's own routes, errors and session stay its.

        `alone`: the application is nothing but this provider, which then answers for every address.
        """
        name = self._name
        parts = PagesParts(
            issuer=self.settings.issuer,
            store=self.store,
            signin=self.signin,
            vault=self.vault,
            pages=self.pages,
            moment=self.request_moment,
            browser=self._cookie.browser,
            set_session=self._cookie.set_session,
            granted=lambda granted: respond(openid_parts, granted),
        )
        renderer = Renderer(parts)
        pages = pages_blueprint(parts, renderer, name)
        openid_parts = OpenIdParts(
            issuer=self.settings.issuer,
            store=self.store,
            signin=self.signin,
            home_logouts=self.home_logouts,
            keys=self.keys,
            vault=self.vault,
            moment=self.request_moment,
            pages=renderer,
            browser=self._cookie.browser,
            set_session=self._cookie.set_session,
            documents=ClientDocuments(self.client_http),
            mutual_tls=self.mutual_tls,
        )
        openid = openid_blueprint(openid_parts, name)
        graph_parts = GraphParts(
            issuer=self.settings.issuer,
            store=self.store,
            vault=self.vault,
            keys=self.keys,
            moment=self.request_moment,
            evaluate=self.what_if.evaluate,
            check_issuer=self.http.check_url,
            requests=self.settings.graph_requests,
            mutual_tls=self.mutual_tls,
        )
        health = health_blueprint(
            HealthParts(
                store=self.store,
                keys=self.keys,
                metrics=self.metrics,
                metrics_token=self.settings.metrics_token,
                moment=self.request_moment,
            ),
            name,
        )
        for blueprint in (pages, openid, health):
            blueprint.register_error_handler(Exception, as_pages(renderer))
            blueprint.before_request(self._hooks.before)
            blueprint.after_request(self._hooks.after)
            app.register_blueprint(blueprint, url_prefix=self.url_prefix or None)
        for version, graph in (
            ("v1.0", graph_blueprint(graph_parts, name)),
            ("beta", beta_blueprint(graph_parts, name)),
        ):
            graph.before_request(self._hooks.before)
            graph.after_request(self._hooks.after)
            app.register_blueprint(graph, url_prefix=f"{self.url_prefix}/{version}")
        if alone or self.url_prefix:
            app.before_request(unrouted(renderer, self._hooks, self.url_prefix, alone=alone))
        if alone:
            ready = ReadyDocuments(app.wsgi_app, openid_parts, self.url_prefix, self._hooks.secured)
            app.wsgi_app = ready  # type: ignore[method-assign]
        app.extensions.setdefault("b2b_idp", {})[self.settings.issuer] = self

    def request_moment(self) -> Moment:
        """This request's one reading of the clock."""
        moment: Moment | None = g.get("b2b_idp_moment")
        if moment is None:
            moment = g.b2b_idp_moment = self.moment()
        return moment
