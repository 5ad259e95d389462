"""The composition root: `B2BIdp` mounts the parts of an instance in a Flask app. Nothing else does."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, g

from b2b_idp.background import BackgroundParts, erase, start_background
from b2b_idp.cookies import Cookies
from b2b_idp.graph import GraphParts, beta_blueprint, graph_blueprint
from b2b_idp.guests.apps import create_admin_app, graph_service_principal
from b2b_idp.health import HealthParts, health_blueprint
from b2b_idp.hooks import Hooks
from b2b_idp.keys.ring import KeyRing
from b2b_idp.model.directory import Tenant
from b2b_idp.model.moment import Moment, uuid4_of
from b2b_idp.model.problem import Code, Problem
from b2b_idp.observing import Observer
from b2b_idp.openid import OpenIdParts, ReadyDocuments, openid_blueprint, respond
from b2b_idp.openid.client_documents import ClientDocuments
from b2b_idp.pages.routes import PagesParts, Renderer, pages_blueprint
from b2b_idp.parts import Parts
from b2b_idp.refusing import as_pages, unrouted
from b2b_idp.settings import Settings
from b2b_idp.store import Writer


@dataclass(frozen=True, slots=True)
class Created:
    """A new instance's tenant and its first administrator app; the secret is told this once."""

    tenant: Tenant
    client_id: str
    client_secret: str = field(repr=False)


def system_moment() -> Moment:
    """The clock and randomness of this machine, read once."""
    return Moment(datetime.now(UTC), lambda: uuid4_of(secrets.token_bytes(16)), lambda: secrets.token_urlsafe(32))


class B2BIdp(Parts):
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
        super().__init__(settings or Settings.load(**given), moment, keys)
        path = urlsplit(self.settings.issuer).path
        self.url_prefix = path if url_prefix is None else url_prefix.rstrip("/")
        self._cookie = Cookies(self.settings, lambda: self.vault, self.request_moment)
        if app is not None:
            self.init_app(app)

    @cached_property
    def _hooks(self) -> Hooks:
        observer = Observer(self.metrics, self.url_prefix)
        return Hooks(self.settings.issuer, observer, self._cookie, self.request_moment)

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
