"""How Graph lists an application's signing keys: two keyCredentials and a passwordCredential each, never a secret."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from b2b_idp.guests.app_keys import verify_id
from b2b_idp.model.directory import AppKey
from b2b_idp.model.moment import iso


def key_credentials(keys: Sequence[AppKey]) -> list[dict[str, Any]]:
    """keyCredentials: the half that signs, and the half that verifies."""
    return [
        _common(key) | {"key": None, "keyId": id, "type": kind, "usage": usage}
        for key in keys
        for id, kind, usage in (
            (key.key_id, "X509CertAndPassword", "Sign"),
            (verify_id(key), "AsymmetricX509Cert", "Verify"),
        )
    ]


def key_passwords(keys: Sequence[AppKey]) -> list[dict[str, Any]]:
    """passwordCredentials: what opens the half that signs; we keep none, and show that there is one, as Graph."""
    return [_common(key) | {"hint": None, "keyId": key.key_id, "secretText": None} for key in keys]


def _common(key: AppKey) -> dict[str, Any]:
    return {
        "customKeyIdentifier": b64encode(bytes.fromhex(key.thumbprint)).decode(),
        "displayName": key.display_name,
        "endDateTime": iso(key.ends_at),
        "startDateTime": iso(key.starts_at),
    }
