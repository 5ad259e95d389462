"""Flask's rules for the resource tables: several hundred, which are matched and never turned into addresses."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, NoReturn

from flask import Blueprint
from flask.blueprints import BlueprintSetupState
from werkzeug.routing import Rule, ValidationError


class MatchedRule(Rule):
    """A rule that `url_for` knows nothing of. What would make its addresses is compiled for each rule, and is most of
    what an application with this API would take to start."""

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        return _no_address


def _no_address(_rule: Rule, **_values: Any) -> NoReturn:
    raise ValidationError


def add_rule(
    blueprint: Blueprint, rule: str, endpoint: str, view: Callable[..., Any], methods: Collection[str]
) -> None:
    """As `add_url_rule`, by a `MatchedRule`."""

    def add(state: BlueprintSetupState) -> None:
        theirs, state.app.url_rule_class = state.app.url_rule_class, MatchedRule
        try:
            state.add_url_rule(rule, endpoint, view, methods=methods)
        finally:
            state.app.url_rule_class = theirs

    blueprint.record(add)
