"""Structured logs: one event, one line of JSON; values are encoded, so no input can forge a line."""

from __future__ import annotations

import logging
import sys
import traceback

import structlog

log = structlog.get_logger("b2b_idp")


def traceback_of(e: BaseException) -> str:
    """The traceback as text. A host application's logging might add local variables, which may hold tokens."""
    return "".join(traceback.format_exception(e))


def configure(level: str) -> None:
    """Sets up JSON lines on standard error for a process of ours. A host application keeps its own logging."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=level, stream=sys.stderr, format='{"logger": "%(name)s", "event": "%(levelname)s"}')
    # Authlib logs tokens at DEBUG
    for name in ("authlib", "urllib3", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
