"""The command line: one file a command, the same use cases as the API."""

from __future__ import annotations

from b2b_idp.cli.main import main

__all__ = ["main"]
