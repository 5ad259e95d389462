"""The guarded client against real sockets that misbehave."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from b2b_idp.model.problem import Code, Problem
from b2b_idp.net.addresses import Allowed
from b2b_idp.net.http import Http, Limits

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
HASTY = Limits(connect=1, read=0.5, total=1, body=1000, at_once=2, wait=0.2)


@contextmanager
def server(serve, tls=None):
    """A listener on loopback; `serve(connection, number)` answers its number-th connection in a thread."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=100)
    accepted = []

    def one(connection):
        with connection:
            accepted.append(connection)
            try:
                talking = tls.wrap_socket(connection, server_side=True) if tls else connection
                serve(talking, len(accepted))
            except OSError:
                pass

    def run():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    threading.Thread(target=run, daemon=True).start()
    scheme = "https" if tls else "http"
    try:
        yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}", accepted
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def says(*answers):
    """Answers request after request on one connection, then closes it."""

    def serve(connection, number):
        for answer in answers:
            if not connection.recv(65536):
                return
            connection.sendall(answer)

    return serve


def code_of(call):
    with pytest.raises(Problem) as raised:
        call()
    return raised.value.code


@pytest.fixture
def http():
    return Http(Allowed.parse(True), HASTY)


def test_an_answer_has_status_headers_in_lower_case_and_body(http):
    with server(says(b"HTTP/1.1 404 Nope\r\nX-Word: Yes\r\nContent-Length: 2\r\n\r\nhi")) as (url, _):
        answer = http.get(f"{url}/")
    assert (answer.status, answer.headers["x-word"], answer.body) == (404, "Yes", b"hi")


def test_a_chunked_answer_is_put_together(http):
    with server(says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n")) as (
        url,
        _,
    ):
        assert http.get(f"{url}/").body == b"hi"


def test_connections_are_kept(http):
    with server(says(OK, OK)) as (url, accepted):
        assert [http.get(f"{url}/").body for _ in range(2)] == [b"hi", b"hi"]
        assert len(accepted) == 1


@pytest.mark.parametrize("location", ["http://169.254.169.254/", "/other"])
def test_n_040_a_redirect_is_an_answer_and_not_followed(http, location):
    answer = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
    with server(says(answer, OK)) as (url, accepted):
        assert http.get(f"{url}/").status == 302
        assert len(accepted) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1:22/",
        "https://127.0.0.1/",
        "file:///etc/passwd",
        "data:application/json,{}",
        "ftp://home.example/",
        "gopher://home.example/",
        "https://[::ffff:127.0.0.1]/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://0177.0.0.1/",
        "https://home.example@evil.example/",
        "https://home.example\\@evil.example/",
        "https://home.example/\r\nX-Evil: 1",
        "https://home.example/{tenant}",
        "https://home.example:port/",
        "https://home.example/" + "a" * 3000,
        "https://",
        "//home.example/",
        "",
    ],
)
def test_n_039_an_address_that_may_not_be_spoken_to_is_refused_by_its_text(url):
    http = Http(Allowed.parse(False), HASTY)
    assert code_of(lambda: http.check_url(url)) is Code.BAD_REQUEST
    assert code_of(lambda: http.get(url)) is Code.HOME_MISCONFIGURED


@pytest.mark.parametrize("url", ["https://home.example/x?y=z", "https://home.example:8443", "https://8.8.8.8/"])
def test_a_public_https_address_passes(url):
    Http(Allowed.parse(False)).check_url(url)


def test_n_039_a_name_that_leads_to_loopback_is_not_connected_to():
    with server(says(OK)) as (url, accepted):
        https = url.replace("http://127.0.0.1", "https://localhost")
        assert code_of(lambda: Http(Allowed.parse(False), HASTY).get(https)) is Code.HOME_UNAVAILABLE
        assert accepted == []


def test_n_041_what_is_checked_is_what_is_connected_to(http, monkeypatch):
    """A name server that changes its answer is asked only once, so it gains nothing."""
    asked = []

    def rebinding(host, port, **_):
        asked.append(host)
        address = "127.0.0.2" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    with server(says(OK)) as (url, accepted):
        port = int(url.rpartition(":")[2])
        monkeypatch.setattr(socket, "getaddrinfo", rebinding)
        only_the_second = Http(Allowed.parse(["127.0.0.1/32", "localhost.example"]), HASTY)
        code_of(lambda: only_the_second.get(f"http://localhost.example:{port}/"))
        assert asked == ["localhost.example"]
        assert accepted == []


def test_plain_http_to_a_named_host_goes_to_loopback_only(monkeypatch):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.255.255.1", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    http = Http(Allowed.parse(["keycloak"]), HASTY)
    with pytest.raises(Problem, match="must not be connected to"):
        http.get("http://keycloak/")


@pytest.mark.parametrize(
    "head",
    [b"Content-Length: 5000\r\n\r\n", b"\r\n", b"Transfer-Encoding: chunked\r\n\r\nFFFFFF\r\n"],
    ids=["announced", "endless", "chunked"],
)
def test_n_042_a_body_is_cut_off(http, head):
    def pour(connection, number):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + head)
        while True:
            connection.sendall(b"x" * 65536)

    with server(pour) as (url, _):
        assert code_of(lambda: http.get(f"{url}/")) is Code.HOME_UNAVAILABLE


def test_n_042_a_compressed_answer_is_not_unpacked(http):
    bomb = gzip.compress(b"0" * 10_000_000)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode()
    with server(says(head + bomb)) as (url, _):
        assert code_of(lambda: http.get(f"{url}/")) is Code.HOME_UNAVAILABLE


@pytest.mark.parametrize("where", ["headers", "body"])
def test_n_043_a_byte_at_a_time_ends_with_the_whole_exchange(http, where):
    def drip(connection, number):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + (b"X-Slow: " if where == "headers" else b"\r\n"))
        for _ in range(100):
            connection.sendall(b"x")
            time.sleep(0.1)

    with server(drip) as (url, _):
        began = time.monotonic()
        assert code_of(lambda: http.get(f"{url}/")) is Code.HOME_UNAVAILABLE
        assert time.monotonic() - began < 4


def test_n_043_a_slow_home_holds_only_so_many_threads_and_no_other_home(http):
    release = threading.Event()

    def hang(connection, number):
        connection.recv(65536)
        release.wait(5)

    with server(hang) as (slow, accepted), server(says(OK)) as (quick, _):
        codes = []
        guests = [threading.Thread(target=lambda: codes.append(code_of(lambda: http.get(slow)))) for _ in range(10)]
        for guest in guests:
            guest.start()
        began = time.monotonic()
        assert http.get(quick).body == b"hi"
        assert time.monotonic() - began < 1
        for guest in guests:
            guest.join(5)
        release.set()
    assert codes == [Code.HOME_UNAVAILABLE] * 10
    assert len(accepted) <= 2 * HASTY.at_once


def test_after_a_failure_a_good_answer_comes_through(http):
    with server(lambda c, n: says(OK)(c, n) if n > 3 else c.recv(1)) as (url, _):
        for _ in range(3):
            code_of(lambda: http.get(url))
        assert http.get(url).body == b"hi"


@pytest.mark.parametrize("send", ["get", "post"])
def test_a_kept_connection_that_the_home_had_closed_is_made_anew(http, send):
    """The close comes after the next request was sent, as when a home restarts."""

    def serve(connection, number):
        says(OK)(connection, number)
        if number == 1:
            connection.recv(65536)  # the second request, never answered

    with server(serve) as (url, accepted):
        calls = {"get": lambda: http.get(url), "post": lambda: http.post_form(url, {"code": "c"})}
        assert calls[send]().body == b"hi"
        assert calls[send]().body == b"hi"
        assert len(accepted) == 2


def test_a_post_on_a_fresh_connection_is_sent_once(http):
    with server(lambda c, n: c.recv(65536)) as (url, accepted):
        assert code_of(lambda: http.post_form(url, {"code": "c"})) is Code.HOME_UNAVAILABLE
        assert len(accepted) == 1


@pytest.mark.parametrize("answer", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"])
def test_what_is_not_http_is_a_problem_and_no_other_exception(http, answer):
    with server(says(answer)) as (url, _):
        assert code_of(lambda: http.get(url)) is Code.HOME_UNAVAILABLE


def test_nothing_listens(http):
    with server(says(OK)) as (url, _):
        pass
    assert code_of(lambda: http.get(url)) is Code.HOME_UNAVAILABLE


def test_the_reason_tells_the_administrator_what_failed_and_no_parameter(http):
    with server(says(OK)) as (url, _):
        pass
    with pytest.raises(Problem) as raised:
        http.get(f"{url}/userinfo?access_token=s3cret")
    assert "Connection refused" in raised.value.why
    assert "s3cret" not in str(raised.value)


def _certificate(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    return context, pem


def test_tls_of_an_unknown_authority_or_another_name_is_refused_and_a_good_one_is_kept(tmp_path, monkeypatch):
    context, pem = _certificate(tmp_path)
    with server(says(OK, OK), context) as (url, accepted):
        named = url.replace("127.0.0.1", "localhost")
        assert code_of(lambda: Http(Allowed.parse(True), HASTY).get(named)) is Code.HOME_UNAVAILABLE
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        http = Http(Allowed.parse(True), HASTY)
        assert code_of(lambda: http.get(url)) is Code.HOME_UNAVAILABLE
        before = len(accepted)
        assert [http.get(named).body for _ in range(2)] == [b"hi", b"hi"]
        assert len(accepted) == before + 1


def test_a_byte_at_a_time_ends_over_tls_too(tmp_path, monkeypatch):
    context, pem = _certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))

    def drip(connection, number):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        for _ in range(100):
            connection.sendall(b"x")
            time.sleep(0.1)

    with server(drip, context) as (url, _):
        began = time.monotonic()
        http = Http(Allowed.parse(True), HASTY)
        assert code_of(lambda: http.get(url.replace("127.0.0.1", "localhost"))) is Code.HOME_UNAVAILABLE
        assert time.monotonic() - began < 4
