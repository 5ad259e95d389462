"""Structured logs: one event, one line of JSON; values are encoded, so no input can forge a line."""

from __future__ import annotations

import json
import logging
import sys
import traceback
import uuid
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any

import structlog
from structlog.contextvars import bind_contextvars, get_contextvars, unbind_contextvars

from b2b_idp import tracing

log = structlog.get_logger("b2b_idp")


def carry(**ids: str) -> None:
    """Has every line of this request carry these from now on: `correlation_id`, `client_request_id`."""
    bind_contextvars(**ids)


def detail(event: str, **fields: object) -> None:
    """A line for DEBUG. Where nobody has set up structlog there is none: by itself it prints all on standard output."""
    if structlog.is_configured():
        log.debug(event, **fields)


def note(event: str, **fields: object) -> None:
    """The same for INFO."""
    if structlog.is_configured():
        log.info(event, **fields)


def drop() -> None:
    """The request is over."""
    unbind_contextvars("correlation_id", "client_request_id")


def correlation() -> str:
    """The correlation id that this request's lines carry: its sign-in's where it belongs to one."""
    id = get_contextvars().get("correlation_id")
    return str(id or uuid.uuid4())


def traceback_of(e: BaseException) -> str:
    """The traceback as text. A host application's logging might add local variables, which may hold tokens."""
    return "".join(traceback.format_exception(e))


def configure(level: str) -> None:
    """Sets up JSON lines on standard error for a process of ours. A host application keeps its own logging."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _traced,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Foreign())
    logging.basicConfig(level=level, handlers=[handler])
    # Authlib logs tokens at DEBUG
    for name in ("authlib", "urllib3", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _traced(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event.update(tracing.ids())
    return event


class _Foreign(logging.Formatter):
    """What libraries log: who, how bad, and the line of code that says it. Never their words, which may repeat what
    they were given."""

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = {
            **get_contextvars(),
            "event": "a library logged",
            "logger": record.name,
            "where": f"{record.module}.py:{record.lineno}",
            "level": record.levelname.lower(),
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
        }
        if record.exc_info and record.exc_info[0] is not None:
            told["error"] = record.exc_info[0].__name__
        return json.dumps(told)
