"""Sessions at apps follow the policies: what the policies of now would not have given is ended, and the app is told.

Sessions and refresh tokens themselves are judged at each use; this is for apps that keep a session of their own.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.signin.grants import reconsider
from b2b_idp.store import Configuration, Reader, Store, Writer
from b2b_idp.store.grants import Grant


class Continuity:
    """Looks whenever the configuration has changed. Several may look at the same time: a grant is ended once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: Configuration | None = None

    def follow(self, moment: Moment) -> int:
        """Ends the grants that do not stand any more, if the configuration changed since the last look; how many.

        A grant is judged as of the moment it was given, so that only what changed since counts and not its age."""
        with self._store.read() as r:
            # by itself, not by its version: a primary that was replaced may give a version's number again
            configuration = r.configuration
            if configuration is self._seen:
                return 0
            app_ids = sorted(r.notices.listeners())
        ended, after = 0, ""
        while app_ids:
            with self._store.read() as r:
                ids = r.notices.live_grants(app_ids, moment.at, after)
                fallen = [id for id in ids if not _stands(r, r.grants.by_id(id), moment)]
            for id in fallen:
                ended += self._store.transact(partial(_end, id=id, moment=moment))
            if not ids:
                break
            after = ids[-1]
        self._seen = configuration
        return ended


def _end(w: Writer, *, id: str, moment: Moment) -> bool:
    """Whether the grant still had to be ended."""
    if _stands(w, w.grants.by_id(id), moment):
        return False
    w.grants.revoke_standing(id, moment)
    return True


def _stands(r: Reader, grant: Grant | None, moment: Moment) -> bool:
    if grant is None:
        return True
    try:
        reconsider(r, grant, replace(moment, at=grant.created_at))
    except Problem as problem:
        if problem.code is not Code.INVALID_GRANT:
            raise
        return False
    return True
