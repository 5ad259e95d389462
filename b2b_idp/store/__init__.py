"""State: one interface for every database. A `Reader` sees one consistent state, a `Writer` commits on exit."""

from __future__ import annotations

from b2b_idp.store.aggregates import Reader, Writer
from b2b_idp.store.configuration import Configuration
from b2b_idp.store.transactions import Store

__all__ = ["Configuration", "Reader", "Store", "Writer"]
