"""The text of a claimsMappingPolicy definition → JSON whose every value knows where it stands. Hostile until here."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from json.decoder import JSONDecoder
from typing import Any

from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.strict_json import read_json

MAX_BYTES = 64 * 1024
MAX_DEPTH = 32
LONGEST_ID = 255

Path = tuple[str | int, ...]
"""The members and indices that lead to a value; empty for the whole document."""


class FlawError(Exception):
    """What is wrong at one place of a definition."""

    def __init__(self, path: Path, say: str) -> None:
        super().__init__(say)
        self.path = path
        self.say = say


@dataclass(frozen=True, slots=True)
class Node:
    """A JSON value and its place in the definition."""

    value: Any
    path: Path

    def flaw(self, say: str) -> FlawError:
        return FlawError(self.path, say)

    def members(self, known: str, flawed: Callable[[FlawError], None] | None = None) -> dict[str, Node]:
        """The object's members under the names in `known`, separated by spaces, whatever their case: what Microsoft's
        own tools export is in camel case. A null is as if absent. For others and doubles raises FlawError, or tells
        `flawed` and goes on."""
        if not isinstance(self.value, dict):
            raise self.flaw("an object is expected here")
        names = {name.casefold(): name for name in known.split()}
        found: dict[str, Node] = {}
        for written, value in self.value.items():
            node, name = Node(value, (*self.path, written)), names.get(written.casefold())
            if name is not None and name not in found:
                if value is not None:
                    found[name] = node
                continue
            flaw = node.flaw(
                f"{name} stands here twice"
                if name
                else f"there is no member {shown(written)} here; there are {', '.join(names.values())}"
            )
            if flawed is None:
                raise flaw
            flawed(flaw)
        return found

    def items(self) -> list[Node]:
        if not isinstance(self.value, list):
            raise self.flaw("an array is expected here")
        return [Node(value, (*self.path, n)) for n, value in enumerate(self.value)]

    def text(self) -> str:
        """Raises FlawError for anything but a string, and for one with control characters."""
        if not isinstance(self.value, str):
            raise self.flaw("a string is expected here")
        if not self.value.isprintable() and any(unicodedata.category(c) in ("Cc", "Cs") for c in self.value):
            raise self.flaw("control characters are not allowed here")
        return self.value

    def id(self) -> str:
        """An identifier in the case in which it is compared. Raises FlawError."""
        text = self.text()
        if not 0 < len(text) <= LONGEST_ID:
            raise self.flaw(f"1 to {LONGEST_ID} characters are expected here")
        return text.casefold()

    def boolean(self) -> bool:
        """Written as a Boolean or, as in every documented example, as a string."""
        match self.value.casefold() if isinstance(self.value, str) else self.value:
            case True | "true":
                return True
            case False | "false":
                return False
            case _:
                raise self.flaw("true or false is expected here")


@dataclass(frozen=True, slots=True)
class Definition:
    """A definition that is JSON of the right outer shape. `text` is what was written, None for an object."""

    policy: Node
    text: str | None

    def where(self, path: Path) -> str:
        """The place as line and column of the text and as a path, for the sentence of a refusal."""
        if self.text is None:
            return dotted(path)
        return f"{_line_and_column(self.text, _offset(self.text, path))} ({dotted(path)})"


def bad(say: str) -> Problem:
    return Problem(Code.BAD_REQUEST, f"claimsMappingPolicy: {say}")


def shown(text: str) -> str:
    """Text of the caller's in a sentence: short, and with nothing in it that a terminal would obey."""
    return json.dumps(text[:80])


def dotted(path: Path) -> str:
    """`ClaimsMappingPolicy.ClaimsSchema[0].JwtClaimType`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part[:80]}" for part in path)
    return json.dumps(text.removeprefix(".") or "definition")[1:-1]


def read(definition: object) -> Definition:
    """A definition as an array of one JSON string, as Graph has it, or the same as an object. At most 64 KB and 32
    deep; duplicate members are refused. Raises Problem(BAD_REQUEST) with the line and column where there are any."""
    text = None
    if not isinstance(definition, Mapping):
        if not isinstance(definition, list) or len(definition) != 1 or not isinstance(definition[0], str):
            raise bad("`definition` is an array of exactly one string of JSON.")
        text = definition[0]
        document = _json(text, positions=True)
    else:
        _check_depth(definition, MAX_DEPTH)
        document = _json(_dumped(definition), positions=False)
    whole = Definition(Node(document, ()), text)
    try:
        outer = whole.policy.members("ClaimsMappingPolicy")
    except FlawError as e:
        raise bad(f"{whole.where(e.path)}: {e.say}.") from None
    if not outer:
        raise bad("the definition holds exactly one member, ClaimsMappingPolicy.")
    return Definition(outer["ClaimsMappingPolicy"], text)


def _json(text: str, *, positions: bool) -> object:
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise bad(f"the definition is larger than {MAX_BYTES // 1024} KB.")

    def fail(why: str) -> Problem:
        known = why.startswith(("is not JSON", "is nested"))
        at = None if known or not positions else _first_flaw(text)
        return bad(f"the definition {why}" + ("." if at is None else f", {_line_and_column(text, at)}."))

    return read_json(text, depth=MAX_DEPTH, fail=fail)


def _dumped(document: object) -> str:
    try:
        return json.dumps(document, ensure_ascii=False)
    except (TypeError, ValueError):
        raise bad("the definition is not JSON.") from None


def _check_depth(value: object, left: int) -> None:
    if not isinstance(value, Mapping | list | tuple):
        return
    if left == 0:
        raise bad(f"the definition is nested deeper than {MAX_DEPTH} levels.")
    for child in value.values() if isinstance(value, Mapping) else value:
        _check_depth(child, left - 1)


# --- places in the text -----------------------------------------------------------------------------------------------

_DECODER = JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)
"""Reads any number, so that walking never fails where reading did."""


def _past_space(text: str, at: int) -> int:
    while text[at : at + 1] in (" ", "\t", "\n", "\r"):
        at += 1
    return at


def _children(text: str, at: int) -> Iterator[tuple[str | int, int, int]]:
    """Of the array or object that begins at `at`: each child's name or index, where it begins, where its value does."""
    closing = {"{": "}", "[": "]"}.get(text[at])
    in_object, at, n = text[at] == "{", _past_space(text, at + 1), 0
    while closing is not None and text[at] != closing:
        begin: int = at
        part: str | int = n
        if in_object:
            part, at = _DECODER.raw_decode(text, at)
            at = _past_space(text, _past_space(text, at) + 1)
        yield part, begin, at
        at = _past_space(text, _DECODER.raw_decode(text, at)[1])
        if text[at] == ",":
            at = _past_space(text, at + 1)
        n += 1


def _offset(text: str, path: Path) -> int:
    """Where the value at `path` begins, with its name if it has one."""
    begin = at = _past_space(text, 0)
    for wanted in path:
        begin, at = next((begin, value) for part, begin, value in _children(text, at) if part == wanted)
    return begin


_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{},:]|[^\s\[\]{},:"]+', re.DOTALL)


def _first_flaw(text: str) -> int | None:
    """Where a member stands twice, or a string or number is of those that JSON from outside may not hold. One pass,
    however deep; what comes after the flaw need not be JSON."""
    names: list[set[str] | None] = []  # of each object that is open, None for an array
    naming = False
    for token in _TOKEN.finditer(text):
        part = token[0]
        if part in "{[":
            names.append(set() if part == "{" else None)
            naming = part == "{"
        elif part in "}]":
            if not names:
                return None
            names.pop()
        elif part in ",:":
            naming = part == "," and bool(names) and names[-1] is not None
        elif _flawed(part):
            return token.start()
        elif naming and names and (seen := names[-1]) is not None:
            name = json.loads(part)
            if name in seen:
                return token.start()
            seen.add(name)
    return None


_PLAIN = re.compile(
    r'"(?:[^"\\\x00-\x1f\ud800-\udfff]|\\["\\/bfnrt])*+"|-?[0-9]{1,15}(?:\.[0-9]{1,15})?|true|false|null', re.DOTALL
)
"""Scalars without a flaw, told at once: a text may hold tens of thousands."""


def _flawed(scalar: str) -> bool:
    if _PLAIN.fullmatch(scalar):
        return False
    try:
        read_json(scalar, depth=0, fail=ValueError)
    except ValueError:
        return True
    return False


def _line_and_column(text: str, at: int) -> str:
    return f"line {text.count(chr(10), 0, at) + 1}, column {at - text.rfind(chr(10), 0, at)}"
