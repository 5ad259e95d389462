"""What a factor proved counts as long as it is registered: in its sessions, at refresh, and for changes to one's own
security info."""

from __future__ import annotations

import uuid
from types import SimpleNamespace

import pytest

from b2b_idp.model.evidence import Evidence, LocalFactor, LocalMethod
from b2b_idp.signin.facts import evidence_from_json, evidence_to_json
from b2b_idp.store.tables import passkeys


@pytest.fixture
def crm(b2b_idp):
    return b2b_idp.app("CRM", requires="mfa")


@pytest.fixture
def nora(b2b_idp, crm):
    """A guest whose session holds MFA by her authenticator app, and who has a passkey as well."""
    b2b_idp.home_tenant("northwind.example")
    guest = b2b_idp.invite("nora@northwind.example")
    tokens = b2b_idp.sign_in(guest, crm).tokens
    id, at = str(uuid.uuid4()), b2b_idp.idp.moment().at
    row = {"id": id, "user_id": guest.id, "credential_id": b"1", "public_key": b"2", "sign_count": 0, "aaguid": id}
    with b2b_idp.idp.store.write() as w:
        w.factors._c.execute(
            passkeys.insert(), row | {"name": "Old", "transports": [], "backed_up": False, "created_at": at}
        )
    return SimpleNamespace(guest=guest, path=f"/users/{guest.id}/authentication", tokens=tokens, passkey_id=id)


def lose_the_phone(kit, nora):
    [phone] = kit.graph("GET", f"{nora.path}/softwareOathMethods")["value"]
    kit.graph("DELETE", f"{nora.path}/softwareOathMethods/{phone['id']}")


def refreshed(kit, app, nora):
    form = {"grant_type": "refresh_token", "refresh_token": nora.tokens["refresh_token"]}
    return kit._token_request((app.client_id, app.client_secret), form).get("error")


def test_a_session_that_a_removed_factor_proved_is_asked_again(b2b_idp, crm, nora):
    assert b2b_idp.sign_in(nora.guest, crm, prompt="none").id_token
    lose_the_phone(b2b_idp, nora)
    assert b2b_idp.sign_in(nora.guest, crm, prompt="none").error == "interaction_required"


def test_what_needs_no_second_factor_stays_open_in_it(b2b_idp, nora):
    lose_the_phone(b2b_idp, nora)
    assert b2b_idp.sign_in(nora.guest, b2b_idp.app("Wiki")).asked == []


def test_its_refresh_tokens_are_good_no_more(b2b_idp, crm, nora):
    lose_the_phone(b2b_idp, nora)
    assert refreshed(b2b_idp, crm, nora) == "invalid_grant"


def test_removing_a_factor_that_proved_nothing_in_a_session_leaves_it_alone(b2b_idp, crm, nora):
    b2b_idp.graph("DELETE", f"{nora.path}/fido2Methods/{nora.passkey_id}")
    assert b2b_idp.sign_in(nora.guest, crm, prompt="none").id_token
    assert refreshed(b2b_idp, crm, nora) is None


def test_it_confirms_no_change_of_security_info_either(b2b_idp, nora):
    walker, address = nora.guest.driver._walker, f"{b2b_idp.issuer}/me/security"
    lose_the_phone(b2b_idp, nora)
    page = walker.get(address)
    number = next(n for n, form in enumerate(page.forms) if form.action.endswith("/sessions"))
    assert walker.submit(page, number).name == "challenge-passkey"


def test_evidence_of_before_factors_were_told_apart_is_still_read():
    old = {"local": [{"method": "totp", "at": 0, "aaguid": None}]}
    read = evidence_from_json(old)
    assert [f.factor_id for f in read.local] == [None]


def test_evidence_is_kept_with_the_factor(b2b_idp):
    evidence = Evidence((), (LocalFactor(LocalMethod.TOTP, b2b_idp.idp.moment().at, factor_id="f"),))
    assert evidence_from_json(evidence_to_json(evidence)) == evidence
