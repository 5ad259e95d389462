"""Erasing a person: the rows at once, their traces in logs, mail and kept answers in steps that can be interrupted.

`lifecycle.delete_for_good` begins it, in the transaction that removes the user; `carry_on` goes through the logs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

from b2b_idp.guests.pseudonyms import Traces
from b2b_idp.keys.vault import Vault
from b2b_idp.model.audited import directory_audit
from b2b_idp.model.directory import User
from b2b_idp.model.moment import Moment
from b2b_idp.store import Reader, Store, Writer
from b2b_idp.store.erasing import Entry, Log, Person

AT_ONCE = 500
"""Entries that are looked through in one step."""
_EARLIER = timedelta(days=1)
"""How much older than the user's row an entry about them may be: a clock may have been set."""
_ADDRESSES = ("otherMails", "proxyAddresses")
_NAMES = (
    "displayName",
    "givenName",
    "surname",
    "mobilePhone",
    "businessPhones",
    "faxNumber",
    "employeeId",
    "streetAddress",
    "mailNickname",
    "onPremisesSamAccountName",
    "onPremisesImmutableId",
)


def person_of(r: Reader, user: User) -> Person:
    """By what a user is found."""
    addresses = [user.mail, user.proved_mail, user.upn, *r.erasures.invited_at(user.id)]
    addresses += [a.partition(":")[2] or a for a in _texts(user, _ADDRESSES)]
    if user.identity is not None:
        addresses.append(user.identity.subject)
    return Person(
        id=user.id,
        addresses=tuple(dict.fromkeys(a for a in addresses if a)),
        names=tuple(_texts(user, _NAMES)),
        since=user.created_at - _EARLIER,
    )


def _texts(user: User, properties: Iterable[str]) -> list[str]:
    values = (user.properties.get(name) for name in properties)
    return [str(v) for value in values if value for v in (value if isinstance(value, list | tuple) else [value])]


def carry_on(store: Store, vault: Vault, moment: Callable[[], Moment]) -> Iterator[int]:
    """Takes whoever waits for it out of everything; yields after each step how many entries it changed. What is
    interrupted is done again from its beginning, which changes nothing twice."""
    with store.read() as r:
        waiting = r.erasures.waiting()
    for person in waiting:
        traces = Traces(person)
        yield store.transact(lambda w, t=traces: _forget(w, vault, t))  # type: ignore[misc]
        changed = 0
        for step in (*_through(store, "audits", traces), *_through(store, "signins", traces)):
            changed += step
            yield step
        store.transact(lambda w, p=person, n=changed: _done(w, p, n, moment()))  # type: ignore[misc]


def _forget(w: Writer, vault: Vault, traces: Traces) -> int:
    addresses = [vault.mail_key(a) for a in traces.person.addresses]
    letters = w.erasures.forget_letters([traces.person.id], addresses)
    return letters + w.erasures.forget_answers(traces.named_in) + w.erasures.forget_signins(traces.named_in)


def _through(store: Store, log: Log, traces: Traces) -> Iterator[int]:
    """One log, from the person's first day to now."""
    last = None
    while True:
        with store.read() as r:
            entries = r.erasures.entries(log, traces.person.since, last, AT_ONCE)
        if not entries:
            return
        last = (entries[-1].at, entries[-1].id)
        changed = [(e.id, new) for e in entries if (new := _without(log, traces, e)) is not None]
        if changed:
            store.transact(lambda w, c=tuple(changed): _write(w, log, c))  # type: ignore[misc]
        yield len(changed)


def _without(log: Log, traces: Traces, entry: Entry) -> dict[str, Any] | None:
    """The entry's document without the person, None when it says nothing of them."""
    if not traces.named_in(entry.text) and not (entry.signed and traces.signed_in(entry.signed)):
        return None
    new = (traces.out_of_audit if log == "audits" else traces.out_of_signin)(entry.document)
    return None if new == entry.document and not entry.signed else new


def _write(w: Writer, log: Log, changed: Iterable[tuple[str, dict[str, Any]]]) -> None:
    for id, document in changed:
        (w.logs.erase_audit if log == "audits" else w.logs.erase_signin)(id, document)


def _done(w: Writer, person: Person, changed: int, moment: Moment) -> None:
    w.erasures.done(person.id)
    target: dict[str, Any] = {"id": person.id, "displayName": None, "type": "User", "modifiedProperties": []}
    entry = directory_audit(
        moment,
        "Erase personal data",
        [target],
        service="b2b-idp erasure",
        operation="Delete",
        app={"displayName": "b2b-idp"},
        reason=f"{changed} log entries no longer name the person.",
    )
    w.logs.add_audit(entry, moment.at)
