"""The other query options: $select, $orderby, $search, $expand, $top, $count."""

from __future__ import annotations

import pytest
from werkzeug.datastructures import MultiDict

from b2b_idp.graph.odata.predicate import predicate
from b2b_idp.graph.odata.query import parse_query
from b2b_idp.graph.odata.searching import parse_search
from b2b_idp.keys.vault import Vault
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.query import And, Listing, Or, Order, Search

VAULT = Vault(b"k" * 32)
PROPERTIES = frozenset({"id", "displayName", "mail", "name"})
EXPANDABLE = {"manager": frozenset({"id", "displayName"}), "memberOf": frozenset({"id"})}
SEARCHABLE = ("displayName", "mail")
ALI, BO = Search(("displayName",), "ali"), Search(("mail",), "bo")


def query(*pairs, consistency="eventual", searchable=SEARCHABLE, **more):
    return parse_query(
        MultiDict(pairs),
        PROPERTIES,
        VAULT,
        "scope",
        expandable=EXPANDABLE,
        searchable=searchable,
        consistency=consistency,
        **more,
    )


def refused(*pairs, **more):
    with pytest.raises(Problem) as caught:
        query(*pairs, **more)
    return caught.value


def test_nothing_asked():
    assert query(page_size=20).listing == Listing(top=20)


def test_the_dollar_and_the_case_of_an_option_do_not_matter():
    assert query(("TOP", "5"), ("$SELECT", "id")).select == ("id",)


@pytest.mark.parametrize("top", ["1", "999"])
def test_top(top):
    assert query(("$top", top)).top == int(top)


@pytest.mark.parametrize(
    ("text", "orders"),
    [
        ("mail", (Order(("mail",)),)),
        ("mail desc, displayName ASC,id", (Order(("mail",), True), Order(("displayName",)), Order(("id",)))),
        ("name/first desc", (Order(("name", "first"), True),)),
    ],
)
def test_orderby(text, orders):
    assert query(("$orderby", text)).orders == orders


@pytest.mark.parametrize("text", ["", "mail,", "mail up", "mail desc desc", "nonsense", "mail;id", "tolower(mail)"])
def test_n_144_a_bad_order_is_refused(text):
    assert refused(("$orderby", text)).code == Code.UNSUPPORTED_QUERY


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("manager", {"manager": ()}),
        ("manager($select=id,displayName)", {"manager": ("id", "displayName")}),
        ("manager( $select=id ), memberOf", {"manager": ("id",), "memberOf": ()}),
    ],
)
def test_expand(text, found):
    assert query(("$expand", text)).expand == found


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("owners", Code.UNSUPPORTED_QUERY),
        ("manager($levels=2)", Code.UNSUPPORTED_QUERY),
        ("manager($select=id;$top=1)", Code.UNSUPPORTED_QUERY),
        ("manager($select=password)", Code.BAD_REQUEST),
        ("manager,manager", Code.BAD_REQUEST),
        ("manager(", Code.BAD_REQUEST),
        ("manager,", Code.BAD_REQUEST),
        ("*", Code.BAD_REQUEST),
        ("", Code.BAD_REQUEST),
    ],
)
def test_a_bad_expand_is_refused(text, code):
    assert refused(("$expand", text)).code == code


def test_nothing_is_expanded_unless_the_collection_says_so():
    with pytest.raises(Problem, match="manager cannot be expanded"):
        parse_query(MultiDict([("$expand", "manager")]), PROPERTIES, VAULT, "scope")


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ('"displayName:ali"', ALI),
        ('"displayName:ali" AND "mail:bo"', And((ALI, BO))),
        ('"displayName:ali" OR "mail:bo" AND "mail:bo"', Or((ALI, And((BO, BO))))),
        ('("displayName:ali" OR "mail:bo") AND "mail:bo"', And((Or((ALI, BO)), BO))),
        ('"ali"', Or((Search(("displayName",), "ali"), Search(("mail",), "ali")))),
        (r'"mail:a \"b\": c\\"', Search(("mail",), 'a "b": c\\')),
    ],
)
def test_search(text, meaning):
    assert query(("$search", text)).search == meaning


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("displayName:ali", Code.BAD_REQUEST),
        ('"displayName:ali', Code.BAD_REQUEST),
        ('"displayName:"', Code.BAD_REQUEST),
        ('"displayName:a" "mail:b"', Code.BAD_REQUEST),
        ("(" * 40 + '"mail:b"' + ")" * 40, Code.BAD_REQUEST),
        ("", Code.BAD_REQUEST),
        ('"password:x"', Code.UNSUPPORTED_QUERY),
    ],
)
def test_a_bad_search_is_refused(text, code):
    assert refused(("$search", text)).code == code


@pytest.mark.parametrize("more", [{"consistency": None}, {"consistency": "session"}, {"searchable": ()}])
def test_search_needs_eventual_consistency_and_something_to_search(more):
    assert refused(("$search", '"mail:b"'), **more).code == Code.UNSUPPORTED_QUERY


def test_consistency_can_be_said_in_the_query():
    assert query(("$search", '"mail:bo"'), ("ConsistencyLevel", "eventual"), consistency=None).search == BO


@pytest.mark.parametrize(
    ("name", "found"), [("Alice", True), ("Van Ali", True), ("natali", False), (None, False), ("AL I", False)]
)
def test_a_search_finds_beginnings_of_words(name, found):
    assert predicate(parse_search('"displayName:ALI"', SEARCHABLE))({"displayName": name}) is found


@pytest.mark.parametrize(
    "pairs",
    [
        [("$top", "1"), ("$top", "1")],
        [("$top", "1"), ("top", "1")],
        [("$filter", "")],
        [("$filter", "mail eq '\ud800'")],
        [("$search", '"mail:\x00"')],
        [("$skiptoken", "é.é")],
    ],
)
def test_n_144_a_bad_option_is_refused(pairs):
    assert refused(*pairs).code == Code.BAD_REQUEST


def test_an_option_that_nobody_knows_is_named():
    assert "$skip " in refused(("$skip", "5")).say
    assert query(("utm_source", "x")).options == {}
