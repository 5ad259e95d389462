"""Sending mail over SMTP."""

from __future__ import annotations

import smtplib
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
    """`smtp://[user:password@]host[:port][?starttls=1]` or `smtps://…`."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if url and (parts.scheme not in ("smtp", "smtps") or not parts.hostname):
            raise Problem(Code.BAD_SETTING, "MAIL_URL: is smtp://host:port or smtps://host:port.")
        self._url = parts
        self._starttls = parse_qs(parts.query).get("starttls", ["0"])[0] in ("1", "true")

    def send(self, message: EmailMessage) -> None:
        """Hands the message to the server. Raises MailFailed."""
        url = self._url
        if not url.hostname:
            raise MailFailed("MAIL_URL is empty", permanent=False)
        try:
            if url.scheme == "smtps":
                server: smtplib.SMTP = smtplib.SMTP_SSL(
                    url.hostname, url.port or 465, timeout=TIMEOUT_SECONDS
                )
            else:
                server = smtplib.SMTP(url.hostname, url.port or 25, timeout=TIMEOUT_SECONDS)
            with server:
                if self._starttls:
                    server.starttls()
                if url.username:
                    server.login(unquote(url.username), unquote(url.password or ""))
                server.send_message(message)
        except smtplib.SMTPRecipientsRefused as e:
            code = next(iter(e.recipients.values()))[0]
            raise MailFailed(f"recipient refused: {code}", permanent=500 <= code < 600) from None
        except smtplib.SMTPResponseException as e:
            raise MailFailed(f"server said {e.smtp_code}", permanent=500 <= e.smtp_code < 600) from None
        except (smtplib.SMTPException, OSError, ValueError) as e:
            raise MailFailed(type(e).__name__, permanent=False) from None
