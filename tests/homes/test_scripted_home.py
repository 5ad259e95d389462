"""The home tenant of the test kit and the demo: its pages, its session, and that it is no pushover itself."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import urllib3
from homes_world import CALLBACK, World, moment

from b2b_idp.model.evidence import StepUp, Vocabulary
from b2b_idp.model.problem import Code
from b2b_idp.testing.home_tenant import MFA_ACR, SFA_ACR, Account
from b2b_idp.testing.walker import Walker

ADA = Account("ada-1", "ada@fabrikam.example", "Ada Alder", password="correct horse")
BEN = Account("ben-1", "ben@fabrikam.example", "Ben Birch", can_mfa=False)
EVA = Account("eva-1", "eva@fabrikam.example", "Eva Elm", mfa_always=True)


class Guest:
    """A guest's browser, and the sign-in it is in."""

    def __init__(self, world):
        self.world, self.walker = world, Walker(stop_at=CALLBACK)

    def leave(self, **asked):
        self.departure = self.world.begin(**asked)
        return self.walker.get(self.departure.url)

    def arrive(self, page):
        assert page.status == 0, page.text
        answer = dict(parse_qsl(urlsplit(page.url).query))
        return self.world.homes.finish(self.world.home, self.departure.pending, answer, moment()).statement

    def sign_in(self, page, account, **more):
        return self.walker.submit(page, username=account.email, password=account.password, **more)


@pytest.fixture
def world():
    made = World(accounts=[ADA, BEN, EVA])
    made.provider.respond = None
    made.home = made.configured(vocabulary=Vocabulary(step_up=StepUp("acr_values", (MFA_ACR,))))
    yield made
    made.provider.stop()


@pytest.fixture
def guest(world):
    return Guest(world)


def test_a_password_is_one_factor(world, guest):
    said = guest.arrive(guest.sign_in(guest.leave(), ADA))
    assert (said.subject, said.amr, said.acr, world.provider.asked) == ("ada-1", ("pwd",), SFA_ACR, [])


def test_a_wrong_password_stays_on_the_page_and_says_so(guest):
    page = guest.walker.submit(guest.leave(), username=ADA.email, password="wrong")
    assert 'role="alert"' in page.text
    assert page.forms[0].fields["username"] == ADA.email
    assert guest.arrive(guest.sign_in(page, ADA)).subject == "ada-1"


def test_the_hinted_account_is_filled_in(guest):
    assert guest.leave(login_hint=ADA.email).forms[0].fields["username"] == ADA.email


def test_mfa_is_asked_when_the_request_asks_for_it(world, guest):
    page = guest.sign_in(guest.leave(step_up=True), ADA)
    assert list(page.forms[0].fields) == ["login", "code"]
    said = guest.arrive(guest.walker.submit(page, code="123456"))
    assert (said.amr, said.acr, len(world.provider.asked)) == (("pwd", "otp", "mfa"), MFA_ACR, 1)


def test_mfa_may_be_volunteered(world, guest):
    page = guest.sign_in(guest.leave(), ADA, mfa="1")
    assert "mfa" in guest.arrive(guest.walker.submit(page, code="123 456")).amr
    assert world.provider.asked == []


def test_an_account_that_always_does_mfa_is_not_counted_as_asked(world, guest):
    page = guest.sign_in(guest.leave(step_up=True), EVA)
    assert "mfa" in guest.arrive(guest.walker.submit(page, code="123456")).amr
    assert world.provider.asked == []


def test_an_account_without_a_second_factor_answers_what_it_can(guest):
    assert guest.arrive(guest.sign_in(guest.leave(step_up=True), BEN)).amr == ("pwd",)


@pytest.mark.parametrize("code", ["", "12345", "abcdef", "１２３４５６"])
def test_a_code_has_six_digits(guest, code):
    page = guest.walker.submit(guest.sign_in(guest.leave(step_up=True), ADA), code=code)
    assert "six digits" in page.text
    assert page.forms[0].fields["login"]


def test_a_second_factor_needs_the_first_one(guest):
    page = guest.leave(step_up=True)
    login = page.forms[0].fields["login"]
    answer = urllib3.request("POST", page.url.split("/authorize")[0] + "/second-factor", fields={"login": login})
    assert answer.status == 400


def test_the_home_remembers_the_browser(guest):
    guest.arrive(guest.sign_in(guest.leave(), ADA))
    assert guest.arrive(guest.leave()).subject == "ada-1"


def test_a_step_up_with_a_session_asks_the_second_factor_only_and_keeps_the_passwords_time(guest):
    first = guest.arrive(guest.sign_in(guest.leave(), ADA))
    page = guest.leave(step_up=True)
    assert list(page.forms[0].fields) == ["login", "code"]
    said = guest.arrive(guest.walker.submit(page, code="123456"))
    assert (said.amr, said.auth_time) == (("pwd", "otp", "mfa"), first.auth_time)
    assert guest.arrive(guest.leave(step_up=True)).amr == ("pwd", "otp", "mfa")


@pytest.mark.parametrize("asked", [{"prompt": "login"}, {"login_hint": BEN.email}, {"max_age": -1}])
def test_a_session_is_not_enough_for_a_fresh_sign_in_or_another_person(guest, asked):
    guest.arrive(guest.sign_in(guest.leave(), ADA))
    assert "password" in guest.leave(**asked).forms[0].fields


def test_the_claims_parameter_asks_for_mfa_too(world, guest):
    world.home = world.configured(vocabulary=Vocabulary(step_up=StepUp("claims")))
    page = guest.sign_in(guest.leave(step_up=True), ADA)
    assert "code" in page.forms[0].fields


def test_its_pages_have_labels_a_stylesheet_of_their_own_and_no_script(guest):
    page = guest.leave()
    assert 'for="username"' in page.text
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "hsl(" in guest.walker.get(page.url.split("/authorize")[0] + "/home.css").text


@pytest.mark.parametrize(
    ("spoil", "status"),
    [
        (lambda form: form, 200),
        (lambda form: form | {"client_id": "x"}, 401),
        (lambda form: form | {"client_secret": "x"}, 401),
        (lambda form: {}, 401),
        (lambda form: form | {"code": "x"}, 400),
        (lambda form: form | {"code_verifier": "x"}, 400),
        (lambda form: form | {"redirect_uri": "x"}, 400),
    ],
    ids=["good", "client", "secret", "nothing", "code", "PKCE", "redirect"],
)
def test_its_token_endpoint_checks_client_code_and_pkce(world, guest, spoil, status):
    page = guest.sign_in(guest.leave(), ADA)
    form = {
        "grant_type": "authorization_code",
        "client_id": world.provider.client_id,
        "client_secret": world.provider.client_secret,
        "code": dict(parse_qsl(urlsplit(page.url).query))["code"],
        "code_verifier": guest.departure.pending.code_verifier,
        "redirect_uri": CALLBACK,
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = urllib3.request("POST", f"{world.provider.issuer}/token", body=urlencode(spoil(form)), headers=headers)
    assert answer.status == status


@pytest.mark.parametrize("spoil", ["client_id=b2b", "response_type=code", "code_challenge_method=S256"])
def test_a_request_that_is_not_complete_gets_a_page_and_no_code(guest, spoil):
    page = guest.leave()
    answer = guest.walker.get(page.url.replace(spoil, "x=y"))
    assert (answer.status, answer.forms) == (400, [])


def test_a_script_that_is_old_is_renewed_by_its_step_up(world):
    world.provider.script(ADA, amr=["pwd", "otp"], auth_time=1_700_000_000, step_up=["pwd", "hwk"])
    assert world.sign_in().statement.auth_time == 1_700_000_000
    assert world.sign_in(max_age=60).statement.auth_time > 1_700_000_000


def test_stopped_it_answers_nobody_and_started_again_it_is_the_same_home(world):
    issuer = world.provider.issuer
    world.provider.script(ADA)
    world.provider.stop()
    with pytest.raises(Exception, match="home_unavailable") as raised:
        world.begin()
    assert raised.value.code is Code.HOME_UNAVAILABLE
    world.provider.start()
    assert (world.provider.issuer, world.sign_in().statement.subject) == (issuer, "ada-1")
