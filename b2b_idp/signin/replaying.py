"""What a change of policies would have meant for the sign-ins of a period."""

from __future__ import annotations

import json
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from b2b_idp.model.home import Trust
from b2b_idp.model.moment import iso
from b2b_idp.policy.recorded import instant
from b2b_idp.policy.replay import Both, Course, Effect, Replay, World
from b2b_idp.signin.judging import view_of
from b2b_idp.signin.log import reasons_of
from b2b_idp.store import Configuration, Reader

EFFECTS: Mapping[Effect, str] = {
    "refused": "refused",
    "noMoreRefused": "no more refused",
    "askedMore": "asked more",
    "askedLess": "asked less",
    "askedElsewhere": "asked at home instead of here, or here instead of at home",
}
"""In order of weight, with their words for people."""
_EXAMPLES = 3
_STEP = 1000


def world_of(configuration: Configuration) -> World:
    """What sign-ins are decided by under this configuration."""
    views = {id: view_of(configuration, home, configuration.trust(home)) for id, home in configuration.homes.items()}
    return World.of(views, gone=view_of(configuration, None, Trust()))


@dataclass(slots=True)
class _Tally:
    """Sign-ins and guests that a change concerns, in all and by app, partner and policy."""

    sign_ins: Counter[Effect] = field(default_factory=Counter)
    guests: defaultdict[Effect, set[str]] = field(default_factory=lambda: defaultdict(set))
    apps: Counter[tuple[str, Effect]] = field(default_factory=Counter)
    partners: Counter[tuple[str, Effect]] = field(default_factory=Counter)
    policies: Counter[tuple[str, Effect]] = field(default_factory=Counter)
    examples: defaultdict[Effect, deque[tuple[str, str, str, int, Both]]] = field(
        default_factory=lambda: defaultdict(lambda: deque(maxlen=_EXAMPLES))
    )

    def add(self, id: str, user_id: str, app_id: str, document: Mapping[str, Any], both: Both) -> None:
        what = both.effect
        self.sign_ins[what] += 1
        self.guests[what].add(user_id)
        self.apps[app_id, what] += 1
        self.partners[document["home"] or "", what] += 1
        self.policies[both.policy_id or "", what] += 1
        self.examples[what].append((id, user_id, app_id, document["at"], both))


def replay(
    r: Reader,
    before: Configuration,
    after: Configuration,
    since: datetime,
    until: datetime,
    progress: Callable[[int], None],
) -> dict[str, Any]:
    """The answer as JSON. `progress` is told how many sign-ins were done since it was told last."""
    decided = Replay(world_of(before), world_of(after))
    tally, guests, done, unrecorded = _Tally(), set(), 0, 0
    for id, user_id, app_id, text in r.reports.replays(since, until):
        done += 1
        if done % _STEP == 0:
            progress(_STEP)
        if text is None:
            unrecorded += 1
            continue
        guests.add(user_id)
        document = json.loads(text)
        both = decided.both(document)
        if both.effect != "same":
            tally.add(id, user_id, app_id, document, both)
    progress(done % _STEP)
    return {
        "from": iso(since),
        "to": iso(until),
        "signIns": done - unrecorded,
        "guests": len(guests),
        "notRecorded": unrecorded,
        "changed": {e: {"signIns": tally.sign_ins[e], "guests": len(tally.guests[e])} for e in EFFECTS},
        "byApp": _rows(tally.apps, _app_names(r), "appId"),
        "byPartner": _rows(tally.partners, {h.tenant_id: h.display_name for h in after.homes.values()}, "tenantId"),
        "byPolicy": _rows(
            tally.policies, {p.id: p.display_name for c in (before, after) for p in c.policies.all}, "policyId"
        ),
        "examples": [_shown(r, *example) for effect in EFFECTS for example in tally.examples[effect]],
    }


def _app_names(r: Reader) -> dict[str, str]:
    return {row.app_id: row.application["displayName"] for row in r.apps.rows()}


def _rows(counted: Counter[tuple[str, Effect]], names: Mapping[str, str], key: str) -> list[dict[str, Any]]:
    """Most concerned first. What no policy or partner has a name for is None."""
    by_id: defaultdict[str, Counter[Effect]] = defaultdict(Counter)
    for (id, what), n in counted.items():
        by_id[id][what] = n
    ordered = sorted(by_id.items(), key=lambda item: (-item[1].total(), item[0]))
    return [
        {key: id or None, "displayName": names.get(id)} | {e: counts[e] for e in EFFECTS if counts[e]}
        for id, counts in ordered
    ]


def _shown(r: Reader, id: str, user_id: str, app_id: str, at: int, both: Both) -> dict[str, Any]:
    document = r.logs.signin(id) or {}
    return {
        "signInId": id,
        "effect": both.effect,
        "createdDateTime": iso(instant(at)),
        "userId": user_id,
        "userPrincipalName": document.get("userPrincipalName"),
        "appId": app_id,
        "appDisplayName": document.get("appDisplayName"),
        "before": _course(both.before),
        "after": _course(both.after),
    }


def _course(course: Course) -> dict[str, Any]:
    return {
        "outcome": course.outcome,
        "askedHome": course.asked_home,
        "askedHere": course.asked_here,
        "reasons": reasons_of(course.reasons),
    }


def lines(answer: Mapping[str, Any]) -> list[str]:
    """The answer for people."""
    found = [f"{answer['signIns']} sign-ins of {answer['guests']} guests, {answer['from']} to {answer['to']}."]
    if answer["notRecorded"]:
        found.append(f"{answer['notRecorded']} more were logged by a version that did not record what policies saw.")
    changed = [(words, answer["changed"][e]) for e, words in EFFECTS.items() if answer["changed"][e]["signIns"]]
    if not changed:
        return [*found, "None of them would have gone otherwise."]
    found += [f"  {words}: {n['signIns']} sign-ins of {n['guests']} guests" for words, n in changed]
    for title, rows, key in (
        ("By app:", answer["byApp"], "appId"),
        ("By partner:", answer["byPartner"], "tenantId"),
        ("By policy:", answer["byPolicy"], "policyId"),
    ):
        found += [title, *(f"  {x['displayName'] or x[key] or 'none'}: {_counts(x)}" for x in rows)]
    found.append("Examples:")
    for x in answer["examples"]:
        who = x["userPrincipalName"] or x["userId"]
        found.append(
            f"  {x['createdDateTime']} {who} at {x['appDisplayName'] or x['appId']}: "
            f"{_told(x['before'])} -> {_told(x['after'])}"
        )
        found += [f"      {reason['code']}: {reason['text']}" for reason in x["after"]["reasons"]]
    return found


def _counts(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{words} {row[e]}" for e, words in EFFECTS.items() if e in row)


def _told(course: Mapping[str, Any]) -> str:
    if course["outcome"] == "refused":
        return "refused"
    asked = ["MFA at home"] * course["askedHome"] + ["a challenge here"] * bool(course["askedHere"])
    end = {"allowed": "allowed", "askHome": "asked", "askHere": "asked"}[course["outcome"]]
    return f"{end}, {'not asked' if not asked else ' and '.join(asked)}"
