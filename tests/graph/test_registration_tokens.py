"""registrationTokens: by which apps register themselves."""

from __future__ import annotations

import pytest

from b2b_idp.guests.registration_tokens import read_token
from b2b_idp.keys.vault import is_initial_access_token

PATH = "/registrationTokens"


def test_a_token_is_told_once_and_works(api):
    made = api.made(PATH, {"displayName": "Partners", "maximumUses": 3})
    text = made["secretText"]
    assert is_initial_access_token(text)
    shown = api.get(f"{PATH}/{made['id']}")
    assert (shown["secretText"], shown["usesRemaining"], shown["maximumUses"]) == (None, 3, 3)
    assert (shown["createdBy"], shown["requirePkce"]) == (api.client.sp_id, True)
    assert shown["expirationDateTime"] == "2026-06-08T10:00:00Z"
    with api.store.read() as r:
        assert read_token(r, api.vault, text, api.at).id == made["id"]


def test_tokens_are_listed_and_revoked(api):
    ids = [api.made(PATH, {"displayName": name})["id"] for name in ("A", "B")]
    assert {t["id"] for t in api.get(PATH)["value"]} == set(ids)
    assert api.call("DELETE", f"{PATH}/{ids[0]}").status_code == 204
    assert [t["id"] for t in api.get(PATH)["value"]] == ids[1:]
    assert api.refused("DELETE", f"{PATH}/{ids[0]}")[0] == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"displayName": ""},
        {"displayName": "x", "maximumUses": 0},
        {"displayName": "x", "maximumUses": 10_001},
        {"displayName": "x", "expirationDateTime": "2026-06-01T09:59:59Z"},
        {"displayName": "x", "expirationDateTime": "2027-06-02T10:00:00Z"},
        {"displayName": "x", "expirationDateTime": "tomorrow"},
        {"displayName": "x", "secretText": "chosen"},
    ],
    ids=str,
)
def test_a_token_that_cannot_be_is_a_400(api, body):
    assert api.refused("POST", PATH, body)[0] == 400


@pytest.mark.parametrize(("method", "body"), [("POST", {"displayName": "x"}), ("GET", None)])
def test_only_who_may_write_applications_makes_one_and_who_reads_them_sees_it(api, method, body):
    assert api.refused(method, PATH, body, roles=["User.ReadWrite.All"])[0] == 403
    reads = api.call(method, PATH, body, roles=["Application.Read.All"])
    assert reads.status_code == (403 if method == "POST" else 200)


def test_making_and_revoking_are_audited_without_the_text(api):
    made = api.made(PATH, {"displayName": "Partners"})
    api.call("DELETE", f"{PATH}/{made['id']}")
    answer = api.call("GET", "/auditLogs/directoryAudits")
    names = [e["activityDisplayName"] for e in answer.json["value"]]
    assert {"Add registration token", "Revoke registration token"} <= set(names)
    assert made["secretText"] not in answer.text
