"""The entries of ClaimsSchema, read: where a claim's value comes from and what it is called."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from difflib import get_close_matches

from b2b_idp.claims.attributes import EXTENSION, IDS
from b2b_idp.claims.definition import Node, shown
from b2b_idp.claims.restricted import is_restricted, is_restricted_in_saml

_MEMBERS = "Value Source ID ExtensionID TransformationId JwtClaimType SamlClaimType SAMLNameForm SAMLNameIdFormat"
_NAME_FORM = "urn:oasis:names:tc:saml:2.0:attrname-format:"
_NAME_FORMS = frozenset(_NAME_FORM + form for form in ("unspecified", "uri", "basic"))
_NAME_ID_FORMATS = frozenset(
    [
        f"urn:oasis:names:tc:saml:1.1:nameid-format:{f}"
        for f in ("unspecified", "emailaddress", "windowsdomainqualifiedname")
    ]
    + [f"urn:oasis:names:tc:saml:2.0:nameid-format:{f}" for f in ("persistent", "transient")]
)
TRANSFORMATION = "transformation"


@dataclass(frozen=True, slots=True)
class Constant:
    value: str

    def __str__(self) -> str:
        return "the constant value"


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of a source, both in folded case; `extension` if it is a directory extension's."""

    source: str
    id: str

    def __str__(self) -> str:
        return f"{self.source}.{self.id}"


@dataclass(frozen=True, slots=True)
class Output:
    """What a transformation makes, by its ID in folded case."""

    transformation: str

    def __str__(self) -> str:
        return f"the transformation {self.transformation}"


Origin = Constant | Attribute | Output


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. `id` in folded case is what transformations call it; without `jwt` it only feeds them."""

    node: Node
    line: int
    origin: Origin
    id: str | None
    jwt: str | None

    @property
    def policy_line(self) -> str:
        return f"claims mapping policy, ClaimsSchema[{self.line}]: {self.origin}"


def read_entry(line: int, node: Node) -> Entry:
    """Raises FlawError."""
    members = node.members(_MEMBERS)
    given = " and ".join(
        name for name in ("Value", "Source", "ID", "ExtensionID", "TransformationId") if name in members
    )
    if "SAMLNameForm" in members and members["SAMLNameForm"].id() not in _NAME_FORMS:
        raise members["SAMLNameForm"].flaw(f"SAMLNameForm is {_NAME_FORM} and unspecified, uri or basic")
    if "SAMLNameIdFormat" in members and members["SAMLNameIdFormat"].id() not in _NAME_ID_FORMATS:
        raise members["SAMLNameIdFormat"].flaw("there is no such SAMLNameIdFormat")
    if "SamlClaimType" in members:
        _check_saml_name(members["SamlClaimType"])
    claim = _jwt_name(members["JwtClaimType"]) if "JwtClaimType" in members else None
    match given:
        case "Value":
            return Entry(node, line, Constant(members["Value"].text()), None, claim)
        case "Source and ID":
            attribute = _attribute(members["Source"], members["ID"])
            return Entry(node, line, attribute, attribute.id, claim)
        case "Source and ExtensionID":
            extension = _extension(members["Source"], members["ExtensionID"])
            return Entry(node, line, extension, extension.id, claim)
        case "Source and TransformationId" | "Source and ID and TransformationId":
            if members["Source"].id() != TRANSFORMATION:
                raise members["Source"].flaw("with a TransformationId, Source is transformation")
            id = members["ID"].id() if "ID" in members else None
            return Entry(node, line, Output(members["TransformationId"].id()), id, claim)
        case _:
            raise node.flaw(
                "an entry has exactly one of: Value; Source and ID; Source and ExtensionID; Source transformation and "
                f"TransformationId. This one has {given or 'none of them'}"
            )


def _attribute(source: Node, id: Node) -> Attribute:
    if (name := source.id()) == TRANSFORMATION:
        raise source.flaw("with Source transformation, TransformationId names the transformation")
    ids = IDS.get(name)
    if ids is None:
        raise source.flaw(f"Source is {', '.join(IDS)} or {TRANSFORMATION}")
    if id.id() not in ids:
        meant = get_close_matches(id.id(), ids, 1)
        raise id.flaw(f"{name} has no ID {shown(id.text())}" + (f"; is {meant[0]} meant?" if meant else ""))
    return Attribute(name, id.id())


def _extension(source: Node, id: Node) -> Attribute:
    if source.id() != "user":
        raise source.flaw("with an ExtensionID, Source is user")
    if not EXTENSION.fullmatch(id.id()):
        raise id.flaw("an ExtensionID is extension_, the appId without hyphens, _ and a name")
    return Attribute("user", id.id())


def _jwt_name(node: Node) -> str:
    name = _name(node)
    if is_restricted(name):
        raise node.flaw(f"the claim name {shown(name)} is restricted, choose another")
    return name


def _check_saml_name(node: Node) -> None:
    name = _name(node)
    if is_restricted_in_saml(name):
        raise node.flaw(f"the SAML claim {shown(name)} is restricted, choose another")


_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0\u2800") | {
    chr(c) for c in range(0xFE00, 0xFE10)
}
"""Letters and marks that are drawn as nothing."""


def _name(node: Node) -> str:
    name = node.text()
    if not 0 < len(name) <= 255:
        raise node.flaw("a claim name has 1 to 255 characters")
    plain = name.isascii() and name.isprintable()
    seen = plain or not any(c in _UNSEEN or (unicodedata.category(c)[0] in "CZ" and c != " ") for c in name)
    if name != name.strip() or not seen:
        raise node.flaw("a claim name has no characters that cannot be seen, and no space at its ends")
    return name
