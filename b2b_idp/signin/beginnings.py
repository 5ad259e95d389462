"""The first facts of a sign-in: from an app's request and the browser's session, from an invitation's link, or from
what a signed-in person wants to change."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from b2b_idp.keys.vault import Vault
from b2b_idp.model.directory import User
from b2b_idp.model.moment import Moment
from b2b_idp.model.request import AuthorizeRequest
from b2b_idp.model.url import domain_of
from b2b_idp.signin.facts import Known, Task, evidence_from_json
from b2b_idp.signin.grants import session_is_good
from b2b_idp.signin.refusals import bad_link, no_home
from b2b_idp.signin.values import Browser
from b2b_idp.signin.view import has_a_home_now, is_good
from b2b_idp.store import Reader
from b2b_idp.store.signins import SessionRow


def facts_of_request(r: Reader, request: AuthorizeRequest, browser: Browser, moment: Moment) -> Known:
    """Facts from an app's request: the home it hints at, and the evidence of a session that it may use."""
    known = Known(began_at=moment.at, request=request, email=request.login_hint)
    configuration = r.configuration
    hint = (request.domain_hint or "").strip().lower()
    hinted = configuration.homes.get(hint) or configuration.homes_by_domain.get(domain_of("@" + hint))
    if hinted is not None and hinted.mailed:
        hinted = None  # a code is mailed only where somebody asks for it on our page
    if hinted is None and request.login_hint:
        hinted = configuration.homes_by_domain.get(domain_of(request.login_hint))
    session = r.signins.session(browser.session_id) if browser.session_id else None
    if session is not None:
        r.around.foresee(session.user_id, request.client_id)
    user = r.users.by_id(session.user_id) if session else None
    usable = (
        session is not None
        and user is not None
        and user.identity is not None
        and session_is_good(session, user, moment.at)
        and "select_account" not in request.prompt
        and (hinted is None or hinted.tenant_id == user.home_tenant_id)
        and not _hints_at_another(request, user)
        and not has_a_home_now(configuration, user.identity)
    )
    if usable:
        assert session is not None and user is not None
        return _with_session(known, session, user)
    return replace(known, tenant_id=hinted.tenant_id if hinted else None)


def facts_of_task(session: SessionRow, user: User, task: Task, moment: Moment) -> Known:
    """Facts for a change that the signed-in person asked for."""
    return _with_session(Known(began_at=moment.at, task=task), session, user)


def _with_session(known: Known, session: SessionRow, user: User) -> Known:
    def noted(name: str) -> datetime | None:
        seconds = session.evidence.get(name)
        return None if seconds is None else datetime.fromtimestamp(seconds, known.began_at.tzinfo)

    return replace(
        known,
        session_id=session.id,
        tenant_id=user.home_tenant_id,
        identity=user.identity,
        evidence=evidence_from_json(session.evidence),
        mail_proved_at=noted("mailProvedAt"),
        redeemed_at=noted("redeemedAt"),
    )


def _hints_at_another(request: AuthorizeRequest, user: User) -> bool:
    """Whether the app names an address that the session's guest does not have."""
    hint = request.login_hint
    return bool(hint and "@" in hint and user.mail and hint.strip().casefold() != user.mail.casefold())


def facts_of_link(r: Reader, vault: Vault, ticket: str, moment: Moment) -> Known:
    """Facts from an invitation's mailed link, which proves the mailbox and nothing else.

    Raises Problem(INVITATION_INVALID), the same for every bad link, or Problem(NO_HOME)."""
    handle = vault.read_handle("ticket", ticket)
    invitation = r.invitations.by_id(handle.id) if handle else None
    if handle is None or invitation is None or handle.generation != invitation.generation:
        raise bad_link("unknown, altered or superseded link")
    if not is_good(invitation, moment.at):
        raise bad_link("expired or revoked invitation")
    home = r.configuration.homes_by_domain.get(domain_of(invitation.email), r.configuration.mailed_home)
    if home.mailed and not home.enabled:
        raise no_home(domain_of(invitation.email))
    return Known(
        began_at=moment.at,
        invitation_id=invitation.id,
        landing=invitation.redirect_url,
        email=invitation.email,
        mail_proved_at=moment.at,
        # a used link leads on only as far as any visit does: a code is mailed when somebody asks for it
        tenant_id=None if home.mailed and invitation.status == "Completed" else home.tenant_id,
    )
