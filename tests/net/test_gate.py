"""A slow thing takes few threads; a swift one refuses nobody."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from b2b_idp.net.gate import PATIENCE, Full, Gate


def test_of_a_crowd_at_a_thing_that_hangs_few_are_held() -> None:
    gate, over = Gate(room=3, wait=30), threading.Event()

    def come(_n: int) -> float | None:
        """After how many seconds one was sent away."""
        came_at = time.monotonic()
        try:
            with gate.inside():
                over.wait(30)
        except Full:
            return time.monotonic() - came_at
        return None

    with ThreadPoolExecutor(20) as crowd:
        coming = [crowd.submit(come, n) for n in range(20)]
        ends = time.monotonic() + 2 * PATIENCE
        while sum(c.done() for c in coming) < 14 and time.monotonic() < ends:
            time.sleep(0.01)
        sent_away = [c.result() for c in coming if c.done()]
        began = time.monotonic()
        assert come(20) is not None
        assert time.monotonic() - began < PATIENCE / 2
        over.set()
    assert len(sent_away) == 14
    assert all(after is not None and after < 2 * PATIENCE for after in sent_away)
    assert sum(c.result() is None for c in coming) == 6


def test_a_crowd_at_a_swift_thing_all_get_in() -> None:
    gate = Gate(room=2, wait=5)

    def come(_n: int) -> bool:
        with gate.inside():
            time.sleep(0.02)
        return True

    with ThreadPoolExecutor(40) as crowd:
        assert all(crowd.map(come, range(80)))
