"""What is left of a person in a log's entry: the object id, and what was done. Pure."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from b2b_idp.store.erasing import Person

ERASED = "[erased]"
_OF_A_PERSON = ("displayName", "userPrincipalName", "ipAddress")
_OF_A_SIGNIN = ("userDisplayName", "userPrincipalName", "ipAddress", "userAgent")
_SHORTEST = 3
"""Letters of a name that is looked for; a shorter one would be found in any text."""
_BASE64URL = re.compile(rb"[A-Za-z0-9_-]{8,}")


class Traces:
    """Finds a person in texts, and takes them out of documents."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self._addresses = _pattern(person.addresses)
        self._all = _pattern((*person.addresses, *(n for n in person.names if len(n) >= _SHORTEST)))

    @cached_property
    def _anywhere(self) -> re.Pattern[str]:
        """As they stand in the text of a JSON document."""
        return _pattern(json.dumps(t, ensure_ascii=False)[1:-1] for t in (self.person.id, *self.person.addresses))

    def named_in(self, text: str) -> bool:
        """Whether a JSON text holds the person's object id or one of their addresses."""
        return self._anywhere.search(text) is not None

    def signed_in(self, kept: bytes) -> bool:
        """Whether what a home signed (JSON Web Signatures, RFC 7515) tells of the person."""
        return any(self._addresses.search(_decoded(part)) for part in _BASE64URL.findall(kept))

    def out_of_audit(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """A directoryAudit (Graph) without the person: whose values it tells is nobody, what was done remains."""
        id = self.person.id
        about = any(target.get("id") == id for target in document["targetResources"])
        by = document["initiatedBy"].get("user") or {}
        found: dict[str, Any] = self._without(document, self._hidden(document))
        if about or by.get("id") == id:
            found["additionalDetails"] = [d | {"value": None} for d in found["additionalDetails"]]
        for target in found["targetResources"]:
            if target.get("id") == id:
                target |= {name: None for name in _OF_A_PERSON if name in target}
                target["modifiedProperties"] = [
                    m | {"oldValue": None, "newValue": None} for m in target.get("modifiedProperties", ())
                ]
        if by.get("id") == id:
            found["initiatedBy"]["user"] |= {name: None for name in _OF_A_PERSON if name in by}
        return found

    def out_of_signin(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """A signIn (Graph) without the person, and without what their home said."""
        found: dict[str, Any] = self._without(document, self._hidden(document))
        if document.get("userId") in (None, self.person.id):
            found |= dict.fromkeys(_OF_A_SIGNIN)
            if "b2bIdp" in found:
                found["b2bIdp"] = found["b2bIdp"] | {"homeEvidence": None}
        return found

    def _hidden(self, document: Mapping[str, Any]) -> Callable[[str], str]:
        pattern = self._all if self.person.id in json.dumps(document) else self._addresses
        return lambda text: pattern.sub(ERASED, text)

    def _without(self, value: Any, hidden: Callable[[str], str]) -> Any:
        match value:
            case str():
                return hidden(value)
            case Mapping():
                return {k: self._without(v, hidden) for k, v in value.items()}
            case list() | tuple():
                return [self._without(v, hidden) for v in value]
        return value


def _pattern(texts: Any) -> re.Pattern[str]:
    """Any of these texts, whatever their case; longer ones first. Nothing at all when there are none."""
    found = sorted({t for t in texts if t}, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, found)) or r"(?!)", re.IGNORECASE)


def _decoded(part: bytes) -> str:
    return urlsafe_b64decode(part + b"=" * (-len(part) % 4)).decode(errors="replace") if len(part) % 4 != 1 else ""
