"""Strict homes by npm oidc-provider: one of FAPI 2.0, and one that takes signed requests only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from tests.conformance import rfc
from tests.ports import free_port
from tests.real.conftest import MFA, World, furnished, redirect_uri
from tests.real.instance import Instance
from tests.real.nodes import Browser, RelyingParty, foreign_home


def people(domain: str) -> dict[str, dict[str, Any]]:
    about = {"factors": "ask", "name": "Pat Pine", "email_verified": True}
    return {f"{n}@{domain}": about | {"sub": n, "email": f"{n}@{domain}"} for n in ("pat", "pim", "pia")}


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    running = Instance(tmp_path_factory.mktemp("strict") / "data", free_port())
    running.start()
    yield running
    running.stop()


def world_of(instance: Instance, domain: str, keyed: dict[str, Any], **config: Any) -> Iterator[World]:
    """Its home knows us by our keys, which it reads at our jwks_uri."""
    client = {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": f"{instance.issuer}/jwks"} | keyed
    with (
        foreign_home(
            people(domain), lambda issuer: redirect_uri(instance, issuer), domain, clientMetadata=client, **config
        ) as home,
        RelyingParty() as rp,
    ):
        yield furnished(instance, home, rp, by_key=True)


@pytest.fixture(scope="module")
def fapi(instance: Instance) -> Iterator[World]:
    client = {"dpop_bound_access_tokens": True, "id_token_signed_response_alg": "ES256"}
    yield from world_of(instance, "fapi.example", client, fapi=True, par="required", nonces=True, claimsIn="userinfo")


@pytest.fixture(scope="module")
def signed(instance: Instance) -> Iterator[World]:
    yield from world_of(instance, "signed.example", {}, par=False, signed=True, formPost=True, host="localhost")


def heard(world: World, kind: str) -> list[dict[str, Any]]:
    return [entry for entry in [*world.home.log, *world.home.calls] if entry["kind"] == kind]


@rfc("FAPI 2.0 Security Profile", "5.3.3")
@rfc("9449", "8")
def test_a_guest_steps_up_at_a_fapi_home_by_pushed_requests_and_bound_tokens(fapi: World) -> None:
    email = "pat@fapi.example"
    fapi.invite(email)
    tokens, walk = fapi.sign_in(email)
    assert (tokens["claims"]["email"], tokens["claims"]["amr"]) == (email, ["pwd", "otp", "mfa"])
    assert (walk.challenges, fapi.home.asked(email)) == ([], ["pwd", "otp"])
    assert [(a["pushed"], a["params"]["acr_values"]) for a in heard(fapi, "authorize")] == [(True, MFA)]
    # its nonce is asked for once, at each endpoint
    assert [(t["status"], t["proof"], t["auth"]) for t in heard(fapi, "token")] == [
        (400, True, "private_key_jwt"),
        (200, True, "private_key_jwt"),
    ]
    assert [(u["status"], u["proof"]) for u in heard(fapi, "userinfo")][-1] == (200, True)


def test_a_rotation_here_is_no_gap_there(fapi: World) -> None:
    fapi.instance.run("keys", "rotate", "--data", str(fapi.instance.data))
    email = "pim@fapi.example"
    fapi.invite(email)
    tokens, _ = fapi.sign_in(email)
    assert tokens["claims"]["email"] == email


@rfc("9101", "4")
def test_a_guest_steps_up_at_a_home_that_takes_signed_requests_only(signed: World) -> None:
    email = "pat@signed.example"
    signed.invite(email)
    tokens, _ = signed.sign_in(email)
    assert (tokens["claims"]["email"], tokens["claims"]["amr"]) == (email, ["pwd", "otp", "mfa"])
    (asked,) = heard(signed, "authorize")
    assert (asked["signed"], asked["pushed"], asked["params"]["acr_values"]) == (True, False, MFA)
    assert (asked["params"]["response_mode"], asked["params"]["login_hint"]) == ("form_post", email)


def test_a_step_up_that_the_guest_edits_out_of_a_signed_request_is_refused_there(signed: World) -> None:
    email = "pim@signed.example"
    signed.invite(email)
    walker = signed.driver(email).walker
    walker.stop_at = signed.home.issuer + "/auth"
    away = urlsplit(walker.get(signed.start_url(login_hint=email)).url)
    signed_request = dict(parse_qsl(away.query))
    unsigned = {k: v for k, v in signed_request.items() if k != "request"}
    edited = unsigned | {"nonce": "n", "code_challenge": "a" * 43, "code_challenge_method": "S256"}
    assert len(unsigned) < len(signed_request)
    walk = signed.driver(email).walk(away._replace(query=urlencode(edited)).geturl())
    assert ("error=invalid_request" in walk.end.url, walk.end.status) == (True, 400)
    assert signed.home.asked(email) == []


@rfc("Form Post", "2")
def test_in_a_real_browser_the_form_of_another_site_finds_the_sign_in_again(signed: World, chromium: Browser) -> None:
    email = "pia@signed.example"
    signed.invite(email)
    chromium.ask("new")
    chromium.goto(signed.start_url(login_hint=email))
    for field in ("password", "otp"):
        chromium.fill(f"input[name={field}]", signed.home.answers(email)[field])
        chromium.click("button[type=submit]")
    chromium.ask("wait", selector="main[data-page]")
    assert chromium.where()["page"] in ("redeem", "consent"), chromium.text()
    ours = [said for said in chromium.complaints() if said.startswith(signed.instance.issuer)]
    assert ours == []
