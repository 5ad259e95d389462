"""Every test is a look for leaks: whatever is secret in it must be in no line of a log, audit entry, sign-in entry,
span, metric or error. `conftest.py` begins and ends it around each test; `server_log` takes what servers of a test say.

Secrets are known in three ways: by whoever makes, seals or hashes one (`MAKERS`), by the name under which a request
carries it (`NAMES`), and by their shape (`SHAPES`), which finds those of servers in other processes too.
"""

from __future__ import annotations

import json
import logging
import os
import re
import tempfile
from base64 import b32encode
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from typing import IO, Any
from urllib.parse import parse_qsl

import structlog
from flask import Response, request

from b2b_idp import logs
from b2b_idp.keys.vault import Vault
from b2b_idp.observing import Observer
from b2b_idp.store.logs import LogsWriter
from b2b_idp.tracing import Span

NAMES = frozenset(
    "code state ticket client_secret client_assertion refresh_token access_token id_token id_token_hint logout_token "
    "code_verifier csrf credential token secretText temporaryAccessPass password clientSecret subject_token request "
    "device_code assertion actor_token registration_access_token secret metrics_token".split()
)
"""Parameters, fields and members that are secret."""
SHAPES = re.compile(
    r"(?<![\w-])(?:eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}|b2bs_[\w-]{20,}|A[Q-Za-f][\w-]{58}(?![\w-]))"
    r"|PRIVATE KEY|://[^/\s:@\"]+:[^/\s@\"]+@"
)
"""A JWT, a client secret, a handle (code, refresh token, cookie, ticket …), a private key, a password in an address."""
SHORTEST = 8
"""Characters of a secret that is looked for: a shorter one may stand anywhere by chance."""
_RUN = re.compile(rf"[A-Za-z0-9_-]{{{SHORTEST},}}")
_TYPED = {"recovery", "mailed-code", "access-pass", "user-code", "client-secret"}
"""What is kept as a keyed hash of what a person or an app has."""
_SEALED = ("homes:", "signins:", "factors:")


class Canaries:
    """What is secret, and what was said, since `begin`; what makers made stays known to the end of the run."""

    def __init__(self) -> None:
        self.made: dict[str, str] = {}
        self.sent: dict[str, str] = {}
        self.said: list[tuple[str, str]] = []
        self._bodies: list[bytes] = []
        self._servers: list[_ServerLog] = []

    def begin(self) -> None:
        self.sent, self.said, self._bodies = {}, [], []

    def secret(self, kind: str, value: str, *, made: bool = False) -> None:
        """`value` must not be said. Its longest run of letters and digits stands for it."""
        run = max(_RUN.findall(value), key=len, default="")
        if run:
            (self.made if made else self.sent)[run] = kind

    def pairs(self, text: str) -> None:
        for name, value in parse_qsl(text):
            if name in NAMES:
                self.secret(name, value)

    def body(self, raw: bytes) -> None:
        """A JSON body of a request, to be read when the test is over."""
        self._bodies.append(raw)

    def say(self, where: str, text: str) -> None:
        self.said.append((where, text))

    def hits(self) -> list[str]:
        """Where a secret was said, and of what kind, without the secret."""
        for raw in self._bodies:
            self._members(raw)
        self._bodies = []
        self._hear_servers()
        told: dict[str, list[str]] = defaultdict(list)
        for where, text in self.said:
            told[where].append(text)
        return [hit for where, texts in told.items() for hit in self._in(where, "\n".join(texts))]

    def server_log(self) -> IO[bytes]:
        """Where a server of this test may say what it has to say; closed with the run."""
        log = _ServerLog(tempfile.TemporaryFile(buffering=0))  # noqa: SIM115 - closed with the run
        self._servers.append(log)
        return log.file

    def _in(self, where: str, text: str) -> Iterator[str]:
        runs = set(_RUN.findall(text))
        for known in (self.made, self.sent):
            for run in runs & known.keys():
                at = text.index(run)
                yield f"{where}: {known[run]} in …{text[max(0, at - 120) : at]}<secret>"
        for found in SHAPES.finditer(text):
            yield f"{where}: {found[0][:8]}… in …{text[max(0, found.start() - 120) : found.start()]}<secret>"

    def _members(self, raw: bytes) -> None:
        with suppress(ValueError, RecursionError):
            todo = [json.loads(raw)]
            while todo:
                value = todo.pop()
                if isinstance(value, dict):
                    todo += value.values()
                    for name, child in value.items():
                        # a policy's state is on or off
                        if name in NAMES and name != "state" and isinstance(child, str):
                            self.secret(name, child)
                elif isinstance(value, list):
                    todo += value

    def _hear_servers(self) -> None:
        for server in self._servers:
            text = os.pread(server.file.fileno(), 1 << 26, server.heard)
            server.heard += len(text)
            self.say("a server's log", text.decode("utf-8", "replace"))


@dataclass
class _ServerLog:
    file: IO[bytes]
    heard: int = 0


WATCH = Canaries()


class _Library(logging.Handler):
    """Lines of libraries, as a server of ours writes them."""

    _form = logs._Foreign()

    def emit(self, record: logging.LogRecord) -> None:
        WATCH.say("a log", self._form.format(record))


class _Line:
    """structlog's last step: a line of our own log."""

    def msg(self, line: str) -> None:
        WATCH.say("a log", line)

    debug = info = warning = error = critical = msg


def listen() -> None:
    """Sets up the log of this process as a server's is at DEBUG, but that lines come here."""
    logs.configure("DEBUG")
    structlog.configure(logger_factory=lambda *_: _Line(), cache_logger_on_first_use=False)


def install() -> None:
    """Once a process: listens to libraries, and to whatever makes a secret or says something."""
    root = logging.getLogger()
    root.addHandler(_Library(logging.DEBUG))
    root.setLevel(logging.DEBUG)
    for name in ("sqlalchemy", "alembic", "authlib", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
    _around(Vault, "handle", after=lambda made, _vault, kind, *_: WATCH.secret(kind, made, made=True))
    _around(Vault, "digest", before=_typed)
    _around(Vault, "seal", before=_sealed)
    _around(
        LogsWriter, "add_signin", before=lambda _w, document, *_: WATCH.say("the sign-in log", json.dumps(document))
    )
    _around(
        LogsWriter, "add_audits", before=lambda _w, documents, *_: WATCH.say("the audit log", json.dumps(documents))
    )
    _around(Span, "__init__", before=lambda _s, _t, name, _k, about, *_: WATCH.say("a span", f"{name} {about}"))
    _around(Span, "set", before=lambda _s, about: WATCH.say("a span", str(about)))
    _around(Observer, "end", before=_answered)


def _around(owner: type, name: str, *, before: Callable[..., None] | None = None, after: Any = None) -> None:
    """Has a method of the product tell of its arguments, or of what it gives and its arguments."""
    method = getattr(owner, name)

    def told(*args: Any, **named: Any) -> Any:
        if before is not None:
            before(*args)
        given = method(*args, **named)
        if after is not None:
            after(given, *args)
        return given

    setattr(owner, name, wraps(method)(told))


def _typed(_vault: Vault, use: str, text: str) -> None:
    if use in _TYPED:
        WATCH.secret(use, text.rpartition(":")[2], made=True)


def _sealed(_vault: Vault, plain: bytes, context: str) -> None:
    if context.startswith(_SEALED):
        try:
            WATCH.secret(context.partition(":")[0], plain.decode("ascii"))
        except UnicodeDecodeError:
            WATCH.secret("TOTP secret", b32encode(plain).decode().rstrip("="), made=True)


def _answered(_observer: Observer, response: Response) -> None:
    """What a request brought, and what an error said."""
    environ = request.environ
    WATCH.pairs(environ.get("QUERY_STRING", ""))
    WATCH.secret("Authorization", environ.get("HTTP_AUTHORIZATION", "").partition(" ")[2])
    WATCH.secret("DPoP", environ.get("HTTP_DPOP", ""))
    for cookie in environ.get("HTTP_COOKIE", "").split(";"):
        WATCH.secret("cookie", cookie.partition("=")[2])
    if "form" in request.__dict__:
        for name, value in request.form.items(multi=True):
            if name in NAMES:
                WATCH.secret(name, value)
    elif raw := getattr(request, "_cached_data", b""):
        WATCH.body(raw)
    if (response.status_code >= 400 or request.path.endswith("/metrics")) and response.is_sequence:
        WATCH.say(f"an answer of status {response.status_code}", response.get_data(as_text=True))
