"""A stored policy that names what is gone closes what it is for, tells administrators why, and stops nobody else."""

from __future__ import annotations

import pytest
from sqlalchemy import delete

from b2b_idp.store.tables import policies
from tests.canaries import WATCH


@pytest.fixture
def crm(b2b_idp):
    """An app whose policy asks for a strength that vanished from the database."""
    crm = b2b_idp.app("CRM")
    body = {"displayName": "Keys", "allowedCombinations": ["fido2"]}
    strength = b2b_idp.graph("POST", "/policies/authenticationStrengthPolicies", body)["id"]
    conditions = {"users": {"includeUsers": ["All"]}, "applications": {"includeApplications": [crm.client_id]}}
    controls = {"operator": "OR", "authenticationStrength": {"id": strength}}
    made = {"displayName": "Keys for CRM", "state": "enabled", "conditions": conditions, "grantControls": controls}
    b2b_idp.graph("POST", "/identity/conditionalAccess/policies", made)
    with b2b_idp.idp.store.write() as w:
        w.documents._c.execute(delete(policies).where(policies.c.id == strength))
        w.documents.touch()
    return crm


@pytest.fixture
def maria(b2b_idp):
    b2b_idp.home_tenant("fabrikam.example", trust_mfa=True)
    return b2b_idp.invite("maria@fabrikam.example")


def test_the_app_is_closed_and_the_log_says_why(b2b_idp, crm, maria):
    refused = b2b_idp.sign_in(maria, crm, amr=["pwd", "mfa"])
    assert refused.error == "blocked_by_policy"
    [row] = b2b_idp.graph("GET", "/auditLogs/signIns?$top=1")["value"]
    assert "no strength has this id" in str(row)


def test_other_apps_are_open(b2b_idp, crm, maria):
    assert b2b_idp.sign_in(maria, b2b_idp.app("Wiki")).id_token


def test_the_server_logs_it(b2b_idp, crm, maria):
    b2b_idp.sign_in(maria, crm)
    assert any(where == "a log" and "cannot be enforced" in line for where, line in WATCH.said)


def test_the_policy_can_be_mended(b2b_idp, crm, maria):
    [policy] = b2b_idp.graph("GET", "/identity/conditionalAccess/policies")["value"]
    mfa = {"operator": "OR", "builtInControls": ["mfa"], "authenticationStrength": None}
    b2b_idp.graph("PATCH", f"/identity/conditionalAccess/policies/{policy['id']}", {"grantControls": mfa})
    assert b2b_idp.sign_in(maria, crm, amr=["pwd", "mfa"]).id_token
