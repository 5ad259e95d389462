"""What an instance is made of: each part is made once, when it is first used, and given those that it needs."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.x509 import load_pem_x509_certificates

from b2b_idp.factors.outbox import OutboxRunner
from b2b_idp.homes.oidc import OidcHomes
from b2b_idp.keys.files import load_or_create_master
from b2b_idp.keys.ring import KeyRing
from b2b_idp.keys.vault import Vault
from b2b_idp.logs import log
from b2b_idp.metrics import Metrics
from b2b_idp.model.directory import Tenant
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.net.addresses import Allowed
from b2b_idp.net.http import Http, Limits
from b2b_idp.pages.render import Pages
from b2b_idp.settings import Settings
from b2b_idp.signin import SignInParts
from b2b_idp.signin.continuity import Continuity
from b2b_idp.signin.home_logout import HomeLogouts
from b2b_idp.signin.whatif import WhatIf
from b2b_idp.store import Store
from b2b_idp.tokens.certificates import MutualTls
from b2b_idp.tokens.notices import Notifier


class Parts:
    """The parts of one instance. Knows nothing of the app in which it is mounted."""

    def __init__(self, settings: Settings, moment: Callable[[], Moment], keys: KeyRing | None) -> None:
        """`keys`: in place of those that the settings name."""
        self.settings = settings
        self.moment = moment
        self._given_keys = keys
        self._last_name = ""

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
