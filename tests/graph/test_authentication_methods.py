"""What a user has registered here, as Graph shows it, and what goes when an administrator takes it away."""

from __future__ import annotations

import uuid

import pytest
from graph_types import faults as graph_faults
from graph_world import AT, NOBODY

from b2b_idp.model.evidence import LocalMethod
from b2b_idp.store.factors import Passkey, TotpFactor
from b2b_idp.store.signins import SessionRow

AAGUID = "adce0002-35bc-c60a-648b-0b25f1f05503"
FIDO2, OATH = "fido2Methods", "softwareOathMethods"


def passkey_of(api, user, name="Laptop"):
    id = str(uuid.uuid4())
    made = Passkey(
        id=id,
        user_id=user,
        credential_id=uuid.UUID(id).bytes,
        public_key=b"key",
        sign_count=0,
        aaguid=AAGUID,
        name=name,
        transports=("internal",),
        backed_up=False,
        created_at=AT,
    )
    with api.store.write() as w:
        w.factors.add_passkey(made)
        w.factors.set_recovery_codes(user, [b"code"])
    return id


def totp_of(api, user):
    id = str(uuid.uuid4())
    with api.store.write() as w:
        w.factors.add_totp(TotpFactor(id, user, b"s" * 20, 0, AT))
    return id


def session_of(api, user):
    id = str(uuid.uuid4())
    with api.store.write() as w:
        w.signins.add_session(
            SessionRow(id=id, user_id=user, evidence={}, created_at=AT, expires_at=AT.replace(year=2027))
        )
    return id


def delete(api, user, collection, id, **more):
    return api.call("DELETE", f"/users/{user}/authentication/{collection}/{id}", **more).status_code


def left(api, user):
    with api.store.read() as r:
        return r.factors.methods(user)


def test_a_passkey_is_shown_with_the_name_its_owner_gave_and_its_make(api):
    user = api.guest()
    id = passkey_of(api, user)
    listed = api.get(f"/users/{user}/authentication/{FIDO2}")
    assert graph_faults(listed) == []
    assert listed["value"] == [
        {
            "@odata.type": "#microsoft.graph.fido2AuthenticationMethod",
            "id": id,
            "displayName": "Laptop",
            "createdDateTime": "2026-06-01T10:00:00Z",
            "aaGuid": AAGUID,
            "model": None,
            "attestationCertificates": [],
            "attestationLevel": "notAttested",
        }
    ]
    one = api.get(f"/users/{user}/authentication/{FIDO2}/{id.upper()}")
    assert graph_faults(one) == []
    assert {k: v for k, v in one.items() if k != "@odata.context"} == listed["value"][0]


def test_all_methods_are_listed_together_and_each_kind_by_itself(api):
    user = api.guest()
    totp, passkey = totp_of(api, user), passkey_of(api, user)
    ids = {kind: [m["id"] for m in api.get(f"/users/{user}/authentication/{kind}")["value"]] for kind in (FIDO2, OATH)}
    assert ids == {FIDO2: [passkey], OATH: [totp]}
    everything = api.get(f"/users/{user}/authentication/methods")
    assert graph_faults(everything) == []
    assert {m["id"] for m in everything["value"]} == {totp, passkey}


def test_a_list_of_methods_is_asked_as_any_other(api):
    user = api.guest()
    passkey_of(api, user, "Phone")
    passkey_of(api, user, "Laptop")
    path = f"/users/{user}/authentication/{FIDO2}"
    assert [m["displayName"] for m in api.get(f"{path}?$orderby=displayName")["value"]] == ["Laptop", "Phone"]
    [only] = api.get(f"{path}?$filter=displayName eq 'Phone'&$select=displayName")["value"]
    assert {k: v for k, v in only.items() if "@" not in k} == {"displayName": "Phone"}


def test_no_secret_and_no_key_is_ever_shown(api):
    user = api.guest()
    passkey_of(api, user)
    totp_of(api, user)
    text = api.call("GET", f"/users/{user}/authentication/methods").text
    assert "publicKey" not in text
    assert '"secretKey":null' in text.replace(" ", "")


def test_deleting_one_method_leaves_the_others_and_the_sessions(api):
    user = api.guest()
    one, other, totp, session = passkey_of(api, user), passkey_of(api, user), totp_of(api, user), session_of(api, user)
    assert delete(api, user, FIDO2, one) == 204
    assert [m["id"] for m in api.get(f"/users/{user}/authentication/{FIDO2}")["value"]] == [other]
    assert delete(api, user, OATH, totp) == 204
    assert left(api, user) == {LocalMethod.PASSKEY, LocalMethod.RECOVERY_CODE}
    with api.store.read() as r:
        assert r.signins.session(session).ended_at is None


@pytest.mark.parametrize("collection", [FIDO2, OATH])
def test_the_last_method_takes_recovery_codes_and_sessions_along(api, collection):
    user = api.guest()
    id = passkey_of(api, user)
    if collection == OATH:
        totp = totp_of(api, user)
        delete(api, user, FIDO2, id)
        id = totp
    session = session_of(api, user)
    assert delete(api, user, collection, id) == 204
    assert left(api, user) == frozenset()
    with api.store.read() as r:
        assert r.signins.session(session).ended_at == AT


def test_the_audit_log_says_which_methods_there_were_and_are(api):
    user = api.guest()
    one, other = passkey_of(api, user), passkey_of(api, user)
    delete(api, user, FIDO2, one)
    [entry] = [
        e
        for e in api.get("/auditLogs/directoryAudits")["value"]
        if e["activityDisplayName"] == "Admin deleted security info"
    ]
    [changed] = entry["targetResources"][0]["modifiedProperties"]
    assert (one in changed["oldValue"], one in changed["newValue"], other in changed["newValue"]) == (True, False, True)


def test_a_method_of_another_kind_or_person_is_not_there(api):
    user, other = api.guest(), api.guest("bob@fabrikam.example")
    passkey, totp = passkey_of(api, user), totp_of(api, user)
    for path in (f"{FIDO2}/{totp}", f"{FIDO2}/{NOBODY}", f"{FIDO2}/x"):
        assert api.refused("GET", f"/users/{user}/authentication/{path}")[0] == 404
    assert delete(api, user, OATH, passkey) == 404
    assert delete(api, other, FIDO2, passkey) == 404
    assert left(api, user) == {LocalMethod.PASSKEY, LocalMethod.TOTP, LocalMethod.RECOVERY_CODE}


def test_n_140_methods_are_read_and_removed_with_their_own_permissions_only(api):
    user = api.guest()
    id = passkey_of(api, user)
    for path in (FIDO2, f"{FIDO2}/{id}"):
        answer = api.call("GET", f"/users/{user}/authentication/{path}", roles=("User.ReadWrite.All",))
        assert answer.status_code == 403
    assert delete(api, user, FIDO2, id, roles=("UserAuthenticationMethod.Read.All",)) == 403
