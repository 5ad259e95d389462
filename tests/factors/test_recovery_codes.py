"""Recovery codes: look-up secrets, each good once."""

from __future__ import annotations

import pytest
from factors_world import AT, GUEST, STRANGER, after, moment
from hypothesis import given
from hypothesis import strategies as st

from b2b_idp.factors import challenge, recovery
from b2b_idp.factors.challenge import Failed, Passed
from b2b_idp.model.evidence import LocalFactor, LocalMethod
from b2b_idp.model.problem import Code


def test_ten_different_codes_of_80_bits_in_groups_without_look_alikes():
    codes = recovery.new_codes(moment())
    assert len(set(codes)) == 10
    for code in codes:
        groups = code.split("-")
        assert [len(g) for g in groups] == [4, 4, 4, 4]  # 16 letters of 5 bits
        assert set("".join(groups)) <= set("0123456789abcdefghjkmnpqrstvwxyz")


@pytest.mark.parametrize(
    "typed", ["0123-abcd-efgh-jkmn", " 0123 ABCD EFGH JKMN ", "OI23abcdefghjkmn", "ol23-abcdefghjkmn"]
)
def test_a_code_is_read_however_it_is_copied(typed):
    assert recovery.normalised(typed) == "0123abcdefghjkmn"


@pytest.mark.parametrize("typed", ["", "0123-abcd-efgh-jkm", "0123-abcd-efgh-jkmn-p", "0123-abcd-efgh-jkm!", "٠" * 16])
def test_anything_else_is_no_code(typed):
    assert recovery.normalised(typed) is None


@given(st.text(max_size=40))
def test_whatever_is_typed_has_one_spelling_or_none(typed):
    code = recovery.normalised(typed)
    assert code is None or recovery.normalised(code) == code


def test_n_098_a_code_is_good_once(tenancy):
    code = tenancy.register().codes[3]
    assert tenancy.recovery(code) == Passed(LocalFactor(LocalMethod.RECOVERY_CODE, AT))
    again = tenancy.recovery(code)
    assert isinstance(again, Failed)
    assert again.problem.code is Code.WRONG_CODE


def test_n_098_using_one_code_leaves_the_others(tenancy):
    codes = tenancy.register().codes
    assert all(isinstance(tenancy.recovery(code), Passed) for code in codes)
    with tenancy.store.read() as r:
        assert r.factors.methods(GUEST) == {LocalMethod.TOTP}


def test_n_098_guesses_are_counted_with_those_of_the_authenticator(tenancy):
    tenancy.register()
    for second in range(5):
        tenancy.recovery("0000-0000-0000-0000", after(seconds=second), STRANGER)
    refused = tenancy.wrong(after(seconds=6), STRANGER)
    assert refused.problem.code is Code.TOO_MANY_ATTEMPTS


def test_n_098_a_further_factor_shows_no_list_again_and_leaves_it_good(tenancy):
    codes = tenancy.register().codes
    assert tenancy.register(at=after(hours=1)).codes == ()
    assert isinstance(tenancy.recovery(codes[0]), Passed)


def test_whose_list_is_used_up_gets_a_new_one_with_the_next_factor(tenancy):
    for code in tenancy.register().codes:
        tenancy.recovery(code)
    assert len(tenancy.register(at=after(hours=1)).codes) == 10


def test_n_098_a_new_list_replaces_the_old_one(tenancy):
    old = tenancy.register().codes
    with tenancy.store.write() as w:
        new = challenge.draw_recovery_codes(w, tenancy.vault, GUEST, moment())
    assert isinstance(tenancy.recovery(old[0]), Failed)
    assert isinstance(tenancy.recovery(new[0]), Passed)


def test_a_code_of_one_guest_is_kept_as_another_value_for_another(tenancy):
    assert recovery.digest(tenancy.vault, "a", "c" * 16) != recovery.digest(tenancy.vault, "b", "c" * 16)


def test_n_098_the_codes_do_not_show_in_a_result_that_is_logged(tenancy):
    registered = tenancy.register()
    assert not any(code in repr(registered) for code in registered.codes)
