"""The sign-in's verbs. Each is: read the facts, compute the next step, take it by one conditional update.

Network calls stand between transactions, never inside one. A killed server leaves facts; the next step is computed
from them again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar

from b2b_idp.factors.passkeys import RelyingParty
from b2b_idp.homes.oidc import OidcHomes, Pending
from b2b_idp.keys.vault import Vault
from b2b_idp.logs import carry, detail, note
from b2b_idp.metrics import Metrics
from b2b_idp.model.directory import User
from b2b_idp.model.home import Home
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.request import AuthorizeRequest
from b2b_idp.model.url import origin_of
from b2b_idp.policy.evaluate import Evaluation
from b2b_idp.signin import account, security
from b2b_idp.signin.answers import Answer, prepare
from b2b_idp.signin.answers import read as read_answer
from b2b_idp.signin.beginnings import facts_of_link, facts_of_request, facts_of_task
from b2b_idp.signin.facts import Known, Task, Waiting
from b2b_idp.signin.grants import mfa_at_home, write_grant
from b2b_idp.signin.learning import bind, learn, was_asked
from b2b_idp.signin.log import signin_document
from b2b_idp.signin.mailing import mailing_key
from b2b_idp.signin.moves import Ask, Bind, Depart, Issue, Step, Stop
from b2b_idp.signin.recording import facts_of, opened, sealed
from b2b_idp.signin.refusals import stranger, used
from b2b_idp.signin.showing import page_of
from b2b_idp.signin.steps import next_step
from b2b_idp.signin.values import AtStep, Browser, Conclude, GoTo, Granted, Landed, Refused, Show, ShowPage
from b2b_idp.signin.view import View, load_view
from b2b_idp.store import Reader, Store, Writer
from b2b_idp.store.signins import SigninRow
from b2b_idp.tracing import span, traced

SIGNIN_LIFETIME = timedelta(hours=1)
"""A sign-in outlives two slow pages and the Back button."""

SHOWN_AGAIN = timedelta(seconds=60)
"""How long a concluded sign-in gives its answer again, as long as its code lives."""

_RETRY = frozenset({Code.HOME_UNAVAILABLE, Code.HOME_ANSWER_REFUSED, Code.NO_HOME, Code.REGISTRATION_NEEDS_PROOF})
"""Refusals after which the guest may try again in the same sign-in."""


T = TypeVar("T")
_End = Callable[[Writer, SigninRow, Known, View, Issue, Browser, Moment], T]
"""Takes the last step."""


@dataclass(frozen=True, slots=True)
class SignInSettings:
    """`issuer` as configured, byte for byte; `home_recheck` is how long a session lives after home's last word."""

    issuer: str
    home_recheck: timedelta = timedelta(hours=24)


class SignIn:
    """The use case. `homes` speaks to home tenants."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        homes: OidcHomes,
        settings: SignInSettings,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._vault = vault
        self._homes = homes
        self._settings = settings
        self._party = RelyingParty.of(settings.issuer)
        self._metrics = metrics

    # --- beginnings --------------------------------------------------------------------------------------------------

    @traced("sign-in: begin")
    def begin(
        self, asked: Callable[[Reader], AuthorizeRequest], browser: Browser, moment: Moment
    ) -> Show | Granted | Landed:
        """A sign-in for an app's request, which `asked` checks. With a live session it may be granted at once."""
        id, correlation_id = moment.new_id(), _correlation_id(moment)

        def look(r: Reader) -> Granted | Landed | tuple[Known, View, Step]:
            if browser.session_id:
                r.signins.foresee_session(browser.session_id)
            known = facts_of_request(r, asked(r), browser, moment)
            view = load_view(r, known, moment.at, browser.ip_address)
            step = self._next(known, view, moment)
            if isinstance(step, Issue):
                return self._issue(r.writing(), id, correlation_id, known, view, step, browser, moment)
            return known, view, step

        # with a session it is most likely granted at once: read where it can be written
        found = self._store.transact(look) if browser.session_id else self._store.look(look)
        return self._start(id, correlation_id, *found, browser, moment) if isinstance(found, tuple) else found

    @traced("sign-in: begin redemption")
    def begin_redemption(self, ticket: str, browser: Browser, moment: Moment) -> Show:
        """A sign-in from an invitation's link. Raises Problem(INVITATION_INVALID), the same for every bad link."""

        def look(r: Reader) -> tuple[Known, View]:
            known = facts_of_link(r, self._vault, ticket, moment)
            return known, load_view(r, known, moment.at, browser.ip_address)

        known, view = self._store.look(look)
        step = self._next(known, view, moment)
        return self._start(moment.new_id(), _correlation_id(moment), known, view, step, browser, moment)

    @traced("sign-in: begin task")
    def begin_task(self, task: Task, browser: Browser, moment: Moment) -> Show | Landed:
        """A sign-in of its own for a change that the person of this session asked for on their security page: at once
        where the session holds young MFA, else after a step-up at home or a challenge here.

        Raises Problem as `account.signed_in`, and Problem(NOT_FOUND | CONFLICT | INVALID_REQUEST).
        """
        id, correlation_id = moment.new_id(), _correlation_id(moment)

        def begin(w: Writer) -> Landed | tuple[Known, View, Step]:
            session, user = account.signed_in(w, browser, moment.at)
            security.check(w, user, task)
            known = facts_of_task(session, user, task, moment)
            view = load_view(w, known, moment.at, browser.ip_address)
            step = self._next(known, view, moment)
            if isinstance(step, Issue):
                done = self._issue(w, id, correlation_id, known, view, step, browser, moment)
                assert isinstance(done, Landed)
                return done
            return known, view, step

        begun = self._store.transact(begin)
        return self._start(id, correlation_id, *begun, browser, moment) if isinstance(begun, tuple) else begun

    def _start(
        self,
        id: str,
        correlation_id: str,
        known: Known,
        view: View,
        step: Step,
        browser: Browser,
        moment: Moment,
    ) -> Show:
        """Writes the row of a sign-in whose first step is known."""
        url: str | None = None
        if isinstance(step, Depart):
            try:
                known, url = self._departure(id, known, step, moment)
            except Problem as problem:
                step = Stop(problem)
        begun, first = known, step

        def start(w: Writer) -> Show:
            if isinstance(first, Stop) and (first.tell_app or first.problem.code is not Code.REGISTRATION_NEEDS_PROOF):
                return self._refuse(w, None, correlation_id, begun, view, first, browser, moment)
            waiting, settled = Waiting.ACCESS_PASS, begun
            if not isinstance(first, Stop):
                waiting, settled = self._settle(w, id, begun, view, first, browser, moment)
            row = SigninRow(
                id=id,
                browser=browser.key,
                version=0,
                waiting=waiting.value,
                known=settled.to_json(),
                correlation_id=correlation_id,
                created_at=moment.at,
                expires_at=moment.at + SIGNIN_LIFETIME,
            )
            w.signins.add(row)
            if isinstance(first, Stop):
                return self._refuse(w, row, correlation_id, settled, view, first, browser, moment)
            return GoTo(url) if url else AtStep(id)

        return self._store.transact(start)

    # --- steps -------------------------------------------------------------------------------------------------------

    @traced("sign-in: look")
    def look(self, id: str, browser: Browser, moment: Moment) -> Show | Landed:
        """The present step of a sign-in, computed again: a page, or the way home."""

        def look(r: Reader) -> tuple[SigninRow, Known, View]:
            row = self._row(r, id, browser, moment)
            known = Known.from_json(row.known)
            return row, known, load_view(r, known, moment.at, browser.ip_address)

        row, known, view = self._store.look(look)
        step = self._next(known, view, moment)
        if isinstance(step, Depart):
            try:
                departed, url = self._departure(id, known, step, moment)
            except Problem as problem:
                stop = Stop(problem)
                return self._store.transact(
                    lambda w: self._refuse(w, row, row.correlation_id, known, view, stop, browser, moment)
                )
            self._store.transact(lambda w: self._move(w, row, Waiting.HOME, departed))
            return GoTo(url)
        if isinstance(step, Ask) and step.waiting == row.waiting and not _unprepared(known, step):
            return self._page(row, known, view, step)
        return self._store.transact(lambda w: self._advance(w, row, known, browser, moment, self._end_at_resume))

    @traced("sign-in: answer")
    def answer(self, id: str, version: int, form: Mapping[str, str], browser: Browser, moment: Moment) -> Show | Landed:
        """A form post of the present page; `version` is what the page carried, so each step is taken once."""

        def take(w: Writer) -> Show | Landed:
            row = self._row(w, id, browser, moment)
            if row.version != version:
                return AtStep(id)
            known = Known.from_json(row.known)
            view = load_view(w, known, moment.at, browser.ip_address)
            try:
                learned = read_answer(
                    Waiting(row.waiting),
                    Answer(
                        w=w,
                        vault=self._vault,
                        party=self._party,
                        signin_id=id,
                        known=known,
                        view=view,
                        form=form,
                        browser=browser,
                        moment=moment,
                    ),
                )
            except Problem as problem:
                if problem.code not in (Code.ACCESS_DENIED, Code.NO_HOME):
                    raise
                tell_app = problem.code is Code.ACCESS_DENIED and known.request is not None
                return self._refuse(w, row, row.correlation_id, known, view, Stop(problem, tell_app), browser, moment)
            if learned.error is not None:
                if learned.error.why:
                    note("answer refused", code=learned.error.code.value, why=learned.error.why)
                if learned.known != known:
                    self._move(w, row, Waiting(row.waiting), learned.known)
                    row = replace(row, version=row.version + 1)
                step = self._next(learned.known, view, moment)
                if isinstance(step, Ask) and step.waiting == row.waiting:
                    return self._page(row, learned.known, view, step, learned.error)
            return self._advance(w, row, learned.known, browser, moment, self._end_at_resume)

        return self._store.transact(take)

    @traced("sign-in: home answered")
    def home_answered(
        self, tenant_id: str, query: Mapping[str, str], browser: Browser, moment: Moment
    ) -> Show | Landed | Granted:
        """The home's answer at the redirect URI of home `tenant_id`. The code is sent upstream once, whatever comes.
        Granted where nothing but an address is left to be sent to the browser; a page has one of its own."""
        handle = self._vault.read_handle("state", query.get("state", ""))
        if handle is None:
            raise stranger("callback without a state of ours")

        def come_back(w: Writer) -> Refused | tuple[SigninRow, Known, Home | None]:
            # kept before the code is sent: sent twice, the home would take back what it gave (RFC 6749 §4.1.2)
            claim = w.signins.claim(handle.id, browser.key, Waiting.HOME.value, Waiting.EXCHANGE.value, moment.at)
            home = w.configuration.homes.get(tenant_id)
            claimed = claim()
            row = claimed or self._row(w, handle.id, browser, moment)
            carry(correlation_id=row.correlation_id)
            known = Known.from_json(row.known)
            if known.tenant_id != tenant_id or known.departures != handle.generation or known.pending is None:
                raise used("the state belongs to another departure or home")
            if claimed is None:
                # taken by another request, or by a server that was killed over it: the guest may begin again at home
                return Refused(used("the home's answer was already taken"), row.correlation_id, None, row.id)
            return claimed, known, home

        back = self._store.transact(come_back)
        if isinstance(back, Refused):
            return back
        row, known, home = back
        assert known.pending is not None
        try:
            if home is None or not home.enabled:
                raise Problem(
                    Code.HOME_DISABLED,
                    "Sign-in through your organisation was switched off here meanwhile.",
                    f"home tenant {tenant_id} is deleted or disabled",
                )
            answer = self._homes.finish(home, Pending.from_json(known.pending), query, moment)
        except Problem as problem:
            return self._home_failed(row, known, problem, browser, moment)
        signed = sealed(answer.signed, self._vault, row.id)

        def learned(w: Writer) -> Show | Landed | Granted:
            now = learn(w, self._vault, known, home, answer, signed, moment)
            return self._advance(w, row, now, browser, moment, self._end_at_once)

        return self._store.transact(learned)

    def _home_failed(
        self, row: SigninRow, known: Known, problem: Problem, browser: Browser, moment: Moment
    ) -> Show | Landed:
        """The answer is refused: nothing was learned. The guest may try again from the sign-in's page; only the
        home's own error is passed on to the app."""
        tell_app = problem.code is Code.HOME_SAID_ERROR and known.request is not None
        said_no = problem.code is Code.HOME_SAID_ERROR and was_asked(known)
        known = replace(known, pending=None, asked_home=known.asked_home or said_no)

        def fail(w: Writer) -> Show | Landed:
            if said_no and known.identity is not None:
                # the step-up failed at home: what the home proved before still stands
                return self._advance(w, row, known, browser, moment, self._end_at_resume)
            view = load_view(w, known, moment.at, browser.ip_address)
            return self._refuse(w, row, row.correlation_id, known, view, Stop(problem, tell_app), browser, moment)

        return self._store.transact(fail)

    def _advance(
        self, w: Writer, row: SigninRow, known: Known, browser: Browser, moment: Moment, end: _End[T]
    ) -> AtStep | Conclude | Refused | T:
        """Computes the next step from the facts inside the writing transaction, and takes it. The last one is taken by
        `end`, which says where its answer is handed out."""
        view = load_view(w, known, moment.at, browser.ip_address)
        step = self._next(known, view, moment)
        if isinstance(step, Bind):
            known, bound = bind(w, self._vault, known, view, step, moment)
            view = load_view(w, known, moment.at, browser.ip_address, bound)
            step = self._next(known, view, moment)
        if isinstance(step, Issue):
            return end(w, row, known, view, step, browser, moment)
        if isinstance(step, Stop):
            return self._refuse(w, row, row.correlation_id, known, view, step, browser, moment)
        if isinstance(step, Depart):
            # the network is asked outside of this transaction, when the browser is seen again
            self._move(w, row, Waiting.DEPARTURE, known)
            return AtStep(row.id)
        waiting, known = self._settle(w, row.id, known, view, step, browser, moment)
        self._move(w, row, waiting, known)
        return AtStep(row.id)

    def _end(
        self, w: Writer, row: SigninRow, known: Known, view: View, step: Issue, browser: Browser, moment: Moment
    ) -> Granted | Landed:
        """Writes the grant with the facts that it rests on: the sign-in is over."""
        ended = self._issue(w, row.id, row.correlation_id, known, view, step, browser, moment)
        if isinstance(ended, Granted):
            known = replace(known, granted=(ended.grant_id, ended.session_id), persistent=ended.persistent)
        self._move(w, row, Waiting.DONE, known)
        return ended

    def _end_at_resume(
        self, w: Writer, row: SigninRow, known: Known, view: View, step: Issue, browser: Browser, moment: Moment
    ) -> Conclude | Landed:
        """As `_end`; what is granted is handed out at `/resume/<id>`."""
        ended = self._end(w, row, known, view, step, browser, moment)
        return ended if isinstance(ended, Landed) else Conclude(row.id)

    def _end_at_once(
        self, w: Writer, row: SigninRow, known: Known, view: View, step: Issue, browser: Browser, moment: Moment
    ) -> Granted | Conclude | Landed:
        """Granted where that can be told by an address: then nobody comes back for it."""
        if known.request is None or not known.request.told_by_address:
            return self._end_at_resume(w, row, known, view, step, browser, moment)
        # first: what is written after it goes with the COMMIT
        if not w.signins.mark(row.id, row.version, Waiting.DONE.value, step.user.id):
            raise _taken()
        return self._issue(w, row.id, row.correlation_id, known, view, step, browser, moment)

    @traced("sign-in: conclude")
    def conclude(self, id: str, browser: Browser, moment: Moment) -> Show | Granted | Landed:
        """What the sign-in came to, for the OpenID side; what was not granted with the last step is judged again."""
        with self._store.read() as r:
            granted = self._granted(r, id, browser, moment)
        if granted is not None:
            return granted

        def conclude(w: Writer) -> Show | Granted | Landed:
            row = self._row(w, id, browser, moment)
            known = Known.from_json(row.known)
            if row.waiting == Waiting.REFUSED and known.refusal is not None:
                self._move(w, row, Waiting.DONE, known)
                code, say, error = known.refusal
                problem = Problem(Code(code), say, details={"error": error} if error else {})
                return Refused(problem, row.correlation_id, known.request)
            return self._advance(w, row, known, browser, moment, self._end)

        return self._store.transact(conclude)

    def _granted(self, r: Reader, id: str, browser: Browser, moment: Moment) -> Granted | None:
        """The grant that the last step wrote, and once more when its answer got lost: the code is the same handle and
        still unused."""
        row = r.signins.by_id(id)
        if row is None or row.browser != browser.key or row.waiting != Waiting.DONE:
            return None
        carry(correlation_id=row.correlation_id)
        known = Known.from_json(row.known)
        grant = r.grants.by_id(known.granted[0]) if known.granted else None
        if known.granted is None or known.request is None or grant is None:
            return None
        fresh = grant.code_used_at is None and grant.revoked_at is None
        if not fresh or moment.at >= grant.created_at + SHOWN_AGAIN:
            return None
        app = r.apps.by_client_id(known.request.client_id)
        return Granted(known.request, *known.granted, known.persistent, app)

    # --- pieces ------------------------------------------------------------------------------------------------------

    def _row(self, r: Reader, id: str, browser: Browser, moment: Moment) -> SigninRow:
        row = r.signins.by_id(id)
        if row is None or row.browser != browser.key:
            raise stranger("no such sign-in in this browser")
        carry(correlation_id=row.correlation_id)
        if row.waiting == Waiting.DONE:
            raise used("the sign-in is over")
        if moment.at >= row.expires_at:
            raise Problem(Code.SIGNIN_EXPIRED, "This sign-in took too long. Please start again at the app.")
        return row

    def _next(self, known: Known, view: View, moment: Moment) -> Step:
        began = time.perf_counter()
        with span("decision") as traced:
            step = next_step(known, view, moment.at)
            if traced is not None:
                traced.set({"b2b_idp.step": type(step).__name__})
        self._metrics.decision(time.perf_counter() - began)
        return step

    def _move(self, w: Writer, row: SigninRow, waiting: Waiting, known: Known) -> None:
        if not w.signins.move(row.id, row.version, waiting.value, known.to_json()):
            raise _taken()

    def _departure(self, id: str, known: Known, step: Depart, moment: Moment) -> tuple[Known, str]:
        departures = known.departures + 1
        departure = self._homes.begin(
            step.home,
            redirect_uri=redirect_uri(self._settings.issuer, step.home.tenant_id),
            state=self._vault.handle("state", id, departures),
            step_up=step.step_up,
            max_age=step.max_age,
            prompt=step.prompt,
            login_hint=known.email,
            ui_locales=known.request.ui_locales if known.request else None,
            moment=moment,
        )
        return replace(known, departures=departures, pending=departure.pending.to_json()), departure.url

    def _settle(
        self, w: Writer, id: str, known: Known, view: View, step: Step, browser: Browser, moment: Moment
    ) -> tuple[Waiting, Known]:
        match step:
            case Depart():
                return Waiting.HOME, known
            case Ask():
                return step.waiting, prepare(w, self._vault, id, known, view, step, browser, moment)
            case _:
                raise AssertionError(step)

    def _issue(
        self,
        w: Writer,
        id: str,
        correlation_id: str,
        known: Known,
        view: View,
        step: Issue,
        browser: Browser,
        moment: Moment,
    ) -> Granted | Landed:
        if not _answered_now(w, known, moment):
            raise used("the pushed request of this sign-in was answered before")
        session_id, grant_id = write_grant(w, known, step, view, moment, self._settings.home_recheck)
        self._log(w, id, correlation_id, known, view, browser, moment, user=step.user, evaluation=step.evaluation)
        w.users.signed_in(step.user.id, moment.at, mfa_at_home=mfa_at_home(step.evaluation))
        if step.home.mailed:
            w.factors.remember_browser(step.user.id, mailing_key(self._vault, browser), moment.at)
        if known.task is not None:
            security.carry_out(w, self._vault, known.task, step.user, session_id, moment)
            return Landed(f"{self._settings.issuer}/me/security?done={known.task.kind}", session_id)
        if known.request is None:
            origins = view.configuration.authorization.redirect_origins
            welcome = view.app is not None or (known.landing is not None and origin_of(known.landing) in origins)
            return Landed(known.landing if welcome else None, session_id)
        assert grant_id is not None
        return Granted(known.request, grant_id, session_id, step.evaluation.persistent_browser is True, view.app)

    def _refuse(
        self,
        w: Writer,
        row: SigninRow | None,
        correlation_id: str,
        known: Known,
        view: View,
        stop: Stop,
        browser: Browser,
        moment: Moment,
    ) -> Refused | Conclude:
        """Logs the refusal and ends the sign-in, or keeps it where its guest may try again. What the app is to be told
        waits in the row for the OpenID side."""
        problem = stop.problem
        may_retry = row is not None and problem.code in _RETRY
        tell_app = stop.tell_app and known.request is not None
        if tell_app:
            _answered_now(w, known, moment)
        if row is not None:
            waiting = Waiting.REFUSED if tell_app else Waiting(row.waiting) if may_retry else Waiting.DONE
            if may_retry and waiting is Waiting.EXCHANGE:
                waiting = Waiting.DEPARTURE
            if may_retry and problem.code is Code.REGISTRATION_NEEDS_PROOF:
                waiting, known = Waiting.ACCESS_PASS, replace(known, with_pass=True)
            self._move(
                w,
                row,
                waiting,
                replace(known, refusal=(problem.code.value, problem.say, problem.details.get("error", "")))
                if tell_app
                else known,
            )
        self._log(
            w,
            row.id if row else None,
            correlation_id,
            known,
            view,
            browser,
            moment,
            user=view.user or _meant(view, stop),
            evaluation=stop.evaluation,
            problem=problem,
        )
        if row is not None and tell_app:
            return Conclude(row.id)
        return Refused(
            problem,
            correlation_id,
            known.request if tell_app else None,
            row.id if row and may_retry else None,
        )

    def _log(
        self,
        w: Writer,
        id: str | None,
        correlation_id: str,
        known: Known,
        view: View,
        browser: Browser,
        moment: Moment,
        *,
        user: User | None,
        evaluation: Evaluation | None,
        problem: Problem | None = None,
    ) -> None:
        """One line of the sign-in log, in the transaction of what it tells. `id`: the sign-in's row, if it has one."""
        document = signin_document(
            moment=moment,
            correlation_id=correlation_id,
            browser=browser,
            known=known,
            view=view,
            user=user,
            evaluation=evaluation,
            problem=problem,
        )
        signed = opened(known.signed, self._vault, id) if id else None
        facts = facts_of(known, view, user, evaluation, problem, signed, moment.at)
        w.logs.add_signin(document, moment.at, facts)
        twice = problem is None and bool(facts.home_mfa and facts.local_mfa)
        home, outcome = facts.home_tenant_id or "none", facts.outcome or ""
        w.after_commit(lambda: self._ended(correlation_id, home, outcome, twice, problem))

    def _ended(self, correlation_id: str, home: str, outcome: str, twice: bool, problem: Problem | None) -> None:
        self._metrics.signin(home, outcome, twice)
        if problem is None:
            detail("sign-in ended", home=home, outcome=outcome, correlation_id=correlation_id)
        else:
            note("sign-in refused", home=home, code=outcome, why=problem.why, correlation_id=correlation_id)

    def _page(self, row: SigninRow, known: Known, view: View, step: Ask, error: Problem | None = None) -> ShowPage:
        name, context = page_of(step, known, view, self._vault, self._party, row.id, error)
        return ShowPage(row.id, row.version, row.correlation_id, name, context)


def _correlation_id(moment: Moment) -> str:
    """A new sign-in's: its lines in the log carry it from here on."""
    id = moment.new_id()
    carry(correlation_id=id)
    return id


def redirect_uri(issuer: str, tenant_id: str) -> str:
    """Our redirect URI at a home tenant: its own for each home (RFC 9700 §4.4)."""
    return f"{issuer}/federation/{tenant_id}/callback"


def _taken() -> Problem:
    return used("another request took this step")


def _answered_now(w: Writer, known: Known, moment: Moment) -> bool:
    """Spends the pushed request that the sign-in is for; False when it was spent before. Until then it can be looked
    at as often as the browser likes."""
    pushed = known.request.pushed_id if known.request else None
    return pushed is None or w.pushed.answer(pushed, moment.at)


def _meant(view: View, stop: Stop) -> User | None:
    """Whom a policy refused before they were bound; what refuses the identity itself concerns nobody here."""
    return view.candidate.user if view.candidate is not None and stop.evaluation is not None else None


def _unprepared(known: Known, step: Ask) -> bool:
    if step.waiting is Waiting.EMAIL_CODE:
        return known.mailed_code is None or known.mailed_code.address != step.address
    if step.waiting is Waiting.RECOVERY_CODES:
        return not known.recovery_codes
    if step.passkey:
        return known.passkey_challenge is None
    return step.totp_registration and known.totp_secret is None
