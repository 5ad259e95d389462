"""SIGKILL in the middle of a bulk invitation, again and again: each row once, each guest once, each mail once."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import time
from collections import Counter

import pytest
from aiosmtpd.controller import Controller

from tests.ports import free_port
from tests.real.instance import B2B_IDP

ROWS = 800


class Postman:
    """A mail server that remembers whom it was sent what."""

    def __init__(self) -> None:
        self.taken: Counter[str] = Counter()

    async def handle_DATA(self, server, session, envelope):
        self.taken.update(envelope.rcpt_tos)
        return "250 OK"


@pytest.fixture
def postman():
    postman = Postman()
    postman.port = free_port()
    controller = Controller(postman, hostname="127.0.0.1", port=postman.port)
    controller.start()
    yield postman
    controller.stop()


def test_kill_9_during_the_file_loses_and_doubles_nothing(tmp_path, postman):
    data, file = tmp_path / "data", tmp_path / "guests.csv"
    made = [*B2B_IDP, "init", "--data", str(data), "--issuer", "http://127.0.0.1:5080"]
    subprocess.run(made, check=True, capture_output=True)
    addresses = [f"g{n}@fabrikam.example" for n in range(ROWS)]
    file.write_text("email\n" + "\n".join(addresses) + "\n")
    command = [*B2B_IDP, "invite", str(file), "--data", str(data), "--redirect", "https://app.example/"]
    chance, kills = random.Random(4), 0
    while True:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(chance.uniform(0.6, 1.6) if kills < 6 else 120)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
            continue
        assert process.returncode == 0
        break
    assert kills > 0
    lines = [json.loads(x) for x in file.with_name("guests.csv.result").read_text().splitlines()]
    assert [(x["row"], x["email"]) for x in lines] == list(enumerate(addresses, start=2))
    with sqlite3.connect(data / "b2b-idp.sqlite3") as c:
        guests = c.execute("SELECT mail, count(*) FROM users GROUP BY mail").fetchall()
        assert sorted(guests) == sorted((a, 1) for a in addresses)
        assert c.execute("SELECT count(*) FROM invitations").fetchone() == (ROWS,)
    _deliver(data, postman)
    assert [a for a, n in postman.taken.items() if n > 1] == []
    assert sorted(postman.taken) == sorted(addresses)


def _deliver(data, postman):
    """The server sends what waits in the outbox."""
    env = os.environ | {"B2B_IDP_MAIL_URL": f"smtp://127.0.0.1:{postman.port}"}
    server = subprocess.Popen(
        [*B2B_IDP, "serve", "--data", str(data), "--port", str(free_port())],
        env=env,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        for _ in range(1200):
            if postman.taken.total() >= ROWS:
                break
            time.sleep(0.1)
        time.sleep(1)  # long enough for a second copy to arrive, if there were one
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_after_the_present_rows_and_says_how_to_go_on(tmp_path, number):
    data, file = tmp_path / "data", tmp_path / "guests.csv"
    made = [*B2B_IDP, "init", "--data", str(data), "--issuer", "http://127.0.0.1:5080"]
    subprocess.run(made, check=True, capture_output=True)
    file.write_text("email\n" + "".join(f"g{n}@fabrikam.example\n" for n in range(ROWS)))
    command = [*B2B_IDP, "invite", str(file), "--data", str(data), "--redirect", "https://app.example/"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline()
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Run the same command again to go on." in said
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    assert len(file.with_name("guests.csv.result").read_text().splitlines()) == ROWS
