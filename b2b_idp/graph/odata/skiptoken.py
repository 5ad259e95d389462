"""`$skiptoken`: the place where a page ended, good for the query and the caller that it was given to only."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from urllib.parse import urlencode

from b2b_idp.graph.odata.refusals import bad
from b2b_idp.keys.compact import encoded
from b2b_idp.keys.vault import Vault
from b2b_idp.model.query import KeyValue

Key = tuple[KeyValue, ...]


def make(key: Key, vault: Vault, scope: str, options: Mapping[str, str]) -> str:
    """The token of a key. `options` are the query's other options."""
    payload = encoded(json.dumps(key, separators=(",", ":")).encode())
    return f"{payload}.{_mac(payload, vault, scope, options)}"


def read(token: str, vault: Vault, scope: str, options: Mapping[str, str]) -> Key:
    """The key that `make` put into a token. Raises Problem(BAD_REQUEST) for any other text."""
    payload, _, mac = token.partition(".")
    if not hmac.compare_digest(mac.encode(), _mac(payload, vault, scope, options).encode()):
        raise bad("$skiptoken is not one that this query gave.")
    return tuple(json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))


def _mac(payload: str, vault: Vault, scope: str, options: Mapping[str, str]) -> str:
    return vault.token("skiptoken", scope, urlencode(sorted(options.items())), payload)
