"""The request that the guest takes home: `begin`."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from hashlib import sha256
from urllib.parse import parse_qsl, urlsplit

import pytest
from homes_world import ADA, CALLBACK, World, moment

from b2b_idp.homes.oidc import Pending
from b2b_idp.model.evidence import StepUp, Vocabulary
from b2b_idp.model.problem import Code, Problem
from b2b_idp.testing.home_tenant import MFA_ACR, SFA_ACR


def query(departure):
    return dict(parse_qsl(urlsplit(departure.url).query))


def asked(world, step_up, acr=None):
    """What a step-up request adds, for a home whose entry says `step_up`."""
    home = world.configured(vocabulary=Vocabulary(acr=acr or {}, step_up=step_up))
    parameters = query(world.begin(home, step_up=True))
    return parameters.get("acr_values"), json.loads(parameters["claims"]) if "claims" in parameters else None


def test_it_is_a_code_request_with_pkce_state_and_nonce(world):
    departure = world.begin()
    sent = query(departure)
    assert departure.url.startswith(f"{world.provider.issuer}/authorize?")
    assert (sent["response_type"], sent["scope"], sent["state"]) == ("code", "openid profile email", "state-1")
    assert (sent["client_id"], sent["redirect_uri"], sent["nonce"]) == ("b2b", CALLBACK, departure.pending.nonce)
    challenge = urlsafe_b64encode(sha256(departure.pending.code_verifier.encode()).digest()).decode().rstrip("=")
    assert (sent["code_challenge"], sent["code_challenge_method"]) == (challenge, "S256")


def test_nothing_is_asked_that_was_not_wanted(world):
    assert not {"max_age", "acr_values", "claims", "prompt", "login_hint", "ui_locales"} & set(query(world.begin()))


def test_freshness_prompt_hint_and_language_are_passed_on(world):
    wanted = {"prompt": "login", "login_hint": "ada@fabrikam.example", "ui_locales": "de fr"}
    sent = query(world.begin(max_age=0, **wanted))
    assert {k: sent[k] for k in ("max_age", *wanted)} == {"max_age": "0", **wanted}


def test_nonce_and_verifier_are_new_each_time_and_shown_in_no_repr(world):
    one, other = world.begin().pending, world.begin().pending
    assert one.nonce != other.nonce
    assert one.code_verifier != other.code_verifier
    assert one.code_verifier not in repr(one)


def test_what_is_pending_survives_json(world):
    pending = world.begin(step_up=True, max_age=60).pending
    assert Pending.from_json(json.loads(json.dumps(pending.to_json()))) == pending


def test_an_authorization_endpoint_keeps_its_own_query(world):
    endpoint = f"{world.provider.issuer}/authorize?realm=x"
    world.provider.metadata_overrides["authorization_endpoint"] = endpoint
    assert world.begin().url.startswith(endpoint + "&response_type=code")


def test_step_up_by_acr_values_sends_exactly_those_of_the_entry(world):
    assert asked(world, StepUp("acr_values", ("urn:x:2", "urn:x:1"))) == ("urn:x:2 urn:x:1", None)


def test_step_up_without_values_sends_the_homes_own_words_for_more_than_one_factor(world):
    world.provider.metadata_overrides["acr_values_supported"] = ["1fa", "2fa", "other", MFA_ACR]
    words = {"1fa": ("federatedSingleFactor",), "2fa": ("federatedMultiFactor",)}
    assert asked(world, StepUp("acr_values"), words) == ("2fa", None)


def test_step_up_without_any_word_in_common_falls_back_to_refeds_if_the_home_lists_it(world):
    assert asked(world, StepUp("acr_values")) == (MFA_ACR, None)


def test_step_up_without_any_word_is_a_plain_second_request(world):
    world.provider.metadata_overrides["acr_values_supported"] = [SFA_ACR]
    assert asked(world, StepUp("acr_values")) == (None, None)


def test_step_up_none_sends_nothing_though_values_stand_beside_it(world):
    assert asked(world, StepUp("none", ("mfa",))) == (None, None)


def test_step_up_by_claims_is_entras_request(world):
    wanted = {"id_token": {"amr": {"essential": True, "values": ["mfa"]}}}
    assert asked(world, StepUp("claims", ("mfa",))) == (None, wanted)
    assert asked(world, StepUp("claims")) == (None, wanted)


def test_step_up_by_claims_asks_a_class_as_acr_and_as_essential_only_if_the_home_lists_it(world):
    words = {"urn:x:2": ("federatedMultiFactor",)}
    listed = {"id_token": {"acr": {"essential": True, "values": [MFA_ACR]}}}
    unlisted = {"id_token": {"acr": {"essential": False, "values": ["urn:x:2"]}}}
    assert asked(world, StepUp("claims", (MFA_ACR,))) == (None, listed)
    assert asked(world, StepUp("claims", ("urn:x:2",)), words) == (None, unlisted)


@pytest.mark.parametrize("ask", [{"step_up": True}, {"max_age": 60}])
def test_the_statement_tells_that_it_was_asked_for(world, ask):
    assert world.sign_in(**ask).statement.asked


def test_a_home_that_is_asked_for_mfa_does_it_at_once(world):
    world.provider.script(ADA, amr=["pwd"], step_up=["pwd", "otp", "mfa"])
    home = world.configured(vocabulary=Vocabulary(step_up=StepUp("acr_values", (MFA_ACR,))))
    assert world.sign_in(home).statement.amr == ("pwd",)
    assert world.sign_in(home, step_up=True).statement.amr == ("pwd", "otp", "mfa")


# --- who we are -----------------------------------------------------------------------------------------------


def test_basic_authentication_has_form_urlencoded_id_and_secret():
    world = World(client_id="b2b:ü", client_secret="a+b c:/%")
    try:
        assert world.sign_in().statement.subject == "ada-1"
        assert "client_secret" not in world.provider.token_requests[0]
    finally:
        world.provider.stop()


def test_the_secret_goes_in_the_form_where_the_home_takes_it_only_so(world):
    world.provider.metadata_overrides["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    world.sign_in()
    assert world.provider.token_requests[0]["client_secret"] == world.provider.client_secret


def test_a_home_that_takes_no_secret_is_misconfigured_and_is_sent_none(world):
    world.provider.metadata_overrides["token_endpoint_auth_methods_supported"] = ["tls_client_auth"]
    assert world.refusal().code is Code.HOME_MISCONFIGURED
    assert world.provider.token_requests == []


def test_a_secret_that_the_home_does_not_know_is_misconfigured(world):
    refusal = world.refusal(world.configured(client_secret="another"))
    assert (refusal.code, "invalid_client" in refusal.why) == (Code.HOME_MISCONFIGURED, True)


# --- pushed requests ------------------------------------------------------------------------------------------


def test_a_request_is_pushed_where_the_home_takes_that_so_nobody_can_edit_it(world):
    world.provider.metadata_overrides["pushed_authorization_request_endpoint"] = f"{world.provider.issuer}/par"
    home = world.configured(vocabulary=Vocabulary(step_up=StepUp("acr_values", (MFA_ACR,))))
    departure = world.begin(home, step_up=True)
    assert set(query(departure)) == {"client_id", "request_uri"}
    answer = world.homes.finish(home, departure.pending, world.visit(departure), moment())
    assert answer.statement.subject == "ada-1"
    assert world.provider.requests[0]["acr_values"] == MFA_ACR


@pytest.mark.parametrize(("path", "code"), [("/nowhere", Code.HOME_MISCONFIGURED), ("/jwks", Code.HOME_MISCONFIGURED)])
def test_a_pushed_request_that_the_home_refuses_is_not_sent_the_other_way(world, path, code):
    world.provider.metadata_overrides["pushed_authorization_request_endpoint"] = world.provider.issuer + path
    with pytest.raises(Problem) as raised:
        world.begin()
    assert raised.value.code is code
