"""Rules that are matched and never built: an application that holds the API starts without compiling addresses."""

from __future__ import annotations

import pytest
from flask import Blueprint, Flask, url_for
from werkzeug.routing import BuildError, Rule

from b2b_idp.graph.rules import add_rule


class HostsRule(Rule):
    """The embedding application's own kind."""


@pytest.fixture
def app():
    made = Flask("host", static_folder=None)
    made.url_rule_class = HostsRule
    blueprint = Blueprint("graph", __name__)
    add_rule(blueprint, "/users/<key>", "user", lambda key: key, {"GET", "PATCH"})
    made.register_blueprint(blueprint, url_prefix="/v1.0")
    made.add_url_rule("/mine", "mine", lambda: "mine")
    return made


def test_they_match_below_the_prefix_and_by_their_methods(app):
    http = app.test_client()
    assert http.get("/v1.0/users/ada").text == "ada"
    assert http.post("/v1.0/users/ada").status_code == 405
    assert http.options("/v1.0/users/ada").status_code == 200


def test_nobody_is_told_their_address_and_the_hosts_rules_stay_its(app):
    assert type(next(app.url_map.iter_rules("mine"))) is HostsRule
    with app.test_request_context():
        assert url_for("mine") == "/mine"
        with pytest.raises(BuildError):
            url_for("graph.user", key="ada")
