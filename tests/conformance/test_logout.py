"""What the logout plans ask of a provider: RP-initiated, back-channel and front-channel."""

from __future__ import annotations

import re
import threading
from html import unescape
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest

from b2b_idp.model.events import LOGOUT
from tests.conformance import conformance, rfc
from tests.openid.openid_world import BYE, CALLBACK, CLIENT_KEY, ISSUER, answered, claims_of

DISCOVERY = "/idp/.well-known/openid-configuration"


@pytest.fixture
def signed_in(op):
    """A guest with a session and tokens; whoever was there before is forgotten."""
    op.sign_in(op.user)
    return op.tokens()


def logout(op, **given):
    return op.http.get("/idp/logout", query_string=given)


def session_is_over(op):
    return answered(op.authorize(prompt="none")).get("error") == "login_required"


def page(answer):
    """The page that it stayed at."""
    assert "Location" not in answer.headers
    return re.search('data-page="([a-z-]+)"', answer.text)[1]


def confirmed(op, answer):
    assert page(answer) == "logout"
    action, csrf = (unescape(re.search(f'{n}="([^"]+)"', answer.text)[1]) for n in ("action", 'csrf" value'))
    return op.http.post(action.removeprefix("http://localhost"), data={"csrf": csrf})


@conformance("oidcc-rp-initiated-logout-discovery")
@rfc("RP-Initiated Logout", "2.1")
def test_the_metadata_says_where_to_sign_out(op):
    assert op.http.get(DISCOVERY).json["end_session_endpoint"] == f"{ISSUER}/logout"


@conformance("oidcc-backchannel-logout-discovery")
@rfc("Back-Channel Logout", "2.1")
def test_the_metadata_says_that_apps_are_told_with_sid(op):
    told = op.http.get(DISCOVERY).json
    assert told["backchannel_logout_supported"] is told["backchannel_logout_session_supported"] is True


@rfc("Front-Channel Logout", "3")
def test_the_metadata_says_that_browsers_tell_apps_with_sid(op):
    told = op.http.get(DISCOVERY).json
    assert told["frontchannel_logout_supported"] is told["frontchannel_logout_session_supported"] is True


@conformance("oidcc-rp-initiated-logout")
@rfc("RP-Initiated Logout", "3")
def test_the_browser_comes_back_with_state_and_its_session_is_over(op, signed_in):
    answer = logout(op, id_token_hint=signed_in["id_token"], post_logout_redirect_uri=BYE, state="sé&1")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{BYE}?state=s%C3%A9%261")
    assert session_is_over(op)


@conformance("oidcc-rp-initiated-logout-no-state")
def test_without_state_none_is_invented(op, signed_in):
    answer = logout(op, id_token_hint=signed_in["id_token"], post_logout_redirect_uri=BYE)
    assert answer.headers["Location"] == BYE
    assert session_is_over(op)


@conformance("oidcc-rp-initiated-logout-bad-post-logout-redirect-uri")
@conformance("oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri")
@pytest.mark.parametrize("uri", ["https://app.example/other", "https://evil.example/bye", BYE + "?foo=bar"])
def test_n_125_an_address_that_is_not_registered_is_not_gone_to(op, signed_in, uri):
    answer = logout(op, id_token_hint=signed_in["id_token"], post_logout_redirect_uri=uri, state="s")
    assert page(answer) == "signed-out"
    assert "app.example" not in answer.text and "evil.example" not in answer.text


@conformance("oidcc-rp-initiated-logout-modified-id-token-hint")
@conformance("oidcc-rp-initiated-logout-bad-id-token-hint")
@pytest.mark.parametrize("alg", ["none", "ES256"])
def test_n_125_a_hint_that_is_not_ours_signs_nobody_out_unasked_and_leads_nowhere(op, signed_in, alg):
    foreign = None if alg == "none" else CLIENT_KEY
    hint = jwt.encode(claims_of(signed_in["id_token"]), foreign, alg)
    answer = logout(op, id_token_hint=hint, post_logout_redirect_uri=BYE, state="s")
    assert not session_is_over(op)
    assert page(confirmed(op, answer)) == "signed-out"
    assert session_is_over(op)


@conformance("oidcc-rp-initiated-logout-no-id-token-hint")
@conformance("oidcc-rp-initiated-logout-no-params")
@conformance("oidcc-rp-initiated-logout-only-state")
@pytest.mark.parametrize("given", [{"post_logout_redirect_uri": BYE, "state": "s"}, {}, {"state": "s"}], ids=str)
def test_without_a_hint_the_guest_is_asked_and_stays_here(op, signed_in, given):
    answer = logout(op, **given)
    assert not session_is_over(op)
    assert page(confirmed(op, answer)) == "signed-out"
    assert session_is_over(op)


@conformance("oidcc-rp-initiated-logout-no-post-logout-redirect-uri")
def test_with_a_hint_alone_the_guest_is_signed_out_here(op, signed_in):
    assert page(logout(op, id_token_hint=signed_in["id_token"])) == "signed-out"
    assert session_is_over(op)


@conformance("oidcc-backchannel-rp-initiated-logout")
@rfc("Back-Channel Logout", "2.4")
def test_an_app_is_told_by_a_logout_token_that_validates(op, listener):
    app, secret = op.app("Told", web={"redirectUris": [CALLBACK]}, b2b={"backchannelLogoutUri": listener.uri})
    op.sign_in(op.user)
    hint = op.tokens(app, secret)["id_token"]
    logout(op, id_token_hint=hint)
    op.idp.notifier.deliver(op.moment())
    (token,) = listener.heard
    header, told, known = jwt.get_unverified_header(token), claims_of(token), claims_of(hint)
    assert (header["typ"], header["alg"]) == ("logout+jwt", "RS256")
    assert [told[n] for n in ("iss", "aud", "sub", "sid")] == [known[n] for n in ("iss", "aud", "sub", "sid")]
    assert told["events"][LOGOUT] == {} and told["jti"] and "nonce" not in told
    assert told["iat"] == int(op.at.timestamp())


@rfc("Front-Channel Logout", "2")
def test_each_app_of_the_session_is_framed_and_told_its_own_sid(op):
    apps = {}
    op.sign_in(op.user)
    for name in ("One", "Two"):
        origin = f"https://{name.lower()}.example:8443"
        web = {"redirectUris": [CALLBACK, f"{origin}/in"], "logoutUrl": f"{origin}/out?x=1"}
        apps[origin] = claims_of(op.tokens(*op.app(name, web=web))["id_token"])
    hint = op.tokens()["id_token"]
    answer = logout(op, id_token_hint=hint)
    framed = [unescape(src) for src in re.findall('<iframe src="([^"]+)"', answer.text)]
    assert [url.partition("/out?x=1&")[0] for url in framed] == list(apps)
    for url, known in zip(framed, apps.values(), strict=True):
        asked = parse_qs(urlsplit(url).query)
        assert (asked["iss"], asked["sid"]) == ([known["iss"]], [known["sid"]])
        assert answer.text.count(f'href="{_escaped(url)}"') == 1, "a link where frames do not do"
    assert len({known["sid"] for known in apps.values()}) == 2
    policy = answer.headers["Content-Security-Policy"]
    assert f"frame-src {' '.join(apps)};" in policy
    assert "frame-ancestors 'none'" in policy


@rfc("Front-Channel Logout", "3")
def test_the_browser_goes_on_to_the_app_once_the_others_were_told(op):
    web = {"redirectUris": [CALLBACK], "logoutUrl": "https://app.example/out"}
    app, secret = op.app("Framed", web=web)
    op.sign_in(op.user)
    hint = op.tokens(app, secret)["id_token"]
    answer = logout(op, id_token_hint=hint, post_logout_redirect_uri=BYE, state="s")
    assert page(answer) == "signed-out"
    assert f'data-next="{BYE}?state=s"' in answer.text
    assert f'href="{BYE}?state=s"' in answer.text, "without scripts it is one press"
    # told once: the session is over
    assert logout(op, id_token_hint=hint, post_logout_redirect_uri=BYE).status_code == 303


def test_an_app_that_wants_no_session_is_called_as_it_registered(op):
    web = {"redirectUris": [CALLBACK], "logoutUrl": "https://app.example/out"}
    app, secret = op.app("Bare", web=web, b2b={"frontchannelLogoutSessionRequired": False})
    op.sign_in(op.user)
    answer = logout(op, id_token_hint=op.tokens(app, secret)["id_token"])
    assert '<iframe src="https://app.example/out"' in answer.text


@rfc("Front-Channel Logout", "2")
@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/out",
        "https://app.example:444/out",
        "http://app.example/out",
        "https://app.example/#x",
        "javascript:alert(1)",
    ],
)
def test_a_logout_url_of_another_origin_than_the_redirect_uris_is_refused(op, uri):
    body = {"displayName": "Bad", "web": {"redirectUris": [CALLBACK], "logoutUrl": uri}}
    answer = op.call("POST", "/applications", body)
    assert answer.status_code == 400, answer.text


def test_one_that_was_written_before_that_was_checked_is_not_framed(op):
    app, secret = op.app("Old", web={"redirectUris": [CALLBACK]})
    op.configure(app, "application", web={"redirectUris": [CALLBACK], "logoutUrl": "https://evil.example/out"})
    op.sign_in(op.user)
    assert "evil.example" not in logout(op, id_token_hint=op.tokens(app, secret)["id_token"]).text


class Listener:
    """An app's back-channel logout address."""

    def __init__(self):
        heard = self.heard = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                heard.append(parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())["logout_token"][0])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.uri = f"http://127.0.0.1:{self.server.server_port}/out"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def listener():
    made = Listener()
    yield made
    made.server.shutdown()
    made.server.server_close()


def _escaped(url):
    return url.replace("&", "&amp;")
