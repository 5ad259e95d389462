"""The transformation methods: what each is given and what it makes of texts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from b2b_idp.claims.definition import Node, shown
from b2b_idp.claims.regex import RegexError, compile_regex

Run = Callable[[Sequence[str]], str | None]
"""Texts of the inputs, in the order of `Method.inputs` → the output; None where the method does not apply."""
LONGEST_TEXT = 4096
"""Of an input or output, in characters; a chain of joins would double without end."""
_MOST_EXTRA = 5


@dataclass(frozen=True, slots=True)
class Method:
    """A method with the parameters of one transformation: the names of the input claims that it takes, in order."""

    name: str
    inputs: tuple[str, ...]
    run: Run
    partial: bool = False
    """Whether there are texts to which it does not apply."""


def method_of(method: Node, here: Node, claims: Mapping[str, Node], parameters: Mapping[str, Node]) -> Method:
    """The method that a transformation names, given the names of its input claims and its parameters, both in folded
    case. Raises FlawError for an unknown method and for a missing, doubled or unknown input."""
    make = _METHODS.get(method.text().removesuffix("()").casefold())
    if make is None:
        raise method.flaw("TransformationMethod is Join, ExtractMailPrefix, ToLowercase, ToUppercase or RegexReplace")
    return make(here, claims, parameters)


def _given(
    here: Node, claims: Mapping[str, Node], parameters: Mapping[str, Node], *, as_claim: str, as_text: str
) -> None:
    """Raises FlawError for an input that the method does not have."""
    for given, allowed, kind in ((claims, as_claim, "InputClaims"), (parameters, as_text, "InputParameters")):
        for name, node in given.items():
            if name not in allowed.casefold().split():
                has = f"it has {', '.join(allowed.split())}" if allowed else "it has none"
                raise node.flaw(f"the method has no {shown(name)} in {kind}; {has}")
    if both := next(iter(claims.keys() & parameters.keys()), None):
        raise here.flaw(f"the input {shown(both)} is given twice, as a claim and as a parameter")


def _join(here: Node, claims: Mapping[str, Node], parameters: Mapping[str, Node]) -> Method:
    _given(here, claims, parameters, as_claim="string1 string2", as_text="string1 string2 separator")
    for name in ("string1", "string2"):
        if name not in claims and name not in parameters:
            raise here.flaw(f"Join is given no {name}, neither as a claim nor as a parameter")
    separator = parameters["separator"].text() if "separator" in parameters else ""
    first, second = (None if n in claims else parameters[n].text() for n in ("string1", "string2"))
    inputs = tuple(n for n in ("string1", "string2") if n in claims)

    def run(texts: Sequence[str]) -> str:
        return f"{texts[0] if first is None else first}{separator}{texts[-1] if second is None else second}"

    return Method("Join", inputs, run)


def _of_one(name: str, inputs: str, run: Run) -> Callable[[Node, Mapping[str, Node], Mapping[str, Node]], Method]:
    def make(here: Node, claims: Mapping[str, Node], parameters: Mapping[str, Node]) -> Method:
        _given(here, claims, parameters, as_claim=inputs, as_text="")
        if len(claims) != 1:
            raise here.flaw(f"{name} is given exactly one claim, {inputs.split(maxsplit=1)[0]}")
        return Method(name, tuple(claims), run)

    return make


def _mail_prefix(texts: Sequence[str]) -> str:
    prefix, at, _ = texts[0].rpartition("@")
    return prefix if at else texts[0]


def _lower(texts: Sequence[str]) -> str:
    text = texts[0]
    return text.lower() if text.isascii() else "".join(map(_lower_of, text))


def _upper(texts: Sequence[str]) -> str:
    text = texts[0]
    return text.upper() if text.isascii() else "".join(map(_upper_of, text))


def _lower_of(c: str) -> str:
    return _simple(c, c.lower())


def _upper_of(c: str) -> str:
    return _simple(c, c.upper())


def _simple(c: str, mapped: str) -> str:
    """One letter for one, as .NET's invariant culture maps; and none from outside of ASCII becomes one of ASCII, else
    two addresses that differ (by a dotless i, a Kelvin sign) would become the same."""
    return mapped if len(mapped) == 1 and mapped.isascii() == c.isascii() else c


_REFERENCE = re.compile(r"\{([^{}]*)\}")


def _regex_replace(here: Node, claims: Mapping[str, Node], parameters: Mapping[str, Node]) -> Method:
    for name, given in (("sourceClaim", claims), ("regex", parameters), ("replacement", parameters)):
        if name.casefold() not in given:
            raise here.flaw(f"RegexReplace is given no {name}")
    extra = [n for n in claims if n != "sourceclaim"]
    if len(extra) > _MOST_EXTRA:
        raise here.flaw(f"RegexReplace has at most {_MOST_EXTRA} further input claims")
    _given(here, {}, parameters, as_claim="", as_text="regex replacement")
    expression = parameters["regex"].text()
    try:
        regex = compile_regex(expression)
    except RegexError as e:
        raise parameters["regex"].flaw(f"the regular expression {shown(expression)} {e}") from None
    template = _template(parameters["replacement"], regex.groups, claims, extra)
    matches = regex.matches

    def run(texts: Sequence[str]) -> str | None:
        text = texts[0].encode("utf-8", "replace")
        made: list[bytes] = []
        at = size = 0
        for match in matches(text):
            begin, end = match.span()
            if begin < len(text) and text[begin] & 0xC0 == 0x80:
                continue  # an empty match within a character
            made.append(text[at:begin])
            for part in template:
                if isinstance(part, bytes):
                    made.append(part)
                elif part >= 0:
                    made.append(match[part] or b"")
                else:
                    made.append(texts[-part].encode("utf-8", "replace"))
            at, size = end, size + len(made[-1])
            if size > 4 * LONGEST_TEXT:
                break  # too long already, so what follows does not matter
        return b"".join([*made, text[at:]]).decode() if made else None

    return Method("RegexReplace", ("sourceclaim", *extra), run, partial=True)


def _template(
    node: Node, groups: Mapping[str, int], claims: Mapping[str, Node], extra: Sequence[str]
) -> tuple[bytes | int, ...]:
    """The replacement as literal texts, numbers of groups, and below zero the input claims that follow the first."""
    folded = {name.casefold() for name in groups}
    if twice := next((n for n in extra if n in folded), None):
        raise claims[twice].flaw(f"{shown(twice)} is both an input claim and a group of the expression")
    # every second part of the split is what braces hold
    parts = _REFERENCE.split(node.text())
    if any("{" in text or "}" in text for text in parts[::2]):
        raise node.flaw("braces stand only around the name of a group or of an input claim")
    made: list[bytes | int] = []
    for literal, name in zip(parts[::2], [*parts[1::2], None], strict=True):
        made.append(literal.encode())
        if name is None:
            continue
        if name not in groups and name.casefold() not in extra:
            raise node.flaw(f"neither a group of the expression nor an input claim is named {shown(name)}")
        made.append(groups[name] if name in groups else -1 - extra.index(name.casefold()))
    for n, name in enumerate(extra, 1):
        if made.count(-n) != 1:
            raise node.flaw(f"the input claim {shown(name)} is to be used exactly once in the replacement")
    return tuple(part for part in made if part != b"")


_METHODS = {
    "join": _join,
    "extractmailprefix": _of_one("ExtractMailPrefix", "mail sourceClaim", _mail_prefix),
    "tolowercase": _of_one("ToLowercase", "sourceClaim", _lower),
    "touppercase": _of_one("ToUppercase", "sourceClaim", _upper),
    "regexreplace": _regex_replace,
}
