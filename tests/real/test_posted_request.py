"""An app on another site posts its authorization request, in a real browser, which holds Lax cookies back."""

from __future__ import annotations

import threading
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from b2b_idp.testing.home_tenant import Account
from tests.conformance import conformance
from tests.real.nodes import Browser


class Site:
    """Another site (localhost; the provider is at 127.0.0.1): a page whose form asks, and the address of the answer."""

    def __init__(self, port):
        self.origin = f"http://localhost:{port}"
        self.callback = f"{self.origin}/callback"
        self.form = ""


@pytest.fixture
def site():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f"<!doctype html><title>App</title><main data-page=app>{place.form}</main>".encode())

        def log_message(self, format, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        place = Site(server.server_port)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield place
        server.shutdown()


@conformance("oidcc-ensure-post-request-succeeds")
def test_a_session_is_seen_by_a_request_that_another_site_posts(b2b_idp, site):
    home = b2b_idp.home_tenant("fabrikam.example")
    app = b2b_idp.app("Shop", redirect_uris=[site.callback])
    b2b_idp.invite("ada@fabrikam.example")
    home.provider.script(Account(sub="ada", email="ada@fabrikam.example", name="Ada Alder"))
    asked = {
        "client_id": app.client_id,
        "redirect_uri": site.callback,
        "response_type": "code",
        "scope": "openid",
        "state": 's"<',
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
    }
    with b2b_idp.serve(), Browser() as browser:
        at = f"{b2b_idp.issuer}/authorize"
        for more in ({"login_hint": "ada@fabrikam.example"}, {"prompt": "none"}):
            fields = "".join(f'<input type=hidden name={n} value="{escape(v)}">' for n, v in (asked | more).items())
            site.form = f"<form method=post action={at}>{fields}<button>Sign in</button></form>"
            browser.goto(site.origin)
            browser.click("text=Sign in")
            browser.ask("wait", selector="main[data-page]")
            while browser.where()["page"] in ("redeem", "consent"):
                browser.click("main form button")
            told = parse_qs(urlsplit(browser.where()["url"]).query)
            assert told.get("state") == ['s"<'], (browser.where(), browser.text())
            assert "code" in told, told
        assert browser.complaints() == []
