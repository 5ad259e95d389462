"""Metrics are true for every worker process: added up, never going back, bounded whatever comes."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from b2b_idp.cells import Cells
from b2b_idp.metrics import HOMES, Gauge, Metrics

COUNTS = """
import sys
from pathlib import Path
from b2b_idp.metrics import Metrics
metrics = Metrics(Path(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    metrics.signin("fabrikam", "allowed", False)
    metrics.connections(1)
print("counted", flush=True)
sys.stdin.read()
"""


@contextmanager
def worker(folder: Path, times: int) -> Iterator[subprocess.Popen[str]]:
    """A process that counted so many sign-ins, and lives on."""
    command = [sys.executable, "-c", COUNTS, str(folder), str(times)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "counted\n"
        yield process
        process.kill()


def value(metrics: Metrics, sample: str) -> float:
    found = re.search(rf"^{re.escape(sample)} (\S+)$", metrics.text().decode(), re.MULTILINE)
    assert found is not None, sample
    return float(found[1])


ALLOWED = 'b2b_idp_signins_total{home="fabrikam",outcome="allowed"}'


def test_whichever_process_is_asked_tells_of_all(tmp_path: Path) -> None:
    mine = Metrics(tmp_path)
    mine.signin("fabrikam", "allowed", False)
    with worker(tmp_path, 3), worker(tmp_path, 5):
        assert value(mine, ALLOWED) == 9
        assert value(mine, "b2b_idp_database_connections") == 8


def test_what_a_killed_worker_counted_stays_and_what_it_held_does_not(tmp_path: Path) -> None:
    asked = Metrics(tmp_path)
    with worker(tmp_path, 3) as killed:
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
        assert value(asked, ALLOWED) == 3
        assert "b2b_idp_database_connections 3" not in asked.text().decode()


def test_a_worker_that_takes_the_place_of_another_goes_on_counting_in_its_file(tmp_path: Path) -> None:
    asked = Metrics(tmp_path)
    asked.signin("fabrikam", "allowed", False)
    for _ in range(3):
        with worker(tmp_path, 2):
            pass
    assert value(asked, ALLOWED) == 7
    assert len(list(tmp_path.iterdir())) == 2
    with worker(tmp_path, 1):
        assert value(asked, "b2b_idp_database_connections") == 1


def test_a_line_that_was_half_written_is_not_there(tmp_path: Path) -> None:
    cells = Cells(tmp_path)
    cells.add(("counted",), 1, 0, 2.0)
    file = next(tmp_path.iterdir())
    with file.open("r+b") as f:
        content = f.read()
        f.seek(len(content.rstrip(b"\0")))
        f.write(b'[["half", "wri')
    assert [key for key, _, _ in Cells(tmp_path).read()] == [("counted",)]


def test_without_room_for_its_file_a_process_counts_for_itself(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    metrics = Metrics(tmp_path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        metrics.signin("fabrikam", "allowed", False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert value(metrics, ALLOWED) == 1


def test_instances_that_share_a_folder_do_not_mix(tmp_path: Path) -> None:
    a, b = Metrics(tmp_path, "a"), Metrics(tmp_path, "b")
    a.signin("fabrikam", "allowed", False)
    assert "fabrikam" in a.text().decode()
    assert "fabrikam" not in b.text().decode()


def test_a_histogram_is_what_was_observed() -> None:
    metrics = Metrics()
    for seconds in (0.002, 0.01, 99.0):
        metrics.request("/token", 200, seconds)
    bucket = 'b2b_idp_request_seconds_bucket{endpoint="/token",le="%s",status="2xx"}'
    assert [value(metrics, bucket % le) for le in ("0.001", "0.0025", "0.01", "10.0", "+Inf")] == [0, 1, 2, 2, 3]
    assert value(metrics, 'b2b_idp_request_seconds_count{endpoint="/token",status="2xx"}') == 3
    assert value(metrics, 'b2b_idp_request_seconds_sum{endpoint="/token",status="2xx"}') == 99.012


def test_n_156_homes_without_end_are_told_apart_up_to_a_bound() -> None:
    metrics = Metrics()
    for n in range(HOMES + 50):
        metrics.signin(f"home-{n}", "allowed", False)
    text = metrics.text().decode()
    assert text.count("b2b_idp_signins_total{") == HOMES + 1
    assert 'b2b_idp_signins_total{home="other",outcome="allowed"} 50.0' in text


def test_a_process_that_holds_all_it_may_counts_on_what_it_knows() -> None:
    cells = Cells()
    cells.add(("first",), 1, 0, 1.0)
    cells.add(("large",), 1 << 16, 0, 1.0)
    cells.add(("first",), 1, 0, 1.0)
    assert list(cells.read()) == [(("first",), [2.0], True)]


def test_how_things_stand_is_told_beside() -> None:
    text = Metrics().text([Gauge("b2b_idp_signing_key_age_seconds", 12.0, ("ES256",))]).decode()
    assert 'b2b_idp_signing_key_age_seconds{alg="ES256"} 12.0' in text
    assert "b2b_idp_transactions_given_up_total 0.0" in text
