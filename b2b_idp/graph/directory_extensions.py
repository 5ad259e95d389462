"""Directory extensions of users, `extension_{appId without hyphens}_{name}`: an organisation's own properties, which
claims and rules read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from b2b_idp.claims.attributes import EXTENSION
from b2b_idp.graph.api import Call
from b2b_idp.graph.body import bad
from b2b_idp.graph.user_documents import Text
from b2b_idp.model.problem import Problem
from b2b_idp.policy.documents import Document, parse

_Long = Annotated[int, Field(ge=-(2**63), lt=2**63)]
_FIRST, _LAST = len("extension_"), len("extension_") + 32


class _Extension(Document):
    """A value: a text, a Boolean, a whole number of 64 bits, or a list of texts."""

    value: Text | bool | _Long | Annotated[list[Text], Field(max_length=250)] | None


def is_extension(name: str) -> bool:
    return EXTENSION.fullmatch(name.casefold()) is not None


def checked_extensions(call: Call, body: Mapping[str, Any]) -> dict[str, Any]:
    """The extension properties of a body, by name in folded case, in which they are kept.

    Raises Problem(BAD_REQUEST) for those of an application that is not there, and for other kinds of values.
    """
    found: dict[str, Any] = {}
    for written in filter(is_extension, body):
        name = written.casefold()
        if name in found:
            raise bad(f"{written} stands here twice.")
        app_id = str(UUID(name[_FIRST:_LAST]))
        if call.w.apps.by_client_id(app_id) is None:
            raise bad(f"{written}: there is no application with the appId {app_id}.")
        try:
            found[name] = parse(_Extension, {"value": body[written]}).value
        except Problem:
            raise bad(f"{written} is a string, a Boolean, a whole number of 64 bits, or a list of strings.") from None
    return found


def selected_extensions(call: Call) -> dict[str, str]:
    """The extension properties that $select names: as it writes them → as they are kept."""
    names = (name.strip() for name in call.args.get("$select", "").split(","))
    return {name: name.casefold() for name in names if is_extension(name)}
