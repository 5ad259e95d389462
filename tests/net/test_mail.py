"""Sending mail to a real SMTP server on loopback."""

from __future__ import annotations

import socket
from email.message import EmailMessage

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from b2b_idp.model.problem import Code, Problem
from b2b_idp.net.mail import Mailer, MailFailed


class Postbox:
    """Takes mail, unless told to say something else to RCPT."""

    def __init__(self):
        self.taken = []
        self.to_recipient = "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.to_recipient.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.to_recipient

    async def handle_DATA(self, server, session, envelope):
        self.taken.append(envelope)
        return "250 OK"


@pytest.fixture
def postbox():
    return Postbox()


@pytest.fixture
def server(postbox):
    def login(server, session, envelope, mechanism, data):
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"us@er", b"p/ss")
        return AuthResult(success=good, handled=False)

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(postbox, hostname="127.0.0.1", port=port, authenticator=login, auth_require_tls=False)
    controller.start()
    yield f"127.0.0.1:{port}"
    controller.stop()


def letter(to="maria@fabrikam.example"):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "no-reply@contoso.example", to, "Your invitation"
    message.set_content("Welcome, Zoë.")
    return message


def failure_of(url, message=None):
    with pytest.raises(MailFailed) as raised:
        Mailer(url).send(message or letter())
    return raised.value


def test_a_letter_arrives_with_its_recipient_and_text(server, postbox):
    Mailer(f"smtp://{server}").send(letter())
    assert postbox.taken[0].rcpt_tos == ["maria@fabrikam.example"]
    assert b"Your invitation" in postbox.taken[0].content


def test_user_and_password_of_the_url_are_percent_decoded(server, postbox):
    Mailer(f"smtp://us%40er:p%2Fss@{server}").send(letter())
    assert len(postbox.taken) == 1


@pytest.mark.parametrize(("said", "permanent"), [("550 unknown", True), ("451 later", False)])
def test_a_refused_recipient_is_permanent_when_the_server_says_5yz(server, postbox, said, permanent):
    postbox.to_recipient = said
    assert failure_of(f"smtp://{server}").permanent is permanent


def test_a_refused_login_is_the_operators_to_mend_so_the_letter_waits(server):
    failure = failure_of(f"smtp://us%40er:wr0ng@{server}")
    assert not failure.permanent
    assert "wr0ng" not in str(failure)


def test_starttls_that_the_server_does_not_offer_sends_nothing_in_clear(server, postbox):
    failure_of(f"smtp://{server}?starttls=1")
    assert postbox.taken == []


def test_a_server_that_does_not_answer_is_tried_again():
    assert not failure_of("smtp://127.0.0.1:1").permanent


def test_without_a_url_mail_stays():
    assert not failure_of("").permanent


@pytest.mark.parametrize("url", ["http://mail.example", "smtp://", "smtp://mail.example:port", "mail.example"])
def test_another_url_is_a_bad_setting(url):
    with pytest.raises(Problem) as raised:
        Mailer(url)
    assert raised.value.code is Code.BAD_SETTING


def test_a_line_that_begins_with_a_dot_arrives_and_ends_nothing(server, postbox):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "no-reply@contoso.example", "maria@fabrikam.example", "Dots"
    message.set_content("first\n.\n..\n.hidden\nlast\n")
    Mailer(f"smtp://{server}").send(message)
    assert postbox.taken[0].content.endswith(b"first\r\n.\r\n..\r\n.hidden\r\nlast\r\n")


def test_before_the_text_comes_after_the_recipient_was_taken_and_can_still_call_it_off(server, postbox):
    seen = []

    class CalledOff(Exception):
        pass

    def call_off():
        seen.append(list(postbox.taken))
        raise CalledOff

    with pytest.raises(CalledOff):
        Mailer(f"smtp://{server}").send(letter(), call_off)
    postbox.to_recipient = "550 unknown"
    with pytest.raises(MailFailed):
        Mailer(f"smtp://{server}").send(letter(), call_off)
    assert (seen, postbox.taken) == ([[]], [])
