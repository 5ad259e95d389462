"""Signing keys: publish, sign, retire, and no gap for a client that caches the key set."""

from __future__ import annotations

import json
import secrets
import time
import uuid
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from b2b_idp.keys.ring import JWKS_MAX_AGE, LONGEST_TOKEN, PUBLISHED_BEFORE, KeyRing
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem

AT = datetime(2026, 6, 1, 10, tzinfo=UTC)


def moment(after=timedelta()):
    return Moment(AT + after, lambda: str(uuid.uuid4()), lambda: secrets.token_urlsafe(32))


@pytest.fixture(scope="module")
def unchanged():
    return KeyRing.in_memory(moment())


@pytest.fixture
def ring():
    return KeyRing.in_memory(moment())


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "keys"
    KeyRing.load(folder).ensure(moment())
    return folder


def published(ring):
    return {k["kid"]: k for k in json.loads(ring.jwks())["keys"]}


def token(ring, alg="ES256", typ="at+jwt", **claims):
    return ring.signer(alg, AT).sign({"sub": "u", "exp": int(AT.timestamp()) + 600} | claims, typ)


def signed_by_itself(header, ring):
    """A token with a header of the forger's choice and a signature of no worth."""
    parts = (json.dumps(p).encode() for p in (header, {"exp": int(AT.timestamp()) + 600}))
    return ".".join(urlsafe_b64encode(p).decode().rstrip("=") for p in parts) + ".AAAA"


# --- the key set -----------------------------------------------------------------------------------------------------


def test_a_key_for_each_algorithm_is_always_published(unchanged):
    assert {(k["kty"], k["alg"], k["use"]) for k in published(unchanged).values()} == {
        ("RSA", "RS256", "sig"),
        ("EC", "ES256", "sig"),
        ("RSA", "PS256", "sig"),
    }


def test_no_private_member_is_published(unchanged):
    for key in published(unchanged).values():
        assert set(key) <= {"kty", "kid", "alg", "use", "n", "e", "crv", "x", "y"}


def test_an_rsa_key_has_at_least_2048_bits(unchanged):
    rsa_keys = [k for k in published(unchanged).values() if k["kty"] == "RSA"]
    assert all(jwt.PyJWK.from_dict(k).key.key_size >= 2048 for k in rsa_keys)


@pytest.mark.parametrize("alg", ["RS256", "ES256", "PS256"])
def test_a_client_verifies_with_the_published_key_that_the_header_names(unchanged, alg):
    made = token(unchanged, alg)
    kid = jwt.get_unverified_header(made)["kid"]
    key = jwt.PyJWK.from_dict(published(unchanged)[kid])
    assert jwt.decode(made, key, algorithms=[alg], options={"verify_exp": False})["sub"] == "u"


# --- publish, sign, retire -------------------------------------------------------------------------------------------


def test_n_165_a_new_key_is_published_at_once_and_signs_when_every_cache_has_it(ring):
    old = ring.signer("ES256", AT).kid
    new = next(k.kid for k in ring.rotate(moment()) if k.alg == "ES256")
    assert new in published(ring)
    assert ring.signer("ES256", AT + JWKS_MAX_AGE).kid == old
    assert ring.signer("ES256", AT + PUBLISHED_BEFORE).kid == new


def test_n_165_the_old_key_stays_published_after_the_new_one_signs(ring):
    old = ring.signer("RS256", AT).kid
    ring.rotate(moment(timedelta(seconds=1)), now=True)
    assert ring.signer("RS256", AT + timedelta(seconds=1)).kid != old
    assert old in published(ring)


def test_a_key_signs_at_once_when_it_is_the_first_or_asked_to(ring):
    ring.rotate(moment(timedelta(seconds=1)), now=True)
    assert all(k.state(AT + timedelta(seconds=1)) == "active" for k in ring.list())


def test_rotating_twice_in_a_row_leaves_the_first_key_signing(ring):
    first = ring.signer("ES256", AT).kid
    ring.rotate(moment())
    ring.rotate(moment(timedelta(minutes=5)))
    assert ring.signer("ES256", AT + timedelta(minutes=9)).kid == first


def test_the_key_that_signs_is_not_retired(ring):
    with pytest.raises(Problem) as refused:
        ring.retire(ring.signer("ES256", AT).kid, moment())
    assert refused.value.code is Code.CONFLICT


def test_a_key_is_not_retired_while_its_tokens_may_be_alive(ring):
    old = ring.signer("ES256", AT).kid
    ring.rotate(moment(timedelta(seconds=1)), now=True)
    with pytest.raises(Problem) as refused:
        ring.retire(old, moment(LONGEST_TOKEN))
    assert refused.value.code is Code.CONFLICT
    assert old in published(ring)


def test_a_retired_key_is_published_no_more_and_verifies_nothing(ring):
    made = token(ring, exp=int(AT.timestamp()) + 10_000)
    old = jwt.get_unverified_header(made)["kid"]
    ring.rotate(moment(timedelta(seconds=1)), now=True)
    ring.retire(old, moment(timedelta(seconds=1) + LONGEST_TOKEN))
    assert old not in published(ring)
    with pytest.raises(Problem):
        ring.verify(made, "at+jwt", AT)


def test_retiring_an_unknown_key_says_so(ring):
    with pytest.raises(Problem) as refused:
        ring.retire("nothing", moment())
    assert refused.value.code is Code.NOT_FOUND


def test_n_167_a_clock_that_jumps_back_does_not_stop_signing(ring):
    before = AT - timedelta(hours=2)
    assert ring.signer("ES256", before).kid == ring.signer("ES256", AT).kid


# --- our own tokens --------------------------------------------------------------------------------------------------


def test_a_token_of_ours_is_verified(unchanged):
    assert unchanged.verify(token(unchanged), "at+jwt", AT)["sub"] == "u"


def test_a_token_ends_at_the_second_of_its_exp(unchanged):
    made = token(unchanged)
    assert unchanged.verify(made, "at+jwt", AT + timedelta(seconds=599))
    with pytest.raises(Problem):
        unchanged.verify(made, "at+jwt", AT + timedelta(seconds=600))


def test_an_id_token_hint_may_be_expired(unchanged):
    made = token(unchanged, typ="JWT")
    assert unchanged.verify(made, "JWT", AT + timedelta(days=1), expired_too=True)["sub"] == "u"


@pytest.mark.parametrize("typ", ["JWT", "logout+jwt", ""])
def test_n_131_a_token_of_another_type_is_refused(unchanged, typ):
    with pytest.raises(Problem) as refused:
        unchanged.verify(token(unchanged, typ=typ), "at+jwt", AT)
    assert refused.value.code is Code.INVALID_TOKEN


@pytest.mark.parametrize("exp", [None, "1780308600", 1.5])
def test_a_token_without_a_whole_exp_is_refused(unchanged, exp):
    claims = {"sub": "u"} if exp is None else {"sub": "u", "exp": exp}
    with pytest.raises(Problem):
        unchanged.verify(unchanged.signer("ES256", AT).sign(claims, "at+jwt"), "at+jwt", AT)


def test_another_rings_token_is_refused(unchanged, ring):
    with pytest.raises(Problem):
        unchanged.verify(token(ring), "at+jwt", AT)


def test_the_public_key_is_no_hmac_secret(unchanged):
    kid = unchanged.signer("RS256", AT).kid
    with pytest.raises(Problem):
        unchanged.verify(signed_by_itself({"alg": "HS256", "kid": kid, "typ": "at+jwt"}, unchanged), "at+jwt", AT)


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none", "typ": "at+jwt"},
        {"alg": "ES256", "typ": "at+jwt"},
        {"alg": "ES256", "typ": 5, "kid": "KID"},
        {"alg": "ES256", "typ": None, "kid": "KID"},
        {"alg": ["ES256"], "typ": "at+jwt", "kid": "KID"},
        {"alg": "ES256", "typ": "at+jwt", "kid": ["KID"]},
        {"alg": "ES256", "typ": "at+jwt", "kid": "../../etc/passwd"},
        {"alg": "ES256", "typ": "at+jwt", "kid": "KID", "crit": ["b64"], "b64": False},
        [],
        "text",
    ],
)
def test_a_hostile_header_is_refused_as_an_invalid_token(unchanged, header):
    if isinstance(header, dict) and header.get("kid") == "KID":
        header = header | {"kid": unchanged.signer("ES256", AT).kid}
    with pytest.raises(Problem) as refused:
        unchanged.verify(signed_by_itself(header, unchanged), "at+jwt", AT)
    assert refused.value.code is Code.INVALID_TOKEN


@pytest.mark.parametrize("text", ["", ".", "..", "a.b.c", "ä.ö.ü", "\udcff", "e30.e30." * 50, "[" * 5000])
def test_garbage_is_an_invalid_token(unchanged, text):
    with pytest.raises(Problem) as refused:
        unchanged.verify(text, "at+jwt", AT)
    assert refused.value.code is Code.INVALID_TOKEN


def test_an_altered_claim_is_refused(unchanged):
    header, _, signature = token(unchanged).split(".")
    body = urlsafe_b64encode(json.dumps({"sub": "admin", "exp": 9999999999}).encode()).decode().rstrip("=")
    with pytest.raises(Problem):
        unchanged.verify(f"{header}.{body}.{signature}", "at+jwt", AT)


# --- the folder ------------------------------------------------------------------------------------------------------


def test_a_restarted_server_signs_with_the_same_keys(folder):
    first, second = KeyRing.load(folder), KeyRing.load(folder)
    second.ensure(moment())
    assert published(first) == published(second)
    assert second.verify(token(first), "at+jwt", AT)


def test_key_files_are_for_the_owner_only(folder):
    assert {f.stat().st_mode & 0o777 for f in folder.iterdir()} == {0o600}


def test_a_running_server_sees_within_a_second_what_the_command_line_rotated(folder):
    server = KeyRing.load(folder)
    made = {k.kid for k in KeyRing.load(folder).rotate(moment())}
    until = time.monotonic() + 3
    while not made <= set(published(server)) and time.monotonic() < until:
        time.sleep(0.05)
    assert made <= set(published(server))


def test_retirement_is_kept(folder):
    ring = KeyRing.load(folder)
    old = ring.signer("ES256", AT).kid
    ring.rotate(moment(timedelta(seconds=1)), now=True)
    ring.retire(old, moment(timedelta(seconds=1) + LONGEST_TOKEN))
    assert old not in published(KeyRing.load(folder))


def test_a_server_whose_folder_went_bad_goes_on_with_the_keys_it_has(folder, monkeypatch):
    server = KeyRing.load(folder)
    made = token(server)
    for file in folder.iterdir():
        file.write_bytes(b"{")
    monkeypatch.setattr("b2b_idp.keys.ring._LOOK_EVERY", 0.0)
    assert server.verify(made, "at+jwt", AT)["sub"] == "u"


def a_file(folder, alg):
    return next(folder.glob(f"{alg}-*.json"))


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
@pytest.mark.parametrize("keep", [0.5, 0.99])
def test_n_166_a_truncated_key_file_stops_the_start_and_is_named(folder, alg, keep):
    file = a_file(folder, alg)
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * keep)])
    with pytest.raises(Problem) as refused:
        KeyRing.load(folder)
    assert refused.value.code is Code.BAD_SETTING
    assert str(file) in refused.value.say


def test_n_166_a_world_readable_key_file_stops_the_start(folder):
    a_file(folder, "ES256").chmod(0o644)
    with pytest.raises(Problem, match="chmod 600"):
        KeyRing.load(folder)


@pytest.mark.parametrize(
    "private",
    [
        pytest.param(lambda: rsa.generate_private_key(65537, 1024), id="short RSA"),
        pytest.param(lambda: ec.generate_private_key(ec.SECP384R1()), id="another curve"),
        pytest.param(lambda: ec.generate_private_key(ec.SECP256R1()), id="another key than the kid says"),
    ],
)
@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_n_166_a_key_that_is_not_what_its_file_says_stops_the_start(folder, alg, private):
    file = a_file(folder, alg)
    pem = private().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    file.write_text(json.dumps(json.loads(file.read_text()) | {"pem": pem}))
    with pytest.raises(Problem) as refused:
        KeyRing.load(folder)
    assert refused.value.code is Code.BAD_SETTING


@pytest.mark.parametrize("change", [{"signsFrom": 1e300}, {"publishedAt": "now"}, {"pem": None}, {"alg": ["RS256"]}])
def test_n_166_a_key_file_with_nonsense_in_it_stops_the_start(folder, change):
    file = a_file(folder, "RS256")
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(Problem) as refused:
        KeyRing.load(folder)
    assert refused.value.code is Code.BAD_SETTING
