"""Reports over the sign-in log: MFA done twice, guests who could not get in, and what asking the homes has shown."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from b2b_idp.model.moment import iso
from b2b_idp.model.problem import Code
from b2b_idp.policy.gaps import GAPS, WAYS, Gap, gaps, spared_by_trust, ways
from b2b_idp.policy.recorded import from_document
from b2b_idp.signin.replaying import world_of
from b2b_idp.store import Reader
from b2b_idp.store.reports import StepUpSeen

DEAD_ENDS = (
    Code.STRENGTH_UNREACHABLE,
    Code.REGISTRATION_NEEDS_PROOF,
    Code.BLOCKED_BY_PARTNER_POLICY,
    Code.BLOCKED_BY_POLICY,
    Code.UNMET_AUTHENTICATION_REQUIREMENTS,
)
"""Refusals that a guest cannot get out of alone."""


def double_mfa(r: Reader, since: datetime, until: datetime) -> list[dict[str, Any]]:
    """By partner: sign-ins whose guest proved MFA at home and was challenged here too, most of them first. What is
    missing is judged by trust, words and policies of now."""
    configuration = r.configuration
    world = world_of(configuration)
    sign_ins: Counter[str] = Counter()
    spared: Counter[str] = Counter()
    guests: dict[str, set[str]] = {}
    missing: dict[str, Counter[tuple[Gap, str | None]]] = {}
    for _, user_id, tenant_id, text in r.reports.twice(since, until):
        partner = tenant_id or ""
        sign_ins[partner] += 1
        guests.setdefault(partner, set()).add(user_id or "")
        if text is None:
            continue
        recorded = from_document(json.loads(text))
        view = world.view(tenant_id, local_only=False)
        missing.setdefault(partner, Counter()).update(gaps(recorded, view))
        spared[partner] += not recorded.local_only and spared_by_trust(recorded, view)
    found = []
    for partner, count in sign_ins.most_common():
        home = configuration.homes.get(partner)
        found.append(
            {
                "id": partner,
                "tenantId": partner,
                "displayName": home.display_name if home else None,
                "isMfaAccepted": configuration.trust(home).mfa_accepted if home else False,
                "signIns": count,
                "guests": len(guests[partner]),
                "challengesSparedByTrust": spared[partner],
                "missing": [
                    {"code": gap.value, "text": GAPS[gap], "value": value, "signIns": n}
                    for (gap, value), n in missing.get(partner, Counter()).most_common()
                ],
            }
        )
    return found


def dead_ends(r: Reader, since: datetime, until: datetime) -> list[dict[str, Any]]:
    """Who could not meet which policy at which app, the latest first, and what would let them in by the policies of
    now. `resolved`: they got in later."""
    configuration = r.configuration
    world, names = world_of(configuration), {p.id: p.display_name for p in configuration.policies.all}
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    allowed = r.reports.last_allowed(since, until)
    for at, user_id, app_id, home, outcome, text, document in r.reports.ended_with(DEAD_ENDS, since, until):
        key = user_id, app_id, outcome
        before = found.pop(key, None)
        policy_id = _policy(document)
        row = {
            "id": "_".join(key),
            "userId": user_id,
            "userPrincipalName": document.get("userPrincipalName"),
            "appId": app_id,
            "appDisplayName": document.get("appDisplayName"),
            "tenantId": home,
            "partnerDisplayName": document.get("homeTenantName"),
            "code": outcome,
            "policyId": policy_id,
            "policyDisplayName": names.get(policy_id) if policy_id else None,
            "signIns": (before["signIns"] if before else 0) + 1,
            "lastDateTime": iso(at),
            "resolved": (user_id, app_id) in allowed and allowed[user_id, app_id] > at,
            "waysForward": [],
        }
        if text is not None:
            recorded = from_document(json.loads(text))
            view = world.view(home, local_only=recorded.local_only)
            row["waysForward"] = [{"code": way.value, "text": WAYS[way]} for way in ways(recorded, view)]
        found[key] = row
    return list(reversed(found.values()))


def _policy(document: Mapping[str, Any]) -> str | None:
    reasons = document.get("b2bIdp", {}).get("reasons") or []
    return next((r["policyId"] for r in reversed(reasons) if r.get("policyId")), None)


def step_up(r: Reader, since: datetime, until: datetime) -> list[dict[str, Any]]:
    """By home: how often it was asked for MFA, how often it answered with MFA."""
    configuration, seen = r.configuration, r.reports.step_ups(since, until)
    return [
        {
            "id": home.tenant_id,
            "tenantId": home.tenant_id,
            "displayName": home.display_name,
            "isMfaAccepted": configuration.trust(home).mfa_accepted,
        }
        | seen_document(seen.get(home.tenant_id, StepUpSeen()))
        for home in configuration.connected
    ]


def seen_document(seen: StepUpSeen) -> dict[str, Any]:
    """`b2bIdp.stepUpSeen` of an identityProvider."""
    return {
        "asked": seen.asked,
        "answered": seen.answered,
        "lastAskedDateTime": iso(seen.last_asked) if seen.last_asked else None,
        "lastAnsweredDateTime": iso(seen.last_answered) if seen.last_answered else None,
    }
