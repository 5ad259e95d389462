"""Log lines at DEBUG, made as a server makes them and thrown away."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path

import structlog

from b2b_idp import logs


@contextmanager
def quiet() -> Iterator[None]:
    root = logging.getLogger()
    level = root.level
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stderr(nowhere):
        logs.configure("DEBUG")
        # what is kept on first use would go on writing to nowhere
        structlog.configure(cache_logger_on_first_use=False)
        root.setLevel(logging.WARNING)
        try:
            yield
        finally:
            structlog.reset_defaults()
            root.setLevel(level)
