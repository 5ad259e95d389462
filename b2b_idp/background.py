"""What runs beside requests, in one of the processes over a database and in another when that one dies."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from b2b_idp.guests import erasure, membership
from b2b_idp.keys.vault import Vault
from b2b_idp.logs import log, traceback_of
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Problem
from b2b_idp.signin.continuity import Continuity
from b2b_idp.store import Store, Writer
from b2b_idp.tokens.notices import Notifier

LOOK_SECONDS = 1
"""How often a process that does no work in the background asks whether it falls to it now."""
FOLLOW_SECONDS = 2
"""How often is looked whether sessions at apps still meet the policies, and lists of members their rules."""
BREATH_SECONDS = 0.05
"""Between two batches of users, so that requests go before."""
SWEEP_SECONDS = 600
KEPT_AFTERWARDS = timedelta(days=1)
"""How long sign-ins, sessions and grants stay after they are over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundParts:
    store: Store
    vault: Vault
    continuity: Continuity
    notifier: Notifier
    moment: Callable[[], Moment]


def start_background(parts: BackgroundParts) -> None:
    """Starts a thread for each work; they end with the process."""
    store = parts.store
    for name, pause, work in (
        ("continuity", FOLLOW_SECONDS, lambda: parts.continuity.follow(parts.moment())),
        ("notices", FOLLOW_SECONDS, lambda: _tell_apps(parts)),
        ("members", FOLLOW_SECONDS, lambda: _list_members(parts)),
        ("sweep", SWEEP_SECONDS, lambda: store.transact(lambda w: sweep(w, parts.moment().at))),
        ("erasure", SWEEP_SECONDS, lambda: erase(store, parts.vault, parts.moment)),
    ):
        again = partial(_again_and_again, store, name, pause, work)
        threading.Thread(target=again, name=f"b2b-idp-{name}", daemon=True).start()


def _again_and_again(store: Store, name: str, pause: float, work: Callable[[], object]) -> None:
    """What fails is tried again, whatever it was."""
    while True:
        leads = False
        try:
            leads = store.leads()
            if leads:
                work()
        except Exception as e:
            _log(name, e)
        time.sleep(pause if leads else LOOK_SECONDS)


def _tell_apps(parts: BackgroundParts) -> None:
    for told in parts.notifier.begin(parts.moment()):
        told.add_done_callback(_log_untold)


def _list_members(parts: BackgroundParts) -> None:
    membership.follow_clock(parts.store, parts.moment())
    for _ in membership.refresh(parts.store, parts.moment):
        time.sleep(BREATH_SECONDS)


def erase(store: Store, vault: Vault, moment: Callable[[], Moment]) -> int:
    """Takes those who were deleted for good out of logs, mail and kept answers; how many entries it changed."""
    return sum(erasure.carry_on(store, vault, moment))


def sweep(w: Writer, at: datetime) -> None:
    """Removes what is long over."""
    before = at - KEPT_AFTERWARDS
    w.signins.sweep(before)
    w.grants.sweep(before)
    w.devices.sweep(before)
    # one for each call by DPoP: they are many
    w.grants.forget_used(at)
    w.pushed.sweep(before)
    w.registrations.sweep(before)
    w.directory.sweep_answers(before)
    w.notices.sweep(before)


def _log_untold(told: Future[int]) -> None:
    e = told.exception()
    if e is not None:
        _log("notices", e)


def _log(what: str, e: BaseException) -> None:
    if isinstance(e, Problem):
        log.warning(what, why=e.why or e.say)
    else:
        log.error(what, error=type(e).__name__, exception=traceback_of(e))
