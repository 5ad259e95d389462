"""Recovery codes: look-up secrets (NIST SP 800-63B §5.1.2), each good once."""

from __future__ import annotations

from base64 import b32encode
from hashlib import sha256

from b2b_idp.keys.vault import Vault
from b2b_idp.model.moment import Moment

COUNT = 10
_LETTERS = 16
_TO_CROCKFORD = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789abcdefghjkmnpqrstvwxyz")
_LOOKALIKES = str.maketrans("oil", "011")


def new_codes(moment: Moment, count: int = COUNT) -> list[str]:
    """Fresh codes of 80 random bits in Crockford's base32, in groups of four."""
    codes = []
    for _ in range(count):
        raw = b32encode(sha256(moment.new_secret().encode()).digest()[:10]).decode().translate(_TO_CROCKFORD)
        codes.append("-".join(raw[i : i + 4] for i in range(0, _LETTERS, 4)))
    return codes


def normalised(typed: str) -> str | None:
    """The code in its one spelling: without blanks and hyphens, look-alike letters read as digits; None for anything
    that is no code."""
    code = "".join(typed.split()).replace("-", "").lower().translate(_LOOKALIKES)
    return code if len(code) == _LETTERS and code.isascii() and code.isalnum() else None


def digest(vault: Vault, user_id: str, code: str) -> bytes:
    """What is kept of a normalised code."""
    return vault.digest("recovery", f"{user_id}:{code}")
