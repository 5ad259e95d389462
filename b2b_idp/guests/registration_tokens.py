"""Initial access tokens: who holds one may register apps (RFC 7591 §1.2). Made by administrators, told once."""

from __future__ import annotations

from datetime import datetime, timedelta

from b2b_idp.keys.vault import Vault, initial_access_token, is_initial_access_token
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.store import Reader, Writer
from b2b_idp.store.registrations import InitialAccessToken

LIFETIME = timedelta(days=7)
LONGEST = timedelta(days=365)
MOST_USES = 10_000


def make_token(
    w: Writer,
    vault: Vault,
    moment: Moment,
    *,
    display_name: str,
    by: str | None,
    expires_at: datetime | None = None,
    uses: int = 1,
    require_pkce: bool = True,
) -> tuple[InitialAccessToken, str]:
    """A new token for `uses` apps, and its text. `by` is the object id of who makes it, None on the command line.
    Raises Problem(BAD_REQUEST)."""
    expires = expires_at or moment.at + LIFETIME
    if not moment.at < expires <= moment.at + LONGEST:
        raise Problem(Code.BAD_REQUEST, f"A registration token ends within {LONGEST.days} days.")
    if not 1 <= uses <= MOST_USES:
        raise Problem(Code.BAD_REQUEST, f"A registration token is for 1 to {MOST_USES} apps.")
    text = initial_access_token(moment.new_secret())
    token = InitialAccessToken(
        id=moment.new_id(),
        display_name=display_name,
        created_by=by,
        created_at=moment.at,
        expires_at=expires,
        uses=uses,
        uses_left=uses,
        require_pkce=require_pkce,
    )
    w.registrations.add(token, _digest(vault, text))
    return token, text


def read_token(r: Reader, vault: Vault, text: str, at: datetime) -> InitialAccessToken:
    """The good token of this text. Raises Problem(INVALID_TOKEN), the same for one that is wrong, over or used up."""
    token = r.registrations.by_digest(_digest(vault, text)) if is_initial_access_token(text) else None
    if token is None or not token.is_good(at):
        raise _invalid("unknown" if token is None else "expired, or used as often as it may")
    return token


def spend(w: Writer, token: InitialAccessToken, at: datetime) -> None:
    """Takes one use. Raises Problem(INVALID_TOKEN) where another took the last one, or the token was revoked."""
    if not w.registrations.spend(token.id, at):
        raise _invalid("used up meanwhile, or revoked")


def _digest(vault: Vault, text: str) -> bytes:
    return vault.digest("initial-access-token", text)


def _invalid(why: str) -> Problem:
    return Problem(Code.INVALID_TOKEN, "The registration token is not valid. Ask an administrator for a new one.", why)
