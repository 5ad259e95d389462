"""The home's answer at our redirect URI, and who it says the guest is: `finish`."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Response
from homes_world import ADA, World, moment

from b2b_idp.model.problem import Code, Problem
from b2b_idp.testing.home_tenant import ScriptedHome, compact_jws
from tests.conformance import rfc


def problem_of(call):
    with pytest.raises(Problem) as raised:
        call()
    return raised.value


def finish(world, answer, pending=None, home=None):
    departure = world.begin()
    return world.homes.finish(home or world.home, pending or departure.pending, answer, moment())


@pytest.mark.parametrize("iss", ["https://northwind.example", "", "{}/"], ids=["another home's", "empty", "slash"])
def test_n_032_an_answer_of_another_issuer_never_gets_to_the_token_endpoint(world, iss):
    world.provider.tamper["redirect"] = lambda answer: answer | {"iss": iss.format(world.home.issuer)}
    assert world.refusal().code is Code.HOME_ANSWER_REFUSED
    assert world.provider.token_requests == []


def test_n_033_iss_is_missing_though_metadata_promises_it(world):
    world.provider.tamper["redirect"] = lambda answer: {k: v for k, v in answer.items() if k != "iss"}
    assert world.refusal().code is Code.HOME_ANSWER_REFUSED
    assert world.provider.token_requests == []


def test_n_033_iss_may_be_missing_where_metadata_does_not_promise_it(world):
    world.provider.metadata_overrides["authorization_response_iss_parameter_supported"] = False
    world.provider.tamper["redirect"] = lambda answer: {k: v for k, v in answer.items() if k != "iss"}
    assert world.sign_in().statement.subject == "ada-1"


def test_n_034_what_is_pending_at_one_home_is_not_finished_at_another(world):
    pending = replace(world.begin().pending, tenant_id="another")
    problem = problem_of(lambda: finish(world, {"code": "c", "iss": world.home.issuer}, pending))
    assert problem.code is Code.HOME_ANSWER_REFUSED
    assert world.provider.token_requests == []


def test_n_034_two_homes_with_the_same_subject_are_two_issuers(world):
    other = World()
    try:
        one, two = world.sign_in().statement, other.sign_in().statement
    finally:
        other.provider.stop()
    assert one.subject == two.subject
    assert one.issuer != two.issuer


@pytest.mark.parametrize("code", ["", "c" * 5000])
def test_an_answer_without_a_sane_code_is_refused(world, code):
    problem = problem_of(lambda: finish(world, {"code": code, "iss": world.home.issuer}))
    assert problem.code is Code.HOME_ANSWER_REFUSED
    assert world.provider.token_requests == []


def test_a_code_is_sent_once(world):
    departure = world.begin()
    answer = world.visit(departure)
    world.homes.finish(world.home, departure.pending, answer, moment())
    again = problem_of(lambda: world.homes.finish(world.home, departure.pending, answer, moment()))
    assert (again.code, "invalid_grant" in again.why) == (Code.HOME_ANSWER_REFUSED, True)
    assert answer["code"] not in str(again)


def test_another_code_verifier_is_not_accepted_by_the_home(world):
    departure = world.begin()
    other = replace(departure.pending, code_verifier="x" * 43)
    problem = problem_of(lambda: world.homes.finish(world.home, other, world.visit(departure), moment()))
    assert problem.code is Code.HOME_ANSWER_REFUSED


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("access_denied", "access_denied"),
        ("server_error", "server_error"),
        ("temporarily_unavailable", "temporarily_unavailable"),
        ("login_required", "access_denied"),
        ("made_up", "access_denied"),
    ],
)
def test_the_homes_own_error_reaches_the_app_as_one_of_three_words(world, said, heard):
    world.provider.respond = lambda _: {"error": said}
    problem = world.refusal()
    assert (problem.code, problem.details["error"], problem.details["said"]) == (Code.HOME_SAID_ERROR, heard, said)
    assert world.provider.token_requests == []


@pytest.mark.parametrize("error", ["<script>alert(1)</script>", "e" * 1_000_000, "a\r\nSet-Cookie: x=y", "é\0\u202e"])
def test_n_047_the_homes_error_is_cut_and_cleaned(world, error):
    answer = {"error": error, "error_description": "d" * 1_000_000, "iss": world.home.issuer}
    problem = problem_of(lambda: finish(world, answer))
    assert problem.code is Code.HOME_SAID_ERROR
    shown = str(problem) + "".join(problem.details.values())
    assert len(shown) < 1000
    assert shown.isascii()
    assert shown.isprintable()


# --- who it is ------------------------------------------------------------------------------------------------


def test_userinfo_is_not_fetched_when_nothing_is_missing(world):
    world.sign_in()
    assert world.provider.hits["/userinfo"] == 0


def leave_out_the_address(world):
    world.spoil_claims(email=..., email_verified=...)


def test_an_address_that_the_id_token_lacks_comes_from_userinfo(world):
    leave_out_the_address(world)
    assert world.sign_in().profile.email == "ada@fabrikam.example"


def test_what_userinfo_says_of_an_address_goes_with_it(world):
    world.spoil_claims(email=...)
    world.provider.tamper["userinfo"] = lambda d: d | {"email": "x@fabrikam.example", "email_verified": False}
    profile = world.sign_in().profile
    assert (profile.email, profile.email_verified) == ("x@fabrikam.example", False)


def test_amr_acr_and_auth_time_never_come_from_userinfo(world):
    world.spoil_claims(email=..., amr=..., acr=..., auth_time=...)
    evidence = {"amr": ["mfa"], "acr": "urn:x:2", "auth_time": 1}
    world.provider.tamper["userinfo"] = lambda d: d | evidence
    said = world.sign_in().statement
    assert (said.amr, said.acr, said.auth_time) == (None, None, None)


@pytest.mark.parametrize("sub", ["eve", "ADA-1", "", None, 1, ["ada-1"]])
def test_n_021_userinfo_about_another_subject(world, sub):
    leave_out_the_address(world)
    world.provider.tamper["userinfo"] = lambda d: d | {"sub": sub}
    assert world.refusal().code is Code.HOME_ANSWER_REFUSED


@pytest.mark.parametrize(
    "answer",
    [
        lambda d: Response(status=500),
        lambda d: Response(status=403),
        lambda d: Response(status=302, headers={"Location": "http://169.254.169.254/"}),
        lambda d: b"<html>",
        lambda d: b"[]",
        lambda d: b'{"sub":"ada-1","sub":"eve"}',
        lambda d: b"x" * 1_000_000,
        lambda d: {k: v for k, v in d.items() if k != "sub"},
        lambda d: {"sub": "ada-1", "email": 7},
    ],
    ids=["500", "403", "redirect", "html", "list", "twice", "large", "no sub", "no text"],
)
def test_userinfo_that_fails_alone_fails_no_sign_in(world, answer):
    leave_out_the_address(world)
    world.provider.tamper["userinfo"] = answer
    signed_in = world.sign_in()
    assert (signed_in.statement.subject, signed_in.profile.email) == ("ada-1", None)


@pytest.fixture
def elsewhere():
    """A claims provider that others' claims lead to."""
    with ScriptedHome("elsewhere.example") as provider:
        yield provider


@rfc("OIDC Core", "5.6.2")
@pytest.mark.parametrize("place", ["id_token", "userinfo"])
@pytest.mark.parametrize("kind", ["distributed", "aggregated"])
def test_claims_of_others_are_neither_fetched_nor_opened(world, elsewhere, place, kind):
    said = {"iss": elsewhere.issuer, "sub": "ada-1", "email": "eve@fabrikam.example", "department": "Board"}
    source = {"endpoint": f"{elsewhere.issuer}/userinfo", "access_token": "at"}
    if kind == "aggregated":
        source = {"JWT": compact_jws({"alg": "RS256", "kid": "k1"}, said, elsewhere.key)}
    others = {"_claim_names": {"email": "src", "department": "src"}, "_claim_sources": {"src": source}}
    world.spoil_claims(email=..., **(others if place == "id_token" else {}))
    world.provider.tamper["userinfo"] = lambda d: {k: v for k, v in d.items() if k != "email"} | others
    profile = world.sign_in(world.configured(claim_mapping={"department": "department"})).profile
    assert (profile.email, profile.attributes.get("department")) == (None, None)
    assert world.provider.hits["/userinfo"] == 1
    assert elsewhere.hits == {}


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        (True, True),
        (False, False),
        ("true", True),
        ("false", False),
        ("yes", None),
        (1, None),
        (None, None),
        ([], None),
        (..., None),
    ],
)
def test_email_verified_is_a_boolean_or_its_word_or_not_said(world, said, heard):
    world.spoil_claims(email_verified=said)
    assert world.sign_in().profile.email_verified is heard


@pytest.mark.parametrize(
    "email", ["", " ", 7, None, ["a@b.example"], "a\0@b.example", "a\n@b.example", "a" * 250 + "@b.example"]
)
def test_an_address_that_is_no_clean_text_is_as_if_absent(world, email):
    world.spoil_claims(email=email)
    assert world.sign_in().profile.email is None


def test_the_entrys_claim_mapping_names_the_homes_claims(world):
    world.spoil_claims(email="wrong@fabrikam.example", upn="ada@fabrikam.example", dept="Sales", level=3)
    mapping = {"email": "upn", "department": "dept"}
    profile = world.sign_in(world.configured(claim_mapping=mapping)).profile
    assert (profile.email, profile.attributes["department"]) == ("ada@fabrikam.example", "Sales")


def test_a_homes_statement_of_an_account_is_the_same_whoever_asks(world):
    world.provider.next("guest-2", amr=["pwd"], acr="urn:x:1", auth_time=1_700_000_000, email="b@fabrikam.example")
    said = world.sign_in().statement
    assert (said.subject, said.amr, said.acr, said.auth_time) == ("guest-2", ("pwd",), "urn:x:1", 1_700_000_000)
    assert world.sign_in().statement.subject == ADA.sub
