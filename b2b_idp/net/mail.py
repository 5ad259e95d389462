"""Sending mail over SMTP."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from urllib.parse import parse_qs, unquote, urlsplit

from b2b_idp.model.problem import Code, Problem

TIMEOUT_SECONDS = 15


class MailFailed(Exception):
    """A mail was not taken; `permanent` says that trying again is of no use (RFC 5321 §4.2.1, 5yz)."""

    def __init__(self, why: str, permanent: bool) -> None:
        super().__init__(why)
        self.permanent = permanent


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

    def send(self, message: EmailMessage) -> None:
        """Hands the message to the server. Raises MailFailed, whose text holds no address and no password."""
        if self._host is None:
            raise MailFailed("MAIL_URL is empty", permanent=False)
        try:
            with self._connected(self._host) as server:
                if self._starttls:
                    server.starttls(context=ssl.create_default_context())
                if self._user:
                    server.login(self._user, self._password)
                server.send_message(message)
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

    def _connected(self, host: str) -> smtplib.SMTP:
        if self._tls:
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(host, self._port, timeout=TIMEOUT_SECONDS, context=context)
        return smtplib.SMTP(host, self._port, timeout=TIMEOUT_SECONDS)


def _bad_url() -> Problem:
    return Problem(
        Code.BAD_SETTING,
        "MAIL_URL is smtp://host:port or smtps://host:port, with user:password@ before the host.",
    )
