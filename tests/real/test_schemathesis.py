"""The API against its own description, with requests that a generator makes of it: good ones and bad ones."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import pytest

schemathesis = pytest.importorskip("schemathesis")

from hypothesis import HealthCheck, settings  # noqa: E402
from schemathesis import checks  # noqa: E402
from schemathesis.specs.openapi import checks as openapi_checks  # noqa: E402

sys.path.append(str(Path(__file__).parents[1] / "graph"))

from graph_world import Api  # noqa: E402

from b2b_idp.guests.permissions import PERMISSIONS  # noqa: E402

WORLD = Api()
SCHEMA = schemathesis.openapi.from_wsgi("/idp/v1.0/openapi.json", WORLD.http.application)
SCHEMA.config.phases.coverage.enabled = False
SCHEMA.config.checks.negative_data_rejection.expected_statuses += ["412", "413"]
TABLE = SCHEMA.exclude(path_regex=r"(^/me(/|$)|/\$count$|/microsoft\.graph\.)")
"""What follows from other lines of the table is left out: it is answered by the same code."""
CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_schema_conformance,
    openapi_checks.negative_data_rejection,
]


@TABLE.parametrize()
@settings(max_examples=10, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_answers_are_as_described(case):
    WORLD.at += timedelta(seconds=1)
    headers = {"Authorization": f"Bearer {WORLD.token(*PERMISSIONS)}"}
    case.call_and_validate(headers=headers, checks=CHECKS)
