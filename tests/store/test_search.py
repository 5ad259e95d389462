"""Lists asked in SQL: the same answers as over rows in memory, page by page, by index where there is one."""

from __future__ import annotations

import json
import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import JSON, Boolean, Column, MetaData, String, Table, create_engine, event, insert, literal, select
from sqlalchemy.pool import StaticPool

from b2b_idp.graph.odata.filter import parse_filter
from b2b_idp.graph.odata.predicate import predicate
from b2b_idp.model.directory import HomeIdentity, Tenant, User
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.query import (
    And,
    AnyOf,
    Compare,
    Listing,
    Not,
    OneOf,
    Or,
    Order,
    Search,
    TextTest,
)
from b2b_idp.signin.log import iso
from b2b_idp.store.functions import add_functions, fold, successor
from b2b_idp.store.search import Flag, Number, One, Text, Texts, Time, Word, listing, where
from b2b_idp.store.tables import Instant, users

JUNE = datetime(2026, 6, 1, tzinfo=UTC)

CODE_POINTS = String().with_variant(String(collation="C"), "postgresql")
"""As migrations make every text of ours."""

things = Table(
    "things",
    MetaData(),
    Column("id", CODE_POINTS, primary_key=True),
    Column("name", String),
    Column("name_key", CODE_POINTS),
    Column("kind", CODE_POINTS),
    Column("flag", Boolean),
    Column("at", Instant),
    Column("document", JSON, nullable=False),
)
KINDS = ("Guest", "Member")
COLUMNS = {
    "id": Text(things.c.id, folded=True),
    "name": Text(things.c.name),
    "key": Text(things.c.name_key, folded=True),
    "kind": Word(things.c.kind, KINDS),
    "flag": Flag(things.c.flag),
    "at": Time(things.c.at),
    "city": Text(things.c.document["city"].as_string()),
    "status/code": Number(things.c.document["status"]["code"].as_integer()),
    "mails": Texts(things.c.document["mails"]),
    "owner": One({"name": Text(things.c.name), "kind": Word(things.c.kind, KINDS)}),
}


def row_of(thing):
    """What callers are shown of a thing."""
    name, kind = thing["name"], thing["kind"]
    return {
        "id": thing["id"],
        "name": name,
        "key": name,
        "kind": kind,
        "flag": thing["flag"],
        "at": None if thing["at"] is None else iso(thing["at"]),
        "owner": [{"name": name, "kind": kind}],
        **thing["document"],
    }


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def connection(request):
    if request.param == "sqlite":
        engine = create_engine("sqlite://", poolclass=StaticPool)
        event.listen(engine, "connect", lambda c, _: add_functions(c))
    else:
        cluster, schema = request.getfixturevalue("postgres"), request.getfixturevalue("migrated")
        engine = create_engine(cluster.database(schema).replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        things.metadata.create_all(connection)
        yield connection
    engine.dispose()


@pytest.fixture
def filled(connection):
    def fill(found):
        connection.execute(things.delete())
        for thing in found:
            key = None if thing["name"] is None else thing["name"].casefold()
            connection.execute(insert(things).values(name_key=key, **thing))
        return connection

    return fill


def asked(connection, **listing_):
    return listing(connection, select(things), COLUMNS, things.c.id, Listing(**listing_))


LETTERS = "aAbBßẞéİıſ%_/\\' 1\ud7ff\ue000\U0010ffff\U0001f600"
TEXTS = st.text(LETTERS, max_size=4)
TIMES = st.integers(0, 3_000_000).map(lambda n: JUNE + timedelta(microseconds=n)) | st.sampled_from(
    [JUNE, JUNE + timedelta(seconds=1), datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)]
)
SHOWN_TIMES = st.integers(0, 3_000_000).map(lambda n: JUNE + timedelta(microseconds=n))
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "city": st.none() | TEXTS,
        "mails": st.none() | st.lists(TEXTS, max_size=3),
        "status": st.none() | st.fixed_dictionaries({}, optional={"code": st.none() | st.integers(-2, 2)}),
    },
)
THINGS = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.none() | TEXTS,
            "kind": st.none() | st.sampled_from(KINDS),
            "flag": st.none() | st.booleans(),
            "at": st.none() | SHOWN_TIMES,
            "document": DOCUMENTS,
        }
    ),
    max_size=8,
).map(lambda found: [{"id": f"i{n}"} | thing for n, thing in enumerate(found)])

COMPARISONS = st.sampled_from(["eq", "ne", "lt", "le", "gt", "ge"])


def leaf(path, values):
    path = st.just(path)
    values = st.none() | values
    return st.builds(Compare, path, COMPARISONS, values) | st.builds(
        OneOf, path, st.lists(values, max_size=3).map(tuple)
    )


def text_leaf(path, texts=TEXTS):
    operations = st.sampled_from(["startsWith", "endsWith", "contains"])
    return (
        leaf(path, texts)
        | st.builds(TextTest, st.just(path), operations, texts)
        | st.builds(Search, st.just(path), texts)
    )


def combined(leaves):
    def more(inner):
        terms = st.lists(inner, min_size=0, max_size=3).map(tuple)
        return st.builds(Not, inner) | st.builds(And, terms) | st.builds(Or, terms)

    return st.recursive(leaves, more, max_leaves=5)


WORDS = st.sampled_from(["guest", "GUEST", "Member", "m", "ST", "", "zz"])
FILTERS = combined(
    st.one_of(
        *(text_leaf((name,)) for name in ("name", "key", "city")),
        text_leaf(("id",), st.sampled_from(["i0", "I1", "i", ""])),
        text_leaf(("kind",), WORDS),
        leaf(("flag",), st.booleans()),
        leaf(("at",), TIMES),
        leaf(("status", "code"), st.integers(-3, 3) | st.sampled_from([0.5, -1.0])),
        st.builds(AnyOf, st.just(("mails",)), combined(text_leaf(()))),
        st.builds(AnyOf, st.just(("owner",)), combined(text_leaf(("name",)) | text_leaf(("kind",), WORDS))),
    )
)
many = settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@many
@given(THINGS, FILTERS)
def test_sql_and_memory_agree_on_every_filter(filled, found, filter):
    wanted = [t["id"] for t in found if predicate(filter)(row_of(t))]
    page = asked(filled(found), filter=filter, count=True)
    assert [r["id"] for r in page.rows] == wanted
    assert (page.total, page.last_key) == (len(wanted), None)


ORDERS = st.lists(
    st.builds(
        Order,
        st.sampled_from([("name",), ("key",), ("kind",), ("flag",), ("at",), ("city",), ("status", "code"), ("id",)]),
        st.booleans(),
    ),
    max_size=3,
).map(tuple)


def sort_value(thing, path):
    value = thing["at"] if path == ("at",) else row_of(thing)
    for name in () if path == ("at",) else path:
        value = value.get(name) if isinstance(value, dict) else None
    return (False, 0) if value is None else (True, value.casefold() if isinstance(value, str) else value)


@many
@given(THINGS, ORDERS, st.integers(1, 3))
def test_pages_follow_one_another_in_order(filled, found, orders, top):
    expected = sorted(found, key=lambda t: t["id"])
    for order in reversed(orders):
        # words are sorted by their spelling, whose order is that of their folded form
        expected.sort(key=lambda t, path=order.path: sort_value(t, path), reverse=order.descending)
    connection, seen, after = filled(found), [], None
    while True:
        page = asked(connection, order=orders, after=after, top=top)
        seen += [r["id"] for r in page.rows]
        assert set().union(*page.rows) <= set(things.c.keys())
        if page.last_key is None:
            break
        after = tuple(json.loads(json.dumps(page.last_key)))
    assert seen == [t["id"] for t in expected]


def thing(id, name=None, **more):
    return {"id": id, "name": name, "kind": None, "flag": None, "at": None, "document": {}} | more


def test_writes_between_pages_neither_repeat_nor_lose_rows(filled):
    connection = filled([thing(i, name) for i, name in (("1", "a"), ("2", "b"), ("3", "c"), ("4", "d"))])
    order = (Order(("name",)),)
    key = asked(connection, order=order, top=2).last_key
    connection.execute(things.delete().where(things.c.id.in_(["1", "2"])))
    connection.execute(insert(things).values(**thing("0", "aa")))
    connection.execute(insert(things).values(**thing("5", "bb")))
    assert [r["id"] for r in asked(connection, order=order, after=key).rows] == ["5", "3", "4"]


def test_search_and_filter_both_hold_and_nothing_is_counted_unasked(filled):
    connection = filled([thing("1", "Ann Lee", flag=True), thing("2", "Lee", flag=False), thing("3", "x", flag=True)])
    page = asked(connection, filter=Compare(("flag",), "eq", True), search=Search(("name",), "lee"))
    assert [r["id"] for r in page.rows] == ["1"] and page.total is None


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("password eq 'x'", Code.UNSUPPORTED_QUERY, "password"),
        ("status/other eq 1", Code.UNSUPPORTED_QUERY, "status/other"),
        ("mails eq 'x'", Code.UNSUPPORTED_QUERY, "mails"),
        ("mails/any(m:m/address eq 'x')", Code.UNSUPPORTED_QUERY, "address"),
        ("mails/any(m:m/any(x:x eq 'x'))", Code.UNSUPPORTED_QUERY, "element"),
        ("name/any(x:x eq 'x')", Code.UNSUPPORTED_QUERY, "name"),
        ("flag eq 'true'", Code.BAD_REQUEST, "true or false"),
        ("startsWith(flag,'t')", Code.BAD_REQUEST, "flag"),
        ("at ge '2026-06-01T00:00:00Z'", Code.BAD_REQUEST, "without quotes"),
        ("name gt 5", Code.BAD_REQUEST, "single quotes"),
        ("kind in ('Guest',5)", Code.BAD_REQUEST, "kind"),
        ("status/code eq true", Code.BAD_REQUEST, "a number"),
    ],
)
def test_what_no_column_answers_is_refused_by_name(text, code, said):
    with pytest.raises(Problem, match=said) as caught:
        where(parse_filter(text), COLUMNS)
    assert caught.value.code == code


@pytest.mark.parametrize("path", [("password",), ("mails",), ("owner",)])
def test_what_has_no_order_is_refused(filled, path):
    with pytest.raises(Problem) as caught:
        asked(filled([]), order=(Order(path),))
    assert caught.value.code == Code.UNSUPPORTED_QUERY


@pytest.mark.parametrize("key", [(), ("a",), ("a", "b", "c"), ("no time", "a")])
def test_a_key_of_another_list_is_refused(filled, key):
    with pytest.raises(Problem) as caught:
        asked(filled([]), order=(Order(("at",)),), after=key)
    assert caught.value.code == Code.BAD_REQUEST


def test_n_143_the_largest_filter_is_answered(filled):
    largest = Or(tuple(Compare(("at",), "eq", JUNE) for _ in range(250)))
    nested = Compare(("name",), "eq", "x")
    for _ in range(32):
        nested = Not(And((nested, TextTest(("city",), "contains", "%"))))
    longest = TextTest(("name",), "contains", "%" * 8000)
    for filter in (largest, nested, longest):
        asked(filled([thing("1", "x")]), filter=filter, count=True)


@pytest.mark.parametrize(
    ("start", "end"),
    [("a", "b"), ("", None), ("a\U0010ffff", "b"), ("\U0010ffff", None), ("\ud7ff", "\ue000"), ("aé", "aê")],
)
def test_the_end_of_a_range_of_beginnings(start, end):
    assert successor(start) == end


@pytest.fixture
def directory(url, open_store):
    store = open_store(url)
    with store.write() as w:
        w.documents.create_tenant(Tenant("t", "Contoso", "contoso.example", JUNE))
        for n, name in enumerate(["Ada", "Bob", "Cyd"]):
            mail = f"{name}@Fabrikam.example"
            user = User(
                id=f"u{n}",
                user_type="Guest",
                upn=f"{name}#EXT#@contoso.example",
                mail=mail,
                state="Accepted" if n else "PendingAcceptance",
                identity=HomeIdentity("https://home.example", name) if n else None,
                created_at=JUNE + timedelta(days=n),
                properties={"displayName": name, "department": "Sales" if n else None, "otherMails": [mail][:n]},
            )
            w.users.add(user)
    with store._database.transaction(write=False) as connection:
        yield connection


USERS = {
    "id": Text(users.c.id, folded=True),
    "mail": Text(users.c.mail_key, folded=True),
    "displayName": Text(users.c.display_name_key, folded=True),
    "userType": Word(users.c.user_type, ("Guest", "Member")),
    "externalUserState": Word(users.c.state, ("PendingAcceptance", "Accepted")),
    "accountEnabled": Flag(users.c.account_enabled),
    "createdDateTime": Time(users.c.created_at),
    "department": Text(users.c.properties["department"].as_string()),
    "otherMails": Texts(users.c.properties["otherMails"]),
    "identities": One({"issuer": Text(users.c.issuer), "issuerAssignedId": Text(users.c.subject)}),
}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("mail eq 'ADA@fabrikam.example'", "u0"),
        ("startsWith(displayName,'B')", "u1"),
        ("department ne 'sales'", "u0"),
        ("department eq 'sales' and accountEnabled eq true", "u1 u2"),
        ("externalUserState eq 'pendingacceptance' and userType eq 'Guest'", "u0"),
        ("createdDateTime ge 2026-06-02T00:00:00Z", "u1 u2"),
        ("otherMails/any(m:startsWith(m,'bob@'))", "u1"),
        ("otherMails/$count eq 0", "u0"),
        ("identities/any(i:i/issuer eq 'https://home.example' and i/issuerAssignedId eq 'Cyd')", "u2"),
    ],
)
def test_the_directory_is_asked_as_graph_is(directory, text, found):
    page = listing(directory, select(users), USERS, users.c.id, Listing(parse_filter(text)))
    assert [r["id"] for r in page.rows] == found.split()
    assert all(set(r) == set(users.c.keys()) for r in page.rows)


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("mail eq 'ada@fabrikam.example'", "ix_users_mail_key (mail_key=?)"),
        ("mail in ('a@x','b@x')", "ix_users_mail_key (mail_key=?)"),
        ("startsWith(displayName,'A')", "ix_users_display_name_key (display_name_key>? AND display_name_key<?)"),
        ("externalUserState eq 'accepted'", "ix_users_state_id (state=?)"),
        ("createdDateTime eq 2026-06-02T00:00:00Z", "ix_users_created_at (created_at>? AND created_at<?)"),
    ],
)
@pytest.mark.parametrize("url", ["memory"], indirect=True)
def test_an_index_serves(directory, text, index):
    statement = select(users.c.id).where(where(parse_filter(text), USERS))
    compiled = statement.compile(directory._connection, compile_kwargs={"literal_binds": True})
    plan = directory._connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}").scalars("detail").all()
    assert any(index in step for step in plan), plan


@pytest.mark.parametrize("url", ["postgres"], indirect=True)
def test_postgresql_folds_as_python_does(directory):
    """In letters old enough for both: a newer Unicode version in one of them is no defect."""
    letters = (chr(n) for n in range(1, 0x1FFFF) if not 0xD800 <= n < 0xE000)
    old = "\x1f".join(c for c in letters if unicodedata.ucd_3_2_0.category(c) != "Cn")
    assert directory.execute(select(fold(literal(old)))).scalar_one().split("\x1f") == old.casefold().split("\x1f")
