"""The WSGI application of a served instance; one for each worker process."""

from __future__ import annotations

import gc
import os
from pathlib import Path

from flask import Flask

from b2b_idp.cli import telemetry
from b2b_idp.cli.instance import open_instance
from b2b_idp.logs import configure, log
from b2b_idp.serving import Alone

MAX_BODY = 1024 * 1024


def make() -> Flask:
    """The Flask application of the instance that B2B_IDP_DATA names, with its outbox running."""
    idp = open_instance(Path(os.environ["B2B_IDP_DATA"]))
    configure(idp.settings.log_level)
    telemetry.start()
    if idp.store.schema() in ("none", "older"):
        log.error("the database's schema is older than this version: run b2b-idp migrate")
    app = Alone("b2b_idp_server", idp.settings.issuer)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    idp.init_app(app, alone=True)
    idp.start_background()
    # what is there by now stays: it need not be looked through again for garbage
    gc.collect()
    gc.freeze()
    return app


application = make()
