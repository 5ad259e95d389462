"""The Flask application of a provider that stands alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Request
from flask.sessions import NullSession, SessionInterface
from werkzeug.routing import MapAdapter


class _NoSessions(SessionInterface):
    """The provider's cookies are its own: Flask's session is never opened."""

    _none = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:
        return self._none

    def is_null_session(self, obj: object) -> bool:
        return True


class Alone(Flask):
    """Flask without what this provider has no use for, which would be looked for in each request: sessions, `async`
    views, and the host's name, since every address is built from the issuer."""

    session_interface = _NoSessions()

    def __init__(self, name: str, issuer: str) -> None:
        super().__init__(name, static_folder=None)
        self._issuer = urlsplit(issuer)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        if request is None:
            return super().create_url_adapter(request)
        environ = request.environ
        return MapAdapter(
            self.url_map,
            self._issuer.netloc,
            environ.get("SCRIPT_NAME", "").rstrip("/") + "/",
            "",
            self._issuer.scheme,
            request.path,
            request.method,
            environ.get("QUERY_STRING", ""),
        )
