"""HTTP without sockets: a WSGI application called as a server would call it (PEP 3333)."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes, urlsplit

from flask import Flask
from werkzeug.routing import Rule


class QuickRule(Rule):
    """A route whose address builder is compiled when an address is built: of a provider's hundreds of routes few are
    ever built, and compiling all takes most of a new provider's time. Should werkzeug compile elsewhere, all is as
    before, and slower."""

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        compiled: list[Callable[..., tuple[str, str]]] = []

        def build(rule: Rule, **values: Any) -> tuple[str, str]:
            if not compiled:
                compiled.append(super(QuickRule, self)._compile_builder(append_unknown))
            return compiled[0](rule, **values)

        return build


class QuickFlask(Flask):
    """Flask that is made often and for a short time."""

    url_rule_class = QuickRule


class WsgiApp(Protocol):
    """A WSGI application."""

    def __call__(self, environ: dict[str, Any], start_response: Any, /) -> Iterable[bytes]: ...


def exchange(
    app: WsgiApp, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
) -> tuple[int, list[tuple[str, str]], bytes]:
    """One exchange: status, headers as pairs, body. `url` is absolute; redirects are not followed."""
    parts = urlsplit(url)
    sent = body or b""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(parts.path).decode("latin-1"),
        "QUERY_STRING": parts.query,
        "SERVER_NAME": parts.hostname or "",
        "SERVER_PORT": str(parts.port or 80),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": parts.netloc,
        "HTTP_USER_AGENT": "b2b-idp test kit",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": parts.scheme,
        "wsgi.input": io.BytesIO(sent),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in headers.items():
        key = name.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    if body is not None:
        environ["CONTENT_LENGTH"] = str(len(sent))
    answered: list[tuple[int, list[tuple[str, str]]]] = []

    def start_response(status: str, answer: list[tuple[str, str]], exc_info: Any = None) -> Any:
        answered[:] = [(int(status.split(" ", 1)[0]), answer)]

    chunks = app(environ, start_response)
    try:
        data = b"".join(chunks)
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
    status, answer = answered[0]
    return status, answer, data
