"""Mail addresses and landing addresses from outside → checked text."""

from __future__ import annotations

import unicodedata
from urllib.parse import urlsplit

import idna
from email_validator import EmailNotValidError, validate_email

from b2b_idp.model.problem import Code, Problem

PUBLIC_MAIL = frozenset(
    "gmail.com googlemail.com outlook.com hotmail.com live.com msn.com yahoo.com ymail.com icloud.com me.com mac.com "
    "aol.com gmx.de gmx.net gmx.com web.de proton.me protonmail.com mail.com zoho.com yandex.com yandex.ru mail.ru "
    "qq.com 163.com 126.com t-online.de orange.fr free.fr laposte.net libero.it".split()
)
"""Domains where anybody can have an address: no home tenant is authoritative for them."""

_BESIDE_LATIN = frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA", "BOPOMOFO", "HANGUL"})
"""Scripts, by their characters' Unicode names, that a label may hold together with Latin."""


def checked_address(text: object) -> str:
    """A mail address as it is kept: its domain an A-label in lower case. Raises Problem(BAD_REQUEST)."""
    if not isinstance(text, str) or len(text) > 254 or any(ord(c) < 32 or ord(c) == 127 for c in text):
        raise _bad("invitedUserEmailAddress is a mail address of at most 254 characters.")
    local, at, domain = text.strip().rpartition("@")
    try:
        address = validate_email(
            f"{local}{at}{a_label(domain)}",
            check_deliverability=False,
            allow_smtputf8=False,
            test_environment=True,
        )
    except EmailNotValidError as e:
        raise _bad(f"{text[:254]} is not a mail address: {e}") from None
    return f"{address.local_part}@{address.ascii_domain}"


def normal_address(text: object) -> str:
    """The one form of an address that is an identity: as it is kept, in lower case. `ada+x@` and `ada@` stay two.
    Raises Problem(BAD_REQUEST)."""
    return checked_address(text).lower()


def a_label(domain: str) -> str:
    """A domain as an A-label in lower case, a trailing dot dropped (IDNA 2008; compatibility forms and labels that mix
    scripts are refused). Raises Problem(BAD_REQUEST)."""
    text = domain.strip().rstrip(".").lower()
    try:
        label = idna.encode(text, uts46=False, std3_rules=True).decode() if not text.isascii() else text
        mixed = any(map(_mixes_scripts, idna.decode(label).split(".")))
    except (idna.IDNAError, UnicodeError):
        raise _bad(f"{domain[:100]} is not a domain name.") from None
    if mixed:
        raise _bad(f"{label[:100]} mixes scripts so that it can be taken for another domain.")
    if "." not in label or len(label) > 253 or not all(_is_label(part) for part in label.split(".")):
        raise _bad(f"{domain[:100]} is not a domain name.")
    return label


def _is_label(part: str) -> bool:
    return 0 < len(part) < 64 and part[0] != "-" and part[-1] != "-" and part.replace("-", "a").isalnum()


def _mixes_scripts(label: str) -> bool:
    """Whether Latin letters stand beside letters that look like them (UTS #39 §5.2, Highly Restrictive)."""
    scripts = {unicodedata.name(c, "").partition(" ")[0] for c in label if c.isalpha()}
    return "LATIN" in scripts and not scripts <= _BESIDE_LATIN


def checked_landing(text: object) -> str:
    """inviteRedirectUrl: absolute https, or http to loopback; no user name, no control characters."""
    if not isinstance(text, str) or not text or len(text) > 2048:
        raise _bad("inviteRedirectUrl is an absolute address.")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _bad("inviteRedirectUrl is not an address.") from None
    loopback = parts.scheme == "http" and host in ("localhost", "127.0.0.1", "::1")
    if not (parts.scheme == "https" or loopback) or not host or port == 0:
        raise _bad("inviteRedirectUrl starts with https:// and a host.")
    if parts.username is not None or "@" in parts.netloc or "\\" in text or not text.isascii() or " " in text:
        raise _bad("inviteRedirectUrl has no user name, blanks or letters beyond ASCII.")
    if any(ord(c) < 33 or ord(c) == 127 for c in text) or "<" in text or "javascript:" in text.lower():
        raise _bad("inviteRedirectUrl holds characters that an address does not.")
    return text


def _bad(say: str) -> Problem:
    return Problem(Code.BAD_REQUEST, say)
