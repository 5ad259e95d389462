"""Reports over the sign-in log: MFA done twice, dead ends, step-up by home; by command and by the Graph API."""

from __future__ import annotations

import pytest

from b2b_idp.testing.kit import Kit


class Partner:
    """Ada of Fabrikam, and an app that wants MFA."""

    def __init__(self, b2b_idp: Kit, **home):
        self.kit = b2b_idp
        self.home = b2b_idp.home_tenant("fabrikam.example", **home)
        self.guest = b2b_idp.invite("ada@fabrikam.example")
        self.app = b2b_idp.app("CRM", requires="mfa")

    def sign_in(self, **said):
        return self.kit.sign_in(self.guest, self.app, prompt="login", **said)

    def report(self, name):
        return self.kit.graph("GET", f"/reports/{name}")["value"]

    def trust(self, **b2b_idp):
        self.kit.graph(
            "PATCH",
            f"/policies/crossTenantAccessPolicy/partners/{self.home.tenant_id}",
            {"inboundTrust": {"isMfaAccepted": True}} | ({"b2bIdp": b2b_idp} if b2b_idp else {}),
        )


# --- double MFA ---


def test_who_proves_mfa_at_home_and_here_did_it_twice(b2b_idp):
    fabrikam = Partner(b2b_idp)
    fabrikam.sign_in(amr=["pwd", "mfa"])
    fabrikam.sign_in(amr=["pwd", "mfa"])
    (row,) = fabrikam.report("doubleMfa")
    assert (row["tenantId"], row["displayName"]) == (fabrikam.home.tenant_id, "Fabrikam")
    assert (row["signIns"], row["guests"], row["challengesSparedByTrust"]) == (2, 1, 2)
    assert [(m["code"], m["signIns"]) for m in row["missing"]] == [("trust_off", 2)]


def test_one_factor_at_home_is_not_mfa_twice(b2b_idp):
    fabrikam = Partner(b2b_idp)
    fabrikam.sign_in(amr=["pwd"])
    assert fabrikam.report("doubleMfa") == []


def test_a_home_whose_mfa_counts_does_not_ask_twice(b2b_idp):
    fabrikam = Partner(b2b_idp, trust_mfa=True)
    fabrikam.sign_in(amr=["pwd", "mfa"])
    assert fabrikam.report("doubleMfa") == []


def test_a_value_that_is_not_mapped_is_what_is_missing(b2b_idp):
    fabrikam = Partner(b2b_idp, trust_mfa=True, authentication_context={"profile": "google"})
    fabrikam.sign_in(amr=["pwd", "mfa"])
    (row,) = fabrikam.report("doubleMfa")
    assert [(m["code"], m["value"]) for m in row["missing"]] == [("unknown_value", "pwd"), ("unknown_value", "mfa")]
    assert row["challengesSparedByTrust"] == 0


def test_a_missing_auth_time_is_what_is_missing(b2b_idp):
    context = {"authTime": "required", "stepUp": {"with": "none", "values": []}}
    fabrikam = Partner(b2b_idp, trust_mfa=True, authentication_context=context)
    b2b_idp.sign_in(fabrikam.guest, fabrikam.app, amr=["pwd", "mfa"], auth_time=0)
    (row,) = fabrikam.report("doubleMfa")
    assert [m["code"] for m in row["missing"]] == ["auth_time_absent"]


# --- dead ends ---


def test_a_guest_whose_home_cannot_and_whose_partner_blocks_is_at_a_dead_end(b2b_idp):
    fabrikam = Partner(b2b_idp, trust_mfa=True, when_home_cannot="block")
    fabrikam.sign_in(amr=["pwd"])
    fabrikam.sign_in(amr=["pwd"])
    (row,) = fabrikam.report("deadEnds")
    assert (row["userPrincipalName"], row["appDisplayName"]) == ("ada@fabrikam.example", "CRM")
    assert (row["code"], row["signIns"], row["resolved"]) == ("blocked_by_partner_policy", 2, False)
    assert row["policyDisplayName"].startswith("MFA for guests")
    assert [w["code"] for w in row["waysForward"]] == ["allow_challenge_here", "mfa_at_home", "change_policy"]


def test_who_got_in_later_is_told_as_resolved(b2b_idp):
    fabrikam = Partner(b2b_idp, trust_mfa=True, when_home_cannot="block")
    fabrikam.sign_in(amr=["pwd"])
    fabrikam.sign_in(amr=["pwd", "mfa"])
    (row,) = fabrikam.report("deadEnds")
    assert row["resolved"] is True


def test_a_policy_that_blocks_is_a_dead_end_that_only_the_policy_opens(b2b_idp):
    fabrikam = Partner(b2b_idp)
    fabrikam.sign_in(amr=["pwd"])
    block = {
        "displayName": "Closed",
        "state": "enabled",
        "conditions": {"users": {"includeUsers": ["All"]}, "applications": {"includeApplications": ["All"]}},
        "grantControls": {"operator": "OR", "builtInControls": ["block"]},
    }
    b2b_idp.graph("POST", "/identity/conditionalAccess/policies", block)
    fabrikam.sign_in(amr=["pwd"])
    (row,) = fabrikam.report("deadEnds")
    assert (row["code"], row["policyDisplayName"]) == ("blocked_by_policy", "Closed")
    assert [w["code"] for w in row["waysForward"]] == ["change_policy"]


# --- step-up ---


def test_step_up_is_counted_by_home(b2b_idp):
    fabrikam = Partner(b2b_idp, trust_mfa=True)
    fabrikam.sign_in(amr=["pwd"], step_up=["pwd", "mfa"])
    fabrikam.sign_in(amr=["pwd"])
    (row,) = fabrikam.report("stepUp")
    assert (row["asked"], row["answered"]) == (2, 1)
    assert row["lastAskedDateTime"] >= row["lastAnsweredDateTime"]


def test_a_fresh_sign_in_where_no_mfa_is_wanted_is_no_step_up(b2b_idp):
    home = b2b_idp.home_tenant("fabrikam.example", trust_mfa=True)
    b2b_idp.sign_in(b2b_idp.invite("ada@fabrikam.example"), b2b_idp.app("CRM"), amr=["pwd"], max_age="0")
    (row,) = b2b_idp.graph("GET", "/reports/stepUp")["value"]
    assert (row["tenantId"], row["asked"]) == (home.tenant_id, 0)


def test_an_identity_provider_shows_what_step_up_has_shown_and_ignores_it_when_sent_back(b2b_idp):
    fabrikam = Partner(b2b_idp, trust_mfa=True)
    address = f"/identity/identityProviders/{fabrikam.home.tenant_id}"
    nothing = {"asked": 0, "answered": 0, "lastAskedDateTime": None, "lastAnsweredDateTime": None}
    before = b2b_idp.graph("GET", address)
    assert before["b2bIdp"]["stepUpSeen"] == nothing
    fabrikam.sign_in(amr=["pwd", "mfa"])
    b2b_idp.graph("PATCH", address, {"b2bIdp": before["b2bIdp"]})
    seen = b2b_idp.graph("GET", address)["b2bIdp"]["stepUpSeen"]
    assert (seen["asked"], seen["answered"]) == (1, 1)
    with b2b_idp.idp.store.read() as r:
        assert "stepUpSeen" not in r.configuration.homes[fabrikam.home.tenant_id].properties["b2bIdp"]


# --- asking for them ---


def test_a_home_that_is_only_listed_was_never_asked(b2b_idp):
    fabrikam = Partner(b2b_idp)
    (row,) = fabrikam.report("stepUp")
    assert (row["asked"], row["lastAskedDateTime"]) == (0, None)


@pytest.mark.parametrize("last", ["P1D", "PT2H", "P366D"])
def test_how_far_a_report_looks_back(b2b_idp, last):
    fabrikam = Partner(b2b_idp)
    fabrikam.sign_in(amr=["pwd", "mfa"])
    assert len(b2b_idp.graph("GET", f"/reports/doubleMfa?last={last}")["value"]) == 1


@pytest.mark.parametrize(
    "asked", ["last=30d", "last=", "last=P9999D", "last=P1D&last=P2D", "$last=P1D", "$filter=x eq 1", "$select=x"]
)
def test_a_report_asked_badly_is_400(b2b_idp, asked):
    with pytest.raises(AssertionError, match="400"):
        b2b_idp.graph("GET", f"/reports/doubleMfa?{asked}")


def test_reports_are_lists_like_any_other(b2b_idp):
    fabrikam = Partner(b2b_idp)
    b2b_idp.home_tenant("litware.example")
    page = b2b_idp.graph("GET", "/reports/stepUp?last=P7D&$top=1&$select=displayName&$count=true")
    assert (page["@odata.count"], list(page["value"][0])) == (2, ["displayName"])
    assert page["@odata.nextLink"].endswith("&last=P7D")
    rest = b2b_idp.graph("GET", page["@odata.nextLink"].partition("/v1.0")[2])
    assert {page["value"][0]["displayName"], rest["value"][0]["displayName"]} == {"Fabrikam", "Litware"}
    assert fabrikam.home.tenant_id in {r["tenantId"] for r in fabrikam.report("stepUp")}
