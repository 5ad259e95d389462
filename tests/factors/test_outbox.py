"""The sender of the outbox, with a real SMTP server on loopback and a clock that a test moves."""

from __future__ import annotations

import socket
import threading
from datetime import timedelta

import pytest
from aiosmtpd.controller import Controller
from factors_world import AT, moment

from b2b_idp.factors import letters
from b2b_idp.factors.outbox import OutboxRunner

SENDER = "no-reply@contoso.example"


class Postbox:
    """Takes mail, or answers what it is told to; `during` is called with the recipient before it answers."""

    def __init__(self):
        self.taken = []
        self.answer = "250 OK"
        self.during = lambda address: None
        self.arrived = threading.Event()

    async def handle_DATA(self, server, session, envelope):
        self.during(envelope.rcpt_tos[0])
        if self.answer.startswith("250"):
            self.taken.append(envelope)
            self.arrived.set()
        return self.answer


@pytest.fixture
def postbox():
    return Postbox()


@pytest.fixture
def url(postbox):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(postbox, hostname="127.0.0.1", port=port)
    controller.start()
    yield f"smtp://127.0.0.1:{port}"
    controller.stop()


class Clock:
    def __init__(self):
        self.at = AT

    def __call__(self):
        return moment(self.at)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def runner(tenancy, url, clock):
    return OutboxRunner(tenancy.store, url, SENDER, clock)


def put(tenancy, address="maria@fabrikam.example"):
    letter = letters.code_letter(tenancy.vault, address, "01234567", "Contoso", f"code:{address}", moment())
    with tenancy.store.write() as w:
        w.outbox.add(letter)


def due(tenancy, at):
    with tenancy.store.read() as r:
        return r.outbox.due(at)


FOREVER = AT + timedelta(days=365)


def test_a_letter_is_sent_once_and_its_text_erased(tenancy, runner, postbox):
    put(tenancy)
    assert [runner.run_once(), runner.run_once()] == [1, 0]
    assert [e.rcpt_tos for e in postbox.taken] == [["maria@fabrikam.example"]]
    with tenancy.store.read() as r:
        assert r.outbox.latest() == []


def test_of_two_runners_that_saw_the_same_letter_one_gets_it(tenancy):
    put(tenancy)
    seen, until = due(tenancy, AT)[0], AT + timedelta(minutes=5)
    with tenancy.store.write() as w:
        assert w.outbox.claim(seen.id, seen.attempts, until)
    with tenancy.store.write() as w:
        assert not w.outbox.claim(seen.id, seen.attempts, until)


def test_a_letter_being_sent_is_nobody_elses_however_slow_the_ones_before_it(tenancy, clock, runner, postbox):
    offered = []

    def slowly(address):
        clock.at += timedelta(minutes=4)
        offered.append(address in [letter.recipient for letter in due(tenancy, clock.at)])

    postbox.during = slowly
    for name in ("ada", "bob", "eve"):
        put(tenancy, f"{name}@fabrikam.example")
    assert runner.run_once() == 3
    assert offered == [False, False, False]


def test_a_letter_not_taken_is_tried_again_after_a_wait_that_doubles_to_an_hour(tenancy, clock, runner, postbox):
    postbox.answer = "451 later"
    put(tenancy)
    waits = []
    for _ in range(8):
        assert runner.run_once() == 0
        minute = next(m for m in range(1, 100) if due(tenancy, clock.at + timedelta(minutes=m)))
        waits.append(minute)
        clock.at += timedelta(minutes=minute)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_letter_is_given_up_after_ten_attempts(tenancy, clock, runner, postbox):
    postbox.answer = "451 later"
    put(tenancy)
    for attempt in range(10):
        assert due(tenancy, FOREVER), attempt
        runner.run_once()
        clock.at += timedelta(hours=1)
    assert due(tenancy, FOREVER) == []


def test_a_letter_refused_for_good_is_given_up_at_once(tenancy, runner, postbox):
    postbox.answer = "550 no"
    put(tenancy)
    runner.run_once()
    assert due(tenancy, FOREVER) == []


def test_a_letter_that_cannot_be_a_mail_is_given_up_and_holds_up_no_other(tenancy, runner, postbox):
    put(tenancy, "maria@fabrikam.example, eve@evil.example")
    put(tenancy, "zoe@fabrikam.example")
    assert runner.run_once() == 1
    assert [e.rcpt_tos for e in postbox.taken] == [["zoe@fabrikam.example"]]
    assert due(tenancy, FOREVER) == []


def test_a_letter_whose_sender_was_killed_comes_up_again(tenancy, clock, runner, postbox):
    put(tenancy)
    letter = due(tenancy, AT)[0]
    with tenancy.store.write() as w:
        w.outbox.claim(letter.id, letter.attempts, AT + timedelta(minutes=5))
    assert runner.run_once() == 0
    clock.at += timedelta(minutes=5)
    assert runner.run_once() == 1


def sending():
    return [t for t in threading.enumerate() if t.name == "b2b-idp-outbox"]


def test_in_the_background_letters_are_sent_until_it_is_stopped(tenancy, runner, postbox):
    put(tenancy)
    runner.start()
    assert postbox.arrived.wait(10)
    assert len(sending()) == 1
    runner.stop()
    assert sending() == []
