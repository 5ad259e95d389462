"""Redirects that only browsers follow."""

from __future__ import annotations

from flask import Response


def see_other(url: str) -> Response:
    """303: go on at `url` by GET (RFC 9110 §15.4.4). Nobody sees a page in between, so there is none."""
    return Response(status=303, headers=[("Location", url)], content_type="text/plain; charset=utf-8")
