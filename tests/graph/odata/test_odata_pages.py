"""Pages continue at a place: writes between two pages neither repeat nor lose rows."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from b2b_idp.graph.odata.query import answered, own_id, page, parse_query
from b2b_idp.keys.vault import Vault
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.query import Order

VAULT = Vault(b"k" * 32)
PROPERTIES = frozenset({"id", "tenantId", "name", "n"})
BASE = "https://idp.example/v1.0/things"


def rows(*ids):
    return [{"id": i, "name": i[0]} for i in ids]


def first(given, scope="path|caller", **options):
    return ask(given, [("$" + k, v) for k, v in options.items()], scope)


def following(given, answer, scope="path|caller", **more):
    link = urlsplit(answer["@odata.nextLink"])
    assert answer["@odata.nextLink"].startswith(BASE + "?")
    return ask(given, parse_qsl(link.query, strict_parsing=True), scope, **more)


def ask(given, pairs, scope, **more):
    query = parse_query(MultiDict(pairs), PROPERTIES, VAULT, scope)
    return page(given, query, "c", BASE, VAULT, scope, **more)


def ids(answer):
    return "".join(own_id(r) for r in answer["value"])


def test_without_an_order_rows_stand_as_given():
    answer = first(rows("c", "a", "b"), top="2")
    assert ids(answer) == "ca"
    last = following(rows("c", "a", "b"), answer)
    assert ids(last) == "b" and "@odata.nextLink" not in last


@pytest.mark.parametrize(
    ("now", "rest"),
    [
        (("x", "c", "a", "b", "d"), "bd"),
        (("c", "a", "x", "b", "d"), "xb"),
        (("a", "b", "d"), "bd"),
        (("c", "b", "d"), "bd"),
        (("b", "d"), "bd"),
        (("c", "a", "d"), "d"),
        (("c", "a"), ""),
    ],
)
def test_a_page_begins_behind_the_last_row_or_at_the_next_one(now, rest):
    assert ids(following(rows(*now), first(rows("c", "a", "b", "d"), top="2"))) == rest


def test_a_place_that_is_gone_is_refused():
    with pytest.raises(Problem, match="gone; begin again") as caught:
        following(rows("c", "d"), first(rows("c", "a", "b", "d"), top="2"))
    assert caught.value.code == Code.BAD_REQUEST


def test_the_last_row_still_marks_the_place_when_the_filter_no_longer_means_it():
    answer = first(rows("a1", "a2", "a3"), top="2", filter="name eq 'a'")
    now = rows("a1", "a2", "a3")
    now[1]["name"] = "z"
    assert ids(following(now, answer)) == "a3"


@pytest.mark.parametrize("order", ["name", "name desc", "name desc,id desc", "n,name", "n desc,name desc"])
@given(data=st.data())
def test_every_row_that_stays_is_seen_once(order, data):
    def some(prefix):
        names = st.sampled_from(["a", "B", "b", "ß", None, True, 3])
        found = data.draw(st.lists(st.tuples(names, st.sampled_from([None, 1, 2])), max_size=12))
        return [{"id": f"{prefix}{i:02}", "name": name, "n": n} for i, (name, n) in enumerate(found)]

    stay, gone, come = some("s"), some("g"), some("c")
    answer = first(data.draw(st.permutations(stay + gone)), top="2", orderby=order)
    seen = [r["id"] for r in answer["value"]]
    while "@odata.nextLink" in answer:
        answer = following(data.draw(st.permutations(stay + come)), answer)
        seen += [r["id"] for r in answer["value"]]
    assert len(seen) == len(set(seen))
    assert {r["id"] for r in stay} <= set(seen)


def test_nulls_are_first_and_last_when_descending():
    given = [{"id": i, "n": n} for i, n in (("a", 1), ("b", None), ("c", 2))]
    assert ids(first(given, orderby="n")) == "bac"
    assert ids(first(given, orderby="n desc")) == "cab"


def test_a_collection_may_declare_its_order():
    order = (Order(("name",), descending=True),)
    answer = ask(rows("a", "c", "b"), [("$top", "2")], "s", order=order)
    assert ids(answer) == "cb"
    assert ids(following(rows("a"), answer, "s", order=order)) == "a"


def test_rows_without_id_go_by_their_tenant():
    given = [{"tenantId": t} for t in "abc"]
    assert ids(following(given, first(given, top="2"))) == "c"


def test_count_is_of_all_that_match():
    answer = first(rows("a1", "b1", "a2", "a3"), top="1", count="true", filter="name eq 'a'")
    assert answer["@odata.count"] == 3 == following(rows("a1", "b1", "a2", "a3"), answer)["@odata.count"]


def test_expanded_navigations_survive_the_selection():
    query = parse_query(
        MultiDict([("$select", "name"), ("$expand", "boss($select=id)")]),
        PROPERTIES,
        VAULT,
        "s",
        expandable={"boss": frozenset({"id"})},
    )
    answer = answered(
        rows("a"), query, "c", BASE, VAULT, "s", last_key=None, total=None, more=lambda r: {"boss": {"id": r["id"]}}
    )
    assert answer == {"@odata.context": "c(name,boss(id))", "value": [{"name": "a", "boss": {"id": "a"}}]}


FORGERIES = {
    "altered": lambda t: t[:-1] + ("A" if t[-1] != "A" else "B"),
    "another place": lambda t: "WyJhIiwiYiJd." + t.partition(".")[2],
    "no mac": lambda t: t.partition(".")[0],
    "empty": lambda t: "",
    "a number": lambda t: "1",
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=[f"N-144 {name}" for name in FORGERIES])
def test_a_forged_token_is_refused(forge):
    given = rows("c", "a", "b")
    options = dict(parse_qsl(urlsplit(first(given, top="1")["@odata.nextLink"]).query))
    options["$skiptoken"] = forge(options["$skiptoken"])
    with pytest.raises(Problem) as caught:
        ask(given, options.items(), "path|caller")
    assert caught.value.code == Code.BAD_REQUEST


@pytest.mark.parametrize(
    ("options", "scope"),
    [({"$top": "2"}, "path|caller"), ({"$orderby": "id"}, "path|caller"), ({}, "path|another"), ({}, "other|caller")],
)
def test_n_144_a_token_is_good_for_its_query_and_caller_only(options, scope):
    given = rows("c", "a", "b")
    pairs = dict(parse_qsl(urlsplit(first(given, top="1")["@odata.nextLink"]).query))
    with pytest.raises(Problem) as caught:
        ask(given, (pairs | options).items(), scope)
    assert caught.value.code == Code.BAD_REQUEST
