"""Scripted home tenants speak their make's words out of the box, and are asked for MFA in their make's way."""

from __future__ import annotations

import pytest

from b2b_idp.policy.vocabulary import PROFILES
from b2b_idp.testing.vendors import VENDORS

SILENT = {"google", "none"}
"""Makes without any words for MFA."""
CAN_BE_ASKED = {name for name, vendor in VENDORS.items() if vendor.asked_by}
DOMAIN = "fabrikam.example"


@pytest.fixture
def signed_in(b2b_idp):
    """A sign-in to an app that requires MFA, from a trusted home of this make; the guest has been here before."""

    def sign_in(make, **evidence):
        home = b2b_idp.home_tenant(DOMAIN, trust_mfa=True, profile=make)
        maria = b2b_idp.invite(f"maria@{DOMAIN}")
        b2b_idp.sign_in(maria, b2b_idp.app("wiki"))
        done = b2b_idp.sign_in(maria, b2b_idp.app("crm", requires="mfa"), prompt="login", **evidence)
        return done, home.provider

    return sign_in


def test_there_is_a_home_of_every_profile():
    assert VENDORS.keys() == PROFILES.keys()


@pytest.mark.parametrize("make", sorted(VENDORS.keys() - SILENT))
def test_mfa_done_at_a_trusted_home_is_enough_in_every_makes_words(signed_in, make):
    done, _ = signed_in(make, mfa=True)
    assert (done.asked, done.decision.reasons[-1].code) == ([], "home_mfa_accepted")


@pytest.mark.parametrize("make", sorted(SILENT))
def test_a_make_without_words_for_mfa_proves_one_factor(signed_in, make):
    done, _ = signed_in(make, mfa=True)
    assert done.asked == [{"where": "here", "method": "totp"}]


@pytest.mark.parametrize("make", sorted(VENDORS))
def test_a_password_alone_is_not_mfa_in_any_makes_words(signed_in, make):
    done, _ = signed_in(make)
    assert done.asked[-1] == {"where": "here", "method": "totp"}


@pytest.mark.parametrize("make", sorted(CAN_BE_ASKED))
def test_a_home_that_can_be_asked_for_mfa_steps_up(signed_in, make):
    done, _ = signed_in(make, step_up=True)
    assert done.asked == [{"where": "home", "method": "mfa"}]
    assert [reason.code for reason in done.decision.reasons] == ["home_step_up", "home_mfa_accepted"]


@pytest.mark.parametrize("make", sorted(VENDORS.keys() - CAN_BE_ASKED))
def test_a_home_that_cannot_be_asked_says_how_it_could(signed_in, make):
    with pytest.raises(ValueError, match=r"authentication_context=.*stepUp"):
        signed_in(make, step_up=True)


def test_entra_is_asked_by_a_claims_request_and_okta_by_acr_values(signed_in):
    _, entra = signed_in("entra", step_up=True)
    assert '"mfa"' in entra.requests[-1]["claims"]
    assert "acr_values" not in entra.requests[-1]


def test_okta_is_asked_by_its_own_acr_value(signed_in):
    _, okta = signed_in("okta", step_up=True)
    assert okta.requests[-1]["acr_values"] == "urn:okta:loa:2fa:any"


def test_entra_tells_of_mfa_only_when_it_is_asked(b2b_idp):
    home = b2b_idp.home_tenant(DOMAIN, trust_mfa=True, profile="entra")
    maria = b2b_idp.invite(f"maria@{DOMAIN}")
    done = b2b_idp.sign_in(maria, b2b_idp.app("wiki"), mfa=True)
    assert "claims" not in home.provider.requests[-1]
    assert "mfa" not in done.id_token.get("amr", [])


def test_a_way_of_asking_that_is_configured_works_for_a_make_without_one(b2b_idp):
    context = {"acr": {"gold": ["federatedMultiFactor"]}, "stepUp": {"with": "acr_values", "values": ["gold"]}}
    b2b_idp.home_tenant(DOMAIN, trust_mfa=True, profile="ping", authentication_context=context)
    done = b2b_idp.sign_in(b2b_idp.invite(f"maria@{DOMAIN}"), b2b_idp.app("crm", requires="mfa"), step_up=True)
    assert done.asked == [{"where": "home", "method": "mfa"}]


def test_an_unknown_make_is_refused_with_those_that_there_are(b2b_idp):
    with pytest.raises(ValueError, match=r"say one of .*okta"):
        b2b_idp.home_tenant(DOMAIN, profile="octa")
