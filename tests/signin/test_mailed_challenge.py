"""A mailed code as a second channel: only where a strength lists `email` beside a first factor that home explained."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from b2b_idp.extension import system_moment
from b2b_idp.factors.passkeys import RelyingParty
from b2b_idp.model.access import AccessPolicy, Strength
from b2b_idp.model.directory import HomeIdentity
from b2b_idp.model.evidence import Evidence, HomeStatement, LocalFactor, LocalMethod
from b2b_idp.model.request import AuthorizeRequest
from b2b_idp.policy.requirement import Policies
from b2b_idp.signin.answers import Answer, prepare, read
from b2b_idp.signin.facts import Known, Waiting
from b2b_idp.signin.moves import Ask, CodeFor, Issue, Stop
from b2b_idp.signin.steps import next_step
from b2b_idp.signin.values import Browser
from b2b_idp.signin.view import load_view
from b2b_idp.testing.kit import code_in

ADA = "ada@fabrikam.example"
BROWSER = Browser(b"browser" * 4)


def strength(*combinations):
    return Strength("s", "With a code by mail", frozenset(frozenset(c.split(",")) for c in combinations))


class SignIn:
    """A guest who comes from home, at an app that wants a strength."""

    def __init__(self, kit, guest, app, wanted, *, amr=("pwd",)):
        self.kit, self.wanted = kit, wanted
        row = kit.graph("GET", f"/users/{guest.id}?$select=identities,b2bIdp")
        identity = row["identities"][0]
        now = datetime.now(UTC)
        statement = HomeStatement(
            tenant_id=row["b2bIdp"]["homeTenantId"],
            issuer=identity["issuer"],
            subject=identity["issuerAssignedId"],
            amr=amr,
            acr=None,
            auth_time=int(now.timestamp()),
            at=now,
        )
        self.known = Known(
            began_at=now,
            request=AuthorizeRequest(
                client_id=app.client_id,
                redirect_uri="https://app.example/callback",
                scope=("openid",),
            ),
            tenant_id=statement.tenant_id,
            identity=HomeIdentity(statement.issuer, statement.subject),
            evidence=Evidence((statement,)),
            consent_given=True,
        )

    def view(self, r):
        view = load_view(r, self.known, datetime.now(UTC), "")
        policy = AccessPolicy(
            id="p",
            display_name="p",
            state="enabled",
            include_users=frozenset({"All"}),
            include_apps=frozenset({"All"}),
            strength=self.wanted,
        )
        return replace(view, configuration=replace(view.configuration, policies=Policies([policy])))

    def step(self):
        with self.kit.idp.store.read() as r:
            return next_step(self.known, self.view(r), datetime.now(UTC))

    def mail(self):
        with self.kit.idp.store.write() as w:
            view, vault, moment = self.view(w), self.kit.idp.vault, system_moment()
            self.known = prepare(w, vault, "signin", self.known, view, self.step_in(view), BROWSER, moment)
            return code_in(w.outbox.latest(1)[0].body)

    def step_in(self, view):
        return next_step(self.known, view, datetime.now(UTC))

    def type(self, code):
        with self.kit.idp.store.write() as w:
            learned = read(
                Waiting.EMAIL_CODE,
                Answer(
                    w=w,
                    vault=self.kit.idp.vault,
                    party=RelyingParty.of(self.kit.issuer),
                    signin_id="signin",
                    known=self.known,
                    view=self.view(w),
                    form={"code": code},
                    browser=BROWSER,
                    moment=system_moment(),
                ),
            )
        self.known = learned.known
        return learned.error


@pytest.fixture
def crm(b2b_idp):
    return b2b_idp.app("crm")


@pytest.fixture
def ada(b2b_idp, crm):
    b2b_idp.home_tenant("fabrikam.example")
    ada = b2b_idp.invite(ADA)
    b2b_idp.sign_in(ada, crm)
    return ada


def test_where_a_strength_lists_it_a_code_goes_to_the_proved_address(b2b_idp, ada, crm):
    b2b_idp.graph("PATCH", f"/users/{ada.id}", {"mail": "eve@fabrikam.example"})
    signin = SignIn(b2b_idp, ada, crm, strength("password,email"))
    assert signin.step() == Ask(Waiting.EMAIL_CODE, (LocalMethod.EMAIL,), address=ADA, code_for=CodeFor.SECOND_FACTOR)
    code = signin.mail()
    assert signin.type("00000000") is not None and not signin.known.evidence.local
    assert signin.type(code) is None
    step = signin.step()
    assert isinstance(step, Issue)
    assert [r.code.value for r in step.evaluation.decision.reasons] == [
        "partner_not_trusted",
        "combined_strength_accepted",
    ]
    # a mailed code is no factor of a kind of its own: the token does not call it MFA
    assert (step.counted.amr, step.counted.acr) == (("pwd", "otp"), "https://refeds.org/profile/sfa")


def test_not_where_the_home_left_its_factor_unexplained(b2b_idp, ada, crm):
    listed = strength("password,email", "federatedSingleFactor,email", "email")
    assert isinstance(SignIn(b2b_idp, ada, crm, listed, amr=()).step(), Stop)


def test_nor_for_a_guest_whose_first_factor_is_a_mailed_code(b2b_idp, crm):
    pat = b2b_idp.invite("pat@gmail.example")
    b2b_idp.sign_in(pat, crm)
    listed = strength("password,email", "federatedSingleFactor,email", "email,softwareOath", "email")
    assert isinstance(SignIn(b2b_idp, pat, crm, listed, amr=("otp",)).step(), Stop)


def test_nor_where_the_method_is_switched_off(b2b_idp, ada, crm):
    method = "/policies/authenticationMethodsPolicy/authenticationMethodConfigurations/email"
    b2b_idp.graph("PATCH", method, {"state": "disabled"})
    assert isinstance(SignIn(b2b_idp, ada, crm, strength("password,email")).step(), Stop)
    assert b2b_idp.sign_in(b2b_idp.invite("pat@gmail.example"), crm).id_token is not None


def test_it_is_asked_rather_than_a_factor_registered(b2b_idp, ada, crm):
    step = SignIn(b2b_idp, ada, crm, strength("password,email", "password,softwareOath")).step()
    assert (step.waiting, step.code_for) == (Waiting.EMAIL_CODE, CodeFor.SECOND_FACTOR)


def test_but_a_registered_factor_that_would_do_comes_first(b2b_idp, ada, crm):
    vault = b2b_idp.app("vault", requires="mfa")
    assert b2b_idp.sign_in(ada, vault).id_token is not None
    signin = SignIn(b2b_idp, ada, crm, strength("password,email", "password,softwareOath"))
    assert signin.step().waiting is Waiting.CHALLENGE


def test_a_code_already_typed_is_not_asked_again(b2b_idp, ada, crm):
    signin = SignIn(b2b_idp, ada, crm, strength("password,email"))
    factor = LocalFactor(LocalMethod.EMAIL, datetime.now(UTC))
    signin.known = replace(signin.known, evidence=replace(signin.known.evidence, local=(factor,)))
    assert isinstance(signin.step(), Issue)
