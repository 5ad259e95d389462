"""Time-based one-time passwords (RFC 6238): SHA-1, 6 digits, 30 seconds, one step of drift either way."""

from __future__ import annotations

import hmac
import io
from base64 import b32encode
from datetime import datetime
from hashlib import sha256
from urllib.parse import quote, urlencode

import pyotp
import segno

from b2b_idp.model.moment import Moment

DIGITS = 6
STEP_SECONDS = 30
DRIFT = 1
_SECRET_BYTES = 20
_NAME_LENGTH = 64


def new_secret(moment: Moment) -> bytes:
    """160 random bits (RFC 4226 §4, R6)."""
    return sha256(moment.new_secret().encode()).digest()[:_SECRET_BYTES]


def text_of(secret: bytes) -> str:
    """The secret as base32, as authenticators take it."""
    return b32encode(secret).decode()


def uri(secret: bytes, account: str, organisation: str) -> str:
    """The `otpauth://` URI of the key URI format. Long names are cut, so that a QR code can hold it."""
    organisation, account = organisation[:_NAME_LENGTH], account[:_NAME_LENGTH]
    label = f"{quote(organisation, safe='')}:{quote(account, safe='@')}"
    parameters = {
        "secret": text_of(secret),
        "issuer": organisation,
        "algorithm": "SHA1",
        "digits": DIGITS,
        "period": STEP_SECONDS,
    }
    return f"otpauth://totp/{label}?{urlencode(parameters, quote_via=quote)}"


def qr_svg(text: str) -> str:
    """A QR code as an `<svg>` element without inline style, so that it passes a strict CSP."""
    out = io.BytesIO()
    segno.make(text, error="l").save(
        out, kind="svg", xmldecl=False, svgns=False, omitsize=True, border=4, svgclass="qr", lineclass=None
    )
    return out.getvalue().decode()


def matching_step(secret: bytes, typed: str, at: datetime) -> int | None:
    """The time step whose code was typed, one step of drift either way; None when there is none.

    Blanks are no part of a code; only ASCII digits are, exactly six.
    """
    code = "".join(typed.split())
    if len(code) != DIGITS or not code.isascii() or not code.isdigit():
        return None
    generator = pyotp.HOTP(text_of(secret))
    now = int(at.timestamp()) // STEP_SECONDS
    found = None
    for step in range(now - DRIFT, now + DRIFT + 1):
        # every step is compared, so that time tells nothing
        if hmac.compare_digest(generator.at(step), code):
            found = step
    return found
