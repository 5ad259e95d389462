"""What clients keep at addresses that they registered: their keys (`jwks_uri`), and who shares their subjects
(`sector_identifier_uri`). https and public addresses only, whatever ALLOW_PRIVATE_UPSTREAMS lets homes have."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from b2b_idp.guests.oauth_clients import check_jwks
from b2b_idp.homes.oidc.cache import Kept
from b2b_idp.logs import log
from b2b_idp.model.directory import App
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.strict_json import read_json
from b2b_idp.model.url import host_of
from b2b_idp.net.http import Http

T = TypeVar("T")
Keys = tuple[Mapping[str, Any], ...]

_DEEPEST = 8
_MOST_KEYS = 100
_MOST_SETS = 1000
"""Key sets that a process keeps."""
_OWN_NETWORK = (".localhost", ".local", ".internal", ".home.arpa", ".lan", ".intranet")
"""Names that lead nowhere but into the network that we stand in (RFC 6761, RFC 6762, RFC 8375)."""


class KeysNeededError(Exception):
    """A transaction lacks the keys of a client, which are fetched outside of it."""

    def __init__(self, uri: str, looked_at: Keys | None = None) -> None:
        """`looked_at`: the keys that are kept, among which the one that is asked for is not."""
        super().__init__(uri)
        self.uri, self.looked_at = uri, looked_at


class ClientDocuments:
    """Thread-safe. Keys are kept as those of homes are: ten minutes, a day where the address does not answer; a key id
    that is not among them has them fetched again, a few times a minute at most."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._lock = threading.Lock()
        self._sets: dict[str, Kept[Keys]] = {}
        self._found = threading.local()

    def check_url(self, name: str, url: str) -> None:
        """Raises Problem(INVALID_CLIENT_METADATA) for an address that may not be visited, as far as its text tells."""
        try:
            self._http.check_url(url)
        except Problem:
            inside = True
        else:
            host = host_of(url).rstrip(".")
            inside = not host.startswith("[") and ("." not in host or host.endswith(_OWN_NETWORK))
        if inside:
            raise _metadata(f"{name}: an https address of a public host is needed.")

    def check_sector(self, uri: str, redirect_uris: tuple[str, ...]) -> None:
        """The document names every redirect URI (OpenID Connect Registration §5).
        Raises Problem(INVALID_CLIENT_METADATA)."""
        try:
            named = self._json(uri)
        except Problem as problem:
            raise _metadata(f"sector_identifier_uri cannot be read: {problem.say}") from None
        if not isinstance(named, list) or not set(redirect_uris) <= {n for n in named if isinstance(n, str)}:
            raise _metadata("sector_identifier_uri is a JSON array that has every one of the redirect_uris.")

    def with_keys(self, app: App, kid: object, at: datetime) -> App:
        """The app with the keys that it keeps at its jwks_uri, one of them `kid` if it has that.
        Raises KeysNeededError where they have to be fetched, which `having` does."""
        if app.jwks_uri is None:
            return app
        keys: Keys | None = getattr(self._found, "keys", {}).get(app.jwks_uri)
        if keys is None:
            keys = self._set(app.jwks_uri).fresh(at)
            if keys is None:
                raise KeysNeededError(app.jwks_uri)
            if kid is not None and all(k.get("kid") != kid for k in keys):
                raise KeysNeededError(app.jwks_uri, keys)
        return replace(app, jwks=keys)

    def having(self, at: datetime, step: Callable[[], T]) -> T:
        """What `step`, a transaction, gives. Where it lacks a client's keys they are fetched, and it is run again."""
        try:
            return step()
        except KeysNeededError as needed:
            self._found.keys = {needed.uri: self._fetched(needed, at)}
        try:
            return step()
        finally:
            self._found.keys = {}

    def _fetched(self, needed: KeysNeededError, at: datetime) -> Keys:
        kept = self._set(needed.uri)
        if needed.looked_at is not None and (renewed := kept.renewed(needed.looked_at, at)) is not None:
            return renewed
        try:
            return kept.get(at)
        except Problem as problem:
            log.info("keys of a client cannot be fetched", uri=needed.uri, why=problem.why or problem.say)
            return ()

    def _set(self, uri: str) -> Kept[Keys]:
        with self._lock:
            kept = self._sets.pop(uri, None) or Kept(lambda: _usable(self._json(uri)))
            # the one used last is the last to go
            self._sets[uri] = kept
            while len(self._sets) > _MOST_SETS:
                del self._sets[next(iter(self._sets))]
            return kept

    def _json(self, uri: str) -> Any:
        """Raises Problem(UNAVAILABLE)."""
        try:
            answer = self._http.get(uri)
        except Problem as problem:
            raise _unreadable("it does not answer.", problem.why) from None
        if answer.status != 200:
            raise _unreadable(f"it answered {answer.status}, not 200.")
        return read_json(answer.body, depth=_DEEPEST, fail=lambda why: _unreadable(f"it {why}."), quote=False)


def _usable(document: Any) -> Keys:
    """The usable public keys of a JWK Set; one that is not is passed over, the others serve."""
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list) or len(listed) > _MOST_KEYS:
        raise _unreadable(f"it is no JWK Set of at most {_MOST_KEYS} keys.")
    return tuple(key for key in listed if _is_usable(key))


def _is_usable(key: Any) -> bool:
    try:
        check_jwks({"keys": [key]})
    except Problem:
        return False
    return True


def _unreadable(say: str, why: str = "") -> Problem:
    return Problem(Code.UNAVAILABLE, say, why)


def _metadata(say: str) -> Problem:
    return Problem(Code.INVALID_CLIENT_METADATA, say)
