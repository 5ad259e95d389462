"""The audit log: who, what, old and new value; a chain that no one can break unseen."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import text

from b2b_idp.graph import ROUTES
from b2b_idp.keys.vault import Vault


def latest(api):
    return api.get("/auditLogs/directoryAudits?$top=1")["value"][0]


def test_a_change_is_logged_with_old_and_new_value(api):
    guest = api.guest()
    api.call("PATCH", f"/users/{guest}", {"department": "Sales"})
    api.call("PATCH", f"/users/{guest}", {"department": "Finance"})
    entry = latest(api)
    assert (entry["activityDisplayName"], entry["result"]) == ("Update user", "success")
    changed = {m["displayName"]: m for m in entry["targetResources"][0]["modifiedProperties"]}
    assert json.loads(changed["department"]["oldValue"]) == "Sales"
    assert json.loads(changed["department"]["newValue"]) == "Finance"


def test_what_decides_about_trust_is_logged_with_old_and_new_value_and_without_secrets(api):
    made = api.made("/identity/identityProviders", api.provider(domains=["fabrikam.example"]))
    assert "not-a-real-secret" not in json.dumps(latest(api))
    partner = {"tenantId": made["b2bIdp"]["tenantId"], "inboundTrust": {"isMfaAccepted": False}}
    api.made("/policies/crossTenantAccessPolicy/partners", partner)
    path = f"/policies/crossTenantAccessPolicy/partners/{partner['tenantId']}"
    api.call("PATCH", path, {"inboundTrust": {"isMfaAccepted": True}})
    (changed,) = latest(api)["targetResources"][0]["modifiedProperties"]
    assert (json.loads(changed["oldValue"]), json.loads(changed["newValue"])) == (
        {"isMfaAccepted": False},
        {"isMfaAccepted": True},
    )


def test_a_new_secret_is_logged_by_its_id_alone(api):
    app, _ = api.app("CRM")
    made = api.call("POST", f"/applications/{app['id']}/addPassword", {}).json
    text = json.dumps(latest(api))
    assert made["keyId"] in text and made["secretText"] not in text


def test_every_writing_route_has_an_activity(api):
    reads = {"GET"}
    asks = {"getMemberObjects", "getMemberGroups", "checkMemberGroups", "getByIds"}
    asks |= {"evaluateDynamicMembership", "previewDynamicMembership"}
    for route in ROUTES:
        if route.method not in reads and route.path.rpartition("/")[2] not in asks:
            assert route.activity, route


def test_a_refused_attempt_is_logged(api):
    guest = api.guest()
    api.refused("PATCH", f"/users/{guest}", {"nonsense": 1})
    entry = latest(api)
    assert entry["result"] == "failure" and "nonsense" in entry["resultReason"]


def verified(api):
    with api.store.read() as r:
        return r.logs.verify_chain()


@pytest.fixture
def chained(api):
    for n in range(5):
        api.guest(f"g{n}@fabrikam.example")
    assert (verified(api).entries, verified(api).broken) == (5, None)
    return api


@pytest.mark.parametrize(
    "tamper",
    [
        "UPDATE audit_log SET document = replace(document, 'g2@', 'x2@') WHERE seq = 3",
        "UPDATE audit_log SET document = document || ' ' WHERE seq = 3",
        "UPDATE audit_log SET at = at + 1 WHERE seq = 3",
        "UPDATE audit_log SET activity = 'Nothing' WHERE seq = 3",
        "UPDATE audit_log SET hash = X'00' WHERE seq = 3",
        "DELETE FROM audit_log WHERE seq = 3",
        "DELETE FROM audit_log WHERE seq = 5",
        "DELETE FROM audit_log",
        "UPDATE audit_log SET seq = -seq WHERE seq IN (3, 4)",
        "UPDATE audit_head SET seq = 4",
        "UPDATE audit_log SET seq = NULL, hash = NULL WHERE seq = 5",
    ],
)
def test_whatever_is_changed_in_the_database_is_found(chained, tamper):
    with chained.store.write() as w:
        w._c.execute(text(tamper))
    assert verified(chained).broken is not None


def test_a_chain_copied_to_another_masters_database_does_not_verify(chained):
    with chained.store.read() as r:
        r.logs._sealer = Vault(b"x" * 32)
        assert r.logs.verify_chain().broken is not None


def test_the_export_has_every_entry_oldest_first(chained):
    with chained.store.read() as r:
        documents = list(r.logs.every_audit())
    assert len(documents) == 5 and documents[0]["activityDateTime"] <= documents[-1]["activityDateTime"]
