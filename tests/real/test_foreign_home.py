"""A production instance, npm oidc-provider as home tenant, npm openid-client as the app: the five decisions."""

from __future__ import annotations

import json
import time

MFA = "https://refeds.org/profile/mfa"


def codes(reasons):
    return [r["code"] for r in reasons]


def check_token(world, email, tokens, amr):
    """What the token must say, whatever was decided."""
    claims = tokens["claims"]
    log = world.log(email)
    assert claims["iss"] == world.instance.issuer
    assert claims["amr"] == amr
    assert claims["acr"] == MFA
    assert claims["idp"] == world.home.issuer
    assert claims["acct"] == 1
    assert claims["oid"] == world.users[email]
    assert claims["tid"] == world.instance.init["tenantId"]
    assert abs(time.time() - claims["auth_time"]) < 60
    assert claims["email"] == email
    assert log["status"]["errorCode"] == 0
    return log["b2bIdp"]


def same_from_evaluate_and_whatif(world, email, ours, amr, *, asked=False, session=None):
    """The decision without a sign-in has the same outcome and reason codes as the log of the sign-in."""
    body = {
        "userId": world.users[email],
        "appId": world.app["appId"],
        "home": {"tenantId": world.tenant_id, "amr": amr},
        "asked": asked,
    }
    body |= {"session": session} if session else {}
    evaluated = world.instance.graph("POST", "/identity/conditionalAccess/evaluate", body)
    arguments = ["--amr", ",".join(amr)] + (["--asked"] if asked else [])
    arguments += ["--session-amr", ",".join(session["amr"])] if session else []
    told = json.loads(
        world.instance.run(
            "whatif",
            "--data",
            str(world.instance.data),
            "--guest",
            email,
            "--app",
            world.app["appId"],
            *arguments,
            "--json",
        )
    )
    assert evaluated["outcome"] == told["outcome"] == ours["outcome"] == "allowed"
    assert codes(evaluated["reasons"]) == codes(told["reasons"]) == codes(ours["reasons"])


def test_trusted_home_with_mfa_is_not_asked_again(world):
    email = "mia@foreign.example"
    world.driver(email).walk(world.invite(email))
    tokens, walk = world.sign_in(email)
    ours = check_token(world, email, tokens, ["pwd", "otp", "mfa"])
    assert walk.challenges == []
    same_from_evaluate_and_whatif(world, email, ours, ["pwd", "otp", "mfa"])


def test_trusted_home_with_password_is_stepped_up_at_home_once(world):
    email = "pat@foreign.example"
    world.invite(email)
    tokens, walk = world.sign_in(email)
    ours = check_token(world, email, tokens, ["pwd", "otp", "mfa"])
    assert walk.challenges == []
    assert [e.get("factor", "authorize") for e in world.home.log] == ["authorize", "pwd", "otp"]
    same_from_evaluate_and_whatif(world, email, ours, ["pwd", "otp", "mfa"], asked=True)


def test_trusted_home_that_cannot_is_challenged_here(world):
    email = "sol@foreign.example"
    redeemed = world.driver(email).walk(world.invite(email))
    assert redeemed.challenges == ["totp"]
    tokens, walk = world.sign_in(email, prompt="login")
    ours = check_token(world, email, tokens, ["pwd", "otp", "mfa"])
    assert walk.challenges == ["totp"]
    same_from_evaluate_and_whatif(world, email, ours, ["pwd"], asked=True, session={"amr": ["otp"]})


def test_untrusted_home_with_mfa_is_challenged_here(world):
    world.trust(False)
    email = "mia@foreign.example"
    redeemed = world.driver(email).walk(world.invite(email))
    assert redeemed.challenges == ["totp"]
    assert ["acr_values" in asked for asked in world.home.requests] == [False]
    tokens, walk = world.sign_in(email)
    ours = check_token(world, email, tokens, ["pwd", "otp", "mfa"])
    assert walk.challenges == []
    same_from_evaluate_and_whatif(world, email, ours, ["pwd", "otp", "mfa"], session={"amr": ["otp"]})


def test_second_sign_in_asks_nobody(world):
    email = "pat@foreign.example"
    world.invite(email)
    world.sign_in(email)
    asked = len(world.home.log)
    tokens, walk = world.sign_in(email)
    check_token(world, email, tokens, ["pwd", "otp", "mfa"])
    assert (walk.pages, walk.challenges) == ([], [])
    assert len(world.home.log) == asked


def test_the_apps_other_calls_work_with_a_client_nobody_here_wrote(world):
    email = "pat@foreign.example"
    world.invite(email)
    tokens, _ = world.sign_in(email)
    claims = tokens["claims"]
    assert tokens["userinfo"] | {"email": email, "name": "Pat Pine", "sub": claims["sub"]} == tokens["userinfo"]
    assert tokens["introspected"]["active"] is True
    assert [tokens["refreshed"][k] for k in ("sub", "auth_time", "amr")] == [
        claims[k] for k in ("sub", "auth_time", "amr")
    ]
    assert tokens["revoked"] is True
