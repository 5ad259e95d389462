"""Passkeys: what the browser is asked for, and which answers count (WebAuthn Level 2, 7.1 and 7.2)."""

from __future__ import annotations

import json

import pytest
from factors_world import AT, GUEST, PARTY, PHONE, STRANGER, after, moment
from hypothesis import given
from hypothesis import strategies as st
from webauthn.helpers import bytes_to_base64url, encode_cbor

from b2b_idp.factors import passkeys
from b2b_idp.factors.challenge import Failed, Passed
from b2b_idp.factors.passkeys import RefusedAnswer, RelyingParty
from b2b_idp.keys.vault import Vault
from b2b_idp.model.evidence import LocalFactor, LocalMethod
from b2b_idp.model.problem import Code
from b2b_idp.testing.passkey import SoftwarePasskey
from tests.conformance import rfc

VAULT = Vault(b"k" * 32)
HANDLE = passkeys.user_handle(VAULT, GUEST)
OVER = passkeys.new_challenge(moment())
AAGUID = "adce0002-35bc-c60a-648b-0b25f1f05503"


def creation(known=()):
    return json.loads(passkeys.registration_options(PARTY, "Contoso", HANDLE, "maria@x.example", "Maria", known, OVER))


def made(**say):
    """The answer of a new passkey to our options."""
    return SoftwarePasskey(**say).create(json.dumps(creation()), PARTY.origin)


def changed(answer, **members):
    """The answer with other members of its response."""
    document = json.loads(answer)
    document["response"] |= members
    return json.dumps(document)


def attested(statement):
    return bytes_to_base64url(encode_cbor(statement))


# --- what the browser is asked for -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("issuer", "id", "origin"),
    [
        ("https://idp.contoso.example", "idp.contoso.example", "https://idp.contoso.example"),
        ("https://idp.contoso.example:8443/guests", "idp.contoso.example", "https://idp.contoso.example:8443"),
        ("http://localhost:5000/idp", "localhost", "http://localhost:5000"),
    ],
)
def test_the_relying_party_is_the_host_of_the_issuer_and_its_whole_origin(issuer, id, origin):
    assert RelyingParty.of(issuer) == RelyingParty(id, origin)


def test_a_new_passkey_must_verify_its_user_and_attests_nothing():
    options = creation()
    assert options["rp"] == {"id": "idp.contoso.example", "name": "Contoso"}
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["authenticatorSelection"]["residentKey"] == "preferred"
    assert options["attestation"] == "none"
    assert [p["alg"] for p in options["pubKeyCredParams"]] == [-7, -8, -257]


def test_a_user_handle_is_64_bytes_that_tell_nothing_of_the_person():
    assert len(HANDLE) == 64
    assert passkeys.user_handle(VAULT, GUEST) == HANDLE
    assert passkeys.user_handle(VAULT, "another") != HANDLE
    assert passkeys.user_handle(Vault(b"x" * 32), GUEST) != HANDLE
    assert "maria" not in creation()["user"]["id"]


def test_a_challenge_has_256_bits_and_is_new_each_time():
    one, other = passkeys.new_challenge(moment()), passkeys.new_challenge(moment())
    assert len(one) == 43
    assert one != other


def test_a_browser_is_told_the_passkeys_that_are_registered_and_how_to_reach_them(tenancy):
    passkey, _ = tenancy.registered()
    described = [{"id": passkey.id, "type": "public-key", "transports": ["internal"]}]
    assert creation(tenancy.held())["excludeCredentials"] == described
    asked = json.loads(passkeys.assertion_options(PARTY, tenancy.held(), OVER))
    assert (asked["allowCredentials"], asked["userVerification"], asked["rpId"]) == (described, "required", PARTY.id)


# --- registering -----------------------------------------------------------------------------------------------------


def test_registering_proves_the_factor_keeps_its_make_and_hands_out_recovery_codes(tenancy):
    passkey, result = tenancy.registered(aaguid=AAGUID, name=" Maria's\n laptop ")
    assert len(result.codes) == 10
    [held] = tenancy.held()
    assert result.factor == LocalFactor(LocalMethod.PASSKEY, AT, AAGUID, held.id)
    assert (held.credential_id, held.aaguid, held.name) == (passkey.credential_id, AAGUID, "Maria's laptop")
    with tenancy.store.read() as r:
        assert r.factors.methods(GUEST) == {LocalMethod.PASSKEY, LocalMethod.RECOVERY_CODE}


def test_a_person_may_have_several_each_with_a_name_and_one_list_of_recovery_codes(tenancy):
    results = [tenancy.registered()[1] for _ in range(3)]
    assert [p.name for p in tenancy.held()] == ["Passkey", "Passkey 2", "Passkey 3"]
    assert [len(r.codes) for r in results] == [10, 0, 0]


def test_a_person_has_no_more_than_a_page_can_offer(tenancy):
    for _ in range(passkeys.MOST):
        tenancy.registered()
    _, refused = tenancy.registered()
    assert refused.problem.code is Code.CONFLICT
    assert len(tenancy.held()) == passkeys.MOST


def test_a_passkey_is_registered_once(tenancy):
    passkey, _ = tenancy.registered()
    _, refused = tenancy.registered(passkey)
    assert refused.problem.code is Code.CONFLICT


@pytest.mark.parametrize(
    "say",
    [
        pytest.param({"client_data": {"origin": "https://idp.contoso.example.evil.example"}}, id="N-095-origin"),
        pytest.param({"client_data": {"origin": "https://idp.contoso.example:8443"}}, id="N-095-port"),
        pytest.param({"client_data": {"origin": "http://idp.contoso.example"}}, id="N-095-scheme"),
        pytest.param({"client_data": {"crossOrigin": True}}, id="N-095-cross-origin"),
        pytest.param({"client_data": {"crossOrigin": "false"}}, id="N-095-cross-origin-no-boolean"),
        pytest.param({"client_data": {"topOrigin": "https://evil.example"}}, id="N-095-top-origin"),
        pytest.param({"client_data": {"challenge": passkeys.new_challenge(moment())}}, id="N-095-challenge"),
        pytest.param({"client_data": {"type": "webauthn.get"}}, id="N-095-type"),
        pytest.param({"rp_id": "contoso.example"}, id="N-095-rp-id"),
        pytest.param({"user_verified": False}, id="N-095-no-user-verification"),
    ],
)
def test_n_095_a_registration_that_is_not_ours_is_refused(say):
    passkeys.verify_registration(PARTY, OVER, made())
    with pytest.raises(RefusedAnswer):
        passkeys.verify_registration(PARTY, OVER, made(**say))


@pytest.mark.parametrize("fmt", ["android-safetynet", "tpm", "apple", "fido-u2f", "x", 1, None, {}])
def test_an_attestation_that_was_not_asked_for_is_refused(fmt):
    refused = changed(made(), attestationObject=attested({"fmt": fmt, "attStmt": {}, "authData": b"x" * 37}))
    with pytest.raises(RefusedAnswer):
        passkeys.verify_registration(PARTY, OVER, refused)


@pytest.mark.parametrize("name", ["", "   ", "\x00\n\t", "\u202e"])
def test_a_name_that_says_nothing_is_replaced(name):
    assert passkeys.clean_name(name, "Passkey 2") == "Passkey 2"


@given(st.text(max_size=200))
def test_a_name_is_one_printable_line_of_at_most_64_characters(name):
    cleaned = passkeys.clean_name(name, "Passkey")
    assert 0 < len(cleaned) <= 64
    assert cleaned.isprintable()


# --- signing in ------------------------------------------------------------------------------------------------------


def test_an_assertion_is_a_factor_with_the_make_of_its_authenticator(tenancy):
    passkey, _ = tenancy.registered(aaguid=AAGUID)
    at = after(minutes=5)
    passed = tenancy.asserted(passkey, at)
    [held] = tenancy.held()
    assert passed == Passed(LocalFactor(LocalMethod.PASSKEY, at, AAGUID, held.id))
    assert (held.sign_count, held.last_used_at) == (1, at)


def test_any_of_several_passkeys_will_do(tenancy):
    both = [tenancy.registered()[0] for _ in range(2)]
    assert all(isinstance(tenancy.asserted(p), Passed) for p in both)


@rfc("WebAuthn", "7.2")
@pytest.mark.parametrize(
    "say",
    [
        pytest.param({"client_data": {"origin": "https://evil.example"}}, id="N-095-origin"),
        pytest.param({"client_data": {"origin": "https://idp.contoso.example/"}}, id="N-095-origin-slash"),
        pytest.param({"client_data": {"crossOrigin": True}}, id="N-095-cross-origin"),
        pytest.param({"client_data": {"challenge": OVER}}, id="N-095-challenge"),
        pytest.param({"client_data": {"challenge": ""}}, id="N-095-no-challenge"),
        pytest.param({"client_data": {"type": "webauthn.create"}}, id="N-095-type"),
        pytest.param({"rp_id": "evil.example"}, id="N-095-rp-id"),
        pytest.param({"user_verified": False}, id="N-095-no-user-verification"),
        pytest.param({"user_handle": b"another person"}, id="user-handle-of-another"),
        pytest.param({"key": SoftwarePasskey().key}, id="another-key"),
    ],
)
def test_n_095_an_assertion_that_is_not_ours_is_refused_and_counted(tenancy, say):
    passkey, _ = tenancy.registered()
    for name, value in say.items():
        setattr(passkey, name, value)
    refused = tenancy.asserted(passkey, after(minutes=1))
    assert (type(refused), refused.problem.code, refused.copied) == (Failed, Code.WRONG_CODE, None)
    answers = [tenancy.asserted(passkey, after(minutes=1, seconds=n)).problem.code for n in range(1, 6)]
    assert answers[-1] is Code.TOO_MANY_ATTEMPTS
    assert tenancy.held()[0].last_used_at is None


def test_n_095_an_answer_does_for_one_challenge(tenancy):
    passkey, _ = tenancy.registered(sign_count=None)
    answer = passkey.get(passkeys.assertion_options(PARTY, tenancy.held(), OVER), PARTY.origin)
    assert isinstance(tenancy.assert_passkey(OVER, answer), Passed)
    assert isinstance(tenancy.assert_passkey(passkeys.new_challenge(moment()), answer), Failed)


def test_n_095_an_assertion_whose_signature_was_changed_is_refused(tenancy):
    passkey, _ = tenancy.registered()
    answer = passkey.get(passkeys.assertion_options(PARTY, tenancy.held(), OVER), PARTY.origin)
    data = json.loads(answer)["response"]["authenticatorData"]
    for spoiled in (changed(answer, signature="MEQCIA"), changed(answer, authenticatorData=data[:-2] + "_w")):
        assert isinstance(tenancy.assert_passkey(OVER, spoiled), Failed)


@pytest.mark.parametrize("count", [3, 4, 0])
def test_n_096_a_sign_count_that_does_not_go_on_is_refused_and_tells_of_a_copy(tenancy, count):
    passkey, _ = tenancy.registered(sign_count=3)
    tenancy.asserted(passkey)
    passkey.sign_count = count - 1
    refused = tenancy.asserted(passkey)
    assert isinstance(refused, Failed)
    assert refused.copied.credential_id == passkey.credential_id
    assert tenancy.held()[0].sign_count == 4


def test_n_096_a_forged_answer_does_not_tell_of_a_copy(tenancy):
    passkey, _ = tenancy.registered(sign_count=3)
    passkey.sign_count, passkey.key = 0, SoftwarePasskey().key
    assert tenancy.asserted(passkey).copied is None


def test_a_synced_passkey_keeps_no_sign_count_and_is_used_again_and_again(tenancy):
    passkey, _ = tenancy.registered(sign_count=None)
    assert [type(tenancy.asserted(passkey, after(minutes=n))) for n in range(3)] == [Passed] * 3


@pytest.mark.parametrize("handle", [None, ""])
def test_an_authenticator_may_leave_the_user_handle_out(tenancy, handle):
    passkey, _ = tenancy.registered()
    answer = passkey.get(passkeys.assertion_options(PARTY, tenancy.held(), OVER), PARTY.origin)
    assert isinstance(tenancy.assert_passkey(OVER, changed(answer, userHandle=handle)), Passed)


def test_a_passkey_that_was_removed_is_refused(tenancy):
    passkey, _ = tenancy.registered()
    answer = passkey.get(passkeys.assertion_options(PARTY, tenancy.held(), OVER), PARTY.origin)
    [held] = tenancy.held()
    with tenancy.store.write() as w:
        w.factors.remove(GUEST, held.id)
    assert isinstance(tenancy.assert_passkey(OVER, answer), Failed)


def test_strangers_who_guess_do_not_lock_out_a_browser_that_once_passed(tenancy):
    passkey, _ = tenancy.registered()  # in PHONE
    for n in range(20):
        tenancy.assert_passkey(OVER, "{}", after(seconds=n), STRANGER)
    assert tenancy.assert_passkey(OVER, "{}", after(seconds=20), STRANGER).problem.code is Code.TOO_MANY_ATTEMPTS
    assert isinstance(tenancy.asserted(passkey, after(seconds=21), PHONE), Passed)


def test_forgetting_a_person_forgets_their_passkeys(tenancy):
    tenancy.registered()
    with tenancy.store.write() as w:
        w.factors.forget(GUEST)
        assert (w.factors.methods(GUEST), w.factors.passkeys(GUEST)) == (frozenset(), [])


# --- hostile answers -------------------------------------------------------------------------------------------------

BIG = json.dumps({"id": "A", "rawId": "A", "type": "public-key", "response": {"transports": ["usb"] * 10_000}})
HOSTILE = {
    "empty": "",
    "no JSON": "null\x00",
    "a list": "[]",
    "a text": '"x"',
    "10,000 entries": BIG,
    "64 KB": json.dumps({"id": "A" * 65_000}),
    "depth 1,000": '{"id":' + "[" * 1000 + "]" * 1000 + "}",
    "a member twice": '{"id":"A","id":"B"}',
    "NaN": '{"id":NaN}',
    "a huge number": '{"id":' + "9" * 5000 + "}",
    "half a surrogate": '{"id":"\\ud800"}',
    "id null": '{"id":null}',
    "id a number": '{"id":1}',
    "id no base64": '{"id":"ä"}',
    "no response": '{"id":"AAAA","rawId":"AAAA","type":"public-key"}',
    "response a list": '{"id":"AAAA","rawId":"AAAA","type":"public-key","response":[]}',
    "client data a number": '{"id":"AAAA","response":{"clientDataJSON":1}}',
    "client data no JSON": '{"id":"AAAA","response":{"clientDataJSON":"AAAA"}}',
    "client data a list": '{"id":"AAAA","response":{"clientDataJSON":"W10"}}',
}


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE)
def test_hostile_json_is_refused(tenancy, answer):
    tenancy.registered()
    assert isinstance(tenancy.register_passkey(OVER, answer), Failed)
    assert isinstance(tenancy.assert_passkey(OVER, answer), Failed)


SPOILED = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=30), st.binary(max_size=60).map(bytes_to_base64url)
)


@given(st.dictionaries(st.sampled_from(["clientDataJSON", "attestationObject", "transports"]), SPOILED, min_size=1))
def test_any_spoiled_registration_is_refused_or_still_ours(members):
    try:
        passkeys.verify_registration(PARTY, OVER, changed(made(), **members))
    except RefusedAnswer:
        return
    assert members.keys() == {"transports"}


@given(st.binary(max_size=300))
def test_any_authenticator_data_are_refused(data):
    answer = changed(made(), attestationObject=attested({"fmt": "none", "attStmt": {}, "authData": data}))
    with pytest.raises(RefusedAnswer):
        passkeys.verify_registration(PARTY, OVER, answer)


@pytest.mark.parametrize(
    "key",
    [
        {1: 2, 3: -7, -1: 1, -2: b"\x01" * 32, -3: b"\x02" * 32},
        {1: 2, 3: -7, -1: 1},
        {1: 2, 3: -35, -1: 2, -2: b"\x01" * 48, -3: b"\x02" * 48},
        {1: 3, 3: -257, -1: b"\x03", -2: b"\x01\x00\x01"},
        {1: 4, 3: -7},
        {},
        [1],
        "key",
    ],
    ids=["off the curve", "no point", "ES384", "RSA of two bits", "unknown type", "empty", "list", "text"],
)
def test_a_key_that_cannot_be_used_is_never_registered(tenancy, key):
    passkey = SoftwarePasskey()
    passkey._cose_key = lambda: encode_cbor(key)
    assert isinstance(tenancy.register_passkey(OVER, passkey.create(json.dumps(creation()), PARTY.origin)), Failed)
    assert tenancy.held() == []


@given(st.binary(max_size=80))
def test_any_signature_is_judged_without_an_exception(signature):
    passkey = SoftwarePasskey()
    held = passkeys.verify_registration(PARTY, OVER, passkey.create(json.dumps(creation()), PARTY.origin))
    options = json.dumps({"challenge": OVER, "rpId": PARTY.id, "allowCredentials": [{"id": passkey.id}]})
    answer = changed(passkey.get(options, PARTY.origin), signature=bytes_to_base64url(signature))
    with pytest.raises(RefusedAnswer):
        passkeys.verify_assertion(PARTY, OVER, HANDLE, held, answer)
