"""Sending mail over SMTP."""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Callable
from contextlib import suppress
from email.message import EmailMessage
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from b2b_idp.model.problem import Code, Problem

TIMEOUT_SECONDS = 15
VERDICT_SECONDS = 120
"""How long a server may look at a whole mail before it says whether it takes it (RFC 5321 §4.5.3.2.6)."""


class MailFailed(Exception):
    """A mail was not taken; `permanent` says that trying again is of no use (RFC 5321 §4.2.1, 5yz). `perhaps_taken`:
    the server had all of it and never answered."""

    def __init__(self, why: str, permanent: bool, perhaps_taken: bool = False) -> None:
        super().__init__(why)
        self.permanent = permanent
        self.perhaps_taken = perhaps_taken


class Mailer:
    """`smtp://[user:password@]host[:port][?starttls=1]` or `smtps://…`; an empty URL takes no mail.

    Raises Problem(BAD_SETTING) for another URL. With TLS the server's certificate must be good for its name.
    """

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise _bad_url() from None
        if url and (parts.scheme not in ("smtp", "smtps") or not parts.hostname):
            raise _bad_url()
        self._host = parts.hostname
        self._tls = parts.scheme == "smtps"
        self._port = port or (465 if self._tls else 25)
        self._starttls = parse_qs(parts.query).get("starttls", ["0"])[0] in ("1", "true")
        self._user = unquote(parts.username or "")
        self._password = unquote(parts.password or "")

    def send(self, message: EmailMessage, before_text: Callable[[], None] = lambda: None) -> None:
        """Hands the message to the server; calls `before_text` when the server is ready for the text and has none of
        it. Raises MailFailed, whose text holds no address and no password, and whatever `before_text` raises."""
        if self._host is None:
            raise MailFailed("MAIL_URL is empty", permanent=False)
        try:
            server = self._connected(self._host)
            try:
                server.before_text = before_text
                if self._starttls:
                    server.starttls(context=ssl.create_default_context())
                if self._user:
                    server.login(self._user, self._password)
                server.send_message(message)
                with suppress(smtplib.SMTPException, OSError):  # the mail is taken, whatever becomes of the goodbye
                    server.quit()
            finally:
                server.close()
        except smtplib.SMTPRecipientsRefused as e:
            codes = [code for code, _ in e.recipients.values()]
            raise MailFailed(f"recipient refused: {codes[0]}", all(500 <= c < 600 for c in codes)) from None
        except smtplib.SMTPAuthenticationError as e:
            # the operator mends this; the letter is not at fault
            raise MailFailed(f"server refused our login: {e.smtp_code}", permanent=False) from None
        except smtplib.SMTPResponseException as e:
            raise MailFailed(f"server said {e.smtp_code}", permanent=500 <= e.smtp_code < 600) from None
        except (smtplib.SMTPException, OSError, ValueError) as e:
            raise MailFailed(type(e).__name__, permanent=False) from None

    def _connected(self, host: str) -> _Plain:
        if self._tls:
            context = ssl.create_default_context()
            return _Tls(host, self._port, timeout=TIMEOUT_SECONDS, context=context)
        return _Plain(host, self._port, timeout=TIMEOUT_SECONDS)


class _Plain(smtplib.SMTP):
    """SMTP that tells apart a text that never went out and one whose verdict never came back."""

    before_text: Callable[[], None]

    def data(self, msg: Any) -> tuple[int, bytes]:
        """The DATA command. `msg` are bytes with CRLF line ends, as send_message makes them."""
        code, said = self.docmd("DATA")
        if code != 354:
            raise smtplib.SMTPDataError(code, said)
        self.before_text()
        text = re.sub(rb"(?m)^\.", b"..", msg)
        self.send(text + (b".\r\n" if text.endswith(b"\r\n") else b"\r\n.\r\n"))
        assert self.sock is not None
        self.sock.settimeout(VERDICT_SECONDS)
        try:
            return self.getreply()
        except smtplib.SMTPServerDisconnected:
            raise MailFailed("no answer to the text", permanent=False, perhaps_taken=True) from None


class _Tls(_Plain, smtplib.SMTP_SSL):
    """The same with TLS from the first byte."""


def _bad_url() -> Problem:
    return Problem(
        Code.BAD_SETTING,
        "MAIL_URL is smtp://host:port or smtps://host:port, with user:password@ before the host.",
    )
