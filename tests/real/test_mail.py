"""Mail over a real SMTP server: the invitation arrives, and so does the code that proves the address."""

from __future__ import annotations

import os
import re
import sqlite3
import threading
import time
from contextlib import closing, contextmanager
from email import message_from_bytes, policy

import pytest
from aiosmtpd.controller import Controller

from b2b_idp.testing.kit import code_in


class Postbox:
    """What arrived, in order."""

    def __init__(self) -> None:
        self.mails = []
        self.during = lambda: None
        """Called, once, when a whole mail is here and has not been answered."""

    async def handle_DATA(self, server, session, envelope):
        during, self.during = self.during, lambda: None
        during()
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"

    def newest(self, count: int):
        for _ in range(200):
            if len(self.mails) >= count:
                return self.mails[-1]
            time.sleep(0.05)
        raise AssertionError(f"{len(self.mails)} mails arrived, {count} were expected")


@pytest.fixture
def postbox(monkeypatch, free_port_of_smtp):
    box = Postbox()
    controller = Controller(box, hostname="127.0.0.1", port=free_port_of_smtp)
    controller.start()
    monkeypatch.setitem(os.environ, "B2B_IDP_MAIL_URL", f"smtp://127.0.0.1:{free_port_of_smtp}")
    yield box
    controller.stop()


@pytest.fixture
def free_port_of_smtp():
    from tests.ports import free_port

    return free_port()


def mail_invitation(world, email, **info):
    return world.instance.graph(
        "POST",
        "/invitations",
        {
            "invitedUserEmailAddress": email,
            "inviteRedirectUrl": "http://127.0.0.1:9/",
            "sendInvitationMessage": True,
            "invitedUserMessageInfo": info,
        },
    )


def parts_of(mail):
    return mail.get_body(("plain",)).get_content(), mail.get_body(("html",)).get_content()


@contextmanager
def outbox_of(world):
    """The outbox's rows as they are in the instance's database."""
    with closing(sqlite3.connect(world.instance.data / "b2b-idp.sqlite3")) as database, database:
        yield database


def test_from_the_mailed_link_to_the_app(postbox, world):
    email = "pat@foreign.example"
    invited = mail_invitation(world, email, customizedMessageBody="Welcome <b>Pat</b>\r\nBcc: eve@evil.example")
    world.users[email] = invited["invitedUser"]["id"]
    mail = postbox.newest(1)
    assert (mail["To"], mail["Bcc"]) == (email, None)
    text = mail.get_body(("plain",)).get_content()
    assert "Welcome <b>Pat</b>" in text
    assert "Welcome &lt;b&gt;Pat&lt;/b&gt;" in parts_of(mail)[1]
    (link,) = re.findall(r"http://\S+/redeem\?ticket=\S+", text)
    assert link == invited["inviteRedeemUrl"]
    walk = world.driver(email).walk(link)
    assert (walk.pages, walk.finished) == (["redeem"], True)
    assert world.sign_in(email)[0]["claims"]["oid"] == world.users[email]


def test_a_mailed_code_proves_the_address_before_the_first_local_factor(postbox, world):
    world.trust(False)
    email = "mia@foreign.example"
    world.invite(email)
    driver = world.driver(email)
    driver._mailbox = lambda: code_in(postbox.newest(1).get_body(("plain",)).get_content())
    tokens, walk = world.sign_in(email)
    assert walk.pages == ["redeem", "email-code", "challenge-choose", "register-totp", "recovery-codes", "consent"]
    assert tokens["claims"]["amr"] == ["pwd", "otp", "mfa"]
    assert "authenticator" in postbox.newest(2)["Subject"]


def test_a_guest_without_a_provider_redeems_and_signs_in_by_codes_from_the_postbox(postbox, world):
    email = "Jo+work@gmail.example"
    invited = mail_invitation(world, email)
    world.users[email] = invited["invitedUser"]["id"]
    (link,) = re.findall(r"http://\S+/redeem\?ticket=\S+", parts_of(postbox.newest(1))[0])
    driver = world.driver(email)
    mails = iter(range(2, 9))
    driver._mailbox = lambda: code_in(postbox.newest(next(mails)).get_body(("plain",)).get_content())
    walk = driver.walk(link)
    assert walk.pages == ["redeem", "email-code", "challenge-choose", "register-totp", "recovery-codes"]
    claims = world.sign_in(email)[0]["claims"]
    assert (claims["idp"], claims["amr"], claims["oid"]) == ("mail", ["otp", "mfa"], world.users[email])
    next(mails)  # that an authenticator was set up
    _, walk = world.sign_in(email, prompt="login")
    assert walk.pages == ["email-code", "challenge-totp"]
    assert {mail["To"] for mail in postbox.mails} == {email}
    code = postbox.mails[1]
    assert code_in(code.get_body(("plain",)).get_content()) not in code["Subject"]


def test_an_unknown_address_has_no_mail_sent(postbox, world):
    page = world.driver("nobody@gmail.example").walk(world.start_url(login_hint="nobody@gmail.example")).end
    assert page.name == "email-code"
    mail_invitation(world, "sol@foreign.example")
    assert postbox.newest(1)["To"] == "sol@foreign.example"


def test_an_invitation_arrives_in_the_readers_language_and_its_copy_without_the_link(postbox, world):
    email, reader = "sol@foreign.example", "chief@foreign.example"
    copied = [{"emailAddress": {"name": "Chief", "address": reader}}]
    link = mail_invitation(world, email, messageLanguage="de-AT", ccRecipients=copied)["inviteRedeemUrl"]
    postbox.newest(2)
    mails = {mail["To"]: mail for mail in postbox.mails}
    assert mails.keys() == {email, reader}
    for mail in mails.values():
        assert (mail.get_content_type(), mail["Content-Language"]) == ("multipart/alternative", "de")
        assert (mail["Cc"], mail["Bcc"]) == (None, None)
    plain, html = parts_of(mails[email])
    assert link in plain and f'href="{link}"' in html
    assert "Einladung annehmen" in plain and "Einladung annehmen" in html
    for text in (*parts_of(mails[reader]), mails[reader]["Subject"]):
        assert link.partition("ticket=")[2] not in text and "/redeem" not in text
    assert email in parts_of(mails[reader])[0]


def test_n_160_killed_while_the_mail_server_reads_an_invitation_is_not_sent_again_but_shown(postbox, world):
    postbox.during = world.instance.kill
    mail_invitation(world, "sol@foreign.example")
    postbox.newest(1)
    with outbox_of(world) as database:
        assert database.execute("SELECT status FROM outbox").fetchall() == [("sending",)]
        database.execute("UPDATE outbox SET next_at = 0")  # its five minutes are over
    world.instance.start()
    mail_invitation(world, "pat@foreign.example")
    assert postbox.newest(2)["To"] == "pat@foreign.example"
    with outbox_of(world) as database:
        (given_up,) = database.execute("SELECT last_error FROM outbox WHERE status = 'dead'").fetchall()
    assert given_up == ("interrupted while sending; the mail may have arrived",)


def test_a_server_told_to_stop_waits_for_what_the_mail_server_says(postbox, world):
    stopping = threading.Thread(target=world.instance.stop)

    def stop():
        stopping.start()
        time.sleep(2)

    postbox.during = stop
    mail_invitation(world, "sol@foreign.example")
    postbox.newest(1)
    stopping.join(20)
    with outbox_of(world) as database:
        assert database.execute("SELECT status, body, html FROM outbox").fetchall() == [("sent", None, None)]
