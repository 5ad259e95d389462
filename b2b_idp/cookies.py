"""Who is at the other end: the two cookies of an instance."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from flask import Response, g, request

from b2b_idp.keys.vault import Vault
from b2b_idp.model.moment import Moment
from b2b_idp.settings import Settings
from b2b_idp.signin.values import Browser

BROWSER_COOKIE_DAYS = 365


def held_back() -> bool:
    """Whether another site's form came here, with which a browser sends no Lax cookies: a session, or a sign-in under
    way, would not be seen. Within another site's frame no page of ours is shown, and no cookie ever comes."""
    said = request.headers
    in_a_frame = said.get("Sec-Fetch-Dest", "document") != "document"
    return request.method == "POST" and said.get("Sec-Fetch-Site") == "cross-site" and not in_a_frame


class Cookies:
    """The two cookies of an instance: who this browser is (for sign-ins under way), and its session.

    Cookies know no ports, so their names carry a hash of the issuer.
    """

    def __init__(self, settings: Settings, vault: Callable[[], Vault], moment: Callable[[], Moment]) -> None:
        secure = settings.issuer.startswith("https:")
        tag = sha256(settings.issuer.encode()).hexdigest()[:8]
        self._name = f"{'__Host-' if secure else ''}b2bidp_{tag}"
        self._secure = secure
        self._lasts = settings.home_recheck
        self._trusted_proxies = settings.trusted_proxies
        self._vault, self._moment = vault, moment

    def browser(self) -> Browser:
        """Who is at the other end of this request; a new browser is given its cookie with the answer."""
        known: dict[str, Browser] = g.setdefault("b2b_idp_browsers", {})
        if self._name not in known:
            known[self._name] = self._read()
        return known[self._name]

    def _read(self) -> Browser:
        vault = self._vault()
        mine = request.cookies.get(self._name + "_browser", "")
        handle = vault.read_handle("browser", mine)
        if handle is None:
            mine = vault.handle("browser", self._moment().new_id())
            g.setdefault("b2b_idp_new_cookies", {})[self._name] = mine
        session = vault.read_handle("session", request.cookies.get(self._name + "_session", ""))
        return Browser(
            key=vault.digest("browser", mine),
            session_id=session.id if session else None,
            ip_address=self._address(),
            user_agent=request.headers.get("User-Agent", ""),
        )

    def _address(self) -> str:
        hops = self._trusted_proxies
        forwarded = [h.strip() for h in request.headers.get("X-Forwarded-For", "").split(",") if h.strip()]
        if hops and len(forwarded) >= hops:
            return forwarded[-hops][:45]
        return request.remote_addr or ""

    def remember(self, response: Response) -> Response:
        new = g.get("b2b_idp_new_cookies", {}).pop(self._name, None)
        if new is not None:
            self._set(response, "_browser", new, BROWSER_COOKIE_DAYS * 86400)
        return response

    def set_session(self, response: Response, session_id: str | None, persistent: bool = False) -> None:
        """Gives the browser its session, or takes it away. A `persistent` one outlives the browser's window, as long as
        the session itself may last."""
        if session_id is None:
            self._set(response, "_session", "", 0)
        else:
            self._set(
                response, "_session", self._vault().handle("session", session_id), self._lasts if persistent else None
            )

    def _set(self, response: Response, suffix: str, value: str, max_age: int | None) -> None:
        response.set_cookie(
            self._name + suffix,
            value,
            max_age=max_age,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="Lax",
        )
