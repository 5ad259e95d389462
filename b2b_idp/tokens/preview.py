"""What an application's tokens would say of a person, by the code that issues them: unsigned, and where each claim and
each absence comes from. No signer is within reach here."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from b2b_idp.claims.mapping import ClaimsMapping
from b2b_idp.keys.vault import Vault
from b2b_idp.model.directory import App, ClientAuth, User
from b2b_idp.store import Reader
from b2b_idp.tokens.claims import access_token, id_token
from b2b_idp.tokens.gather import NOT_ACCEPTED, Subject, subject_of
from b2b_idp.tokens.made import Made
from b2b_idp.tokens.occasion import Occasion

OIDC_SCOPE = ("openid", "profile", "email")


def preview(
    r: Reader, app: App, user: User, *, issuer: str, vault: Vault, at: datetime, trial: ClaimsMapping | None
) -> dict[str, Any]:
    """The claims of the app's id_token and of an access token of its own, as JSON, for scopes openid, profile, email
    and, where the app is an API, all of its own. `trial` stands in for the app's claims mapping policy."""
    home = r.configuration.homes.get(user.home_tenant_id or "")
    subject = subject_of(r, user, app, home, at, trial)
    is_api = bool(app.identifier_uris and app.scopes)
    audience = app.identifier_uris[0] if is_api else issuer
    own = tuple(f"{audience}/{s}" for s in app.scopes) if is_api else ()
    occasion = Occasion(
        issuer=issuer, vault=vault, client=app, client_auth=_authenticates(app), scope=OIDC_SCOPE + own, counted=None
    )
    made = id_token(subject, occasion)
    access = access_token(subject, occasion, audience)
    return {
        "idToken": made.claims,
        "accessToken": access.claims,
        "explanations": {"idToken": explained(made), "accessToken": explained(access)},
        "problems": _no_token(subject, at) + problems(subject),
    }


def _no_token(subject: Subject, at: datetime) -> list[str]:
    """Why a sign-in of this person would get no token, whatever policy says of it."""
    found = []
    if not subject.app.enabled:
        found.append("No token is issued: the application is disabled.")
    if not subject.user.usable_at(at):
        found.append("No token is issued: the person's account is disabled or expired.")
    if not subject.assigned:
        found.append("No token is issued: AADSTS50105, the application requires an assignment, and there is none.")
    return found


def explained(made: Made) -> list[dict[str, Any]]:
    """Each claim with the rule, the source and the transformations that made it, then each absence with its reason."""
    issued = [
        {"claim": name, "issued": True, "origin": why.origin, "steps": list(why.steps), "because": None}
        for name, why in made.origins.items()
    ]
    absent = [
        {"claim": name, "issued": False, "origin": why.origin, "steps": list(why.steps), "because": why.because}
        for name, why in made.absent.items()
    ]
    return issued + absent


def problems(subject: Subject) -> list[str]:
    """What is wrong with the app's policy, so that it is left out in part or whole."""
    mapping = subject.mapping or subject.refused
    if mapping is None:
        return []
    found = list(mapping.problems)
    if subject.refused is not None:
        found.append(NOT_ACCEPTED + ".")
    if not subject.own_key:
        for name, said in (
            ("audienceOverride", mapping.audience_override),
            ("issuerWithApplicationId", mapping.issuer_with_application_id),
        ):
            if said:
                found.append(f"{name} is ignored: the application has no valid signing key of its own.")
    return found


def left_out(made: Made) -> list[dict[str, Any]]:
    """The claims that the app's rules should have made, each with its rule and the reason."""
    return [e for e in explained(made) if not e["issued"] and e["claim"] in made.failed]


def _authenticates(app: App) -> ClientAuth:
    return "none" if app.public else "private_key_jwt" if app.jwks else "client_secret"
