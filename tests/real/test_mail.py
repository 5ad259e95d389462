"""Mail over a real SMTP server: the invitation arrives, and so does the code that proves the address."""

from __future__ import annotations

import os
import re
import time
from email import message_from_bytes, policy

import pytest
from aiosmtpd.controller import Controller

from b2b_idp.testing.kit import code_in


class Postbox:
    """What arrived, in order."""

    def __init__(self) -> None:
        self.mails = []

    async def handle_DATA(self, server, session, envelope):
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
    from tests.real.nodes import free_port

    return free_port()


def test_from_the_mailed_link_to_the_app(postbox, world):
    email = "pat@foreign.example"
    invited = world.instance.graph(
        "POST",
        "/invitations",
        {
            "invitedUserEmailAddress": email,
            "inviteRedirectUrl": "http://127.0.0.1:9/",
            "sendInvitationMessage": True,
            "invitedUserMessageInfo": {"customizedMessageBody": "Welcome <b>Pat</b>\r\nBcc: eve@evil.example"},
        },
    )
    world.users[email] = invited["invitedUser"]["id"]
    mail = postbox.newest(1)
    assert (mail["To"], mail["Bcc"]) == (email, None)
    text = mail.get_body(("plain",)).get_content()
    assert "Welcome <b>Pat</b>" in text
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
    assert walk.pages == ["redeem", "email-code", "register-totp", "recovery-codes", "consent"]
    assert tokens["claims"]["amr"] == ["pwd", "otp", "mfa"]
    assert "authenticator" in postbox.newest(2)["Subject"]
