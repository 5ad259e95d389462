"""What a look at a home found, for its administrator: what it offers, what of that is used, what does not fit."""

from __future__ import annotations

from collections.abc import Iterator

from b2b_idp.homes.oidc.metadata import Metadata
from b2b_idp.homes.oidc.request import step_up_parameters
from b2b_idp.homes.oidc.values import HomeReport
from b2b_idp.homes.oidc.ways import Ways, ways_of
from b2b_idp.model.home import Home
from b2b_idp.model.problem import Problem


def report_of(home: Home, metadata: Metadata, keys: int) -> HomeReport:
    """`keys`: how many of its keys are usable."""
    problems = list(_step_up_problems(home, metadata))
    uses = {}
    try:
        uses = _told(ways_of(home, metadata))
    except Problem as p:
        problems.append(p.why)
    return HomeReport(
        home.issuer,
        keys,
        _told_step_up(home, metadata),
        metadata.acr_values,
        metadata.claims_parameter,
        tuple(problems),
        _offers(metadata),
        uses,
    )


def _offers(metadata: Metadata) -> dict[str, str]:
    pushed = "" if metadata.par_endpoint is None else "required" if metadata.par_required else "yes"
    signed = ", ".join(metadata.object_algorithms) + (" (required)" if metadata.object_required else "")
    return {
        "clientAuthentication": ", ".join(metadata.auth_methods),
        "pushedRequests": pushed or "no",
        "signedRequests": signed or "no",
        "dpop": ", ".join(metadata.proof_algorithms) or "no",
        "responseModes": ", ".join(metadata.response_modes),
    }


def _told(ways: Ways) -> dict[str, str]:
    signed = None if ways.object_alg is None else f"signed by {ways.object_alg}"
    request = [way for way in ("pushed" if ways.pushed else None, signed) if way]
    return {
        "clientAuthentication": ways.authentication + (f", {ways.assertion_alg}" if ways.assertion_alg else ""),
        "request": ", ".join(request) or "in the address",
        "accessTokens": f"bound by DPoP, {ways.proof_alg}" if ways.proof_alg else "bearer",
        "responseMode": ways.response_mode,
    }


def _step_up_problems(home: Home, metadata: Metadata) -> Iterator[str]:
    ask = home.vocabulary.step_up
    if ask.how == "acr_values" and metadata.acr_values:
        for value in ask.values:
            if value not in metadata.acr_values:
                yield f"its acr_values_supported does not name {value}, which stepUp asks for"
    if ask.how == "claims" and not metadata.claims_parameter:
        yield "its metadata does not say that it takes the claims parameter, which stepUp uses"


def _told_step_up(home: Home, metadata: Metadata) -> str:
    """How this home is asked for MFA, in words for its administrator."""
    if home.vocabulary.step_up.how == "none":
        return "none"
    asked = step_up_parameters(home, metadata)
    if asked:
        return "; ".join(f"{k}={v}" for k, v in asked.items())
    if not metadata.acr_values:
        return "a plain second request, it names no value to ask by"
    return (
        "a plain second request, which a session there may answer with what it has: name in stepUp.values which of "
        f"its acr_values_supported mean MFA ({', '.join(metadata.acr_values)})"
    )
