"""What a defect leaves in the log: where it happened, and no value that was at hand."""

from __future__ import annotations

import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from b2b_idp.logs import traceback_of
from b2b_idp.store.engine import Database

TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2VjcmV0"


def fails(token):
    raise RuntimeError(f"a token of {len(token)} characters")


def test_a_traceback_names_the_place_and_not_the_values():
    with pytest.raises(RuntimeError) as caught:
        fails(TOKEN)
    told = traceback_of(caught.value)
    assert "in fails" in told
    assert TOKEN not in told


def test_the_log_of_a_host_that_shows_local_variables_holds_none(b2b_idp):
    @b2b_idp.flask.get("/idp/v1.0/broken/<token>", endpoint=_graph_endpoint(b2b_idp))
    def broken(token):
        fails(token)

    with structlog.testing.capture_logs() as events:
        answer = b2b_idp.flask.test_client().get(f"/idp/v1.0/broken/{TOKEN}")
    assert answer.status_code == 500
    assert [e for e in events if e.get("event") == "internal error"]
    assert not any("exc_info" in e for e in events)
    assert TOKEN not in str(events)


def test_an_error_of_the_database_does_not_say_its_parameters():
    database = Database("sqlite://")
    with pytest.raises(DBAPIError) as caught, database.transaction(write=True) as c:
        c.execute(text("INSERT INTO nowhere VALUES (:token, 1, 2"), {"token": TOKEN})
    assert TOKEN not in traceback_of(caught.value)
    database.close()


def _graph_endpoint(b2b_idp):
    """An endpoint name of the Graph blueprint, so that its error handling is what answers."""
    blueprint = next(name for name in b2b_idp.flask.blueprints if name.endswith("_graph"))
    return f"{blueprint}.broken"
