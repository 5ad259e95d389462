"""A mailed one-time code: 8 digits, 30 minutes, five tries, for one sign-in."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from hashlib import sha256

from b2b_idp.keys.vault import Vault
from b2b_idp.model.moment import Moment

DIGITS = 8
LIFETIME = timedelta(minutes=30)
MAX_TRIES = 5


@dataclass(frozen=True, slots=True)
class MailedCode:
    """What a sign-in remembers of the newest code it had mailed: a digest (hex), never the code."""

    digest: str
    address: str
    sent_at: datetime
    tries: int = 0


class Verdict(Enum):
    OK = "ok"
    WRONG = "wrong"
    EXPIRED = "expired"
    """Too old, or tried too often: a new one is needed."""


def new_code(moment: Moment) -> str:
    """Eight random digits, uniform to within 2⁻²³⁰."""
    return f"{int.from_bytes(sha256(moment.new_secret().encode()).digest(), 'big') % 10**DIGITS:0{DIGITS}d}"


def code_digest(vault: Vault, signin_id: str, address: str, code: str) -> str:
    """The code's keyed digest, bound to its sign-in and address: of no use in another."""
    return vault.digest("mailed-code", f"{signin_id}:{address.casefold()}:{code}").hex()


def check(vault: Vault, signin_id: str, held: MailedCode, typed: str, at: datetime) -> tuple[Verdict, MailedCode]:
    """Whether `typed` is the code, and what to remember afterwards: every wrong try counts."""
    if held.tries >= MAX_TRIES or not held.sent_at <= at < held.sent_at + LIFETIME:
        return Verdict.EXPIRED, held
    code = "".join(typed.split())
    right = len(code) == DIGITS and code.isascii() and code.isdigit()
    if right and hmac.compare_digest(code_digest(vault, signin_id, held.address, code), held.digest):
        return Verdict.OK, held
    return Verdict.WRONG, replace(held, tries=held.tries + 1)
