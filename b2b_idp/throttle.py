"""How many requests one client may make: counted in this process, answered with 429 and Retry-After."""

from __future__ import annotations

from datetime import timedelta

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem

WINDOW_SECONDS = 10


class Throttle:
    """At most `requests` of one client in a window; a client is an application's appId."""

    def __init__(self, requests: int) -> None:
        self._limit = RateLimitItemPerSecond(requests, WINDOW_SECONDS)
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    def check(self, app_id: str, moment: Moment) -> None:
        """Counts one request. Raises Problem(TOO_MANY_REQUESTS)."""
        if self._limiter.hit(self._limit, app_id):
            return
        ends = self._limiter.get_window_stats(self._limit, app_id).reset_time
        wait = min(max(ends - moment.at.timestamp(), 1), WINDOW_SECONDS)
        raise Problem(
            Code.TOO_MANY_REQUESTS,
            "This application sends too many requests. Wait as long as Retry-After says.",
            retry_after=timedelta(seconds=wait),
        )
