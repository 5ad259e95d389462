"""What slows down guessing: wrong codes count per guest over all sessions and restarts.

A browser that once passed a challenge for this guest has a budget of its own, so that strangers who guess cannot lock
the guest out.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from b2b_idp.model.problem import Code, Problem
from b2b_idp.store import Reader, Writer

FREE_TRIES = 5
_FIRST_WAIT = timedelta(minutes=1)
_LONGEST_WAIT = timedelta(hours=1)


def wait(failures: int) -> timedelta:
    """How long to wait after so many wrong codes in a row: nothing for the first few, then a minute, doubling to an
    hour."""
    beyond = failures - FREE_TRIES
    return timedelta(0) if beyond < 0 else min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(beyond, 10))


_WAITS = tuple(wait(n) for n in range(FREE_TRIES + 7))
"""By guesses in a row; the last one is the longest."""


def _scope(r: Reader, user_id: str, browser: bytes) -> str:
    if r.factors.knows_browser(user_id, browser):
        return f"browser:{user_id}:{browser.hex()[:32]}"
    return f"user:{user_id}"


def take(w: Writer, user_id: str, browser: bytes, at: datetime) -> None:
    """Counts a guess before it is judged, so that guesses made at once cannot all be the last free one.

    Raises Problem(TOO_MANY_ATTEMPTS) with the time to wait; that guess is neither counted nor to be judged.
    """
    scope = _scope(w, user_id, browser)
    if w.factors.take_guess(scope, _WAITS, at):
        return
    guesses = w.factors.guesses(scope)
    assert guesses is not None  # it was refused over them, and holds their row
    left = guesses.last_at + wait(guesses.failures) - at
    minutes = -(-left // timedelta(minutes=1))  # rounded up: who waits that long is not refused again
    raise Problem(
        Code.TOO_MANY_ATTEMPTS,
        f"Too many wrong codes. Please try again in {minutes} minute{'s' if minutes > 1 else ''}.",
        f"{guesses.failures} wrong codes in a row",
        retry_after=left,
    )


def passed(w: Writer, user_id: str, browser: bytes, at: datetime) -> None:
    """Forgets this browser's guesses, and remembers the browser. A stranger's count stays a stranger's."""
    scope = _scope(w, user_id, browser)
    w.factors.clear_guesses(scope)
    w.factors.remember_browser(user_id, browser, at)
