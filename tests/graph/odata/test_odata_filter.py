"""`$filter`: what each form means, and how a bad one is refused."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2b_idp.graph.odata.filter import compile_filter, parse_filter
from b2b_idp.graph.odata.predicate import predicate
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.query import And, AnyOf, Compare, Not, OneOf, Or, TextTest

A, B, C = (Compare((n,), "eq", 1) for n in "abc")
JUNE = datetime(2026, 6, 1, tzinfo=UTC)


def refused(text):
    with pytest.raises(Problem) as caught:
        parse_filter(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("a eq 1", A),
        ("(a eq 1)", A),
        (" a  EQ\n1 ", A),
        ("a eq 1 or b eq 1 and c eq 1", Or((A, And((B, C))))),
        ("(a eq 1 or b eq 1) and c eq 1", And((Or((A, B)), C))),
        ("not a eq 1 and b eq 1", And((Not(A), B))),
        ("NOT(a eq 1) AND b eq 1", And((Not(A), B))),
        ("a in (1, 'x',null)", OneOf(("a",), (1, "x", None))),
        ("a/b/c ne 'x'", Compare(("a", "b", "c"), "ne", "x")),
        ("startsWith(a,'x')", TextTest(("a",), "startsWith", "x")),
        ("startswith(a/b, 'x')", TextTest(("a", "b"), "startsWith", "x")),
        ("endsWith(a,'x') eq true", TextTest(("a",), "endsWith", "x")),
        ("contains(a,'x') eq false", Not(TextTest(("a",), "contains", "x"))),
        ("a/any(x:x eq 1)", AnyOf(("a",), Compare((), "eq", 1))),
        (
            "a/any(x: x/b eq 1 and startswith(x/q,'y'))",
            AnyOf(("a",), And((B, TextTest(("q",), "startsWith", "y")))),
        ),
        ("a/any(x:x/b/any(y:y eq 1))", AnyOf(("a",), AnyOf(("b",), Compare((), "eq", 1)))),
        ("a/any()", AnyOf(("a",), And(()))),
        ("a/$count ne 0", AnyOf(("a",), And(()))),
        ("a/$count eq 0", Not(AnyOf(("a",), And(())))),
        ("notes eq 1 and inbox eq 1", And((Compare(("notes",), "eq", 1), Compare(("inbox",), "eq", 1)))),
    ],
)
def test_forms(text, meaning):
    assert parse_filter(text) == meaning


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'O''Hara'", "O'Hara"),
        ("''", ""),
        ("''''", "'"),
        ("'or (1) and'", "or (1) and"),
        ("11111111-2222-3333-4444-55555555555A", "11111111-2222-3333-4444-55555555555A"),
        ("'11111111-2222-3333-4444-55555555555A'", "11111111-2222-3333-4444-55555555555A"),
        ("2026-06-01T00:00:00Z", JUNE),
        ("2026-06-01T00:00Z", JUNE),
        ("2026-06-01T02:00:00.000+02:00", JUNE),
        ("null", None),
        ("True", True),
        ("FALSE", False),
        ("-5", -5),
        ("1.5", 1.5),
    ],
)
def test_literals(text, value):
    found = parse_filter(f"a eq {text}")
    assert found == Compare(("a",), "eq", value) and type(found.value) is type(value)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=50))
def test_every_text_can_be_quoted(text):
    assert parse_filter("a eq '" + text.replace("'", "''") + "'") == Compare(("a",), "eq", text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mail eq x", "expected a value (texts stand in single quotes) at character 9, found 'x'"),
        ("mail eq 'x", "at character 9"),
        ("mail eq 'x' mail", 'expected "and" or "or" or the end at character 13'),
        ("mail in ('x' 'y')", 'expected ")" or "," at character 14'),
        ("mail eq", "ends too early at character 8: expected a value"),
        ("(mail eq 'x'", 'ends too early at character 13: expected ")"'),
        ("", "ends too early at character 1"),
        ("mail eq 'x\x00'", "NUL at character 11"),
        ("a eq 2026-13-01T00:00:00Z", "no time"),
        ("a eq 2026-06-01T10.5:00:00Z", "character 6"),
        ("a eq 0001-01-01T00:00:00+14:00", "no time"),
        ("a eq 2026-06-01", "character 6"),
        ("a eq 1234567890123456", "character 6"),
        ("startsWith(mail)", "a property and a text"),
        ("startsWith('x',mail)", "a property and a text"),
        ("startsWith(mail,1)", "a property and a text"),
        ("startsWith(mail,'x') gt true", "eq true"),
        ("1 eq 1", "expected"),
    ],
)
def test_n_143_what_is_no_filter_is_refused_with_its_place(text, said):
    problem = refused(text)
    assert problem.code == Code.BAD_REQUEST and said in problem.say


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("length(mail) eq 3", "length at character 1"),
        ("contains(tolower(mail),'x')", "within contains at character 10"),
        ("mail has 'x'", "has at character 6"),
        ("a/all(x:x eq 1)", "all at character 1"),
        ("a/any(x:b eq 1)", "only its variable x can be named, not b at character 9"),
        ("a/$count gt 5", "$count"),
        ("a/$count eq false", "$count"),
    ],
)
def test_what_is_known_but_not_supported_is_named(text, said):
    problem = refused(text)
    assert problem.code == Code.UNSUPPORTED_QUERY and said in problem.say


def test_only_the_collections_properties_can_be_named():
    text = "a eq 1 and (password/x eq 'y' or not a/any(x:x/b eq 1))"
    with pytest.raises(Problem, match="password") as caught:
        compile_filter(text, frozenset("a"))
    assert caught.value.code == Code.UNSUPPORTED_QUERY
    assert compile_filter(text, frozenset({"a", "password"}))


@pytest.mark.parametrize(
    "text",
    [
        " or ".join(["a eq 1"] * 10_000),
        " or ".join(["a eq 1"] * 500),
        "(" * 500 + "a eq 1" + ")" * 500,
        "(" * 33 + "a eq 1" + ")" * 33,
        "not " * 400 + "a eq 1",
        "not(" * 33 + "a eq 1" + ")" * 33,
        "a eq '" + "''" * 4000,
        "'" * 8001,
        "a eq " + "1" * 8000,
        "a/" * 4000,
        "a eq 2026-" + "0" * 8000,
        "a in (" + "1," * 4000,
        "a eq " + "-" * 8000,
        " " * 8000,
        "\ud800",
    ],
    ids=lambda t: f"{t[:10]!r}…{len(t)}",
)
def test_n_143_hostile_text_is_refused_quickly(text):
    began = time.perf_counter()
    assert refused(text).code == Code.BAD_REQUEST
    assert time.perf_counter() - began < 1


def test_nesting_up_to_the_limit_is_fine():
    assert parse_filter("(" * 32 + "a eq 1" + ")" * 32) == A


@given(
    st.lists(st.sampled_from(["a", "/", "(", ")", "any", "x", ":", "'b'", " eq ", " not ", " and ", " in ", ",", "1"]))
)
def test_n_143_any_text_is_a_filter_or_refused(parts):
    try:
        predicate(parse_filter("".join(parts)))({})
    except Problem as problem:
        assert problem.code in (Code.BAD_REQUEST, Code.UNSUPPORTED_QUERY)


ROW = {
    "name": "Straße",
    "flag": True,
    "number": 5,
    "at": "2026-06-01T00:00:00Z",
    "nothing": None,
    "list": ["One", "Two"],
    "status": {"errorCode": 50},
    "things": [{"kind": "a", "n": 1}, {"kind": "b", "n": 2}],
}


@pytest.mark.parametrize(
    "text",
    [
        "name eq 'STRASSE'",
        "name ge 'st' and name lt 'SU'",
        "endsWith(name,'SSE') and contains(name,'TR')",
        "name ne null and nothing eq null and missing eq null and missing ne 'x'",
        "not(nothing lt 'x') and not(nothing ge 'x') and not(nothing le null)",
        "flag eq true and flag ne false and not(flag gt false)",
        "not(number eq true) and not(flag eq 1)",
        "number eq 5.0 and number gt 4 and not(number eq '5')",
        "at eq 2026-06-01T02:00:00+02:00 and at lt 2026-06-01T00:00:01Z and at gt 2026-05-31T23:59:59.5Z",
        "not(name ge 2026-06-01T00:00:00Z)",
        "list/any(x:x eq 'one') and not(list/any(x:x eq 'three')) and not(name/any(x:x eq 's'))",
        "list/$count ne 0 and nothing/$count eq 0 and missing/$count eq 0",
        "status/errorCode eq 50 and status/other eq null and name/x eq null",
        "things/any(t:t/kind eq 'b' and t/n eq 2) and not(things/any(t:t/kind eq 'b' and t/n eq 1))",
        "number in (4,5) and name in ('x','strasse') and nothing in ('x',null) and not(name in ('x'))",
    ],
)
def test_what_filters_mean_for_a_row(text):
    assert predicate(parse_filter(text))(ROW)
