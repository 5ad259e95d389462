"""The texts of the mails about codes and factors, and the limit on how many an address gets."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage

from b2b_idp.keys.vault import Vault
from b2b_idp.model.directory import User
from b2b_idp.model.evidence import LocalFactor, LocalMethod
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.net.mail import MailFailed
from b2b_idp.store import Reader, Writer
from b2b_idp.store.outbox import AN_HOUR, MAILS_AN_HOUR, Letter

CALLED = {LocalMethod.TOTP: "An authenticator app", LocalMethod.PASSKEY: "A passkey"}
"""What mails call the factors that are registered here."""


def may_mail(r: Reader, vault: Vault, address: str, at: datetime) -> None:
    """Raises Problem(TOO_MANY_ATTEMPTS) when the address got its share of this hour."""
    if not r.outbox.may_have_another(vault.mail_key(address), at):
        raise Problem(
            Code.TOO_MANY_ATTEMPTS,
            "Too many mails were sent to this address. Please try again in an hour.",
            f"more than {MAILS_AN_HOUR} mails an hour",
            retry_after=AN_HOUR,
        )


def _letter(vault: Vault, once: str, address: str, subject: str, body: str, moment: Moment) -> Letter:
    return Letter(
        id=moment.new_id(),
        once=once,
        recipient=address,
        recipient_key=vault.mail_key(address),
        subject=subject,
        body=body,
        created_at=moment.at,
    )


def code_letter(vault: Vault, address: str, code: str, organisation: str, once: str, moment: Moment) -> Letter:
    """Carries a one-time code."""
    body = (
        f"Your code for {organisation} is\n\n    {code}\n\n"
        "Type it on the page that asked for it. It is good for 30 minutes, and only there.\n\n"
        "Nobody will ever ask you for this code by phone or mail. If you did not try to sign in, "
        "you need not do anything.\n"
    )
    return _letter(vault, once, address, f"Your code for {organisation}", body, moment)


def factor_registered_letter(
    vault: Vault,
    address: str,
    organisation: str,
    factor: LocalFactor,
    moment: Moment,
) -> Letter:
    """Tells that a factor was registered."""
    body = (
        f"{CALLED[factor.method]} was just set up for your guest account at {organisation}.\n\n"
        "If that was you, all is well. If it was not, answer the person who invited you at once: "
        "they can remove it and end all sessions.\n"
    )
    subject = f"{CALLED[factor.method]} was set up for your account at {organisation}"
    return _letter(vault, f"factor:{factor.factor_id}", address, subject, body, moment)


def tell(w: Writer, vault: Vault, user: User, what: str, moment: Moment) -> None:
    """Mails a person that something about how they confirm who they are was changed; `what` says it in whole sentences,
    with `{organisation}`."""
    if user.proved_mail is None:
        return
    organisation = w.configuration.tenant.name
    body = (
        what.replace("{organisation}", organisation) + "\n\n"
        "If you know of it, all is well. If you do not, answer the person who invited you at once: "
        "they can have it undone and end all sessions.\n"
    )
    subject = f"The security of your account at {organisation}"
    letter = _letter(vault, f"security:{moment.new_id()}", user.proved_mail, subject, body, moment)
    w.outbox.add(replace(letter, kind="notice", related_id=user.id))


def moved_letter(vault: Vault, address: str, organisation: str, home: str, user_id: str, moment: Moment) -> Letter:
    """Tells that the guest signs in at a home tenant from now on."""
    body = (
        f"Your guest account at {organisation} now signs in at {home}. Codes are mailed to you for it no more.\n\n"
        "If that was you, all is well. If it was not, answer the person who invited you at once.\n"
    )
    subject = f"Your account at {organisation} signs in at {home} now"
    return _letter(vault, f"moved:{user_id}:{moment.new_id()}", address, subject, body, moment)


def checked_sender(sender: str) -> str:
    """`sender` as given, `address` or `name <address>`. Raises Problem(BAD_SETTING) unless it is one mail address."""
    try:
        _domain_of_sender(sender)
    except ValueError:
        raise Problem(Code.BAD_SETTING, "MAIL_FROM is one mail address, such as no-reply@contoso.example.") from None
    return sender


def _domain_of_sender(sender: str) -> str:
    mail = EmailMessage()
    mail["From"] = sender
    addresses = mail["From"].addresses
    if len(addresses) != 1 or not addresses[0].domain:
        raise ValueError("not one mail address")
    return str(addresses[0].domain)


def message(letter: Letter, sender: str) -> EmailMessage:
    """The letter as a mail: plain text, and HTML beside it where the letter has it. The policy of EmailMessage refuses
    line breaks in headers. Its Message-ID is the same at every attempt, so that a reader's server can tell a repeat.

    Raises MailFailed(permanent) when the recipient is not exactly one mail address.
    """
    mail = EmailMessage()
    mail["From"] = sender
    try:
        mail["To"] = Address(addr_spec=letter.recipient)
    except (ValueError, IndexError, MessageError):  # the parser's three ways to say no
        raise MailFailed("the recipient is not one mail address", permanent=True) from None
    mail["Subject"] = " ".join(letter.subject.split())
    mail["Message-ID"] = f"<{letter.id}@{_domain_of_sender(sender)}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(letter.body)
    if letter.html is not None:
        mail.add_alternative(letter.html, subtype="html")
    mail["Content-Language"] = letter.language
    return mail
