"""What every request goes through on its way in and out, whatever answers it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flask import Response, request
from werkzeug.exceptions import RequestURITooLarge

from b2b_idp.cookies import Cookies
from b2b_idp.model.moment import Moment
from b2b_idp.observing import Observer

MAX_URL = 16 * 1024


class Hooks:
    """Of a blueprint: `before` a request and `after` it. `moment` is the request's."""

    def __init__(self, issuer: str, observer: Observer, cookies: Cookies, moment: Callable[[], Moment]) -> None:
        self._observer, self._cookies, self.moment = observer, cookies, moment
        self._headers = _headers(secure=issuer.startswith("https:"))

    def begin(self) -> None:
        """The request is seen from now on."""
        self._observer.begin(self.moment())

    def before(self) -> None:
        """Refuses an address that is longer than the published limit (414)."""
        self.begin()
        if len(request.path) + len(request.query_string) > MAX_URL:
            raise RequestURITooLarge

    def after(self, response: Response) -> Response:
        return self._observer.end(self._cookies.remember(self.secured(response)))

    def secured(self, response: Response) -> Response:
        """With the headers that all answers have."""
        given = {name.lower() for name, _ in response.headers}
        response.headers.extend([(name, value) for name, value in self._headers if name.lower() not in given])
        return response


def _headers(*, secure: bool) -> Sequence[tuple[str, str]]:
    """What every answer says that does not say otherwise."""
    headers = [
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "same-origin"),
        ("Cache-Control", "no-store"),
    ]
    if secure:
        headers.append(("Strict-Transport-Security", "max-age=31536000"))
    return headers
