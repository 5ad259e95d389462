"""The demo's phone: the authenticator app that somebody who tries the demo need not have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyotp
from flask import Blueprint, Response, request

from b2b_idp.extension import B2BIdp
from b2b_idp.pages.render import content_security_policy

PERIOD = 30
REFRESH = 5
"""Seconds after which the page is shown anew."""


@dataclass(frozen=True)
class Authenticator:
    """One account in the app. `spent`: the last time step whose code was already used."""

    name: str
    key: str
    spent: int = -1

    def code(self, at: datetime) -> tuple[str, int]:
        """The code to type in now, never a used one, and for how many seconds it is shown."""
        step = max(int(at.timestamp()) // PERIOD, self.spent + 1)
        return pyotp.TOTP(self.key).at(step * PERIOD), (step + 1) * PERIOD - int(at.timestamp())


def phone_blueprint(idp: B2BIdp, authenticators: Sequence[Authenticator]) -> Blueprint:
    """`/demo/phone`; mounted by the demo only. `?key=` shows the code of one more key, and keeps nothing."""
    blueprint = Blueprint("b2b_idp_phone", __name__)

    @blueprint.get("/demo/phone")
    def phone() -> Response:
        typed = request.args.get("key", "").replace(" ", "").upper()
        shown, error = list(authenticators), None
        if typed:
            try:
                pyotp.TOTP(typed).byte_secret()
                shown.insert(0, Authenticator("The key you typed in", typed))
            except ValueError:
                error = "That is no set-up key. It is the text below the QR code: letters A to Z and digits 2 to 7."
        now = datetime.now(UTC)
        accounts = [(a.name, *a.code(now)) for a in shown]
        page = idp.pages.page("phone", accounts=accounts, key=typed if error else "", error=error)
        response = Response(page, content_type="text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = content_security_policy("phone", ("'self'",))
        response.headers["Cache-Control"] = "no-store"
        if accounts and not error:
            response.headers["Refresh"] = str(REFRESH)
        return response

    return blueprint
