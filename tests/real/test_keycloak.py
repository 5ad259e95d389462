"""What is true of Keycloak 26 alone, and the manual's page about it, done with a real one."""

from __future__ import annotations

import json
import time

import pytest
import urllib3

from b2b_idp.model.moment import tenant_id_of
from b2b_idp.testing.guest import GuestDriver
from b2b_idp.testing.walker import Walker
from tests.docs.following import followed
from tests.ports import free_port
from tests.real.instance import Instance
from tests.real.keycloak import PAGE, REALM, authentication_context
from tests.real.place import settled


@pytest.fixture(scope="module")
def place(keycloak, tmp_path_factory):
    instance = Instance(tmp_path_factory.mktemp("keycloak") / "data", free_port())
    with settled(instance, keycloak, authentication_context(), keycloak.enrol) as place:
        yield place


def speak(place, context):
    world = place.world
    address = f"/identity/identityProviders/{world.tenant_id}"
    world.instance.graph("PATCH", address, {"b2bIdp": {"authenticationContext": context}})


def homes_test(place):
    world = place.world
    return json.loads(
        world.instance.run("homes", "test", "--data", str(world.instance.data), world.home.issuer, "--json")
    )


def test_homes_test_finds_the_pages_value_among_those_that_keycloak_lists(place):
    speak(place, authentication_context())
    report = homes_test(place)
    assert (report["stepUp"], report["problems"]) == ("acr_values=2fa", [])
    assert set(report["acrValuesSupported"]) == {"1fa", "2fa", "0", "1", "2"}


def test_homes_test_names_the_levels_to_choose_from_where_the_profile_alone_cannot_know_them(place):
    speak(place, {"profile": "keycloak"})
    assert "mean MFA (1fa, 2fa, 0, 1, 2)" in homes_test(place)["stepUp"]


def test_pwd_and_otp_in_one_token_are_mfa_although_keycloak_says_neither_mfa_nor_a_known_level(place):
    speak(place, {"profile": "keycloak", "stepUp": {"with": "acr_values", "values": ["2fa"]}})
    guest = place.guest()
    claims, reasons, walk = guest.sign_in()
    said = place.world.log(guest.email)["b2bIdp"]["homeEvidence"]
    assert (said["amr"], said["acr"]) == (["pwd", "otp"], "2fa")
    assert (claims["amr"], reasons) == (["pwd", "otp", "mfa"], ["home_step_up", "home_mfa_accepted"])
    assert walk.challenges == []


def test_an_essential_acr_out_of_reach_ends_on_keycloaks_own_page_which_is_why_ours_is_voluntary(place):
    speak(place, {"profile": "keycloak", "stepUp": {"with": "claims", "values": ["2fa"]}})
    guest = place.guest("one", invited=False)
    walk = guest.redeem()
    assert walk.end.url.startswith(place.world.home.issuer)
    assert (walk.end.status, walk.pages) == (400, [])
    assert "Authentication requirements not fulfilled" in walk.end.text


def test_a_step_up_at_keycloak_is_dated_by_its_second_factor(place):
    speak(place, authentication_context())
    guest = place.guest()
    guest.sign_in("plain")
    password = place.world.log(guest.email)["b2bIdp"]["homeEvidence"]["authTime"]
    time.sleep(max(0.0, password + 2 - time.time()))
    guest.sign_in()
    assert place.world.log(guest.email)["b2bIdp"]["homeEvidence"]["authTime"] >= password + 2


def test_the_realms_redirect_uri_is_that_of_the_pages_issuer():
    (uri,) = json.loads(REALM.read_text())["clients"][0]["redirectUris"]
    tenant_id = tenant_id_of("https://login.fabrikam.example/realms/fabrikam")
    assert uri == f"http://127.0.0.1:8000/federation/{tenant_id}/callback"


def test_who_follows_the_page_has_guests_that_sign_in_at_keycloak(keycloak, tmp_path):
    email = keycloak.enrol("both")
    with followed(PAGE, home=keycloak.base, folder=tmp_path) as ports:
        issuer = f"http://127.0.0.1:{ports['8000']}"
        invited = _invited(tmp_path, issuer, {"invitedUserEmailAddress": email, "inviteRedirectUrl": f"{issuer}/me"})
        walker = Walker(stop_at=f"{issuer}/me")
        driver = GuestDriver(
            walker,
            lambda: None,
            lambda walker, page: walker.submit(page, answers=_known(page, keycloak.answers(email))),
        )
        walk = driver.walk(invited["inviteRedeemUrl"])
    assert (walk.pages, walk.finished) == (["redeem"], True)
    assert keycloak.asked(email) == ["pwd"]


def _known(page, answers):
    return {name: answers[name] for name in page.forms[0].fields if name in answers}


def _invited(folder, issuer, invitation):
    admin, http = json.loads((folder / "admin.json").read_text())["admin"], urllib3.PoolManager()
    fields = {"grant_type": "client_credentials", "scope": f"{issuer}/.default"}
    fields |= {"client_id": admin["clientId"], "client_secret": admin["clientSecret"]}
    token = http.request("POST", f"{issuer}/token", fields=fields, encode_multipart=False).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    return http.request("POST", f"{issuer}/v1.0/invitations", json=invitation, headers=headers).json()
