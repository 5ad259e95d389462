"""Recorded sign-ins decided again: how each would go by the policies of now, and by changed ones."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal

from b2b_idp.model.access import AccessPolicy, Allow, AskHere, AskHome, Because, Reason, Refuse
from b2b_idp.model.evidence import Evidence
from b2b_idp.policy.evaluate import PolicyView, evaluate
from b2b_idp.policy.judgement import SKEW, plausible
from b2b_idp.policy.recorded import Recorded, from_document
from b2b_idp.policy.requirement import AccessRequest, Policies

Outcome = Literal["allowed", "askHome", "askHere", "refused"]
Effect = Literal["same", "askedMore", "askedLess", "askedElsewhere", "refused", "noMoreRefused"]

_CANNOT_REGISTER = Reason.REGISTRATION_NEEDS_PROOF.value
_OWN_LIMITS = frozenset({"max_age", "second_max_age", "reauthenticate_after"})
_MOST_REMEMBERED = 50_000


@dataclass(frozen=True, slots=True)
class Course:
    """How a sign-in goes: whether its home is asked for more in it, how many challenges there are here, how it ends.

    It ends with `askHome` or `askHere` where the record has no answer: nobody knows what it would have been.
    """

    outcome: Outcome
    asked_home: bool
    asked_here: int
    reasons: tuple[Because, ...]


@dataclass(frozen=True, slots=True)
class World:
    """What sign-ins are decided by: a view for each home, by tenantId. A home that is not here was deleted."""

    views: Mapping[str, PolicyView]
    gone: PolicyView

    @staticmethod
    def of(views: Mapping[str, PolicyView], gone: PolicyView) -> World:
        """Without the policies that enforce nothing, which only cost time."""
        return World({id: _enforcing(view) for id, view in views.items()}, _enforcing(gone))

    def view(self, home_tenant_id: str | None, *, local_only: bool) -> PolicyView:
        view = self.views.get(home_tenant_id or "", self.gone)
        return replace(view, trust=view.trust.for_power()) if local_only else view


def _enforcing(view: PolicyView) -> PolicyView:
    return replace(view, policies=Policies(p for p in view.policies.all if p.state == "enabled"))


def course(recorded: Recorded, view: PolicyView) -> Course:
    """The sign-in from its beginning: whenever something is asked, the answer is the recorded one."""
    began, evidence = recorded.began, recorded.evidence
    known = Evidence(
        tuple(s for s in evidence.statements if s.at < began), tuple(f for f in evidence.local if f.at < began)
    )
    said = [s for s in evidence.statements if s.at >= began]
    did = [f for f in evidence.local if f.at >= began]
    # a home that was asked and answered with an error left no statement
    failed_at_home = recorded.history.asked_home and not any(s.asked for s in said)
    asked, asked_home, here = False, False, 0
    while True:
        ask = recorded.ask if known.statements else _before_home(recorded.ask)
        decision = evaluate(ask, view, known, replace(recorded.history, asked_home=asked)).decision
        match decision:
            case Allow(reasons=reasons):
                return Course("allowed", asked_home, here, reasons)
            case Refuse(reasons=reasons):
                return Course("refused", asked_home, here, reasons)
            case AskHome(reasons=reasons):
                more = decision.step_up or decision.max_age is not None
                if said:
                    asked_home |= more and said[0].asked
                    asked |= said[0].asked
                    known = replace(known, statements=(*known.statements, said.pop(0)))
                elif failed_at_home:
                    asked, asked_home, failed_at_home = True, True, False
                else:
                    return Course("askHome", True, here, reasons or (_step_up(decision),))
            case AskHere(reasons=reasons, methods=methods):
                here += 1
                passed = next((f for f in did if f.method in methods), None)
                if passed is None and methods and recorded.outcome == _CANNOT_REGISTER:
                    return Course("refused", asked_home, here - 1, (*reasons, Because(Reason.REGISTRATION_NEEDS_PROOF)))
                if passed is None:
                    return Course("askHere", asked_home, here, reasons)
                did.remove(passed)
                known = replace(known, local=(*known.local, passed))


def _step_up(decision: AskHome) -> Because:
    return Because(Reason.HOME_STEP_UP if decision.step_up else Reason.HOME_AUTHENTICATION_REQUIRED)


def _before_home(ask: AccessRequest) -> AccessRequest:
    """As it stood before the home said who is asking."""
    return replace(
        ask,
        user_id="",
        user_type="Guest",
        group_ids=frozenset(),
        role_ids=frozenset(),
        home_subject=None,
        user_enabled=True,
        assigned=False,
        accepted_terms=frozenset(),
    )


def effect(before: Course, after: Course) -> Effect:
    """What a change means for the guest of a sign-in."""
    if (before.outcome == "refused") != (after.outcome == "refused"):
        return "refused" if after.outcome == "refused" else "noMoreRefused"
    was, now = before.asked_home + before.asked_here, after.asked_home + after.asked_here
    if before.outcome == "refused" or (was == now and before.asked_home == after.asked_home):
        return "same"
    return "askedElsewhere" if was == now else "askedMore" if now > was else "askedLess"


@dataclass(frozen=True, slots=True)
class Both:
    """A sign-in by two worlds, and what the difference means for its guest. `policy_id`: the policy that makes it, the
    one that asks more or, where less is asked, asked it before."""

    before: Course
    after: Course
    effect: Effect
    policy_id: str | None

    @staticmethod
    def of(before: Course, after: Course) -> Both:
        means = effect(before, after)
        told = before if means in ("askedLess", "noMoreRefused") else after
        return Both(before, after, means, next((r.policy_id for r in reversed(told.reasons) if r.policy_id), None))


class Replay:
    """Courses of recorded sign-ins by two worlds. Sign-ins that no policy can tell apart are decided once."""

    def __init__(self, before: World, after: World) -> None:
        self._worlds = (before, after)
        self._known: dict[object, Both] = {}
        views = [v for w in self._worlds for v in (*w.views.values(), w.gone)]
        policies = {id(p): p for v in views for p in v.policies.all}.values()
        self._users = _named(policies, "users")
        self._groups = _named(policies, "groups")
        self._subjects = frozenset(t for v in views for t in v.trust.inbound.users.targets)
        frequencies = {p.sign_in_frequency for p in policies if p.sign_in_frequency is not None}
        self._from_began = _ages({*frequencies, *(f + SKEW for f in frequencies)})
        self._from_at = _ages({v.trust.mfa_max_age for v in views if v.trust.mfa_max_age is not None})

    def both(self, document: Mapping[str, Any]) -> Both:
        """A record's parsed JSON, decided."""
        key = self._key(document)
        if key is None:
            return self._decided(document)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            found = self._known[key] = self._decided(document)
        return found

    def _decided(self, document: Mapping[str, Any]) -> Both:
        recorded = from_document(document)
        home, local_only = recorded.ask.home_tenant_id, recorded.local_only
        before, after = (course(recorded, w.view(home, local_only=local_only)) for w in self._worlds)
        return Both.of(before, after)

    def _key(self, d: Mapping[str, Any]) -> object | None:
        """What the two courses can depend on: names only where a policy has them, times only by the side of each age
        limit that they are on. None where the app itself set a limit, which differs from one request to the next."""
        ask = d["ask"]
        if not _OWN_LIMITS.isdisjoint(ask):
            return None
        began, at = d["began"], d["at"]
        times = [plausible(time, heard // 1_000_000) for _, _, time, heard, _ in d["said"]]
        order = sorted({time or 0 for time in times})
        said = tuple(
            (
                None if amr is None else tuple(amr),
                acr,
                asked,
                heard >= began,
                self._side(heard, began, at),
                None if time is None else (order.index(time), self._side(time * 1_000_000, began, at)),
            )
            for (amr, acr, _, heard, asked), time in zip(d["said"], times, strict=True)
        )
        return (
            d["home"],
            d["user"] if d["user"] in self._users else "",
            d["subject"] if d["subject"] in self._subjects else d["subject"] is None,
            tuple(g for g in d["groups"] if g in self._groups),
            repr((d["roles"], ask, d["asked"], d["canAsk"], d["offered"], d["localOnly"])),
            said,
            tuple((method, make, when >= began, self._side(when, began, at)) for method, when, make in d["did"]),
            d["outcome"] == _CANNOT_REGISTER,
        )

    def _side(self, when: int, began: int, at: int) -> tuple[int, int]:
        """Where a moment stands among the age limits, which are counted back from the beginning or from the end."""
        return bisect_left(self._from_began, began - when), bisect_left(self._from_at, at - when)


def _ages(limits: set[timedelta]) -> list[int]:
    return sorted(limit // timedelta(microseconds=1) for limit in limits)


def _named(policies: Iterable[AccessPolicy], what: str) -> frozenset[str]:
    return frozenset(id for p in policies for side in ("include", "exclude") for id in getattr(p, f"{side}_{what}"))
