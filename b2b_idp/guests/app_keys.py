"""Giving applications signing keys of their own, replacing and taking them away, with never a gap for a client that
caches the key set."""

from __future__ import annotations

import uuid
from base64 import b64decode
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from b2b_idp.guests.app_documents import KeyCredential, KeyPassword
from b2b_idp.keys import app_keys
from b2b_idp.keys.app_keys import Certified
from b2b_idp.keys.ring import LONGEST_TOKEN, PUBLISHED_BEFORE
from b2b_idp.model.directory import AppKey
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.store import Writer
from b2b_idp.store.apps import AppRow

KEY_LIFETIME = timedelta(days=3 * 365)
"""The longest, and the default (Graph)."""
MAX_KEYS = 10


def add_certificate(w: Writer, row: AppRow, display_name: str, ends_at: datetime | None, moment: Moment) -> AppKey:
    """A new key in a certificate of its own, whose private half nobody ever sees. `display_name` begins with `CN=`."""
    name = display_name.removeprefix("CN=")
    # an X.509 name is as long as its UTF-8
    if name == display_name or not name.isprintable() or not 1 <= len(name.encode()) <= 64:
        raise _bad("displayName begins with CN=, and its name has 1 to 64 bytes of printable text.")
    starts_at = moment.at.replace(microsecond=0)
    ends_at = starts_at + KEY_LIFETIME if ends_at is None else ends_at.replace(microsecond=0)
    if not moment.at < ends_at <= starts_at + timedelta(days=3 * 366):
        raise _bad("endDateTime lies ahead, within three years.")
    certified = app_keys.self_signed(name, starts_at, ends_at)
    return _add(w, row, moment.new_id(), display_name, certified, moment)


def _add(w: Writer, row: AppRow, key_id: str, display_name: str, certified: Certified, moment: Moment) -> AppKey:
    others = w.app_keys.of(row.id)
    if len(others) >= MAX_KEYS:
        raise _bad(f"an application has at most {MAX_KEYS} signing keys. Remove one first.")
    check_algorithm(row.application, others=True)
    kid = app_keys.kid_of(certified.certificate)
    if any(k.kid == kid for k in others):
        raise Problem(Code.CONFLICT, "The application has this signing key already.")
    if w.app_keys.is_taken(key_id):
        raise Problem(Code.CONFLICT, "Another signing key has this keyId. Give the new one a keyId of its own.")
    starts_at, ends_at = app_keys.valid_between(certified.certificate)
    if ends_at <= moment.at:
        raise _bad("the certificate is not valid any more.")
    # nobody waits for the first: whoever asks for this app's keys sees it at once
    waits = any(k.ends_at > moment.at for k in others)
    key = AppKey(
        key_id=key_id,
        app=row.id,
        kid=kid,
        thumbprint=app_keys.sha1_of(certified.certificate),
        display_name=display_name,
        certificate=certified.certificate,
        starts_at=starts_at,
        ends_at=ends_at,
        signs_from=max(starts_at, moment.at + PUBLISHED_BEFORE if waits else moment.at),
    )
    w.app_keys.add(key, certified.private)
    return key


def replace_keys(
    w: Writer, row: AppRow, credentials: Sequence[KeyCredential], passwords: Sequence[KeyPassword], moment: Moment
) -> None:
    """Makes the application's keys those of `credentials`, as Graph has it: entries with usage Sign that are there
    stay, new ones come as PKCS #12 with their password, the others go. Raises Problem(BAD_REQUEST | CONFLICT)."""
    kept = {k.key_id: k for k in w.app_keys.of(row.id)}
    secrets = {p.keyId: p.secretText for p in passwords if p.secretText is not None}
    signing = [c for c in credentials if c.usage == "Sign"]
    wanted = {c.keyId for c in signing}
    if len(wanted) < len(signing):
        raise _bad("a keyId stands twice among the entries with usage Sign.")
    if not set(secrets) <= wanted:
        raise _bad("a passwordCredential belongs to the entry with usage Sign of the same keyId.")
    for key in kept.values():
        if key.key_id not in wanted:
            _check_over(key, [k for k in kept.values() if k.key_id in wanted], row, moment.at)
            w.app_keys.remove(key)
    for new in signing:
        if new.keyId not in kept:
            _add(w, row, new.keyId, new.displayName or "", _opened(new, secrets), moment)
    certificates = [k.certificate for k in w.app_keys.of(row.id)]
    for shown in credentials:
        if shown.usage == "Verify" and shown.key is not None and _decoded(shown.key) not in certificates:
            raise _bad("an entry with usage Verify is the certificate of one with usage Sign.")


def _check_over(key: AppKey, others: Sequence[AppKey], row: AppRow, at: datetime) -> None:
    """A key that signed goes when its tokens are over, unless the application shall have none of its own any more."""
    if not others or not key.signs_from <= at < key.ends_at:
        return
    now = app_keys.signing_now([key, *others], row.service_principal.get("preferredTokenSigningKeyThumbprint"), at)
    younger = [k.signs_from for k in others if k.signs_from > key.signs_from]
    if now == key or (younger and at < min(younger) + LONGEST_TOKEN):
        raise Problem(
            Code.CONFLICT,
            "Tokens that this signing key signed may still be alive. Remove it an hour after another one signs.",
        )


def _opened(new: KeyCredential, secrets: Mapping[str, str]) -> Certified:
    if new.key is None:
        raise _bad(f"there is no signing key {new.keyId}; a new one needs key, PKCS #12 in base64.")
    return app_keys.from_pfx(_decoded(new.key), secrets.get(new.keyId, ""))


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        raise _bad("key is base64.") from None


def check_algorithm(application: Mapping[str, Any], *, others: bool) -> None:
    """An application's own key is RSA: id_tokens that it signs are RS256. `others`: whether it has such keys."""
    ours = application.get("b2bIdp") or {}
    if others and (ours.get("profile") == "fapi2" or ours.get("idTokenSignedResponseAlg") not in (None, "RS256")):
        raise Problem(
            Code.BAD_REQUEST,
            "b2bIdp.idTokenSignedResponseAlg: signing keys of an application's own sign RS256; with them it is RS256.",
        )


def verify_id(key: AppKey) -> str:
    """The keyId of a key's public half, which Graph lists as a keyCredential of its own."""
    return str(uuid.uuid5(uuid.UUID(key.key_id), "verify"))


def _bad(say: str) -> Problem:
    return Problem(Code.BAD_REQUEST, f"keyCredentials: {say}")
