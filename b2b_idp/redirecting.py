"""Redirects that only browsers follow."""

from __future__ import annotations

import re

from flask import Response
from werkzeug.urls import iri_to_uri

from b2b_idp.written import Written

_URI = re.compile(r"[!#-;=?-\[\]_a-z~]+")
"""The characters of RFC 3986 §2."""


def see_other(url: str) -> Response:
    """303: go on at `url` by GET (RFC 9110 §15.4.4). Nobody sees a page in between, so there is none."""
    location = url if _URI.fullmatch(url) else iri_to_uri(url)
    return Written(b"", 303, headers=[("Location", location)], content_type="text/plain; charset=utf-8")
