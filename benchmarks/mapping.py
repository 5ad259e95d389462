"""How long a claims mapping policy takes a token. Prints microseconds; it is compiled once, when it is first read.

`python -m benchmarks.mapping`. The policy of 20 claims has 6 transformations, two of them regular expressions, as an
administrator's policy for a large SaaS app has; the others are for comparison. The time of a token is that
of laying out what the directory has of the person, and of applying the policy to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from b2b_idp.claims.mapping import compile_mapping
from b2b_idp.model.directory import App, Tenant, User
from b2b_idp.tokens.gather import Subject
from b2b_idp.tokens.sources import sources_of

ROUNDS = 100
ATTRIBUTES = (
    "surname givenname displayname objectid mail department companyname city country jobtitle employeeid officelocation"
)
AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
APP = App(id="a-1", app_id="c-1", sp_id="s-1", display_name="CRM", created_at=AT)
ALICE = Subject(
    user=User(
        id="u-1",
        user_type="Guest",
        upn="alice_fabrikam.example#EXT#@contoso.example",
        mail="Alice@Fabrikam.example",
        created_at=AT,
        properties={id: f"{id.capitalize()} of Alice" for id in ATTRIBUTES.split() if id not in ("objectid", "mail")},
    ),
    app=APP,
    home=None,
    tenant=Tenant("t-1", "Contoso", "contoso.example", AT),
    groups=(),
    roles=(),
    mapping=None,
    assigned=True,
)


def transformation(id: str, method: str, inputs: dict[str, str], **parameters: str) -> dict[str, Any]:
    return {
        "ID": id,
        "TransformationMethod": method,
        "InputClaims": [
            {"ClaimTypeReferenceId": reference, "TransformationClaimType": name} for name, reference in inputs.items()
        ],
        "InputParameters": [{"ID": name, "Value": value} for name, value in parameters.items()],
        "OutputClaims": [{"ClaimTypeReferenceId": id, "TransformationClaimType": "outputClaim"}],
    }


TRANSFORMATIONS = [
    transformation("lower", "ToLowercase", {"sourceClaim": "mail"}),
    transformation("upper", "ToUppercase", {"sourceClaim": "city"}),
    transformation("alias", "ExtractMailPrefix", {"mail": "lower"}),
    transformation("joined", "Join", {"string1": "department", "string2": "jobtitle"}, separator="/"),
    transformation(
        "domain", "RegexReplace", {"sourceClaim": "lower"}, regex="^.*@(?<domain>.+)$", replacement="{domain}"
    ),
    transformation(
        "who",
        "RegexReplace",
        {"sourceClaim": "mail", "country": "country"},
        regex=r"(?'n'^.*?)(?i)(\@fabrikam\.example)$",
        replacement="{n}.{country}",
    ),
]


def policy(attributes: int, transformations: int) -> dict[str, Any]:
    """A policy of so many plain claims and so many transformed ones."""
    plain = [{"Source": "user", "ID": id, "JwtClaimType": f"claim_{id}"} for id in ATTRIBUTES.split()[:attributes]]
    feeding = [{"Source": "user", "ID": id} for id in ATTRIBUTES.split()[attributes:]]
    more = [
        {"Value": "gold", "JwtClaimType": "tier"},
        {"Source": "application", "ID": "displayname", "JwtClaimType": "app"},
    ][: max(0, attributes - 10)]
    chosen = TRANSFORMATIONS[:transformations]
    made = [
        {"Source": "transformation", "ID": t["ID"], "TransformationId": t["ID"], "JwtClaimType": f"t_{t['ID']}"}
        for t in chosen
    ]
    return {"Version": 1, "ClaimsSchema": [*plain, *more, *made, *feeding], "ClaimsTransformation": chosen}


def microseconds(run: Callable[[], object]) -> float:
    """The best of many short runs, for one call: what else the machine does is not counted."""
    best = float("inf")
    for _ in range(200):
        began = time.perf_counter()
        for _ in range(ROUNDS):
            run()
        best = min(best, time.perf_counter() - began)
    return best / ROUNDS * 1e6


def main() -> None:
    print("claims  transformations  µs a token  µs to compile")
    for attributes, transformations in ((5, 0), (12, 0), (12, 4), (12, 6)):
        definition = {"ClaimsMappingPolicy": policy(attributes, transformations)}
        mapping = compile_mapping(definition)
        claims = mapping.apply(sources_of(ALICE, APP))
        assert all(c.value is not None for c in claims)
        took = microseconds(lambda: mapping.apply(sources_of(ALICE, APP), explain=False))  # noqa: B023
        began = time.perf_counter()
        for _ in range(20):
            compile_mapping(definition)
        print(f"{len(claims):6}  {transformations:15}  {took:10.1f}  {(time.perf_counter() - began) / 20 * 1e6:13.0f}")


if __name__ == "__main__":
    main()
