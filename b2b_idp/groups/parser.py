"""Tokens → syntax tree, by recursive descent, so that each refusal can say what was expected there.

rule       = "Direct Reports for" text | either
either     = both { -or both }
both       = unary { -and unary }
unary      = -not unary | "(" either ")" | comparison
comparison = property operator value | collection ( -any | -all ) ( "(" either ")" | either )
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import cast

from b2b_idp.groups import values
from b2b_idp.groups.pattern import check
from b2b_idp.groups.syntax import (
    And,
    Compare,
    DirectReports,
    Each,
    Expression,
    MemberOf,
    Not,
    Or,
    Quantifier,
    Tree,
    Value,
)
from b2b_idp.groups.tokens import Token, TokenKind, refused, shown, tokens_of
from b2b_idp.groups.vocabulary import (
    DIRECTORY_NAMES,
    EXTENSION,
    KIND_NAMES,
    OPERATORS,
    PLAN_MEMBERS,
    PROPERTIES,
    SPELLED,
    Field,
    Kind,
    Property,
)
from b2b_idp.model.problem import Problem

MAX_DEPTH = 100
MAX_GROUPS = 50
"""Groups that one rule may name in user.memberOf, as Entra has it."""
_NEAR = {
    "-like": "-contains", "-equals": "-eq", "-gt": "-ge", "-lt": "-le", "-notequals": "-ne",
    "-startwith": "-startsWith", "-endwith": "-endsWith", "-includes": "-contains",
}  # fmt: skip
_FOREIGN = {name.casefold(): f"user.{rule}" for name, rule in DIRECTORY_NAMES.items()} | {
    "onpremisesextensionattributes": "user.extensionAttribute1"
}
_PLAN_FIELDS = ", ".join(f"assignedPlan.{m}" for m in PLAN_MEMBERS.values())


def parse(text: str) -> Tree:
    """The syntax tree of a rule.

    Raises Problem(BAD_REQUEST) that says line and column, what was found there and what was expected.
    """
    return _Parser(text).rule()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokens_of(text)
        self.next = 0
        self.member_of: Token | None = None

    def rule(self) -> Tree:
        words = [t.value.casefold() for t in self.tokens[:3]]
        if words[:2] == ["direct", "reports"]:
            return self.direct_reports(words)
        tree: Tree = self.either(0, None)
        if self.token.kind != "end":
            if self.token.kind == ")":
                raise self.wrong("a bracket too many; expected -and, -or or the end of the rule")
            raise self.wrong("expected -and, -or or the end of the rule")
        if self.member_of and not isinstance(tree, MemberOf):
            raise self.wrong("user.memberOf stands alone in a rule; expected no other expression", self.member_of)
        return tree

    # -- tokens

    @property
    def token(self) -> Token:
        return self.tokens[self.next]

    def take(self) -> Token:
        token = self.token
        self.next += token.kind != "end"
        return token

    def expect(self, kind: TokenKind, expected: str) -> Token:
        if self.token.kind != kind:
            raise self.wrong(f"expected {expected}")
        return self.take()

    def wrong(self, expected: str, token: Token | None = None) -> Problem:
        token = token or self.token
        return refused(self.text, token.start, f"found {shown(self.text, token)}; {expected}")

    def spelled(self) -> str:
        """The documented spelling of the operator that comes next, with or without its hyphen; else empty."""
        token = self.token
        if token.kind not in ("operator", "word"):
            return ""
        return SPELLED.get("-" + token.value.removeprefix("-").casefold(), "")

    # -- grammar

    def either(self, depth: int, scope: Property | None) -> Expression:
        parts = [self.both(depth, scope)]
        while self.spelled() == "-or":
            self.take()
            parts.append(self.both(depth, scope))
        return Or(tuple(parts)) if len(parts) > 1 else parts[0]

    def both(self, depth: int, scope: Property | None) -> Expression:
        parts = [self.unary(depth, scope)]
        while self.spelled() == "-and":
            self.take()
            parts.append(self.unary(depth, scope))
        return And(tuple(parts)) if len(parts) > 1 else parts[0]

    def unary(self, depth: int, scope: Property | None) -> Expression:
        if depth > MAX_DEPTH:
            raise self.wrong(f"a rule is nested at most {MAX_DEPTH} deep; expected no further bracket or -not")
        if self.spelled() == "-not":
            self.take()
            return Not(self.unary(depth + 1, scope))
        if self.token.kind == "(":
            return self.bracket(depth, scope)
        return self.comparison(depth, scope)

    def bracket(self, depth: int, scope: Property | None) -> Expression:
        opened = self.take()
        inner = self.either(depth + 1, scope)
        if self.token.kind != ")":
            place = f"the `(` of column {opened.start - self.text.rfind(chr(10), 0, opened.start)}"
            raise self.wrong(f"expected -and, -or or `)` for {place}")
        self.take()
        return inner

    def comparison(self, depth: int, scope: Property | None) -> Expression:
        token = self.token
        if token.kind != "word":
            raise self.wrong("expected a property, as user.department" if scope is None else _element(scope))
        if scope is not None:
            return self.compare(self.element(scope), "text", inside=True)
        if token.value.casefold() == "user.memberof":
            # whether it is alone is known at the end
            return cast("Expression", self.groups())
        self.take()
        known = self.property(token)
        if known.kind in ("texts", "plans") and self.spelled() in ("-any", "-all"):
            quantifier: Quantifier = "-any" if self.spelled() == "-any" else "-all"
            self.take()
            bare = self.token.kind != "("
            body = self.either(depth + 1, known) if bare else self.bracket(depth, known)
            return Each(known.name, quantifier, body)
        return self.compare(Field(known.name), known.kind)

    def compare(self, field: Field, kind: Kind, inside: bool = False) -> Expression:
        draft = Compare(field, "", None, inside)
        operator = self.operator(draft.name, kind)
        value: Value
        if operator in ("-in", "-notIn"):
            value = tuple(self.strings(kind))
        else:
            at = self.token
            value = values.value_of(self, kind, operator)
            if operator in ("-match", "-notMatch"):
                check(cast("str", value), lambda what: self.wrong(what, at))
        return Compare(field, operator, value, inside)

    def operator(self, name: str, kind: Kind) -> str:
        found, allowed = self.spelled(), OPERATORS[kind]
        if found in allowed:
            self.take()
            return found
        among = f"{name} is {KIND_NAMES[kind]}: expected one of {', '.join(allowed)}"
        if found == "-not":
            raise self.wrong(f"-not compares nothing, for no value write -eq null; {among}")
        if found or self.token.kind not in ("operator", "word"):
            raise self.wrong(among)
        folded = "-" + self.token.value.removeprefix("-").casefold()[:40]
        close = [_NEAR[folded]] if folded in _NEAR else [SPELLED[o] for o in get_close_matches(folded, SPELLED)]
        near = next((f"did you mean {o}? " for o in close if o in allowed), "")
        raise self.wrong(near + among)

    def strings(self, kind: Kind) -> list[str]:
        self.expect("[", 'a list in square brackets, as ["US", "DE"]')
        if self.token.kind == "]":
            raise self.wrong("expected at least one string in the list")
        found = [values.text_of(self, kind)]
        while self.token.kind == ",":
            self.take()
            found.append(values.text_of(self, kind))
        self.expect("]", "`,` or `]`")
        return found

    # -- names

    def property(self, token: Token) -> Property:
        folded = token.value.casefold()
        known = PROPERTIES.get(folded.removeprefix("user.")) if folded.startswith("user.") else None
        if known is None and folded.startswith("user.") and EXTENSION.fullmatch(folded[5:]):
            known = Property(token.value[5:], "extension")
        if known is not None:
            return known
        if folded.startswith("device."):
            raise self.wrong("rules about devices are not supported; expected a property of user", token)
        if folded == "_" or folded.startswith("assignedplan."):
            raise self.wrong("this names an element and stands only in the brackets of -any or -all", token)
        raise self.wrong(f"this is no property that rules know; {_suggestion(folded)}", token)

    def element(self, scope: Property) -> Field:
        token = self.token
        folded = token.value.casefold()
        if scope.kind == "texts" and folded == "_":
            self.take()
            return Field(scope.name)
        member = PLAN_MEMBERS.get(folded.removeprefix("assignedplan."))
        if scope.kind == "plans" and folded.startswith("assignedplan.") and member:
            self.take()
            return Field(scope.name, member)
        raise self.wrong(_element(scope))

    # -- rules that stand alone

    def groups(self) -> MemberOf:
        self.member_of = self.take()
        form = "user.memberOf -any (group.objectId -in ['id', …])"
        if self.spelled() != "-any":
            raise self.wrong(f"expected -any, as in {form}")
        self.take()
        self.expect("(", f"`(`, as in {form}")
        if self.token.value.casefold() != "group.objectid":
            raise self.wrong(f"expected group.objectId, as in {form}")
        self.take()
        at = self.token
        if self.spelled() == "-in":
            self.take()
            ids = self.strings("text")
        elif self.spelled() == "-eq":
            self.take()
            ids = [values.text_of(self, "text")]
        else:
            raise self.wrong(f"expected -in or -eq, as in {form}")
        if len(set(ids)) > MAX_GROUPS:
            raise self.wrong(f"user.memberOf names at most {MAX_GROUPS} groups, here are {len(set(ids))}", at)
        self.expect(")", "`)`")
        return MemberOf(tuple(dict.fromkeys(i.lower() for i in ids)))

    def direct_reports(self, words: list[str]) -> DirectReports:
        self.next = 2
        if words[2:] != ["for"]:
            raise self.wrong('expected for, as in Direct Reports for "manager\'s id"')
        self.take()
        manager = self.expect("text", "the manager's id in quotes")
        if self.token.kind != "end":
            raise self.wrong("Direct Reports stands alone in a rule; expected its end")
        return DirectReports(manager.value.lower())


def _element(scope: Property) -> str:
    if scope.kind == "texts":
        return "inside -any and -all expected `_`, the element; put brackets round what is said of elements"
    return f"inside -any and -all expected one of {_PLAN_FIELDS}"


def _suggestion(folded: str) -> str:
    bare = folded.removeprefix("user.")[:60]
    if bare in _FOREIGN:
        return f"did you mean {_FOREIGN[bare]}?"
    near = get_close_matches(bare, PROPERTIES, n=1)
    if near:
        return f"did you mean user.{PROPERTIES[near[0]].name}?"
    return "expected one as user.department; docs/membership-rules.md lists them"
