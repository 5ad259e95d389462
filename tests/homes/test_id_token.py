"""What of a home's id_token is accepted, over the wire. Every refusal stands beside a sign-in that works."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64encode

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from flask import Response
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from b2b_idp.model.problem import Code
from b2b_idp.testing.home_tenant import ScriptedHome, compact_jws
from tests.conformance import rfc

HOUR = 3600
OTHER_KEY = rsa.generate_private_key(65537, 2048)


def b64(data):
    return urlsafe_b64encode(data if isinstance(data, bytes) else json.dumps(data).encode()).decode().rstrip("=")


def now():
    return int(time.time())


def refused(world, because):
    """The sign-in ends refused, for this reason; and the same home signs the guest in once it behaves again."""
    problem = world.refusal()
    assert (problem.code, because in problem.why) == (Code.HOME_ANSWER_REFUSED, True), problem
    assert world.provider.client_secret not in str(problem)
    world.provider.tamper.clear()
    assert world.sign_in().statement.subject == "ada-1"


def test_a_good_answer_becomes_a_statement_and_a_profile(world):
    answer = world.sign_in()
    said = answer.statement
    assert (said.issuer, said.subject, said.amr) == (world.home.issuer, "ada-1", ("pwd", "otp"))
    assert (said.acr, said.auth_time, said.asked) == (None, pytest.approx(now(), abs=5), False)
    assert (answer.profile.email, answer.profile.email_verified) == ("ada@fabrikam.example", True)
    assert answer.profile.attributes == {"displayName": "Ada Alder", "givenName": "Ada", "surname": "Alder"}


def test_n_001_alg_none(world):
    none = lambda t: f"{b64(t['header'] | {'alg': 'none'})}.{b64(t['claims'])}."  # noqa: E731
    world.provider.tamper["id_token"] = none
    refused(world, "not a signed JWT")


def test_n_001_alg_none_with_a_signature(world):
    world.spoil_header(alg="none")
    refused(world, "algorithm")


@pytest.mark.parametrize("secret_of", ["pem", "der", "jwk", "client_secret"])
def test_n_002_n_003_hs256_with_what_is_public_or_shared(world, secret_of):
    public = world.provider.key.public_key()
    encodings = {"pem": serialization.Encoding.PEM, "der": serialization.Encoding.DER}
    if secret_of in encodings:
        secret = public.public_bytes(encodings[secret_of], serialization.PublicFormat.SubjectPublicKeyInfo)
    elif secret_of == "jwk":
        secret = json.dumps(world.provider.public_jwk()).encode()
    else:
        secret = world.provider.client_secret.encode()

    def sign(t):
        signed = f"{b64(t['header'] | {'alg': 'HS256'})}.{b64(t['claims'])}"
        return f"{signed}.{b64(hmac.digest(secret, signed.encode(), hashlib.sha256))}"

    world.provider.tamper["id_token"] = sign
    refused(world, "algorithm")


def test_n_003_hs256_stays_refused_at_a_home_that_lists_it(world):
    world.provider.metadata_overrides["id_token_signing_alg_values_supported"] = ["HS256", "none", "RS256"]
    world.spoil_header(alg="HS256")
    refused(world, "algorithm")


@pytest.mark.parametrize("kid", ["k1", "attackers", ...])
def test_n_004_a_key_in_the_header_is_not_looked_at(world, kid):
    def sign(t):
        t["header"] |= {"jwk": RSAAlgorithm.to_jwk(OTHER_KEY.public_key(), as_dict=True), "kid": kid}
        t["header"] = {k: v for k, v in t["header"].items() if v is not ...}
        t["key"] = OTHER_KEY

    world.provider.tamper["id_token"] = sign
    refused(world, "signature")


@pytest.mark.parametrize("where", ["jku", "x5u"])
def test_n_005_an_address_in_the_header_is_not_visited(world, where):
    with ScriptedHome("attacker.example") as attacker:
        world.spoil_header(kid="attackers", **{where: f"{attacker.issuer}/jwks"})
        refused(world, "signature")
        assert attacker.hits == {}


@rfc("7515", "4.1.11")
@pytest.mark.parametrize("crit", [["exp-policy"], ["b64"], []])
def test_n_006_crit(world, crit):
    world.spoil_header(crit=crit)
    refused(world, "crit")


def test_n_007_another_key_under_the_same_kid(world):
    world.provider.tamper["id_token"] = lambda t: t.update(key=OTHER_KEY)
    refused(world, "signature")


def test_n_007_a_changed_claim_under_the_old_signature(world):
    def change(t):
        head, _, signature = compact_jws(t["header"], t["claims"], t["key"]).split(".")
        return f"{head}.{b64(t['claims'] | {'sub': 'eve'})}.{signature}"

    world.provider.tamper["id_token"] = change
    refused(world, "signature")


@pytest.mark.parametrize(
    "other",
    [
        lambda issuer: issuer + "/",
        lambda issuer: issuer.replace("http://", "HTTP://"),
        lambda issuer: issuer.replace("http://", "https://"),
        lambda issuer: issuer.replace("127.0.0.1", "localhost"),
        lambda issuer: [issuer],
        lambda issuer: ...,
    ],
    ids=["slash", "case", "scheme", "host", "list", "missing"],
)
def test_n_008_an_issuer_that_is_not_byte_for_byte_ours(world, other):
    world.spoil_claims(iss=other(world.provider.issuer))
    refused(world, "iss is not")


@pytest.mark.parametrize("aud", ["another", ..., [], "b2", "b2b ", None, ["another"], {"b2b": 1}, 7], ids=repr)
def test_n_009_an_audience_that_is_not_us(world, aud):
    world.spoil_claims(aud=aud)
    refused(world, "aud does not name us")


@rfc("OIDC Core", "3.1.3.7")
@pytest.mark.parametrize(("aud", "azp"), [(["b2b", "x"], ...), (["b2b", "x"], "x"), ("b2b", "x"), (["b2b"], ["b2b"])])
def test_n_010_several_audiences_and_the_authorized_party(world, aud, azp):
    world.spoil_claims(aud=aud, azp=azp)
    refused(world, "az")


@pytest.mark.parametrize(("aud", "azp"), [(["b2b", "x"], "b2b"), (["b2b"], ...), ("b2b", "b2b")])
def test_n_010_an_audience_that_is_us_is_accepted(world, aud, azp):
    world.spoil_claims(aud=aud, azp=azp)
    assert world.sign_in().statement.subject == "ada-1"


@pytest.mark.parametrize("nonce", [..., "wrong", ["n"], None, 1, ""], ids=repr)
def test_n_011_a_nonce_that_is_not_this_sign_ins(world, nonce):
    world.spoil_claims(nonce=nonce)
    refused(world, "nonce")


def test_n_011_the_nonce_of_another_open_sign_in(world):
    world.spoil_claims(nonce=world.begin().pending.nonce)
    refused(world, "nonce")


@rfc("7519", "4.1.4")
@pytest.mark.parametrize(
    ("name", "offset"),
    [("exp", -HOUR), ("exp", -61), ("iat", HOUR), ("iat", 65), ("iat", -2 * HOUR), ("nbf", HOUR), ("nbf", 65)],
)
def test_n_012_times_beyond_the_skew(world, name, offset):
    world.spoil_claims(**{name: now() + offset})
    refused(world, name)


@pytest.mark.parametrize(("name", "offset"), [("exp", -30), ("iat", 30), ("iat", -30), ("nbf", 30)])
def test_n_012_half_a_minute_of_skew_is_accepted(world, name, offset):
    world.spoil_claims(**{name: now() + offset})
    assert world.sign_in().statement.subject == "ada-1"


def test_n_013_a_date_may_have_a_fraction(world):
    world.spoil_claims(exp=now() + 60.5, iat=now() - 0.5)
    assert world.sign_in().statement.subject == "ada-1"


@pytest.mark.parametrize(
    "value", [..., "1900000000", -1, None, True, [], 10**300, float("nan"), float("inf")], ids=repr
)
@pytest.mark.parametrize("name", ["exp", "iat"])
def test_n_013_a_date_that_is_none(world, name, value):
    world.spoil_claims(**{name: value})
    refused(world, "")


def test_n_013_a_number_beyond_floats(world):
    def sign(t):
        claims = json.dumps(t["claims"] | {"exp": "E"}).replace('"E"', "1e400").encode()
        return compact_jws(t["header"], claims, t["key"])

    world.provider.tamper["id_token"] = sign
    refused(world, "not finite")


@pytest.mark.parametrize(
    "sub", [..., "", "a" * 256, 1001, None, "a\0b", "a\nb", "\x7f", "zoë", ["ada-1"]], ids=lambda v: repr(v)[:12]
)
def test_n_014_a_subject_that_is_none(world, sub):
    world.spoil_claims(sub=sub)
    refused(world, "sub")


def test_n_014_a_subject_of_255_characters(world):
    world.spoil_claims(sub="a" * 255)
    assert world.sign_in().statement.subject == "a" * 255


def other_jwk(**different):
    return RSAAlgorithm.to_jwk(OTHER_KEY.public_key(), as_dict=True) | {"use": "sig"} | different


def test_n_015_no_kid_and_two_keys_that_fit(world):
    world.provider.kid = None
    world.provider.tamper["jwks"] = lambda d: {"keys": [*d["keys"], other_jwk()]}
    refusal = world.refusal()
    assert (refusal.code, "no single key" in refusal.why) == (Code.HOME_ANSWER_REFUSED, True)


@pytest.mark.parametrize("beside", [None, other_jwk(alg="RS384"), other_jwk(use="enc")], ids=["alone", "alg", "use"])
def test_n_015_no_kid_and_one_key_that_fits(world, beside):
    world.provider.kid = None
    world.provider.tamper["jwks"] = lambda d: {"keys": [*d["keys"], *([beside] if beside else [])]}
    assert world.sign_in().statement.subject == "ada-1"


@rfc("7517", "5")
@pytest.mark.parametrize(
    "bad",
    [
        {"kty": "RSA", "n": "!!", "e": "AQAB"},
        {"kty": "RSA"},
        {"kty": "quantum", "kid": "q"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": ["P-256"], "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "X25519", "x": "AA"},
        {"kty": "oct", "k": "AA", "kid": "k1"},
        {"kty": ["RSA"], "kid": "k1"},
        "no key",
        None,
        {"kty": "RSA", "kid": 7, "n": "AQAB", "e": "AQAB"},
        other_jwk(key_ops=["encrypt"]),
        other_jwk(key_ops="verify"),
    ],
    ids=lambda v: repr(v)[:40],
)
def test_n_016_a_key_that_cannot_be_used_is_passed_over(world, bad):
    world.provider.tamper["jwks"] = lambda d: {"keys": [bad, *d["keys"]]}
    assert world.sign_in().statement.subject == "ada-1"


def test_n_017_an_encrypted_and_compressed_token_is_not_unpacked(world):
    world.provider.tamper["id_token"] = lambda _: ".".join([b64({"alg": "dir", "enc": "A256GCM", "zip": "DEF"})] * 5)
    refused(world, "not a signed JWT")


@pytest.mark.parametrize(
    ("spoil", "because"),
    [
        (lambda t: "A" * 140_000 + ".e30.AA", "too large"),
        (lambda t: t["header"].update(kid="k" * 1_000_000), ""),
        (lambda t: compact_jws(t["header"], b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}", t["key"]), "nested"),
        (lambda t: compact_jws(t["header"], b'{"a":' + b'{"a":' * 40 + b"1" + b"}" * 41, t["key"]), "nested"),
    ],
    ids=["token", "kid", "arrays", "objects"],
)
def test_n_018_too_large_or_too_deep(world, spoil, because):
    world.provider.tamper["id_token"] = spoil
    began = time.monotonic()
    problem = world.refusal()
    assert problem.code in (Code.HOME_ANSWER_REFUSED, Code.HOME_UNAVAILABLE)
    assert because in problem.why
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("where", ["header", "claims"])
def test_n_019_a_member_that_stands_twice(world, where):
    def sign(t):
        twice = {part: json.dumps(t[part])[:-1] for part in ("header", "claims")}
        twice[where] += ',"sub":"a","sub":"b"'
        signed = f"{b64((twice['header'] + '}').encode())}.{b64((twice['claims'] + '}').encode())}"
        return f"{signed}.{b64(RSAAlgorithm(RSAAlgorithm.SHA256).sign(signed.encode(), t['key']))}"

    world.provider.tamper["id_token"] = sign
    refused(world, "twice")


@pytest.mark.parametrize(
    "kid",
    ["../../etc/passwd", "' OR 1=1--", "http://169.254.169.254/", "k" * 10_000, "K1", "", 1, ["k1"], {"k1": 1}, True],
    ids=lambda v: repr(v)[:20],
)
def test_n_020_a_kid_is_compared_and_nothing_else(world, kid):
    world.spoil_header(kid=kid)
    refused(world, "")


@pytest.mark.parametrize("typ", ["at+jwt", "logout+jwt", "secevent+jwt", "JWE", 1, None], ids=repr)
def test_n_022_another_type_of_token(world, typ):
    world.spoil_header(typ=typ)
    refused(world, "type of token")


def test_n_022_a_logout_token_without_its_type(world):
    world.spoil_claims(events={"http://schemas.openid.net/event/backchannel-logout": {}})
    refused(world, "logout token")


@pytest.mark.parametrize("typ", [..., "JWT", "jwt"])
def test_n_022_the_type_of_an_id_token_may_be_left_out(world, typ):
    world.spoil_header(typ=typ)
    assert world.sign_in().statement.subject == "ada-1"


WEAK = rsa.generate_private_key(65537, 1024)


@pytest.mark.parametrize(
    ("different", "key"),
    [
        (RSAAlgorithm.to_jwk(WEAK.public_key(), as_dict=True), WEAK),
        ({"e": "AQ"}, None),
        ({"e": "Ag"}, None),
        ({"use": "enc"}, None),
        ({"key_ops": ["encrypt"]}, None),
        ({"alg": "ES256"}, None),
        ({"alg": "RS512"}, None),
        (RSAAlgorithm.to_jwk(OTHER_KEY, as_dict=True), OTHER_KEY),
    ],
    ids=["1024 bits", "e=1", "e=2", "enc", "key_ops", "alg of EC", "another alg", "private half shown"],
)
def test_n_023_a_key_that_must_not_sign(world, different, key):
    world.provider.tamper["jwks"] = lambda d: {"keys": [d["keys"][0] | different]}
    world.provider.tamper["id_token"] = lambda t: t.update(key=key or t["key"])
    problem = world.refusal()
    assert problem.code in (Code.HOME_ANSWER_REFUSED, Code.HOME_MISCONFIGURED)
    world.provider.tamper.clear()
    assert world.sign_in().statement.subject == "ada-1"


KEYS = {
    "RS512": OTHER_KEY,
    "PS256": OTHER_KEY,
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "ES512": ec.generate_private_key(ec.SECP521R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


@pytest.mark.parametrize("alg", KEYS)
def test_algorithms_that_metadata_lists_are_accepted_with_their_at_hash(world, alg):
    key = KEYS[alg]
    to_jwk = {"R": RSAAlgorithm, "P": RSAAlgorithm, "Ed": OKPAlgorithm, "ES": ECAlgorithm}
    kind = to_jwk.get(alg[0]) or to_jwk[alg[:2]]
    jwk = kind.to_jwk(key.public_key(), as_dict=True) | {"kid": "other"}
    jwk.pop("key_ops", None)
    world.provider.metadata_overrides["id_token_signing_alg_values_supported"] = ["RS256", alg]
    world.provider.tamper["jwks"] = lambda d: {"keys": [*d["keys"], jwk]}

    def token(answer):
        hashes = {"256": hashlib.sha256, "384": hashlib.sha384}
        digest = hashes.get(alg[-3:], hashlib.sha512)(answer["access_token"].encode()).digest()
        claims = jwt.decode(answer["id_token"], options={"verify_signature": False})
        claims["at_hash"] = b64(digest[: len(digest) // 2])
        return answer | {"id_token": jwt.encode(claims, key, alg, headers={"kid": "other"})}

    world.provider.tamper["token"] = token
    assert world.sign_in().statement.subject == "ada-1"


def test_an_algorithm_that_metadata_does_not_list_is_refused_though_the_key_fits(world):
    world.provider.tamper["id_token"] = lambda t: jwt.encode(t["claims"], t["key"], "RS384", headers={"kid": "k1"})
    refused(world, "algorithm")


def test_without_a_list_the_algorithm_is_rs256(world):
    world.provider.tamper["metadata"] = lambda d: {k: v for k, v in d.items() if "id_token_signing" not in k}
    assert world.sign_in().statement.subject == "ada-1"


@pytest.mark.parametrize("at_hash", ["wrong", "", 7, None, "é"], ids=repr)
def test_an_at_hash_that_does_not_fit_the_access_token(world, at_hash):
    world.spoil_claims(at_hash=at_hash)
    refused(world, "at_hash")


@pytest.mark.parametrize("token", [None, 7, "", "..", "a.b", "a.b.c", "é.é.é", "e30.e30.!!", "e30 .e30.AA"], ids=repr)
def test_what_is_no_token_at_all(world, token):
    world.provider.tamper["token"] = lambda answer: answer | {"id_token": token}
    refused(world, "id_token")


def test_a_lone_surrogate_is_no_text(world):
    def sign(t):
        return compact_jws(t["header"], json.dumps(t["claims"] | {"name": "\ud800"}).encode(), t["key"])

    world.provider.tamper["id_token"] = sign
    refused(world, "JSON")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b"null",
        b'{"id_token":',
        b"\xff",
        lambda: Response(status=204),
        lambda: Response(b'{"error":"invalid_grant"}', 400),
        lambda: Response(b'{"error":["x"]}', 418),
        lambda: Response(status=302, headers={"Location": "http://169.254.169.254/"}),
    ],
    ids=lambda v: repr(v)[:20],
)
def test_a_token_answer_that_is_none(world, answer):
    world.provider.tamper["token"] = lambda _: answer() if callable(answer) else answer
    refused(world, "token")


@rfc("8176", "1")
@pytest.mark.parametrize(
    "amr",
    ["mfa", ["pwd", ["mfa"]], [{"v": "mfa"}], None, [1], ["mfa"] * 10_000, {"mfa": 1}, ["m" * 300], True],
    ids=lambda v: repr(v)[:20],
)
def test_n_081_an_amr_that_is_no_list_of_texts_is_as_if_absent(world, amr):
    world.spoil_claims(amr=amr)
    assert world.sign_in().statement.amr is None


@pytest.mark.parametrize("amr", [[], ["MFA", "mfa "], ["x"] * 100], ids=["empty", "kept as said", "a hundred"])
def test_an_amr_is_kept_as_it_was_said(world, amr):
    world.spoil_claims(amr=amr)
    assert world.sign_in().statement.amr == tuple(amr)


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        (1.7e9, 1_700_000_000),
        (0, 0),
        (1.5, None),
        ("1700000000", None),
        (True, None),
        (-5, None),
        (10**30, None),
        (None, None),
    ],
)
def test_n_085_auth_time_is_a_whole_number_or_unknown(world, said, heard):
    world.spoil_claims(auth_time=said)
    assert world.sign_in().statement.auth_time == heard


@pytest.mark.parametrize("acr", [["urn:x"], 1, None, {}, "a" * 300], ids=lambda v: repr(v)[:12])
def test_an_acr_that_is_no_text_is_as_if_absent(world, acr):
    world.spoil_claims(acr=acr)
    assert world.sign_in().statement.acr is None
