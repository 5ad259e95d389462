"""Mailed one-time codes: 8 digits, 30 minutes, five tries, for one sign-in and address."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from factors_world import AT, after, moment
from hypothesis import given
from hypothesis import strategies as st

from b2b_idp.factors import mailed
from b2b_idp.factors.mailed import MailedCode, Verdict
from b2b_idp.keys.vault import Vault

VAULT = Vault(b"k" * 32)
SIGNIN, ADDRESS, CODE = "signin-1", "maria@fabrikam.example", "01234567"


def held(code=CODE, sent_at=AT, signin=SIGNIN, address=ADDRESS):
    return MailedCode(mailed.code_digest(VAULT, signin, address, code), address, sent_at)


def verdict(code, typed, at=AT, signin=SIGNIN):
    return mailed.check(VAULT, signin, code, typed, at)[0]


def test_a_code_has_eight_digits_drawn_anew():
    codes = {mailed.new_code(moment()) for _ in range(50)}
    assert len(codes) > 45
    assert all(re.fullmatch("[0-9]{8}", c) for c in codes)


@pytest.mark.parametrize("typed", [CODE, " 0123 4567 "])
def test_the_code_is_right_with_or_without_blanks(typed):
    assert verdict(held(), typed) is Verdict.OK


@pytest.mark.parametrize("typed", ["", "1234567", "012345670", "01234568", "٠١٢٣٤٥٦٧", "01234567\x00"])
def test_n_094_anything_else_is_wrong(typed):
    assert verdict(held(), typed) is Verdict.WRONG


@given(st.text(max_size=20))
def test_whatever_is_typed_is_judged_without_an_exception(typed):
    right = "".join(typed.split()) == CODE
    assert verdict(held(), typed) is (Verdict.OK if right else Verdict.WRONG)


def test_n_094_after_five_wrong_tries_the_right_code_is_refused_too():
    code, verdicts = held(), []
    for typed in ["00000000"] * 5 + [CODE]:
        result, code = mailed.check(VAULT, SIGNIN, code, typed, AT)
        verdicts.append(result)
    assert verdicts == [Verdict.WRONG] * 5 + [Verdict.EXPIRED]


def test_n_094_the_fifth_try_may_still_be_right():
    code = held()
    for _ in range(4):
        _, code = mailed.check(VAULT, SIGNIN, code, "00000000", AT)
    assert verdict(code, CODE) is Verdict.OK


def test_n_094_an_old_code_is_wrong_after_a_newer_one():
    newer = held("76543210", after(minutes=1))
    assert verdict(newer, CODE, after(minutes=2)) is Verdict.WRONG


def test_n_094_the_code_of_another_address_or_sign_in_is_wrong():
    other_address = MailedCode(held(address="eve@fabrikam.example").digest, ADDRESS, AT)
    assert verdict(other_address, CODE) is Verdict.WRONG
    assert verdict(held(), CODE, signin="signin-2") is Verdict.WRONG


@pytest.mark.parametrize(
    ("age", "expected"),
    [(timedelta(minutes=30, microseconds=-1), Verdict.OK), (timedelta(minutes=30), Verdict.EXPIRED)],
)
def test_n_094_a_code_is_good_for_30_minutes(age, expected):
    assert verdict(held(), CODE, AT + age) is expected


def test_what_is_kept_of_a_code_is_a_keyed_digest():
    assert held().digest != mailed.code_digest(Vault(b"x" * 32), SIGNIN, ADDRESS, CODE)
    assert CODE not in held().digest
