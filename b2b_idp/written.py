"""Responses that are whole when they are made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response
from werkzeug.datastructures import Headers

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class Written(Response):
    """A response with a body, whose headers go out as they stand: its length is known and its Location is a URI.
    Werkzeug would copy them, go through them and read the Location once more."""

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
        return self.headers
