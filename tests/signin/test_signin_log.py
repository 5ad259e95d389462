"""The sign-in log: what an entry says of a sign-in, property by property, and what the home signed in it."""

from __future__ import annotations

import json

import pytest

from b2b_idp.signin.recording import signed_again
from b2b_idp.testing.kit import Kit

MFA = "MFA requirement satisfied by claim provided by external provider"


class Signed:
    """The newest entries of the log after a sign-in at an app that wants MFA."""

    def __init__(self, b2b_idp: Kit, **home):
        self.kit = b2b_idp
        self.home = b2b_idp.home_tenant("fabrikam.example", **home)
        self.guest = b2b_idp.invite("ada@fabrikam.example")
        self.app = b2b_idp.app("CRM", requires="mfa")

    def sign_in(self, **said):
        self.result = self.kit.sign_in(self.guest, self.app, **said)
        return self.newest()

    def newest(self):
        return self.kit.graph("GET", "/auditLogs/signIns?$top=1")["value"][0]

    def columns(self):
        """The log's columns of the newest entry."""
        with self.kit.idp.store.read() as r:
            row = (
                r._c._connection.exec_driver_sql("SELECT * FROM signin_log ORDER BY at DESC, id DESC LIMIT 1")
                .mappings()
                .one()
            )
        return dict(row)


@pytest.fixture
def trusted(b2b_idp):
    return Signed(b2b_idp, trust_mfa=True)


@pytest.fixture
def untrusted(b2b_idp):
    return Signed(b2b_idp, trust_mfa=False)


def steps(entry):
    return [
        (d["authenticationMethod"], d["authenticationStepRequirement"].split()[0], d["succeeded"])
        for d in entry["authenticationDetails"]
    ]


def test_who_signed_in_from_where(trusted):
    entry = trusted.sign_in(amr=["pwd", "mfa"])
    assert entry["userType"] == "guest"
    assert (entry["homeTenantId"], entry["homeTenantName"]) == (trusted.home.tenant_id, "Fabrikam")
    assert entry["crossTenantAccessType"] == "b2bCollaboration"
    assert entry["clientAppUsed"] == "Browser"
    assert entry["authenticationContextClassReferences"] == []


def test_a_trusted_home_that_proved_mfa(trusted):
    entry = trusted.sign_in(amr=["pwd", "mfa"])
    assert steps(entry) == [("Password", "Primary", True), ("Satisfied by token", "Multifactor", True)]
    assert entry["authenticationDetails"][1]["authenticationStepResultDetail"] == MFA
    assert entry["authenticationRequirement"] == "multiFactorAuthentication"
    assert entry["authenticationMethodsUsed"] == ["Password", "Satisfied by token"]


def test_an_untrusted_home_and_a_challenge_here(untrusted):
    entry = untrusted.sign_in(amr=["pwd", "mfa"])
    assert steps(entry) == [
        ("Password", "Primary", True),
        ("Satisfied by token", "Multifactor", False),
        ("Software OATH token", "Multifactor", True),
    ]
    assert "not accepted here" in entry["authenticationDetails"][1]["authenticationStepResultDetail"]


def test_a_step_up_that_worked(trusted):
    entry = trusted.sign_in(amr=["pwd"], step_up=["pwd", "mfa"])
    assert steps(entry)[-1] == ("Satisfied by token", "Multifactor", True)
    assert trusted.columns()["asked_home"] == 1


def test_a_step_up_that_failed(trusted):
    entry = trusted.sign_in(amr=["pwd"])
    assert steps(entry) == [
        ("Password", "Primary", True),
        (None, "Multifactor", False),
        ("Software OATH token", "Multifactor", True),
    ]


def test_a_refused_sign_in(b2b_idp):
    signed = Signed(b2b_idp, trust_mfa=True, when_home_cannot="block")
    entry = signed.sign_in(amr=["pwd"])
    assert entry["b2bIdp"]["code"] == signed.columns()["outcome"] == "blocked_by_partner_policy"
    assert entry["conditionalAccessStatus"] == "failure"
    assert steps(entry) == [("Password", "Primary", True), (None, "Multifactor", False)]
    assert entry["authenticationRequirement"] == "multiFactorAuthentication"


def test_a_remembered_session_satisfied_it_before(untrusted):
    untrusted.sign_in(amr=["pwd"])
    other = untrusted.kit.app("ERP", requires="mfa")
    untrusted.kit.sign_in(untrusted.guest, other)
    entry = untrusted.newest()
    assert steps(entry) == [("Previously satisfied", "Primary", True), ("Previously satisfied", "Multifactor", True)]
    assert untrusted.columns()["local_mfa"] == 0


def test_nothing_required(b2b_idp):
    b2b_idp.home_tenant("fabrikam.example")
    b2b_idp.sign_in(b2b_idp.invite("ada@fabrikam.example"), b2b_idp.app("CRM"), amr=["pwd"])
    (entry,) = b2b_idp.graph("GET", "/auditLogs/signIns?$top=1")["value"]
    assert entry["authenticationRequirement"] == "singleFactorAuthentication"
    assert steps(entry) == [("Password", "Primary", True)]


def test_policies_have_names_and_what_they_enforced(trusted):
    report_only = trusted.kit.require_mfa("All", state="enabledForReportingButNotEnforced")
    disabled = trusted.kit.require_mfa("All", state="disabled")
    applied = {p["id"]: p for p in trusted.sign_in(amr=["pwd", "mfa"])["appliedConditionalAccessPolicies"]}
    assert (applied[report_only]["result"], applied[disabled]["result"]) == ("reportOnlySuccess", "notEnabled")
    assert applied[disabled]["enforcedGrantControls"] == []
    enforced = next(p for p in applied.values() if p["result"] == "success")
    assert enforced["displayName"] == f"MFA for guests of {trusted.app.client_id}"
    assert (enforced["enforcedGrantControls"], enforced["enforcedSessionControls"]) == (["Mfa"], [])


def test_a_sign_in_frequency_is_a_session_lifetime_policy(trusted):
    trusted.kit.graph(
        "POST",
        "/identity/conditionalAccess/policies",
        {
            "displayName": "Twice a day",
            "state": "enabled",
            "conditions": {
                "users": {"includeUsers": ["All"]},
                "applications": {"includeApplications": ["All"]},
            },
            "sessionControls": {"signInFrequency": {"isEnabled": True, "type": "hours", "value": 12}},
        },
    )
    (lifetime,) = trusted.sign_in(amr=["pwd", "mfa"])["sessionLifetimePolicies"]
    assert lifetime["expirationRequirement"] == "signInFrequencyPeriodicReauthentication"
    assert "Twice a day" in lifetime["detail"]


@pytest.mark.parametrize(
    ("amr", "home", "here"), [(["pwd"], 0, 1), (["pwd", "mfa"], 1, 1), (["pwd", "otp"], 1, 1)], ids=str
)
def test_the_columns_say_who_proved_mfa_where(untrusted, amr, home, here):
    untrusted.sign_in(amr=amr)
    row = untrusted.columns()
    assert (row["home_mfa"], row["local_mfa"], row["asked_home"]) == (home, here, 0)
    assert (row["home_tenant_id"], row["outcome"]) == (untrusted.home.tenant_id, "allowed")


def test_entries_are_found_by_their_new_properties(untrusted):
    untrusted.sign_in(amr=["pwd"])
    for asked in (
        "userType eq 'guest'",
        "crossTenantAccessType eq 'b2bCollaboration'",
        "authenticationRequirement eq 'multiFactorAuthentication'",
        "homeTenantName eq 'Fabrikam'",
    ):
        assert untrusted.kit.graph("GET", f"/auditLogs/signIns?$filter={asked}")["value"], asked
    assert not untrusted.kit.graph("GET", "/auditLogs/signIns?$filter=userType eq 'member'")["value"]


# --- what the home signed ---


def test_what_the_home_signed_is_kept_and_holds(trusted):
    entry = trusted.sign_in(amr=["pwd", "mfa"])
    with trusted.kit.idp.store.read() as r:
        kept = r.logs.evidence(entry["id"])
    (statement,) = signed_again(kept, entry)
    assert statement.signature_holds
    assert statement.matches_log is True
    assert statement.claims["iss"] == trusted.home.provider.issuer
    assert statement.claims["amr"] == ["pwd", "mfa"]
    altered = entry | {"b2bIdp": {"homeEvidence": entry["b2bIdp"]["homeEvidence"] | {"amr": ["pwd"]}}}
    assert signed_again(kept, altered)[0].matches_log is False


def test_an_altered_token_does_not_hold(trusted):
    entry = trusted.sign_in(amr=["pwd", "mfa"])
    with trusted.kit.idp.store.read() as r:
        (kept,) = json.loads(r.logs.evidence(entry["id"]))
    header, claims, signature = kept["idToken"].split(".")
    other = json.dumps([kept | {"idToken": f"{header}.{claims[:-4]}AAAA.{signature}"}]).encode()
    assert not signed_again(other, entry)[0].signature_holds


def test_a_session_that_is_remembered_has_nothing_signed_of_its_own(untrusted):
    untrusted.sign_in(amr=["pwd"])
    untrusted.kit.sign_in(untrusted.guest, untrusted.kit.app("ERP"))
    assert untrusted.columns()["evidence"] is None


def test_what_the_home_signed_is_sealed_wherever_it_is(trusted):
    entry = trusted.sign_in(amr=["pwd", "mfa"])
    with trusted.kit.idp.store.read() as r:
        (kept,) = json.loads(r.logs.evidence(entry["id"]))
        tables = [t for (t,) in r._c._connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'")]
        everything = "".join(repr(list(r._c._connection.exec_driver_sql(f"SELECT * FROM {t}"))) for t in tables)
    assert kept["idToken"].split(".")[2] not in everything
    assert kept["idToken"].split(".")[2] not in json.dumps(entry)
