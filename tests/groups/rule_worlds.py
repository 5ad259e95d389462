"""Random rules and people that often have to do with one another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from b2b_idp.groups.person import Person
from b2b_idp.groups.syntax import And, Compare, Each, Expression, Not, Now, Or
from b2b_idp.groups.vocabulary import OPERATORS, Field

AT = datetime(2026, 6, 1, tzinfo=UTC)
EXTENSION = f"extension_{'0a' * 16}_level"
TEXTS = ("department", "country", "mail", "objectId", "userType", "extensionAttribute7", EXTENSION)
MEMBERS = ("servicePlanId", "capabilityStatus")

# what folds in surprising ways, and what must be escaped
texts = st.sampled_from(
    [
        "",
        "s",
        "S",
        "ß",
        "SS",
        "İ",
        "i̇",
        "I",
        "ı",
        "ſ",
        "Sales",
        "sales@b.example",
        "@B.EXAMPLE",
        "a`\"'b",
        "`",
        "''",
        "x\n",
    ]
) | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=4)
patterns = st.sampled_from(["^s", "a.e", "s$", "[abc]+", "^$", "l|x", r"\@b", "", "x\\Z"])
times = st.integers(-900, 900).map(lambda days: AT + timedelta(days=days, hours=days))
nows = st.sampled_from([Now(), Now(0, timedelta(days=-30), " -minus P30D"), Now(18, timedelta(), " -plus P1Y6M")])


def _text_comparisons(fields: st.SearchStrategy[Field], inside: bool) -> st.SearchStrategy[Expression]:
    def of(operator: str) -> st.SearchStrategy[Expression]:
        value: st.SearchStrategy[str | tuple[str, ...] | None] = texts
        if operator in ("-in", "-notIn"):
            value = st.lists(texts, min_size=1, max_size=3).map(tuple)
        elif operator in ("-match", "-notMatch"):
            value = patterns
        elif operator in ("-eq", "-ne"):
            value = texts | st.none()
        return st.builds(Compare, fields, st.just(operator), value, st.just(inside))

    return st.sampled_from(OPERATORS["text"]).flatmap(of)


def _combined(leaves: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    def more(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
        parts = st.lists(inner, min_size=2, max_size=3).map(tuple)
        return st.builds(Not, inner) | st.builds(And, parts) | st.builds(Or, parts)

    return st.recursive(leaves, more, max_leaves=6)


_quantifiers = st.sampled_from(["-any", "-all"])
_collections = st.sampled_from(["otherMails", "proxyAddresses"])
_mails = _collections.flatmap(
    lambda name: st.builds(
        Each, st.just(name), _quantifiers, _combined(_text_comparisons(st.just(Field(name)), inside=True))
    )
)
_plan = st.sampled_from([Field("assignedPlans", m) for m in MEMBERS])
_plans = st.builds(Each, st.just("assignedPlans"), _quantifiers, _combined(_text_comparisons(_plan, inside=True)))
_booleans = st.builds(
    Compare, st.just(Field("accountEnabled")), st.sampled_from(OPERATORS["boolean"]), st.booleans() | st.none()
)
_HIRED = st.just(Field("employeeHireDate"))
_hired = st.builds(Compare, _HIRED, st.sampled_from(["-le", "-ge"]), times | nows) | st.builds(
    Compare, _HIRED, st.sampled_from(["-eq", "-ne"]), times | nows | st.none()
)
_texts = _text_comparisons(st.sampled_from([*map(Field, TEXTS)]), inside=False)
_bare = _text_comparisons(_collections.map(Field), inside=False)

comparisons = _texts | _bare | _booleans | _hired
"""Any one comparison, outside of -any and -all."""
trees = _combined(_texts | comparisons | _mails | _plans)
"""Any rule, but the special ones that stand alone."""

_lists = st.lists(texts, max_size=3).map(tuple)
people = st.builds(
    Person,
    id=texts,
    attributes=st.fixed_dictionaries(
        {},
        optional={
            **{name.casefold(): st.none() | texts for name in TEXTS if name != "objectId"},
            "othermails": _lists,
            "proxyaddresses": _lists,
            "assignedplans": st.lists(
                st.dictionaries(st.sampled_from([m.casefold() for m in MEMBERS]), texts), max_size=2
            ).map(tuple),
            "accountenabled": st.booleans(),
            "employeehiredate": times,
        },
    ),
    group_ids=st.frozensets(st.sampled_from(["a", "b", "c", "x"])),
    manager_id=st.none() | st.sampled_from(["m1", "m2"]),
)
