"""The work in the background is done by one process at a time, and by another as soon as that one is gone."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from b2b_idp.store import Store
from b2b_idp.store.leading import LOOK_SECONDS, Leadership

ANOTHER = """
import sys
from b2b_idp.keys.vault import Vault
from b2b_idp.store import Store
store = Store(sys.argv[1], Vault(b"k" * 32))
print(store.leads(), flush=True)
sys.stdin.read()
"""


shared = pytest.mark.parametrize("url", ["file", "postgres"], indirect=True)
"""The databases that several processes can open."""


@shared
def test_whoever_asks_first_leads_until_it_closes(url: str, open_store: Callable[[str], Store]) -> None:
    first, second = open_store(url), open_store(url)
    assert (first.leads(), second.leads()) == (True, False)
    assert first.leads()
    first.close()
    assert Leadership(second._database.leader_lock()).held()


@shared
def test_a_leader_that_is_killed_is_followed_within_seconds(url: str, open_store: Callable[[str], Store]) -> None:
    command = [sys.executable, "-c", ANOTHER, url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as leader:
        assert leader.stdout is not None
        assert leader.stdout.readline() == "True\n"
        here = open_store(url)
        assert not here.leads()
        leader.kill()
        leader.wait()
        killed_at = time.monotonic()
        while not here.leads():
            assert time.monotonic() - killed_at < 2 * LOOK_SECONDS
            time.sleep(0.02)


def test_a_database_in_memory_is_led_by_its_only_process(open_store: Callable[[str], Store]) -> None:
    assert open_store("sqlite://").leads()
