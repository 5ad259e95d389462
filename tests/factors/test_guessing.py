"""Guessing is slowed down for each guest, over all sessions and restarts; a stranger cannot lock the guest out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import sha256
from types import SimpleNamespace

import pytest
from factors_world import AT, PHONE, STRANGER, Tenancy, after, code_at
from sqlalchemy.dialects import postgresql, sqlite

from b2b_idp.factors.challenge import Failed, Passed
from b2b_idp.factors.guessing import wait
from b2b_idp.model.problem import Code
from b2b_idp.store.factors import FactorsWriter

MINUTE = timedelta(minutes=1)


def new_browser(n):
    """The key of the nth browser: a hash, so that no two begin alike."""
    return sha256(str(n).encode()).digest()


@pytest.mark.parametrize(
    ("failures", "minutes"), [(0, 0), (4, 0), (5, 1), (6, 2), (7, 4), (8, 8), (10, 32), (11, 60), (12, 60), (10**6, 60)]
)
def test_the_wait_after_wrong_codes_in_a_row_doubles_from_a_minute_to_an_hour(failures, minutes):
    assert wait(failures) == minutes * MINUTE


def test_n_092_of_1000_guesses_from_new_browsers_at_most_ten_are_judged(tenancy):
    tenancy.register()
    answers = [tenancy.wrong(after(seconds=n), new_browser(n)) for n in range(1000)]
    judged = [a for a in answers if a.problem.code is Code.WRONG_CODE]
    assert 5 <= len(judged) <= 10
    assert {a.problem.code for a in answers if a not in judged} == {Code.TOO_MANY_ATTEMPTS}


def test_n_092_of_1000_recovery_codes_from_new_browsers_at_most_ten_are_judged(tenancy):
    tenancy.register()
    answers = [tenancy.recovery(f"{n:016d}", after(seconds=n), new_browser(n)).problem.code for n in range(1000)]
    assert 5 <= answers.count(Code.WRONG_CODE) <= 10
    assert set(answers) == {Code.WRONG_CODE, Code.TOO_MANY_ATTEMPTS}


def test_n_092_of_1000_passes_from_new_browsers_at_most_ten_are_judged(tenancy):
    code = tenancy.give_pass(lifetime=timedelta(days=1))
    answers = [tenancy.use_pass(f"{n:016d}", after(seconds=n), new_browser(n)) for n in range(1000)]
    assert 5 <= answers.count(Code.WRONG_CODE) <= 10
    assert set(answers) == {Code.WRONG_CODE, Code.TOO_MANY_ATTEMPTS}
    assert tenancy.use_pass(code, after(seconds=1001), new_browser(1001)) is Code.TOO_MANY_ATTEMPTS


def test_n_092_guesses_of_every_kind_count_together(tenancy):
    tenancy.register()
    tenancy.give_pass()
    guesses = [
        lambda at: tenancy.wrong(at, STRANGER).problem.code,
        lambda at: tenancy.recovery("0" * 16, at, STRANGER).problem.code,
        lambda at: tenancy.use_pass("0" * 16, at, STRANGER),
    ]
    answers = [guesses[n % 3](after(seconds=n)) for n in range(9)]
    assert answers == [Code.WRONG_CODE] * 5 + [Code.TOO_MANY_ATTEMPTS] * 4


def test_n_092_of_guesses_made_at_once_no_more_are_judged(tmp_path):
    tenancy = Tenancy(f"sqlite:///{tmp_path / 'db.sqlite3'}")
    tenancy.register()
    with ThreadPoolExecutor(8) as at_once:
        answers = list(at_once.map(lambda n: tenancy.wrong(AT, new_browser(n)).problem.code, range(40)))
    assert answers.count(Code.WRONG_CODE) == 5
    tenancy.store.close()


@pytest.mark.parametrize("dialect", [sqlite.dialect(), postgresql.dialect()], ids=["SQLite", "PostgreSQL"])
def test_n_092_a_guess_is_counted_and_allowed_in_one_statement(dialect):
    """What two transactions read before either writes cannot be counted on: the row itself decides."""
    statements = []
    recorder = SimpleNamespace(dialect=dialect, execute=lambda s: statements.append(s) or SimpleNamespace(rowcount=1))
    assert FactorsWriter(recorder, None).take_guess("user:1", [timedelta(0), MINUTE], AT)
    [statement] = statements
    said = " ".join(str(statement.compile(dialect=dialect)).split())
    assert said.startswith("INSERT INTO guess_budgets")
    assert "ON CONFLICT (scope) DO UPDATE SET failures = (guess_budgets.failures + " in said
    assert " WHERE guess_budgets.failures = " in said


def test_n_092_while_a_guesser_must_wait_the_right_code_is_refused_as_well(tenancy):
    tenancy.register()
    for n in range(5):
        tenancy.wrong(after(seconds=60 + n), STRANGER)
    at = after(seconds=70)
    refused = tenancy.totp(code_at(tenancy.secret, at), at, STRANGER)
    assert isinstance(refused, Failed)
    assert refused.problem.code is Code.TOO_MANY_ATTEMPTS


def test_n_092_the_count_survives_a_restart(tmp_path):
    tenancy = Tenancy(f"sqlite:///{tmp_path / 'db.sqlite3'}")
    tenancy.register()
    for n in range(5):
        tenancy.wrong(after(seconds=n), STRANGER)
    tenancy.restart()
    assert tenancy.wrong(after(seconds=6), STRANGER).problem.code is Code.TOO_MANY_ATTEMPTS
    tenancy.store.close()


def test_who_waits_as_long_as_told_is_judged_again(tenancy):
    tenancy.register()
    for _ in range(6):
        refused = tenancy.wrong(AT, STRANGER)
    assert refused.problem.retry_after == MINUTE
    assert "1 minute." in refused.problem.say
    assert tenancy.wrong(AT + refused.problem.retry_after, STRANGER).problem.code is Code.WRONG_CODE


def test_the_minutes_named_are_never_fewer_than_the_wait(tenancy):
    tenancy.register()
    for _ in range(5):
        tenancy.wrong(AT, STRANGER)
    tenancy.wrong(AT + MINUTE, STRANGER)
    refused = tenancy.wrong(AT + MINUTE + timedelta(seconds=45), STRANGER)
    assert refused.problem.retry_after == timedelta(seconds=75)
    assert "2 minutes" in refused.problem.say


def test_a_refused_guess_does_not_lengthen_the_wait(tenancy):
    tenancy.register()
    for n in range(50):
        tenancy.wrong(after(seconds=n), STRANGER)
    at = after(seconds=64)
    assert isinstance(tenancy.totp(code_at(tenancy.secret, at), at, STRANGER), Passed)


def test_n_092_strangers_do_not_lock_out_a_browser_that_once_passed(tenancy):
    tenancy.register()  # in PHONE
    for n in range(50):
        tenancy.wrong(after(seconds=n), new_browser(n))
    at = after(seconds=60)
    assert isinstance(tenancy.totp(code_at(tenancy.secret, at), at, PHONE), Passed)


def test_a_guest_who_passes_does_not_forgive_the_strangers(tenancy):
    tenancy.register()
    for n in range(5):
        tenancy.wrong(after(seconds=60 + n), STRANGER)
    at = after(seconds=66)
    tenancy.totp(code_at(tenancy.secret, at), at, PHONE)
    assert tenancy.wrong(after(seconds=67), STRANGER).problem.code is Code.TOO_MANY_ATTEMPTS


def test_a_known_browser_is_slowed_down_by_its_own_wrong_codes(tenancy):
    tenancy.register()
    for n in range(5):
        tenancy.wrong(after(seconds=n), PHONE)
    assert tenancy.wrong(after(seconds=6), PHONE).problem.code is Code.TOO_MANY_ATTEMPTS


def test_a_right_code_ends_the_row_of_wrong_ones(tenancy):
    tenancy.register()
    for n in range(4):
        tenancy.wrong(after(seconds=60 + n), PHONE)
    at = after(seconds=66)
    tenancy.totp(code_at(tenancy.secret, at), at, PHONE)
    answers = [tenancy.wrong(after(seconds=70 + n), PHONE).problem.code for n in range(5)]
    assert answers == [Code.WRONG_CODE] * 5
