"""The demo's mailbox: what would have been mailed, on a page."""

from __future__ import annotations

from flask import Blueprint, Response

from b2b_idp.extension import B2BIdp
from b2b_idp.pages.render import content_security_policy


def mailbox_blueprint(idp: B2BIdp) -> Blueprint:
    """`/demo/mailbox`; mounted by the demo only."""
    blueprint = Blueprint("b2b_idp_mailbox", __name__)

    @blueprint.get("/demo/mailbox")
    def mailbox() -> Response:
        with idp.store.read() as r:
            mails = r.outbox.latest()
        response = Response(idp.pages.page("mailbox", mails=mails), content_type="text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = content_security_policy("mailbox", ())
        response.headers["Cache-Control"] = "no-store"
        return response

    return blueprint
