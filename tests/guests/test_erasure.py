"""A person who is erased is nowhere in the database, in no table and in no free page; what was done is still told."""

import base64
import re
import sqlite3
import uuid
from datetime import UTC, datetime

import pytest

from b2b_idp.extension import system_moment
from b2b_idp.guests.erasure import carry_on
from b2b_idp.guests.lifecycle import delete_for_good
from b2b_idp.guests.pseudonyms import Traces
from b2b_idp.store import Store
from b2b_idp.store.copying import copy
from b2b_idp.store.engine import Database
from b2b_idp.store.erasing import Person
from b2b_idp.store.migrate import HEAD
from b2b_idp.store.tables import metadata
from tests.postgres import cluster

MAIL = "zoraidette.quillfeather@fabrikam.example"
OTHER_MAIL = "former@fabrikam.example"
CANARIES = ("zoraidette", "quillfeather", "former", "+4755501", "Gullgata")
"""What nothing but the person has, as it is looked for whatever its case."""


def raw(kit):
    """The database's pages, those that are free too."""
    c = kit.idp.store._database.engine.raw_connection()
    try:
        return c.driver_connection.serialize()
    finally:
        c.close()


def found_in(image):
    return [c for c in CANARIES if re.search(re.escape(c.encode()), image, re.IGNORECASE)]


@pytest.fixture
def lived(b2b_idp):
    """A guest with a history, and another one; what the person did and what was done to them is in every log."""
    kit = b2b_idp
    kit.home_tenant("fabrikam.example", trust_mfa=False)
    app = kit.app("Expenses", requires="mfa")
    kit.guest = kit.invite(
        MAIL, display_name="Zoraidette Q. Quillfeather", surname="Quillfeather", mobilePhone="+4755501"
    )
    kit.update(kit.guest, streetAddress="Gullgata 7", otherMails=[OTHER_MAIL])
    kit.ben = kit.invite("ben@fabrikam.example", display_name="Ben Birch")
    kit.team = kit.group("Team", members=[kit.guest, kit.ben])
    for who in (kit.guest, kit.ben):
        assert kit.sign_in(who, app).id_token
    kit.update(kit.guest, displayName="Zoraidette Quillfeather")
    return kit


def gone(kit):
    kit.graph("DELETE", f"/users/{kit.guest.id}")
    kit.graph("DELETE", f"/directory/deletedItems/{kit.guest.id}")


def test_nothing_of_the_person_is_left_in_the_database(lived):
    assert set(found_in(raw(lived))) == set(CANARIES)
    gone(lived)
    assert lived.idp.erase() > 5
    lived.idp.store.compact()
    image = raw(lived)
    assert found_in(image) == []
    assert b"ben@fabrikam.example" in image and b"Ben Birch" in image


def test_what_is_overwritten_needs_no_compacting(lived):
    """Free pages and free room in pages are zeroed as they come to be."""
    gone(lived)
    lived.idp.erase()
    assert found_in(raw(lived)) == []


def test_the_logs_tell_what_was_done_by_the_object_id(lived):
    id = lived.guest.id
    before = lived.graph("GET", f"/auditLogs/signIns?$filter=userId eq '{id}'")["value"]
    gone(lived)
    lived.idp.erase()
    (entry,) = lived.graph("GET", f"/auditLogs/signIns?$filter=userId eq '{id}'")["value"]
    (was,) = before
    assert was["userDisplayName"] and was["ipAddress"] and was["b2bIdp"]["homeEvidence"]
    assert entry["userDisplayName"] is entry["userPrincipalName"] is entry["ipAddress"] is entry["userAgent"] is None
    assert entry["b2bIdp"]["homeEvidence"] is None
    assert entry["b2bIdp"]["reasons"] == was["b2bIdp"]["reasons"] and entry["status"] == was["status"]
    entries = lived.graph("GET", "/auditLogs/directoryAudits?$top=999")["value"]
    done = [e for e in entries if any(t["id"] == id for t in e["targetResources"])]
    named = {d["activityDisplayName"]: d for d in done}
    assert {"Invite external user", "Update user", "Delete user", "Hard Delete user", "Erase personal data"} <= set(
        named
    )
    (target,) = named["Update user"]["targetResources"]
    assert target["displayName"] is None
    assert {(m["oldValue"], m["newValue"]) for m in target["modifiedProperties"]} == {(None, None)}


def test_the_chain_still_verifies_and_still_shows_tampering(lived):
    gone(lived)
    lived.idp.erase()
    with lived.idp.store.read() as r:
        chain = r.logs.verify_chain()
    assert chain.broken is None and chain.erased > 3


@pytest.mark.parametrize(
    "by",
    [
        "UPDATE audit_log SET document = replace(document, 'success', 'failure') WHERE id = :id",
        "UPDATE audit_log SET erased = NULL WHERE id = :id",
        "UPDATE audit_log SET erased = zeroblob(32) WHERE id = :id",
        "UPDATE audit_log SET at = at + 1 WHERE id = :id",
        "UPDATE audit_log SET hash = zeroblob(32) WHERE id = :id",
        "DELETE FROM audit_log WHERE id = :id",
    ],
)
def test_an_erased_entry_cannot_be_changed_either(by, lived):
    gone(lived)
    lived.idp.erase()
    execute(lived, by.replace(":id", "(SELECT id FROM audit_log WHERE erased IS NOT NULL LIMIT 1)"))
    with lived.idp.store.read() as r:
        assert r.logs.verify_chain().broken


def test_erasing_makes_no_tampered_entry_good(lived):
    execute(
        lived,
        "UPDATE audit_log SET document = replace(document, 'success', 'failure') WHERE document LIKE '%Zoraidette%'",
    )
    gone(lived)
    lived.idp.erase()
    with lived.idp.store.read() as r:
        assert "was changed" in r.logs.verify_chain().broken
    assert found_in(raw(lived)) == []


def execute(kit, statement):
    c = kit.idp.store._database.engine.raw_connection()
    c.driver_connection.execute(statement)
    c.close()


def test_who_reads_what_changed_learns_that_the_guest_is_gone_and_nothing_else(lived):
    first = lived.graph("GET", "/users/delta")
    link = first["@odata.deltaLink"].partition("/v1.0")[2]
    gone(lived)
    lived.idp.erase()
    (row,) = lived.graph("GET", link)["value"]
    assert set(row) <= {"id", "@removed", "@odata.type"} and row["id"] == lived.guest.id


def test_a_repeated_request_gets_no_kept_answer_about_the_guest(lived):
    headers = {"Authorization": f"Bearer {lived.admin_token()}", "client-request-id": str(uuid.uuid4())}
    body = {"invitedUserEmailAddress": "zoraidette.again@fabrikam.example", "inviteRedirectUrl": "https://app.example/"}
    http = lived.flask.test_client()

    def ask():
        return http.post("/idp/v1.0/invitations", json=body, headers=headers)

    made = ask()
    assert made.status_code == 201 and ask().json == made.json
    id = made.json["invitedUser"]["id"]
    lived.graph("DELETE", f"/users/{id}")
    lived.graph("DELETE", f"/directory/deletedItems/{id}")
    lived.idp.erase()
    again = ask()
    assert (again.status_code, again.data) == (201, b"")


def test_what_is_sealed_does_not_tell_of_the_guest_either(lived):
    gone(lived)
    lived.idp.erase()
    c = lived.idp.store._database.engine.raw_connection()
    opened = [
        lived.idp.vault.open(sealed, context)
        for query in (
            "SELECT body, 'answers' FROM answers WHERE body IS NOT NULL",
            "SELECT body, 'outbox:' || id FROM outbox WHERE body IS NOT NULL",
            "SELECT evidence, 'signin_log:' || id FROM signin_log WHERE evidence IS NOT NULL",
            "SELECT person, 'erasures:' || id FROM erasures",
        )
        for sealed, context in c.driver_connection.execute(query).fetchall()
    ]
    c.close()
    assert opened and all(found_in(decoded(text)) == [] for text in opened)


@pytest.mark.parametrize(("subject", "found"), [("00u-zoraidette-sub", True), ("00u-ben-sub", False)])
def test_a_sign_in_of_nobody_known_is_known_by_what_the_home_signed(subject, found):
    """Refused before it was told whose it was: only the signed statement names the person."""
    traces = Traces(Person(id="x", addresses=("00u-Zoraidette-sub",), since=datetime(2026, 1, 1, tzinfo=UTC)))
    token = base64.urlsafe_b64encode(b'{"iss":"https://home","sub":"%s"}' % subject.encode()).rstrip(b"=")
    assert traces.signed_in(b'[{"token":"e30.%s.c2ln"}]' % token) is found


def decoded(text):
    """With what its parts are in base64url."""
    parts = re.findall(rb"[\w-]{8,}", text)
    return text + b"".join(base64.urlsafe_b64decode(p + b"=" * (-len(p) % 4)) for p in parts if len(p) % 4 != 1)


def test_it_is_taken_up_again_after_an_interruption(lived):
    gone(lived)
    steps = carry_on(lived.idp.store, lived.idp.vault, system_moment)
    next(steps)
    steps.close()
    assert found_in(raw(lived))
    lived.idp.erase()
    assert found_in(raw(lived)) == []
    assert lived.idp.erase() == 0


@pytest.fixture(scope="module")
def postgres():
    with cluster() as running:
        yield running


def test_on_postgresql_no_table_holds_the_person(lived, postgres, tmp_path):
    """The same instance, moved."""
    file = tmp_path / "moved.sqlite3"
    file.write_bytes(raw(lived))
    with sqlite3.connect(file) as c:
        c.execute("CREATE TABLE alembic_version (version_num TEXT)")
        c.execute("INSERT INTO alembic_version VALUES (?)", [HEAD])
    url = postgres.database()
    store = Store(url, lived.idp.vault)
    store.migrate()
    copy(f"sqlite:///{file}", url)
    with store.write() as w:
        delete_for_good(w, w.users.by_id(lived.guest.id), system_moment())
    assert sum(carry_on(store, lived.idp.vault, system_moment)) > 5
    store.compact()
    with store.read() as r:
        chain = r.logs.verify_chain()
    assert chain.broken is None and chain.erased > 3
    store.close()
    database = Database(url)
    with database.transaction(write=False) as c:
        for table in metadata.sorted_tables:
            rows = c.execute(table.select()).all()
            assert found_in(repr(rows).encode()) == [], table.name
    database.close()
