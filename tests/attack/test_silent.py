"""A silent request is answered to the app, whatever is in the way: nobody looks at its page."""

from __future__ import annotations


def test_n_123_a_silent_request_that_is_refused_is_told_to_the_app(b2b_idp):
    b2b_idp.home_tenant("fabrikam.example")
    guest, first = b2b_idp.invite("ada@fabrikam.example"), b2b_idp.app("Expenses")
    assert b2b_idp.sign_in(guest, first).error is None
    closed = b2b_idp.app("Payroll", assignment_required=True)
    silent = b2b_idp.sign_in(guest, closed, prompt="none")
    assert silent.error == "access_denied"
    assert silent.pages == []


def test_the_same_refusal_is_a_page_where_the_guest_can_read_it(b2b_idp):
    b2b_idp.home_tenant("fabrikam.example")
    guest, closed = b2b_idp.invite("ada@fabrikam.example"), b2b_idp.app("Payroll", assignment_required=True)
    seen = b2b_idp.sign_in(guest, closed)
    assert (seen.error, seen.pages[-1]) == ("not_assigned", "error")
