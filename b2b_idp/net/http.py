"""The one HTTP client: addresses are checked inside the connection, answers are cut by size and by the clock,
and a slow host holds only so many threads."""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, ProtocolError
from urllib3.util.ssl_ import create_urllib3_context
from urllib3.util.timeout import Timeout

from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.url import origin_of
from b2b_idp.net.addresses import Allowed
from b2b_idp.net.gate import Full, Gate

_CHUNK = 16 * 1024
_MAX_URL = 2048


@dataclass(frozen=True, slots=True)
class Limits:
    """What one exchange may cost. Times are in seconds; `total` is from the start to the last byte."""

    connect: float = 3.0
    read: float = 5.0
    total: float = 10.0
    body: int = 256 * 1024
    """Bytes of an answer's body."""
    at_once: int = 8
    """Exchanges with one origin at the same time; as many more wait for `wait`, then give up, and others at once where
    it is slow."""
    wait: float = 2.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@cache
def _tls(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    """The machine's certificate authorities, those of OpenSSL's variables if set: read once, which takes longer than a
    sign-in."""
    tls = create_urllib3_context()
    tls.load_default_certs()
    tls.sslsocket_class = _TlsSocket
    return tls


class Http:
    """Guarded GET and form POST, thread-safe. No redirects, no proxies, no content encodings.

    All that goes wrong on the network is Problem(HOME_UNAVAILABLE). An address that may not be spoken to by
    its text alone is Problem(HOME_MISCONFIGURED), and nothing is looked up.
    """

    def __init__(self, allowed: Allowed, limits: Limits = Limits()) -> None:
        self._allowed = allowed
        self._limits = limits
        self._pool = urllib3.PoolManager(
            num_pools=200,
            maxsize=limits.at_once,
            retries=False,
            timeout=Timeout(connect=limits.connect, read=limits.read),
            ssl_context=_tls(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")),
        )
        self._pool.pool_classes_by_scheme = _pools(allowed)
        self._gates: dict[str, Gate] = {}
        self._lock = threading.Lock()

    def check_url(self, url: str) -> None:
        """Raises Problem(BAD_REQUEST) for an address that may not be spoken to, as far as its text tells."""
        shown = ascii(url[:200])[1:-1]
        clean = len(url) <= _MAX_URL and all("!" <= c <= "~" for c in url) and not set(url) & set('\\"<>^`{|}#')
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            clean, host = False, ""
        if not clean or parts.scheme not in ("https", "http") or not host or "@" in parts.netloc:
            raise Problem(Code.BAD_REQUEST, f"{shown}: an https address is needed.")
        if parts.scheme == "http" and not self._allowed.permits_plain_http(host):
            raise Problem(
                Code.BAD_REQUEST,
                f"{shown}: https is needed; plain http is for loopback that ALLOW_PRIVATE_UPSTREAMS names.",
            )
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            last = host.rstrip(".").rpartition(".")[2]
            if last.isdigit() or last.lower().startswith("0x"):  # a number that a resolver takes for an address
                raise Problem(Code.BAD_REQUEST, f"{shown} names no host.") from None
            return
        if not self._allowed.permits(host, address):
            raise Problem(
                Code.BAD_REQUEST,
                f"{shown} is not a public address; ALLOW_PRIVATE_UPSTREAMS names others that may be reached.",
            )

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """GET; `headers` beside our own."""
        return self._send("GET", url, None, dict(headers or {}))

    def post_form(self, url: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Answer:
        """POST of application/x-www-form-urlencoded; sent twice only if surely nobody took the first one."""
        sent = {"Content-Type": "application/x-www-form-urlencoded"} | dict(headers or {})
        return self._send("POST", url, urlencode(form).encode(), sent)

    def _send(self, method: Literal["GET", "POST"], url: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        try:
            self.check_url(url)
        except Problem as p:
            raise Problem(
                Code.HOME_MISCONFIGURED,
                "Your organisation's sign-in is not set up right here. Tell the person who invited you.",
                p.say,
            ) from None
        origin = origin_of(url)
        with self._lock:
            gate = self._gates.setdefault(origin, Gate(self._limits.at_once, self._limits.wait))
        try:
            with gate.inside():
                return self._twice_at_most(method, url, body, headers)
        except Full:
            raise _unavailable(origin, f"{self._limits.at_once} requests to it are waiting already") from None
        except _StoppedError as e:
            raise _unavailable(origin, str(e)) from None
        except (HTTPError, ValueError, OSError) as e:
            raise _unavailable(origin, f"{type(e).__name__}: {_reason(e)}") from None

    def _twice_at_most(self, method: str, url: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        _exchange.begin(self._limits)
        try:
            return self._once(method, url, body, headers)
        except ProtocolError:
            # a kept connection that the home had closed: not a byte was answered, nobody took the request
            if not (_exchange.reused and not _exchange.heard):
                raise
            return self._once(method, url, body, headers)

    def _once(self, method: str, url: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        sent = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "b2b-idp",
        } | headers
        response = self._pool.urlopen(
            method, url, body=body, headers=sent, redirect=False, preload_content=False, decode_content=False
        )
        whole = False
        try:
            content = self._read(response)
            whole = True
            return Answer(response.status, {k.lower(): v for k, v in response.headers.items()}, content)
        finally:
            if not whole:
                response.close()
            response.release_conn()

    def _read(self, response: Any) -> bytes:
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise _StoppedError("it answered in a content encoding that it was not asked for")
        content = bytearray()
        while chunk := response.read1(_CHUNK):
            content += chunk
            if len(content) > self._limits.body:
                raise _StoppedError(f"it answered more than {self._limits.body} bytes")
        return bytes(content)


class _StoppedError(Exception):
    """We ended the exchange ourselves, and why."""


class _Exchange(threading.local):
    """The exchange that this thread is in. Sockets read it, so that no single wait outlives the whole."""

    ends = 0.0
    connect = 0.0
    read = 0.0
    reused = False
    heard = False

    def begin(self, limits: Limits) -> None:
        self.ends = time.monotonic() + limits.total
        self.connect, self.read = limits.connect, limits.read
        self.reused = self.heard = False

    def left(self, most: float) -> float:
        """Seconds that a wait may take now. Raises TimeoutError when the exchange's time is over."""
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the whole answer took too long")
        return min(left, most)


_exchange = _Exchange()


class _Socket(socket.socket):
    """No read outlives the exchange: a byte a second ends too, in headers as in the body."""

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(_exchange.left(_exchange.read))
        got = super().recv_into(*args, **kwargs)
        _exchange.heard = _exchange.heard or got > 0
        return got


class _TlsSocket(_Socket, ssl.SSLSocket):
    pass


def _pools(allowed: Allowed) -> dict[str, type[urllib3.HTTPConnectionPool]]:
    class Plain(HTTPConnection):
        plain = True
        fresh = True

        def _new_conn(self) -> socket.socket:
            self.fresh = True
            return _connect(self._dns_host, self.port or self.default_port, allowed, plain=self.plain)

        def request(self, *args: Any, **kwargs: Any) -> None:
            _exchange.reused = self.sock is not None and not self.fresh
            super().request(*args, **kwargs)
            self.fresh = False

    class Tls(Plain, HTTPSConnection):
        plain = False

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Plain

    class TlsPool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Tls

    return {"http": PlainPool, "https": TlsPool}


def _connect(host: str, port: int, allowed: Allowed, *, plain: bool) -> socket.socket:
    """Resolves, checks, and connects to what was checked: a second look-up could say something else."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure: OSError | None = None
    for family, kind, protocol, _, target in found:
        address = ipaddress.ip_address(str(target[0]).partition("%")[0])
        if not allowed.permits(host, address) or (plain and not address.is_loopback):
            continue
        sock = _Socket(family, kind, protocol)
        try:
            sock.settimeout(_exchange.left(_exchange.connect))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.connect(target)
        except OSError as e:
            failure = e
            sock.close()
        else:
            return sock
    if failure is not None:
        raise failure
    raise _StoppedError("its name leads to addresses that must not be connected to")


def _reason(e: Exception) -> str:
    """The innermost cause in words; the address, which urllib3 repeats, may hold parameters."""
    while e.__cause__ is not None or e.__context__ is not None:
        e = e.__cause__ or e.__context__  # type: ignore[assignment]
    return (e.strerror if isinstance(e, OSError) and e.strerror else type(e).__name__)[:200]


def _unavailable(origin: str, why: str) -> Problem:
    return Problem(
        Code.HOME_UNAVAILABLE,
        "Your organisation's sign-in does not answer right now. Please try again in a few minutes.",
        f"{origin}: {why}",
    )
