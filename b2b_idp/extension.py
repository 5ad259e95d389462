"""The composition root: `B2BIdp` wires the parts together and mounts them in a Flask app. Nothing else does."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.x509 import load_pem_x509_certificates
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestURITooLarge

from b2b_idp.cookies import Cookies
from b2b_idp.factors.outbox import OutboxRunner
from b2b_idp.graph import GraphParts, beta_blueprint, graph_blueprint
from b2b_idp.graph.errors import error_response
from b2b_idp.guests import erasure, membership
from b2b_idp.guests.apps import create_admin_app, graph_service_principal
from b2b_idp.health import HealthParts, health_blueprint
from b2b_idp.homes.oidc import OidcHomes
from b2b_idp.keys.files import load_or_create_master
from b2b_idp.keys.ring import KeyRing
from b2b_idp.keys.vault import Vault
from b2b_idp.logs import correlation, log, traceback_of
from b2b_idp.metrics import Metrics
from b2b_idp.model.directory import Tenant
from b2b_idp.model.moment import Moment, uuid4_of
from b2b_idp.model.problem import Code, Problem
from b2b_idp.net.addresses import Allowed
from b2b_idp.net.http import Http, Limits
from b2b_idp.observing import Observer
from b2b_idp.openid import FOR_MACHINES, OpenIdParts, ReadyDocuments, openid_blueprint, respond
from b2b_idp.openid.client_documents import ClientDocuments
from b2b_idp.openid.responses import cors, token_error
from b2b_idp.pages.render import Pages
from b2b_idp.pages.routes import PagesParts, Renderer, pages_blueprint
from b2b_idp.settings import Settings
from b2b_idp.signin import SignInParts
from b2b_idp.signin.continuity import Continuity
from b2b_idp.signin.home_logout import HomeLogouts
from b2b_idp.signin.whatif import WhatIf
from b2b_idp.store import Store, Writer
from b2b_idp.tokens.certificates import MutualTls
from b2b_idp.tokens.notices import Notifier

MAX_URL = 16 * 1024
LOOK_SECONDS = 1
"""How often a process that does no work in the background asks whether it falls to it now."""
FOLLOW_SECONDS = 2
"""How often is looked whether sessions at apps still meet the policies, and lists of members their rules."""
BREATH_SECONDS = 0.05
"""Between two batches of users, so that requests go before."""
SWEEP_SECONDS = 600
KEPT_AFTERWARDS = timedelta(days=1)
"""How long sign-ins, sessions and grants stay after they are over."""


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
    def signin(self) -> SignInParts:
        return SignInParts(
            issuer=self.settings.issuer,
            store=self.store,
            vault=self.vault,
            homes=self.homes,
            home_recheck=timedelta(seconds=self.settings.home_recheck),
            metrics=self.metrics,
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
    def _observer(self) -> Observer:
        return Observer(self.metrics, self.url_prefix)

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
        for name, pause, work in (
            ("continuity", FOLLOW_SECONDS, lambda: self.continuity.follow(self.moment())),
            ("notices", FOLLOW_SECONDS, self._tell_apps),
            ("members", FOLLOW_SECONDS, self._list_members),
            ("sweep", SWEEP_SECONDS, lambda: self.store.transact(self._sweep_once)),
            ("erasure", SWEEP_SECONDS, self.erase),
        ):
            again = partial(self._again_and_again, name, pause, work)
            threading.Thread(target=again, name=f"b2b-idp-{name}", daemon=True).start()

    def _again_and_again(self, name: str, pause: float, work: Callable[[], object]) -> None:
        """What fails is tried again, whatever it was."""
        while True:
            leads = False
            try:
                leads = self.store.leads()
                if leads:
                    work()
            except Exception as e:
                _log_background(name, e)
            time.sleep(pause if leads else LOOK_SECONDS)

    def _tell_apps(self) -> None:
        for told in self.notifier.begin(self.moment()):
            told.add_done_callback(_log_untold)

    def _list_members(self) -> None:
        membership.follow_clock(self.store, self.moment())
        for _ in membership.refresh(self.store, self.moment):
            time.sleep(BREATH_SECONDS)

    def erase(self) -> int:
        """Takes those who were deleted for good out of logs, mail and kept answers; how many entries it changed."""
        return sum(erasure.carry_on(self.store, self.vault, self.moment))

    def _sweep_once(self, w: Writer) -> None:
        before = self.moment().at - KEPT_AFTERWARDS
        w.signins.sweep(before)
        w.grants.sweep(before)
        w.devices.sweep(before)
        # one for each call by DPoP: they are many
        w.grants.forget_used(before + KEPT_AFTERWARDS)
        w.pushed.sweep(before)
        w.registrations.sweep(before)
        w.directory.sweep_answers(before)
        w.notices.sweep(before)

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
            blueprint.register_error_handler(Exception, self._page_error(renderer))
            blueprint.before_request(self._before)
            blueprint.after_request(self._after)
            app.register_blueprint(blueprint, url_prefix=self.url_prefix or None)
        for version, graph in (
            ("v1.0", graph_blueprint(graph_parts, name)),
            ("beta", beta_blueprint(graph_parts, name)),
        ):
            graph.before_request(self._before)
            graph.after_request(self._after)
            app.register_blueprint(graph, url_prefix=f"{self.url_prefix}/{version}")
        if alone or self.url_prefix:
            app.before_request(self._unrouted(renderer, "" if alone else self.url_prefix + "/"))
        if alone:
            ready = ReadyDocuments(app.wsgi_app, openid_parts, self.url_prefix, self._secured)
            app.wsgi_app = ready  # type: ignore[method-assign]
        app.extensions.setdefault("b2b_idp", {})[self.settings.issuer] = self

    def request_moment(self) -> Moment:
        """This request's one reading of the clock."""
        moment: Moment | None = g.get("b2b_idp_moment")
        if moment is None:
            moment = g.b2b_idp_moment = self.moment()
        return moment

    def _unrouted(self, renderer: Renderer, below: str) -> Callable[[], Response | None]:
        """What no route of ours takes, answered in the shape of its neighbours: Graph's, OAuth's, or a page."""
        page = self._page_error(renderer)

        def answer() -> Response | None:
            e = request.routing_exception
            if not isinstance(e, NotFound | MethodNotAllowed) or not request.path.startswith(below):
                return None
            self._observer.begin(self.request_moment())
            path, wrong_method = request.path.removeprefix(self.url_prefix), isinstance(e, MethodNotAllowed)
            problem = Problem(Code.METHOD_NOT_ALLOWED, "This address does not take this method.")
            if wrong_method and path.startswith(("/v1.0/", "/beta/")):
                response = error_response(problem, self.request_moment())
            elif wrong_method and (path in FOR_MACHINES or path.startswith("/register/")):
                response = cors(token_error(problem))
            else:
                shown = page(e)
                assert isinstance(shown, Response)
                response = shown
            if isinstance(e, MethodNotAllowed):
                response.headers["Allow"] = ", ".join(sorted(e.valid_methods or ()))
            return self._after(response)

        return answer

    def _page_error(self, renderer: Renderer) -> Callable[[Exception], Response | HTTPException]:
        def handle(e: Exception) -> Response | HTTPException:
            correlation_id = correlation()
            if isinstance(e, Problem):
                _log_problem(e, correlation_id)
                return renderer.error(e, correlation_id)
            if isinstance(e, HTTPException):
                if e.code is not None and e.code < 400:
                    return e
                problem = Problem(
                    Code.NOT_FOUND if e.code == 404 else Code.INVALID_REQUEST,
                    "There is no such page here." if e.code == 404 else "This request could not be read.",
                )
                return renderer.error(problem, correlation_id, status=e.code)
            _log_defect(e, correlation_id)
            return renderer.error(
                Problem(
                    Code.INTERNAL,
                    "Something went wrong on our side. Please try again; if it happens again, tell the person who "
                    "invited you the number below.",
                ),
                correlation_id,
            )

        return handle

    def _before(self) -> None:
        self._observer.begin(self.request_moment())
        _check_url()

    def _after(self, response: Response) -> Response:
        return self._observer.end(self._cookie.remember(self._secured(response)))

    def _secured(self, response: Response) -> Response:
        given = {name.lower() for name, _ in response.headers}
        response.headers.extend([(name, value) for name, value in self._headers if name.lower() not in given])
        return response

    @cached_property
    def _headers(self) -> Sequence[tuple[str, str]]:
        """What every answer says that does not say otherwise."""
        headers = [
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "same-origin"),
            ("Cache-Control", "no-store"),
        ]
        if self.settings.issuer.startswith("https:"):
            headers.append(("Strict-Transport-Security", "max-age=31536000"))
        return headers


def _check_url() -> None:
    """Refuses addresses longer than the published limit (414)."""
    if len(request.path) + len(request.query_string) > MAX_URL:
        raise RequestURITooLarge


def _log_untold(told: Future[int]) -> None:
    e = told.exception()
    if e is not None:
        _log_background("notices", e)


def _log_background(what: str, e: BaseException) -> None:
    if isinstance(e, Problem):
        log.warning(what, why=e.why or e.say)
    else:
        log.error(what, error=type(e).__name__, exception=traceback_of(e))


def _log_problem(problem: Problem, correlation_id: str) -> None:
    log.info("refused", code=problem.code.value, why=problem.why or problem.say, correlation_id=correlation_id)


def _log_defect(e: Exception, correlation_id: str) -> None:
    log.error("internal error", error=type(e).__name__, correlation_id=correlation_id, exception=traceback_of(e))
