"""The query options of the Graph API: $filter above all, and what it then means for a row."""

from __future__ import annotations

from random import Random

from werkzeug.datastructures import MultiDict

from b2b_idp.graph.odata.options import parse_query
from b2b_idp.keys.vault import Vault
from b2b_idp.model.problem import Problem
from tests.fuzz.mutation import Mutator

PROPERTIES = frozenset("id displayName mail accountEnabled createdDateTime identities otherMails b2bIdp".split())
SEEDS = (
    "displayName eq 'O''Hara'",
    "startswith(displayName,'A') and not(accountEnabled eq false)",
    "mail in ('a@b.example','c@d.example') or endsWith(mail,'@b.example')",
    "otherMails/any(x:x eq 'a' or startswith(x,'b'))",
    "identities/any(c:c/issuerAssignedId eq 'a' and c/issuer eq 'b')",
    "otherMails/$count ne 0",
    "createdDateTime ge 2026-01-31T10:00:00Z and createdDateTime lt 2026-02-01T10:00:00.5+02:00",
    "contains(displayName,'x') eq true or id eq 11111111-2222-3333-4444-555555555555",
    "(((displayName ne null)))",
    "b2bIdp/outcome eq 'allowed' and id gt 5",
)
WORDS = (
    *PROPERTIES,
    *" eq , ne , lt , in (, and , or , not ,any(x:x eq 1),/$count eq 0,startswith(,null,-5,1.5".split(","),
)
OTHERS = {
    "$orderby": ("displayName desc,mail", "id", "b2bIdp/outcome asc"),
    "$search": ('"displayName:a" AND "mail:b"', '"displayName:a" OR NOT "x"'),
    "$select": ("id,displayName", "*"),
    "$expand": ("memberOf($select=id)", "manager"),
    "$top": ("5", "999", "1000"),
    "$count": ("true", "yes"),
    "$skiptoken": ("abc", "eyJhIjoxfQ.AAAA"),
}
ROW = {
    "id": "1",
    "displayName": "Ada",
    "mail": None,
    "accountEnabled": True,
    "createdDateTime": "2026-01-31T10:00:00Z",
    "identities": [{"issuer": "b", "issuerAssignedId": "a"}],
    "otherMails": ["a", "b"],
    "b2bIdp": {"outcome": "allowed"},
}


class Filters:
    def __init__(self) -> None:
        self._vault = Vault(b"k" * 32)

    def make(self, random: Random) -> MultiDict[str, str]:
        edit = Mutator(random, WORDS)
        text = random.choice(SEEDS)
        if edit.often(0.3):
            text = f"{text} {random.choice(('and', 'or', 'eq'))} ({random.choice(SEEDS)})"
        args = MultiDict({"$filter": edit.text(text) if edit.often(0.85) else text})
        if edit.often(0.2):
            name = random.choice(list(OTHERS))
            value = random.choice(OTHERS[name])
            args.add(name if edit.often(0.8) else edit.text(name), edit.text(value) if edit.often(0.7) else value)
        return args

    def give(self, made: MultiDict[str, str]) -> bool:
        try:
            query = parse_query(
                made,
                PROPERTIES,
                self._vault,
                "users",
                expandable={"memberOf": frozenset({"id"}), "manager": frozenset({"id"})},
                searchable=("displayName", "mail"),
                consistency="eventual",
            )
        except Problem:
            return False
        if query.predicate is not None:
            assert query.predicate(ROW) in (True, False)
        return True

    def close(self) -> None: ...
