"""The one HTTP client: addresses are checked inside the connection, answers are cut by size and time, and a slow host
holds only so many threads."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, LocationParseError
from urllib3.util.timeout import Timeout

from b2b_idp.model.problem import Code, Problem
from b2b_idp.net.addresses import Allowed

CONNECT_SECONDS = 3.0
READ_SECONDS = 5.0
TOTAL_SECONDS = 10.0
MAX_BYTES = 512 * 1024
AT_ONCE = 8
"""Requests to one host at the same time; more wait a little, then give up."""
WAIT_SECONDS = 2.0
_CHUNK = 16 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def _unavailable(host: str, why: str) -> Problem:
    return Problem(
        Code.HOME_UNAVAILABLE,
        "Your organisation's sign-in does not answer right now. Please try again in a few minutes.",
        f"{host}: {why}",
    )


def _connect(connection: Any, allowed: Allowed) -> socket.socket:
    """Resolves, checks, and connects to what was checked: a second resolution could say something else."""
    host = connection._dns_host
    try:
        found = socket.getaddrinfo(host, connection.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as e:
        raise urllib3.exceptions.NameResolutionError(host, connection, OSError(str(e))) from None  # type: ignore[arg-type]
    refused = True
    failure: OSError | None = None
    for family, kind, protocol, _, address in found:
        if not allowed.permits(host, ipaddress.ip_address(str(address[0]).partition("%")[0])):
            continue
        refused = False
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(CONNECT_SECONDS)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.connect(address)
        except OSError as e:
            failure = e
            sock.close()
        else:
            return sock
    if refused:
        raise Refused(host)
    raise urllib3.exceptions.NewConnectionError(connection, str(failure))


class Refused(Exception):
    """The host resolves to addresses that must not be connected to."""


class _Watch:
    """Shuts sockets whose answer's head takes too long: a byte now and then keeps a read time-out from ending it."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[float, socket.socket]] = {}
        self._lock = threading.Lock()
        self._running = False

    def begin(self, sock: socket.socket) -> int:
        with self._lock:
            self._open[id(sock)] = (time.monotonic() + TOTAL_SECONDS, sock)
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="b2b-idp-http-watch", daemon=True).start()
        return id(sock)

    def end(self, key: int) -> None:
        with self._lock:
            self._open.pop(key, None)

    def _run(self) -> None:
        while True:
            time.sleep(0.5)
            now = time.monotonic()
            with self._lock:
                late = [key for key, (ends, _) in self._open.items() if now > ends]
                for key in late:
                    with contextlib.suppress(OSError):
                        self._open.pop(key)[1].shutdown(socket.SHUT_RDWR)


def _pools(allowed: Allowed) -> tuple[type, type]:
    watch = _Watch()

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return _connect(self, allowed)

        def getresponse(self) -> Any:
            key = watch.begin(self.sock)
            try:
                return super().getresponse()
            finally:
                watch.end(key)

    class Tls(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return _connect(self, allowed)

        def getresponse(self) -> Any:
            key = watch.begin(self.sock)
            try:
                return super().getresponse()
            finally:
                watch.end(key)

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Plain

    class TlsPool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Tls

    return PlainPool, TlsPool


class Http:
    """Guarded GET and form POST. All that goes wrong on the network is Problem(HOME_UNAVAILABLE)."""

    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed
        plain, tls = _pools(allowed)
        self._pool = urllib3.PoolManager(
            num_pools=200,
            maxsize=AT_ONCE,
            block=False,
            retries=False,
            timeout=Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
        )
        self._pool.pool_classes_by_scheme = {"http": plain, "https": tls}
        self._gates: dict[str, threading.BoundedSemaphore] = {}
        self._lock = threading.Lock()

    def check_url(self, url: str) -> None:
        """Raises Problem(BAD_REQUEST) for an address that this client would not connect to, as far as the text tells."""
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            raise Problem(Code.BAD_REQUEST, f"{url[:200]} is not an address.") from None
        if parts.scheme not in ("https", "http") or not host or parts.username is not None:
            raise Problem(Code.BAD_REQUEST, f"{url[:200]}: an https address is needed.")
        if parts.scheme == "http" and not self._allowed.permits_plain_http(host):
            raise Problem(
                Code.BAD_REQUEST,
                f"{url[:200]}: https is needed; plain http is for loopback where ALLOW_PRIVATE_UPSTREAMS names it.",
            )
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            if host.replace(".", "").isdigit() or host.lower().startswith("0x"):
                raise Problem(Code.BAD_REQUEST, f"{url[:200]} is not an address.") from None
            return
        if not self._allowed.permits(host, address):
            raise Problem(
                Code.BAD_REQUEST,
                f"{url[:200]} is a private address; ALLOW_PRIVATE_UPSTREAMS names those that may be reached.",
            )

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        return self._send("GET", url, None, dict(headers or {}))

    def post_form(
        self, url: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> Answer:
        sent = {"Content-Type": "application/x-www-form-urlencoded"} | dict(headers or {})
        return self._send("POST", url, urlencode(form).encode(), sent)

    def _send(
        self, method: Literal["GET", "POST"], url: str, body: bytes | None, headers: dict[str, str]
    ) -> Answer:
        try:
            self.check_url(url)
        except Problem as p:
            raise Problem(
                Code.HOME_MISCONFIGURED,
                "Your organisation's sign-in is not set up right here. Tell the person who invited you.",
                p.say,
            ) from None
        host = urlsplit(url).netloc.lower()
        with self._lock:
            gate = self._gates.setdefault(host, threading.BoundedSemaphore(AT_ONCE))
        if not gate.acquire(timeout=WAIT_SECONDS):
            raise _unavailable(host, f"{AT_ONCE} requests to it are waiting already")
        try:
            return self._once(method, url, body, headers, host)
        except _DiedUnanswered:
            # a pooled connection that the restarted host had closed: nothing was answered, so nothing was done
            return self._once(method, url, body, headers, host)
        finally:
            gate.release()

    def _once(self, method: str, url: str, body: bytes | None, headers: dict[str, str], host: str) -> Answer:
        ends = time.monotonic() + TOTAL_SECONDS
        sent = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "b2b-idp",
        } | headers
        try:
            response = self._pool.urlopen(
                method,
                url,
                body=body,
                headers=sent,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
        except Refused:
            raise _unavailable(host, "resolves to an address that must not be reached") from None
        except urllib3.exceptions.ProtocolError as e:
            if "closed connection without response" in str(e) or "reset by peer" in str(e).lower():
                raise _DiedUnanswered from None
            raise _unavailable(host, type(e).__name__) from None
        except (HTTPError, LocationParseError, ValueError, OSError) as e:
            raise _unavailable(host, type(e).__name__) from None
        try:
            return Answer(response.status, _lower(response.headers), _read(response, ends, host))
        except (HTTPError, OSError, ValueError) as e:
            response.close()
            raise _unavailable(host, type(e).__name__) from None
        except Problem:
            response.close()
            raise
        finally:
            response.release_conn()


class _DiedUnanswered(Exception):
    pass


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {k.lower(): v for k, v in headers.items()}


def _read(response: Any, ends: float, host: str) -> bytes:
    """The body, cut off by size and by the clock, so that one byte a second ends too."""
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise _unavailable(host, "answered with a content encoding it was not asked for")
    length = response.headers.get("Content-Length", "0")
    if length.isdigit() and int(length) > MAX_BYTES:
        raise _unavailable(host, f"answered more than {MAX_BYTES} bytes")
    found = bytearray()
    while chunk := response.read1(_CHUNK):
        found += chunk
        if len(found) > MAX_BYTES:
            raise _unavailable(host, f"answered more than {MAX_BYTES} bytes")
        if time.monotonic() > ends:
            raise _unavailable(host, f"took longer than {TOTAL_SECONDS:.0f} s")
    return bytes(found)
