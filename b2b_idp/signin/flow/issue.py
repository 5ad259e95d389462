"""The last step: session and grant are written, the sign-in is over. Where the app's code is handed out differs."""

from __future__ import annotations

from dataclasses import replace

from b2b_idp.model.url import origin_of
from b2b_idp.signin import security
from b2b_idp.signin.facts import Known, Waiting
from b2b_idp.signin.flow.outcome import log_outcome
from b2b_idp.signin.flow.pushed import answered_now
from b2b_idp.signin.flow.row import move, step_taken
from b2b_idp.signin.flow.visit import Visit
from b2b_idp.signin.grants import mfa_at_home, write_grant
from b2b_idp.signin.mailing import mailing_key
from b2b_idp.signin.moves import Issue
from b2b_idp.signin.refusals import used
from b2b_idp.signin.values import Conclude, Granted, Landed
from b2b_idp.signin.view import View
from b2b_idp.store import Writer
from b2b_idp.store.signins import SigninRow


def issue(w: Writer, visit: Visit, known: Known, view: View, step: Issue) -> Granted | Landed:
    """Writes session, grant and log. Raises Problem(STEP_USED) when its pushed request was answered before."""
    parts, moment = visit.parts, visit.moment
    if not answered_now(w, known, moment):
        raise used("the pushed request of this sign-in was answered before")
    session_id, grant_id = write_grant(w, known, step, view, moment, parts.home_recheck)
    log_outcome(w, visit, known, view, step.user, step.evaluation)
    w.users.signed_in(step.user.id, moment.at, mfa_at_home=mfa_at_home(step.evaluation))
    if step.home.mailed:
        w.factors.remember_browser(step.user.id, mailing_key(parts.vault, visit.browser), moment.at)
    if known.task is not None:
        security.carry_out(w, parts.vault, known.task, step.user, session_id, moment)
        return Landed(f"{parts.issuer}/me/security?done={known.task.kind}", session_id)
    if known.request is None:
        origins = view.configuration.authorization.redirect_origins
        welcome = view.app is not None or (known.landing is not None and origin_of(known.landing) in origins)
        return Landed(known.landing if welcome else None, session_id)
    assert grant_id is not None
    return Granted(known.request, grant_id, session_id, step.evaluation.persistent_browser is True, view.app)


def end(w: Writer, visit: Visit, row: SigninRow, known: Known, view: View, step: Issue) -> Granted | Landed:
    """Issues, and keeps what was granted in the row: it can be handed out again."""
    ended = issue(w, visit, known, view, step)
    if isinstance(ended, Granted):
        known = replace(known, granted=(ended.grant_id, ended.session_id), persistent=ended.persistent)
    move(w, row, Waiting.DONE, known)
    return ended


def end_at_resume(w: Writer, visit: Visit, row: SigninRow, known: Known, view: View, step: Issue) -> Conclude | Landed:
    """As `end`; what is granted is handed out at `/resume/<id>`."""
    ended = end(w, visit, row, known, view, step)
    return ended if isinstance(ended, Landed) else Conclude(row.id)


def end_at_once(
    w: Writer, visit: Visit, row: SigninRow, known: Known, view: View, step: Issue
) -> Granted | Conclude | Landed:
    """Granted where that can be told by an address: then nobody comes back for it."""
    if known.request is None or not known.request.told_by_address:
        return end_at_resume(w, visit, row, known, view, step)
    # first: what is written after it goes with the COMMIT
    if not w.signins.mark(row.id, row.version, Waiting.DONE.value, step.user.id):
        raise step_taken()
    return issue(w, visit, known, view, step)
