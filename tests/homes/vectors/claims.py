"""Right tokens, and wrong claims under right signatures."""

from __future__ import annotations

import json

from tests.homes.vectors.table import EVERY, ISSUER, NONCE, NOW, OUT, at_hash, jwk


def controls(t):
    for alg in EVERY:
        t.add("control", alg, t.token(alg=alg), True)
    t.add("control", "no kid and one key", t.token(t.header(kid=OUT)), True, [jwk(t.keys.rsa, OUT)])
    t.add("control", "unknown members", t.token(t.header(x=1), t.claims(urn={"a": [1, None, "ü"]})), True)
    t.add("control", "blanks between members", t.token(claims=json.dumps(t.claims(), indent=2).encode()), True)
    escaped = json.dumps(t.claims()).replace('"sub"', '"\\u0073ub"').encode()
    t.add("control", "an escaped name", t.token(claims=escaped), True)
    t.add("control", "at_hash", t.token(claims=t.claims(at_hash=at_hash("sha256"))), True)
    t.add("control", "at_hash of SHA-512", t.token(claims=t.claims(at_hash=at_hash("sha512")), alg="ES512"), True)


def issuers(t):
    for iss in (
        ISSUER + "/",
        ISSUER.upper(),
        "HTTPS" + ISSUER[5:],
        "http" + ISSUER[5:],
        ISSUER + ":443",
        ISSUER + "#",
        ISSUER + "?",
        ISSUER + " ",
        ISSUER + "\0",
        ISSUER.replace("a", "\u0430"),
        ISSUER.replace(".example", ".example.evil.example"),
        "",
        None,
        [ISSUER],
        {"iss": ISSUER},
        OUT,
    ):
        t.add("iss", "missing" if iss is OUT else json.dumps(iss), t.token(claims=t.claims(iss=iss)))
    for nonce in (NONCE + " ", NONCE.lower(), NONCE[:-1], "", None, 0, [NONCE], {NONCE: 1}, True, OUT):
        t.add("nonce", "missing" if nonce is OUT else json.dumps(nonce), t.token(claims=t.claims(nonce=nonce)))


def audiences(t):
    for aud in (
        "other",
        "b2",
        "b2bb",
        "B2B",
        "b2b ",
        "b2b other",
        "b2b,other",
        "*",
        "",
        None,
        1,
        True,
        {"b2b": 1},
        [],
        OUT,
    ):
        t.add("aud", "missing" if aud is OUT else json.dumps(aud), t.token(claims=t.claims(aud=aud)))
    for aud in ([""], ["other"], ["B2B"], [["b2b"]], [None], ["b2b", "other"]):
        t.add("aud", json.dumps(aud), t.token(claims=t.claims(aud=aud)))
    t.add("aud", "a number beside us", t.token(claims=t.claims(aud=["b2b", 7], azp="b2b")))
    for azp in ("other", "", "B2B", ["b2b"], 1, {"b2b": 1}, False):
        t.add("azp", json.dumps(azp), t.token(claims=t.claims(azp=azp)))
        t.add("azp", f"{json.dumps(azp)} of two audiences", t.token(claims=t.claims(aud=["b2b", "x"], azp=azp)))
    t.add("aud", "a list of us", t.token(claims=t.claims(aud=["b2b"])), True)
    t.add("azp", "us", t.token(claims=t.claims(azp="b2b")), True)
    t.add("azp", "us of two audiences", t.token(claims=t.claims(aud=["x", "b2b"], azp="b2b")), True)


def times(t):
    for name, value, valid in (
        ("exp", NOW - 59, True),
        ("exp", NOW - 60, False),
        ("exp", NOW - 3600, False),
        ("exp", NOW + 0.5, True),
        ("iat", NOW + 60, True),
        ("iat", NOW + 61, False),
        ("iat", NOW - 3600, True),
        ("iat", NOW - 3601, False),
        ("iat", NOW - 0.5, True),
        ("nbf", NOW + 60, True),
        ("nbf", NOW + 61, False),
        ("nbf", NOW - 3600, True),
    ):
        t.add("time", f"{name} {value - NOW:+} seconds from now", t.token(claims=t.claims(**{name: value})), valid)
    for name in ("exp", "iat", "nbf"):
        wrong = [None, True, False, "", str(NOW + 30), [NOW + 30], {"t": NOW}, 0, -1, 10**13, 10**30, 1e300]
        wrong += [] if name == "nbf" else [OUT]
        for value in wrong:
            says = "missing" if value is OUT else json.dumps(value)
            t.add("time", f"{name} {says}", t.token(claims=t.claims(**{name: value})))


def subjects(t):
    for sub in (
        "",
        "s" * 256,
        "a\0b",
        "a\nb",
        "\x7f",
        "zo\u00eb",
        "\u202eada",
        1001,
        None,
        True,
        ["ada-1"],
        {"sub": 1},
        OUT,
    ):
        says = "missing" if sub is OUT else json.dumps(sub)[:40]
        t.add("sub", says, t.token(claims=t.claims(sub=sub)))
    for sub in ("s" * 255, "a b", "' OR 1=1--", "../../x"):
        t.add("sub", sub[:40], t.token(claims=t.claims(sub=sub)), True)


def types(t):
    event = {"http://schemas.openid.net/event/backchannel-logout": {}}
    t.add("kind", "a logout token", t.token(claims=t.claims(events=event)))
    t.add("kind", "an access token", t.token(t.header(typ="at+jwt"), t.claims(scope="openid", client_id="b2b")))
    for wrong in (at_hash("sha512"), at_hash("sha256") + "=", at_hash("sha256")[:-1], "", None, 7, [at_hash("sha256")]):
        t.add("at_hash", json.dumps(wrong), t.token(claims=t.claims(at_hash=wrong)))
