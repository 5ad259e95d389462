"""One home tenant on loopback, the relying party that speaks to it, and the guest's browser between them."""

from __future__ import annotations

import secrets
import uuid
from datetime import UTC, datetime, timedelta
from functools import cache
from urllib.parse import parse_qsl, urlsplit

import urllib3

from b2b_idp.homes.oidc import OidcHomes
from b2b_idp.keys.ring import KeyRing
from b2b_idp.metrics import Metrics
from b2b_idp.model.evidence import Vocabulary
from b2b_idp.model.home import Home
from b2b_idp.model.moment import Moment, tenant_id_of
from b2b_idp.model.problem import Problem
from b2b_idp.net.addresses import Allowed
from b2b_idp.net.http import Http
from b2b_idp.testing.home_tenant import Account, ScriptedHome

ADA = Account("ada-1", "ada@fabrikam.example", "Ada Alder", "Ada", "Alder")
HTTP = Http(Allowed.parse(True))
CALLBACK = "https://idp.contoso.example/federation/1/callback"


def moment(**later):
    """Now, as the home's clock has it too, and then some."""
    return Moment(datetime.now(UTC) + timedelta(**later), lambda: str(uuid.uuid4()), lambda: secrets.token_urlsafe(32))


@cache
def our_keys():
    """Made once: RSA keys cost more than a test."""
    return KeyRing.in_memory(moment())


def sign(claims, alg, typ):
    return our_keys().signer(alg, moment().at).sign(claims, typ)


class World:
    """`provider` is the home as it runs, `home` as it is configured here, `homes` the room under test."""

    def __init__(self, **provider):
        self.provider = ScriptedHome("fabrikam.example", **provider).start()
        self.provider.script(ADA, amr=["pwd", "otp"])
        self.homes = self.fresh_homes()
        self.home = self.configured()

    @staticmethod
    def fresh_homes():
        """The room under test, which keeps nothing of any home yet."""
        return OidcHomes(HTTP, sign, Metrics())

    def configured(self, **different):
        issuer = self.provider.issuer
        return Home(
            **{
                "tenant_id": tenant_id_of(issuer),
                "issuer": issuer,
                "display_name": "Fabrikam",
                "client_id": self.provider.client_id,
                "client_secret": self.provider.client_secret,
                "well_known": issuer + "/.well-known/openid-configuration",
                "vocabulary": Vocabulary(),
            }
            | different
        )

    def begin(self, home=None, *, at=None, **asked):
        quiet = {"step_up": False, "max_age": None, "prompt": None, "login_hint": None, "ui_locales": None}
        return self.homes.begin(
            home or self.home, redirect_uri=CALLBACK, state="state-1", moment=at or moment(), **quiet | asked
        )

    def visit(self, departure):
        """The guest's browser at the home; the parameters that it brings back."""
        answer = urllib3.request("GET", departure.url, redirect=False, retries=False)
        assert answer.headers.get("Location", "").startswith(CALLBACK), (answer.status, answer.data)
        return dict(parse_qsl(urlsplit(answer.headers["Location"]).query, keep_blank_values=True))

    def sign_in(self, home=None, *, at=None, **asked):
        departure = self.begin(home, at=at, **asked)
        return self.homes.finish(home or self.home, departure.pending, self.visit(departure), at or moment())

    def refusal(self, home=None, *, at=None, **asked):
        """The Problem that a sign-in ends in."""
        try:
            answer = self.sign_in(home, at=at, **asked)
        except Problem as p:
            return p
        raise AssertionError(f"accepted: {answer}")

    def spoil_claims(self, **different):
        """From now on id_tokens say this instead; `...` leaves a claim out."""

        def spoil(token):
            token["claims"] = {k: v for k, v in (token["claims"] | different).items() if v is not ...}

        self.provider.tamper["id_token"] = spoil

    def spoil_header(self, **different):
        def spoil(token):
            token["header"] = {k: v for k, v in (token["header"] | different).items() if v is not ...}

        self.provider.tamper["id_token"] = spoil
