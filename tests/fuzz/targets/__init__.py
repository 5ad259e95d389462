"""What is fed, one target a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.fuzz.measuring import Target
from tests.fuzz.targets.authorize import Authorize
from tests.fuzz.targets.callback import Callback
from tests.fuzz.targets.filters import Filters
from tests.fuzz.targets.graph_bodies import GraphBodies
from tests.fuzz.targets.home_documents import HomeDocuments
from tests.fuzz.targets.id_tokens import IdTokens
from tests.fuzz.targets.passkey_answers import PasskeyAnswers
from tests.fuzz.targets.policies import Policies
from tests.fuzz.targets.rules import Rules
from tests.fuzz.targets.token import Token


@dataclass(frozen=True)
class Entry:
    """A target, and what it is fed."""

    make: Callable[[], Target]
    about: str


ALL: Mapping[str, Entry] = {
    "callback": Entry(Callback, "what a browser brings back from a home, with a sign-in that waits for it"),
    "id_token": Entry(IdTokens, "a home's id_token, most of them signed, and the profile that it makes"),
    "home": Entry(HomeDocuments, "a home's metadata and key set"),
    "token": Entry(Token, "the token endpoint's form and headers"),
    "authorize": Entry(Authorize, "authorization requests, by GET and POST"),
    "filter": Entry(Filters, "`$filter` and the other query options, asked of a row"),
    "graph": Entry(GraphBodies, "Graph calls whole: bodies, `$batch`, lists with options"),
    "rule": Entry(Rules, "membership rules, asked of people and explained"),
    "policy": Entry(Policies, "conditional access, cross-tenant, identity providers, claims mapping, as JSON"),
    "passkey": Entry(PasskeyAnswers, "registrations and assertions, most of them signed"),
}
