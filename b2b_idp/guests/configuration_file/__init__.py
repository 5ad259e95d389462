"""The whole configuration as one file that people can review: written from the store, compared with it, applied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from b2b_idp.guests.configuration_file.applying import Applying, needs_secret
from b2b_idp.guests.configuration_file.difference import Change, difference
from b2b_idp.guests.configuration_file.names import Names, name_of
from b2b_idp.guests.configuration_file.parsing import VERSION, Parsed, parse_file
from b2b_idp.guests.configuration_file.reading import MAX_BYTES, compact, read, write
from b2b_idp.guests.configuration_file.state import (
    APPS,
    HOMES,
    PARTNERS,
    SECTIONS,
    SINGLE,
    Document,
    State,
    state_of,
)
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.store import Configuration, Reader, Store, Writer
from b2b_idp.store.configuration import DEFAULT

__all__ = ["MAX_BYTES", "Asked", "Outcome", "configuration_after", "export_file", "import_file"]


def export_file(r: Reader) -> str:
    """The text of the file that says what the store holds: the same for the same configuration, byte for byte."""
    state, tenant = state_of(r), r.configuration.tenant
    names = Names(state)
    file: Document = {
        "version": VERSION,
        "tenant": {"name": tenant.name, "defaultDomain": tenant.default_domain},
    }
    for section in SECTIONS:
        documents = state[section]
        if section in SINGLE:
            file[section] = _sorted(documents[section]) if documents else None
            continue
        labelled = sorted((names.label(section, id), id) for id in documents)
        file[section] = [_item(section, id, label, documents[id], names) for label, id in labelled]
    return write(file)


def _item(section: str, id: str, label: str, document: Document, names: Names) -> Document:
    """What the item is called comes first."""
    head: Document = {}
    if section == PARTNERS:
        head = {"home" if id == DEFAULT or label != id else "tenantId": label}
    elif section == APPS:
        head = {"appId": id}
    elif section != HOMES and label != name_of(section, document):
        head = {"id": id}
    body: Document = _sorted(names.named(section, document))
    return head | body


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _sorted(value[k]) for k in sorted(value)}
    return [_sorted(v) for v in value] if isinstance(value, list) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How an import is to be done. `secrets`: client secrets of new homes, by issuer."""

    dry_run: bool = False
    accept: bool = False
    prune: bool = False
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an import found and did. Nothing was changed unless `applied`."""

    changes: tuple[Change, ...] = ()
    errors: tuple[str, ...] = ()
    missing_secrets: tuple[str, ...] = ()
    """Issuers of new homes."""
    unaccepted: bool = False
    """It was not applied because it raises trust."""
    applied: bool = False
    dry_run: bool = False

    @property
    def refused(self) -> bool:
        return bool(self.errors or self.unaccepted or (self.missing_secrets and not self.dry_run))

    def to_json(self) -> dict[str, Any]:
        return {
            "applied": self.applied,
            "dryRun": self.dry_run,
            "changes": [c.to_json() for c in self.changes],
            "errors": list(self.errors),
            "missingSecrets": list(self.missing_secrets),
        }

    def lines(self) -> list[str]:
        found = [line for change in self.changes for line in change.text()]
        found += [f"! {e}" for e in self.errors]
        found += [f"! homes {compact(i)}: client secret missing; give it in --secrets" for i in self.missing_secrets]
        count = {o: sum(c.operation == o for c in self.changes) for o in ("add", "change", "remove")}
        total = f"{count['add']} to add, {count['change']} to change, {count['remove']} to remove."
        return [*found, "No difference." if not self.changes and not self.errors else total, self._end()]

    def _end(self) -> str:
        if self.errors:
            return "The file is refused; nothing was changed."
        if self.dry_run:
            return "Nothing was changed: --dry-run."
        if self.missing_secrets:
            return "Nothing was changed: secrets are missing."
        if self.unaccepted:
            return "Nothing was changed: lines raise trust. Review them, then say --accept."
        return "Applied." if self.applied else "Nothing was changed."


class _Undo(Exception):
    pass


def import_file(
    store: Store, raw: bytes, asked: Asked, *, issuer: str, check_issuer: Callable[[str], None], moment: Moment
) -> Outcome:
    """Compares a file with the store and applies exactly the difference, in one transaction that nothing else changes.

    A dry run does the same and undoes it, so that it finds everything that an import would.
    """
    try:
        file = read(raw)
        _check_version(file)
    except Problem as p:
        return Outcome(errors=(p.say,), dry_run=asked.dry_run)

    def apply(w: Writer) -> Outcome:
        before = state_of(w)
        parsed = parse_file(file, before, prune=asked.prune, new_id=moment.new_id, check_issuer=check_issuer)
        changes = tuple(difference(before, parsed.wanted, parsed.after))
        missing = [c.name for c in changes if needs_secret(c) and c.name not in asked.secrets]
        errors = [*parsed.errors, *_unknown_secrets(asked, parsed.after)]
        todo = [c for c in changes if c.operation != "remove" or asked.prune]
        unaccepted = any(c.raises for c in todo) and not asked.accept and not asked.dry_run
        applied = False
        if not errors:
            secrets = dict.fromkeys(missing, "missing") | dict(asked.secrets)
            try:
                with w.savepoint():
                    Applying(w, parsed.after, secrets, issuer, moment).all(todo, moment.new_id())
                    w.reload()
                    _check_nothing_is_left(state_of(w), parsed)
                    if missing or unaccepted or asked.dry_run:
                        raise _Undo
                    applied = bool(todo)
            except _Undo:
                pass
            except Problem as p:
                errors.append(p.say)
        return Outcome(
            changes=changes,
            errors=tuple(errors),
            missing_secrets=tuple(missing),
            unaccepted=unaccepted,
            applied=applied,
            dry_run=asked.dry_run,
        )

    return store.transact(apply)


def configuration_after(
    store: Store, file: Mapping[str, Any], *, issuer: str, check_issuer: Callable[[str], None], moment: Moment
) -> Configuration:
    """What would hold after an import of this file, which changes nothing. Raises Problem(BAD_REQUEST)."""
    _check_version(file)

    def look(w: Writer) -> Configuration:
        before = state_of(w)
        parsed = parse_file(file, before, prune=False, new_id=moment.new_id, check_issuer=check_issuer)
        changes = [c for c in difference(before, parsed.wanted, parsed.after) if c.operation != "remove"]
        if parsed.errors:
            raise Problem(Code.BAD_REQUEST, " ".join(parsed.errors))
        secrets = {c.name: "missing" for c in changes if needs_secret(c)}
        try:
            with w.savepoint():
                Applying(w, parsed.after, secrets, issuer, moment).all(changes, moment.new_id())
                after = w.reload()
                raise _Undo
        except _Undo:
            return after

    return store.transact(look)


def _check_version(file: Mapping[str, Any]) -> None:
    if type(file.get("version")) is not int or file["version"] != VERSION:
        raise Problem(Code.BAD_REQUEST, f"version is {VERSION}; this file has {compact(file.get('version'))[:40]}.")


def _check_nothing_is_left(now: State, parsed: Parsed) -> None:
    """What was applied is what was shown: nothing but removals that were not asked for is different now."""
    left = [c for c in difference(now, parsed.wanted, parsed.after) if c.operation != "remove"]
    if left:
        lines = "; ".join(line.strip() for c in left for line in c.text())
        raise Problem(Code.INTERNAL, f"The configuration would not become what the file says: {lines[:1000]}.")


def _unknown_secrets(asked: Asked, after: State) -> list[str]:
    known = {d["issuer"] for d in after[HOMES].values()}
    return [f"--secrets: no home has the issuer {compact(i)[:200]}." for i in sorted(set(asked.secrets) - known)]
