"""The sender of the outbox, with a real SMTP server on loopback and a clock that a test moves."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from aiosmtpd.controller import Controller
from factors_world import AT, moment
from structlog.testing import capture_logs

from b2b_idp.factors import letters
from b2b_idp.factors.outbox import OutboxRunner
from b2b_idp.net.mail import Mailer

SENDER = "no-reply@contoso.example"


class Postbox:
    """Takes mail, or answers what it is told to, or hangs up without an answer; `during` is called with the recipient
    before that."""

    def __init__(self):
        self.taken = []
        self.answer = "250 OK"
        self.hangs_up = False
        self.quit = "221 Bye"
        self.during = lambda address: None
        self.arrived = threading.Event()

    async def handle_DATA(self, server, session, envelope):
        self.during(envelope.rcpt_tos[0])
        if self.answer.startswith("250"):
            self.taken.append(envelope)
            self.arrived.set()
        if self.hangs_up:
            server.transport.abort()
        return self.answer

    async def handle_QUIT(self, server, session, envelope):
        return self.quit


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


def put(tenancy, address="maria@fabrikam.example", kind="code"):
    letter = letters.code_letter(tenancy.vault, address, "01234567", "Contoso", f"code:{address}", moment())
    letter = replace(letter, kind=kind, html="<p>01234567</p>")
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


# --- when nobody knows whether the mail server took it


class Killed(BaseException):
    """The process ends here."""


class Dying(Mailer):
    """A mailer whose process is killed before the mail server gets the text, or after it took it."""

    def __init__(self, url, before):
        super().__init__(url)
        self._before = before

    def send(self, message, before_text):
        if self._before:
            raise Killed
        super().send(message, before_text)
        raise Killed


def killed(tenancy, url, clock, before):
    """What a runner leaves behind that was killed while it sent."""
    runner = OutboxRunner(tenancy.store, url, SENDER, clock)
    runner._mailer = Dying(url, before)
    with pytest.raises(Killed):
        runner.run_once()


@pytest.fixture
def told():
    """The lines of the log."""
    with capture_logs() as lines:
        yield lines


@pytest.mark.parametrize("kind", ["invitation", "copy", "code", "notice"])
def test_killed_before_the_text_any_letter_is_sent_by_the_next_runner(tenancy, url, clock, runner, postbox, kind):
    put(tenancy, kind=kind)
    killed(tenancy, url, clock, before=True)
    clock.at += timedelta(minutes=5)
    assert runner.run_once() == 1
    assert len(postbox.taken) == 1


@pytest.mark.parametrize("kind", ["invitation", "copy"])
def test_killed_after_the_text_an_invitation_is_not_sent_again_but_shown(tenancy, url, clock, runner, postbox, kind):
    put(tenancy, kind=kind)
    killed(tenancy, url, clock, before=False)
    for _ in range(20):
        clock.at += timedelta(minutes=5)
        runner.run_once()
    assert len(postbox.taken) == 1
    assert due(tenancy, FOREVER) == []
    with tenancy.store.read() as r:
        assert [letter.status for letter in r.outbox.latest()] == ["dead"]


@pytest.mark.parametrize("kind", ["code", "notice"])
def test_killed_after_the_text_a_code_is_sent_again_by_the_same_name(tenancy, url, clock, runner, postbox, kind):
    put(tenancy, kind=kind)
    killed(tenancy, url, clock, before=False)
    for _ in range(4):
        clock.at += timedelta(minutes=5)
        runner.run_once()
    assert len(postbox.taken) == 2
    assert len({line for e in postbox.taken for line in e.content.splitlines() if b"Message-ID" in line}) == 1


@pytest.mark.parametrize(("kind", "copies"), [("invitation", 1), ("copy", 1), ("code", 2)])
def test_a_server_that_hangs_up_on_the_text_may_have_taken_it(tenancy, clock, runner, postbox, kind, copies):
    put(tenancy, kind=kind)
    postbox.hangs_up = True
    assert runner.run_once() == 0
    postbox.hangs_up = False
    clock.at += timedelta(hours=1)
    assert runner.run_once() == copies - 1
    assert len(postbox.taken) == copies


@pytest.mark.parametrize("answer", ["451 later", "421 going down"])
def test_an_answer_is_an_answer_so_an_invitation_not_taken_is_tried_again(tenancy, clock, runner, postbox, answer):
    put(tenancy, kind="invitation")
    postbox.answer = answer
    assert runner.run_once() == 0
    postbox.answer = "250 OK"
    clock.at += timedelta(minutes=1)
    assert [runner.run_once(), len(postbox.taken)] == [1, 1]


def test_a_letter_taken_is_sent_however_badly_the_server_says_goodbye(tenancy, clock, runner, postbox):
    put(tenancy, kind="invitation")
    postbox.quit = "451 no"
    assert runner.run_once() == 1
    clock.at += timedelta(hours=2)
    assert [runner.run_once(), len(postbox.taken)] == [0, 1]


def test_a_runner_so_slow_that_another_took_its_letter_sends_nothing(tenancy, url, clock, runner, postbox):
    put(tenancy, kind="invitation")
    other = OutboxRunner(tenancy.store, url, SENDER, clock)

    class Slow(Mailer):
        def send(self, message, before_text):
            clock.at += timedelta(minutes=6)
            assert other.run_once() == 1
            super().send(message, before_text)

    runner._mailer = Slow(url)
    assert runner.run_once() == 0
    assert len(postbox.taken) == 1
    assert due(tenancy, FOREVER) == []


def test_the_outcome_of_a_slow_server_counts_after_the_letter_was_given_up(tenancy, url, clock, runner, postbox):
    put(tenancy, kind="invitation")
    other = OutboxRunner(tenancy.store, url, SENDER, clock)

    def slowly(address):
        clock.at += timedelta(minutes=6)
        other.run_once()

    postbox.during = slowly
    assert runner.run_once() == 1
    with tenancy.store.read() as r:
        assert (r.outbox.latest(), r.outbox.interrupted(FOREVER)) == ([], [])


def test_a_letter_given_up_is_told_by_its_id_and_kind_alone(tenancy, runner, postbox, told):
    put(tenancy, kind="invitation")
    letter = due(tenancy, AT)[0]
    postbox.answer = "550 no"
    runner.run_once()
    (line,) = told
    assert (line["event"], line["log_level"]) == ("mail given up", "warning")
    assert (line["letter"], line["kind"], line["attempts"]) == (letter.id, "invitation", 1)
    assert line["error"] == "server said 550"
    assert "maria" not in str(line) and "01234567" not in str(line)


def test_a_letter_that_may_have_arrived_is_told_as_that(tenancy, url, clock, runner, told):
    put(tenancy, kind="invitation")
    killed(tenancy, url, clock, before=False)
    clock.at += timedelta(minutes=5)
    runner.run_once()
    (line,) = told
    assert (line["event"], line["error"]) == ("mail given up", "interrupted while sending; the mail may have arrived")


# --- in the background


def sending():
    return [t for t in threading.enumerate() if t.name == "b2b-idp-outbox"]


def test_in_the_background_letters_are_sent_until_it_is_stopped(tenancy, runner, postbox):
    put(tenancy)
    runner.start()
    assert postbox.arrived.wait(10)
    assert len(sending()) == 1
    runner.stop()
    assert sending() == []
