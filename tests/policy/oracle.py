"""A second `decide`, naive on purpose: flat, straight from the rules. It judges the real one in test_laws."""

from __future__ import annotations

from datetime import datetime
from itertools import combinations

from b2b_idp.model.access import Requirement
from b2b_idp.model.evidence import Evidence, HomeStatement, LocalFactor, LocalMethod, Vocabulary
from b2b_idp.model.home import Trust
from b2b_idp.policy.decide import ANY_PASSKEY, History

KINDS = {
    **dict.fromkeys(("pwd", "pin"), "knowledge"),
    **dict.fromkeys(("hwk", "swk", "sc", "sms", "tel", "otp"), "possession"),
    **dict.fromkeys(("face", "fpt", "iris", "retina", "vbm"), "inherence"),
}
MODES = {"pwd": "password", "otp": "softwareOath", "sms": "sms", "tel": "voice"}
HERE = {"totp": "softwareOath", "recovery_code": "softwareOath", "passkey": "fido2", "email": "email"}


def naive(q: Requirement, e: Evidence, t: Trust, v: Vocabulary, h: History, at: datetime) -> tuple[str, list[str]]:
    """(outcome, asked methods), for the plain RFC 8176 vocabulary and statements that we did not ask for."""

    def when(s: HomeStatement) -> float | None:
        odd = s.auth_time is None or s.auth_time <= 0 or s.auth_time > s.at.timestamp() + 30
        return None if odd or v.auth_time == "ignored" else min(s.auth_time or 0, s.at.timestamp())

    def young(time: float | None, *floors: datetime | None) -> bool:
        return all(f is None or (time is not None and time >= f.timestamp()) for f in floors)

    def holds(s: HomeStatement, local: list[LocalFactor]) -> bool:
        said = set(s.amr or ())
        kinds = {KINDS[x] for x in said if x in KINDS}
        oldest = at - t.mfa_max_age if t.mfa_max_age else None
        sound = young(when(s), q.not_before, q.second_not_before, oldest)
        sound = sound and (v.auth_time != "required" or when(s) is not None)
        at_home = t.mfa_accepted and sound and ("mfa" in said or len(kinds) > 1)
        first_kind = "knowledge" if "pwd" in said else (min(kinds) if t.mfa_accepted and len(kinds) == 1 else None)
        modes = {MODES[x] for x in said if x in MODES}
        one_mode = min(modes) if t.mfa_accepted and len(modes) == 1 else "federatedSingleFactor"
        first_mode = "password" if "pwd" in said else one_mode
        first = young(when(s), q.not_before)
        floors = (q.not_before, q.second_not_before)
        here = {f.method for f in local if young(f.at.timestamp(), *floors)}
        codes = first and first_kind != "possession" and not here.isdisjoint({"totp", "recovery_code"})
        sets = {frozenset({"fido2"})} if "passkey" in here else set()
        sets |= {frozenset({first_mode, "softwareOath"})} if codes else set()
        if "email" in here and first and first_mode != "federatedSingleFactor":
            sets.add(frozenset({first_mode, "email"}))
        if first:
            sets.add(frozenset({first_mode}))
        makes = {f.aaguid for f in local if f.method == "passkey" and young(f.at.timestamp(), *floors)}
        whole = modes | {"federatedMultiFactor"}
        strong = True
        for strength in q.strengths:
            able = {c for c in sets & strength.combinations if c not in strength.aaguids}
            able |= {c for c, allowed in strength.aaguids.items() if c in sets and makes & (allowed | {ANY_PASSKEY})}
            named = any(c <= whole and c not in strength.aaguids for c in strength.combinations)
            strong = strong and bool((at_home and named) or able)
        mfa = at_home or codes or "passkey" in here
        return (first or "passkey" in here) and (not q.mfa or mfa) and strong

    wants = q.mfa or bool(q.strengths)
    local = list(e.local)
    if any(holds(s, local) for s in e.statements):
        return "Allow", []
    fresh = any(young(when(s), q.not_before) for s in e.statements)
    nameable = {"federatedMultiFactor", *MODES.values()}
    could = all(any(c <= nameable and c not in s.aaguids for c in s.combinations) for s in q.strengths)
    if not e.statements or (not h.asked_home and (not fresh or (wants and t.mfa_accepted and could))):
        return "AskHome", []
    if wants and t.mfa_accepted and t.when_home_cannot == "block":
        return "Refuse", []

    def would(*methods: str) -> bool:
        done = [*local, *(LocalFactor(LocalMethod(m), at, ANY_PASSKEY) for m in methods)]
        return any(holds(s, done) for s in e.statements)

    able = [m for m in HERE if m in h.local_methods]
    alone = sorted(m for m in able if would(m))
    if alone:
        return "AskHere", alone
    for count in range(2, len(able) + 1):
        if any(would(*some) for some in combinations(able, count)):
            return "AskHere", ["one of several"]
    return "Refuse", []
