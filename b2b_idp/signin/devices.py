"""Signing in for a device that has no browser (RFC 8628): its code is typed here, by a guest who then says yes.

Whoever can make somebody type a code can have them sign in for a device that is not theirs. So the code is only ever
typed, never brought by a link; and after the sign-in the guest is told which app asked, when and from where, and asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from b2b_idp.factors.guessing import wait
from b2b_idp.keys.vault import Vault
from b2b_idp.model.directory import App, User
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.request import AuthorizeRequest
from b2b_idp.signin.grants import reconsider
from b2b_idp.signin.refusals import stranger, used
from b2b_idp.signin.showing import SCOPE_SENTENCES
from b2b_idp.signin.values import Browser
from b2b_idp.store import Reader, Writer
from b2b_idp.store.devices import DeviceCode
from b2b_idp.store.grants import Grant

LIFETIME = timedelta(minutes=10)
PAUSE = 5
"""Seconds between two polls (RFC 8628 §3.2)."""
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""No vowels, so that no words come out, and no digits (RFC 8628 §6.1)."""
_LENGTH = 8
_MOST_WAITING = 50
"""Codes of one address that wait for their guests."""
_FREE_TRIES = 30
_WAITS = (*[timedelta(0)] * _FREE_TRIES, *(wait(n) for n in range(5, 13)))
"""By codes typed from one address: many people may share one."""
_FORGOTTEN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the guest is asked to say yes to."""

    row: DeviceCode
    grant: Grant
    app: App
    user: User

    @property
    def scopes(self) -> Sequence[tuple[str, str]]:
        return [(s, SCOPE_SENTENCES.get(s, s)) for s in self.grant.document["scope"]]


def begin(
    w: Writer, vault: Vault, app: App, scope: Sequence[str], resource: str | None, address: str, moment: Moment
) -> tuple[DeviceCode, str]:
    """A device's wish, and the code that its guest types. Raises Problem(TOO_MANY_ATTEMPTS)."""
    if w.devices.waiting_from(address, moment.at) >= _MOST_WAITING:
        raise Problem(
            Code.TOO_MANY_ATTEMPTS, "Too many devices of this address wait already.", retry_after=timedelta(minutes=1)
        )
    user_code = _letters(moment.new_secret())
    row = DeviceCode(
        id=moment.new_id(),
        user_code=_digest(vault, user_code),
        app_id=app.app_id,
        document={"scope": list(scope), "resource": resource},
        address=address,
        pause=PAUSE,
        created_at=moment.at,
        expires_at=moment.at + LIFETIME,
    )
    w.devices.add(row)
    return row, f"{user_code[:4]}-{user_code[4:]}"


def _letters(secret: str) -> str:
    number = int.from_bytes(sha256(secret.encode()).digest(), "big")
    return "".join(_LETTERS[number // len(_LETTERS) ** n % len(_LETTERS)] for n in range(_LENGTH))


def _digest(vault: Vault, user_code: str) -> bytes:
    return vault.digest("user-code", user_code)


def find(w: Writer, vault: Vault, typed: str, issuer: str, address: str, at: datetime) -> AuthorizeRequest | Problem:
    """The request of the device whose code was typed. A try counts before it is judged, for the whole address:
    a Problem is returned and not raised, so that the count stays."""
    scope = "device:" + _digest(vault, address).hex()[:32]
    before = w.factors.guesses(scope)
    if before is not None and at - before.last_at > _FORGOTTEN:
        w.factors.clear_guesses(scope)
    if not w.factors.take_guess(scope, _WAITS, at):
        return Problem(Code.TOO_MANY_ATTEMPTS, "Too many codes were tried. Please wait a few minutes and try again.")
    letters = "".join(c for c in typed.upper()[:40] if c.isalpha())
    row = w.devices.by_user_code(_digest(vault, letters))
    if row is None or row.status != "pending" or at >= row.expires_at:
        return Problem(Code.WRONG_CODE, "That code is not right, or it is over. Look at your device again.")
    return AuthorizeRequest(
        client_id=row.app_id,
        redirect_uri=f"{issuer}/device",
        scope=tuple(row.document["scope"]),
        resource=row.document["resource"],
        device=row.id,
    )


def asked(r: Reader, id: str, grant_id: str, browser: Browser, at: datetime) -> Asked:
    """What this browser's guest, who signed in for the device, is asked. Raises Problem(SIGNIN_UNKNOWN | STEP_USED)."""
    row, grant = r.devices.by_id(id), r.grants.by_id(grant_id)
    if row is None or grant is None or grant.document["request"].get("device") != id:
        raise stranger("no such device code, or a grant of something else")
    if browser.session_id != grant.session_id:
        raise stranger("another browser signed in for this device")
    if row.status != "pending" or at >= row.expires_at or grant.revoked_at is not None:
        raise used("the device's code was answered, or is over")
    app, user = r.apps.by_client_id(row.app_id), r.users.by_id(grant.user_id)
    if app is None or user is None:
        raise stranger("app or guest is gone")
    return Asked(row, grant, app, user)


def answer(w: Writer, question: Asked, *, yes: bool, moment: Moment) -> None:
    """What the guest said. A yes is judged once more. Raises Problem(INVALID_GRANT | STEP_USED)."""
    row, grant = question.row, question.grant
    if yes:
        reconsider(w, grant, moment)
    if not w.devices.settle(row.id, "approved" if yes else "denied", grant.id if yes else None, moment.at):
        raise used("the device's code was answered, or is over")
    if not yes:
        w.grants.revoke(grant.id, moment.at)
