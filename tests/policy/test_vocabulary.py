"""Vendors' tables and what an entry adds to them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from b2b_idp.model.evidence import HomeStatement, StepUp
from b2b_idp.model.problem import Code, Problem
from b2b_idp.policy.factors import MULTI_FACTOR_MODES, VALUE_KINDS, shown
from b2b_idp.policy.vocabulary import MODES, PROFILES, compile_vocabulary

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def said(*amr: str, acr: str | None = None) -> HomeStatement:
    return HomeStatement("fabrikam", "https://login.fabrikam.example", "maria", amr, acr, None, AT)


@pytest.mark.parametrize("profile", PROFILES)
def test_no_shipped_profile_takes_a_key_or_phishing_resistance_for_two_factors(profile: str) -> None:
    vocabulary = PROFILES[profile]
    for value in ("hwk", "swk", "pop", "sc", "rsa", "fido", "phr", "phrh"):
        modes = (*vocabulary.amr.get(value, ()), *vocabulary.acr.get(value, ()))
        assert MULTI_FACTOR_MODES.isdisjoint(modes)


@pytest.mark.parametrize("profile", PROFILES)
def test_profiles_speak_of_known_modes_only(profile: str) -> None:
    vocabulary = PROFILES[profile]
    assert {m for words in (vocabulary.amr, vocabulary.acr) for modes in words.values() for m in modes} <= MODES


@pytest.mark.parametrize("profile", sorted(PROFILES.keys() - {"google", "none"}))
def test_mfa_means_several_factors_to_every_vendor_that_says_it(profile: str) -> None:
    assert shown(said("mfa"), PROFILES[profile], trusted=True).mfa


@pytest.mark.parametrize(
    ("profile", "statement"),
    [
        ("entra", said("ngcmfa")),
        ("entra", said("http://schemas.microsoft.com/claims/multipleauthn")),
        ("adfs", said("http://schemas.microsoft.com/claims/multipleauthn")),
        ("okta", said(acr="urn:okta:loa:2fa:any")),
        ("auth0", said(acr="http://schemas.openid.net/pape/policies/2007/06/multi-factor")),
        ("refeds", said(acr="https://refeds.org/profile/mfa")),
    ],
)
def test_vendors_own_words_for_mfa(profile: str, statement: HomeStatement) -> None:
    assert shown(statement, PROFILES[profile], trusted=True).mfa


@pytest.mark.parametrize(
    ("profile", "statement"),
    [
        ("okta", said(acr="urn:okta:loa:2fa:any:ifpossible")),
        ("entra", said("pwd", "rsa")),
        ("entra", said("wiaormfa")),
        ("entra", said(acr="1")),
        ("none", said("pwd", "otp", "mfa")),
    ],
)
def test_words_that_leave_two_factors_open_are_not_mfa(profile: str, statement: HomeStatement) -> None:
    assert not shown(statement, PROFILES[profile], trusted=True).mfa


@pytest.mark.parametrize("profile", sorted(PROFILES.keys() - {"google", "none"}))
@pytest.mark.parametrize("near", ["MFA", "mfa ", "xmfa", "nomfa", "\uff4d\uff46\uff41"])
def test_n_082_what_only_looks_like_mfa_is_not_mfa(profile: str, near: str) -> None:
    assert not shown(said(near), PROFILES[profile], trusted=True).mfa
    assert shown(said("mfa"), PROFILES[profile], trusted=True).mfa


def test_amr_and_acr_are_two_accounts_and_not_two_factors() -> None:
    statement = said("otp", acr="urn:okta:loa:1fa:pwd")
    assert not shown(statement, PROFILES["okta"], trusted=True).mfa


def test_two_values_of_one_kind_are_one_factor() -> None:
    assert not shown(said("sms", "otp", "hwk"), PROFILES["rfc8176"], trusted=True).mfa


@pytest.mark.parametrize("value", sorted(PROFILES["rfc8176"].amr.keys() - VALUE_KINDS.keys() - {"mfa"}))
def test_values_without_a_kind_add_nothing_to_a_password(value: str) -> None:
    assert not shown(said("pwd", value), PROFILES["rfc8176"], trusted=True).mfa


def test_an_entry_adds_to_its_profile_and_wins() -> None:
    vocabulary = compile_vocabulary("okta", {"sms": ["email"], "acme": ["fido2"]}, {}, None, "used")
    assert (vocabulary.amr["sms"], vocabulary.amr["acme"], vocabulary.amr["pwd"]) == (
        ("email",),
        ("fido2",),
        ("password",),
    )


def test_an_entry_takes_a_value_out_with_an_empty_list() -> None:
    vocabulary = compile_vocabulary("rfc8176", {"mfa": []}, {}, None, "used")
    assert not shown(said("mfa"), vocabulary, trusted=True).mfa


def test_an_entry_that_explains_otp_is_believed_that_it_is_not_mailed() -> None:
    vocabulary = compile_vocabulary("entra", {"otp": ["hardwareOath"]}, {}, None, "used")
    assert shown(said("pwd", "otp"), vocabulary, trusted=True).mfa


def test_step_up_is_the_profiles_unless_the_entry_says_otherwise() -> None:
    assert compile_vocabulary("entra", {}, {}, None, "used").step_up == StepUp("claims", ("mfa",))
    assert compile_vocabulary("entra", {}, {}, StepUp("none"), "used").step_up == StepUp("none")


@pytest.mark.parametrize(
    ("profile", "amr", "acr", "named"),
    [
        ("Okta", {}, {}, "'Okta'"),
        ("okta", {"x": ["telepathy"]}, {}, "'telepathy'"),
        ("okta", {}, {"x": ["Password"]}, "'Password'"),
    ],
)
def test_unknown_profiles_and_modes_are_refused_by_name(
    profile: str, amr: dict[str, list[str]], acr: dict[str, list[str]], named: str
) -> None:
    with pytest.raises(Problem) as refused:
        compile_vocabulary(profile, amr, acr, None, "used")
    assert refused.value.code is Code.BAD_REQUEST
    assert named in refused.value.say


def test_ten_thousand_values_leave_only_the_known_ones() -> None:
    """N-081"""
    shows = shown(said(*(f"v{i}" for i in range(10_000)), "pwd", "pwd"), PROFILES["rfc8176"], trusted=True)
    assert shows.known == ("pwd",)
