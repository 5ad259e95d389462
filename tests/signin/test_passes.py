"""A one-time pass proves that a first factor may be registered: to whom mail may not, and to whom it may."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from freezegun import freeze_time

from b2b_idp.testing.guest import Walk
from b2b_idp.testing.home_tenant import Account

ADA, NORA = "ada@fabrikam.example", "nora@northwind.example"


@pytest.fixture
def crm(b2b_idp):
    return b2b_idp.app("CRM", requires="mfa")


class Guest:
    """A guest at the page where the sign-in wants more proof than a first factor at home."""

    def __init__(self, kit, guest, app):
        self.kit, self.guest, self.app = kit, guest, app
        self.walker = guest.driver._walker

    def give(self, **asked):
        """A pass, from an administrator."""
        made = self.kit.graph("POST", f"/users/{self.guest.id}/authentication/temporaryAccessPassMethods", asked)
        return made["temporaryAccessPass"]

    def arrive(self, **parameters):
        """Signs in with a password at home; where that ends."""
        self.guest.driver._mailbox = lambda: None
        self.result = self.kit.sign_in(self.guest, self.app, prompt="login", **parameters)
        return self.result

    def page(self):
        """The page for the pass of the sign-in that ended just now."""
        with self.kit.idp.store.read() as r:
            [row] = r.signins._c._connection.exec_driver_sql("SELECT id FROM signins ORDER BY created_at DESC LIMIT 1")
        return self.walker.get(f"{self.kit.issuer}/signin/{row[0]}")

    def registered(self):
        with self.kit.idp.store.read() as r:
            return r.factors.registered(self.guest.id)

    def through(self, page):
        walk = Walk(page, False)
        while page.status != 0 and (following := self.guest.driver._answer(page, walk)) is not None:
            page = following
        return page, walk


@pytest.fixture
def ada(b2b_idp, crm):
    """A guest whose home proved MFA once, and cannot today."""
    b2b_idp.home_tenant("fabrikam.example", trust_mfa=True)
    guest = b2b_idp.invite(ADA)
    assert b2b_idp.sign_in(guest, crm, amr=["pwd", "mfa"]).id_token
    ada = Guest(b2b_idp, guest, crm)
    assert ada.arrive().error == "registration_needs_proof"
    return ada


@pytest.fixture
def nora(b2b_idp, crm):
    """A guest of an untrusted home who signed in to another app, and has to prove her address for this one."""
    b2b_idp.home_tenant("northwind.example")
    guest = b2b_idp.invite(NORA)
    wiki = b2b_idp.app("Wiki")
    assert b2b_idp.sign_in(guest, wiki).id_token
    nora = Guest(b2b_idp, guest, crm)
    with freeze_time(datetime.now(UTC) + timedelta(minutes=16), tick=True):
        nora.arrive()
        yield nora


# --- where no mail may prove ----------------------------------------------------------------------------------------


def test_the_refusal_leads_to_the_page_for_a_pass(ada):
    refused = ada.walker.get(f"{ada.page().url}")
    assert (refused.name, refused.error) == ("access-pass", None)
    assert "The person who invited you can give you one" in refused.text
    assert "mailed" not in refused.text


def test_the_refusal_is_logged_with_its_reason(ada):
    assert ada.result.decision.outcome == "refused"
    assert ada.result.decision.reasons[-1].code == "registration_needs_proof"


def test_with_the_pass_a_factor_is_registered_and_the_sign_in_goes_on(ada):
    code = ada.give()
    page = ada.walker.submit(ada.page(), code=code)
    assert page.name == "challenge-choose"
    end, walk = ada.through(page)
    assert walk.pages == ["challenge-choose", "register-totp", "recovery-codes"]
    assert end.status == 0
    assert "code=" in end.url
    assert len(ada.registered()) == 1
    assert ada.kit._decision().reasons[-1].code == "local_mfa_accepted"


@pytest.mark.parametrize("spelled", [str.upper, lambda c: c.replace("-", ""), lambda c: f" {c.replace('-', ' ')} "])
def test_a_pass_may_be_typed_as_people_do(ada, spelled):
    assert ada.walker.submit(ada.page(), code=spelled(ada.give())).name == "challenge-choose"


def test_a_pass_is_used_and_given_in_the_audit_log(ada):
    ada.walker.submit(ada.page(), code=ada.give())
    rows = ada.kit.graph("GET", "/auditLogs/directoryAudits")["value"]
    used, given = (
        [r for r in rows if r["activityDisplayName"] == f"{a} Temporary Access Pass"] for a in ("Use", "Create")
    )
    assert used[0]["initiatedBy"]["user"]["id"] == ada.guest.id
    assert f"given by {given[0]['initiatedBy']['app']['servicePrincipalId']}" in used[0]["resultReason"]


def test_the_pass_is_no_factor_and_opens_no_app_by_itself(ada):
    page = ada.walker.submit(ada.page(), code=ada.give())
    resumed = ada.walker.get(page.url.replace("/signin/", "/resume/"))
    assert resumed.name == "challenge-choose"
    assert ada.registered() == []


def test_a_pass_is_good_once(ada):
    code = ada.give()
    ada.walker.submit(ada.page(), code=code)
    ada.arrive()
    assert ada.walker.submit(ada.page(), code=code).name == "access-pass"


@pytest.mark.parametrize("how", ["taken back", "replaced"])
def test_a_pass_that_is_gone_after_it_was_typed_proves_nothing(ada, how):
    path = f"/users/{ada.guest.id}/authentication/temporaryAccessPassMethods"
    page = ada.walker.submit(ada.page(), code=ada.give())
    assert page.name == "challenge-choose"
    [given] = ada.kit.graph("GET", path)["value"]
    if how == "replaced":
        ada.give()
    else:
        ada.kit.graph("DELETE", f"{path}/{given['id']}")
    assert ada.walker.get(page.url).error == "registration_needs_proof"
    assert ada.walker.get(page.url).name == "access-pass"
    assert ada.registered() == []


def test_a_pass_for_several_uses_is_good_for_its_lifetime(ada):
    code = ada.give(isUsableOnce=False)
    ada.walker.submit(ada.page(), code=code)
    ada.arrive()
    assert ada.walker.submit(ada.page(), code=code).name == "challenge-choose"


def test_what_a_pass_proved_holds_in_its_sign_in_only(ada):
    ada.walker.submit(ada.page(), code=ada.give())
    assert ada.arrive().error == "registration_needs_proof"


@pytest.mark.parametrize(
    ("asked", "later"),
    [({}, 61), ({"startDateTime": "soon"}, 0)],
    ids=["over", "not yet"],
)
def test_a_pass_that_is_not_good_now_proves_nothing(ada, asked, later):
    start = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    code = ada.give(**({"startDateTime": start} if asked else {}))
    with freeze_time(datetime.now(UTC) + timedelta(minutes=later), tick=True):
        ada.arrive()
        page = ada.walker.submit(ada.page(), code=code)
    assert page.name == "access-pass"
    assert "That pass is not right" in page.text


def test_another_guests_pass_proves_nothing(ada):
    bea = ada.kit.invite("bea@fabrikam.example")
    code = Guest(ada.kit, bea, ada.app).give()
    assert ada.walker.submit(ada.page(), code=code).name == "access-pass"
    assert ada.registered() == []


def test_the_answer_is_the_same_whether_there_is_a_pass_or_not(ada):
    def told(page):
        return re.sub(r'value="[^"]*"|[0-9a-f]{8}-[0-9a-f-]{27}', "", page.text)

    without = ada.page(), ada.walker.submit(ada.page(), code="0000-0000-0000-0000")
    ada.arrive()
    ada.give()
    having = ada.page(), ada.walker.submit(ada.page(), code="0000-0000-0000-0000")
    assert [told(p) for p in without] == [told(p) for p in having]


@pytest.mark.parametrize("typed", ["", "x", "0" * 10_000, "０" * 16, "\0" * 16, "é" * 16])
def test_what_is_no_pass_is_a_wrong_one(ada, typed):
    page = ada.walker.submit(ada.page(), code=typed)
    assert (page.status, page.name) == (200, "access-pass")


def test_a_reset_takes_a_pass_with_it(ada):
    code = ada.give()
    page = ada.page()
    ada.kit.graph("POST", f"/users/{ada.guest.id}/authentication/reset")
    assert ada.walker.submit(page, code=code).name not in ("challenge-choose", "register-totp")
    assert ada.kit.graph("GET", f"/users/{ada.guest.id}/authentication/methods")["value"] == []


def test_n_092_wrong_passes_are_slowed_down_like_codes(ada):
    page = ada.page()
    with ada.kit.idp.store.write() as w:  # no browser of hers is known
        w.factors.forget(ada.guest.id)
    code = ada.give()
    for _ in range(5):
        page = ada.walker.submit(page, code="0000-0000-0000-0000")
        assert "not right" in page.text
    page = ada.walker.submit(page, code=code)
    assert "Too many wrong codes" in page.text
    assert ada.registered() == []


# --- where mail may prove -------------------------------------------------------------------------------------------


def test_on_the_page_for_the_mailed_code_a_pass_may_be_typed_instead(nora):
    page = nora.page()
    assert page.name == "email-code"
    page = nora.walker.submit(page, 2, 0)
    assert page.name == "access-pass"
    assert nora.walker.submit(page, code=nora.give()).name == "challenge-choose"


def test_and_back_to_the_mailed_code(nora):
    page = nora.walker.submit(nora.page(), 2, 0)
    assert nora.walker.submit(page, 1, 0).name == "email-code"


def test_while_redeeming_there_is_no_pass_to_type(b2b_idp):
    """What is to be proved there is the address; no pass does."""
    home = b2b_idp.home_tenant("litware.example")
    guest = b2b_idp.invite("liz@litware.example")
    home.provider.script(Account("liz", "liz@litware.example", "Liz"), email_verified=None)
    page = guest.driver._walker.get(guest.redeem_url)
    assert page.name == "email-code"
    assert "one-time pass" not in page.text
    assert guest.driver._walker.submit(page, 1, 0, other="access-pass").name == "email-code"


def test_n_097_who_has_a_factor_is_asked_for_it_and_for_no_pass(nora, crm):
    nora.through(nora.walker.submit(nora.walker.submit(nora.page(), 2, 0), code=nora.give()))
    assert len(nora.registered()) == 1
    nora.guest.driver.authenticator = None
    nora.give()
    assert nora.arrive().error == "challenge-totp"
    page = nora.page()
    assert "one-time pass" not in page.text
    assert nora.walker.submit(page, code="0000-0000-0000-0000").name == "challenge-totp"
