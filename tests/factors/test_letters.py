"""Mails about codes and factors, and how many an address gets."""

from __future__ import annotations

from dataclasses import replace

import pytest
from factors_world import AT, after, moment

from b2b_idp.factors import letters
from b2b_idp.keys.vault import Vault
from b2b_idp.model.evidence import LocalFactor, LocalMethod
from b2b_idp.model.problem import Code, Problem
from b2b_idp.net.mail import MailFailed

VAULT = Vault(b"k" * 32)
TO = "maria@fabrikam.example"
SENDER = "Contoso <no-reply@contoso.example>"


def code_letter(at=AT, address=TO, organisation="Contoso"):
    now = moment(at)
    return letters.code_letter(VAULT, address, "01234567", organisation, f"code:{now.new_id()}", now)


def test_a_code_is_in_the_text_and_not_in_the_subject_that_a_locked_phone_shows():
    letter = code_letter()
    assert "01234567" in letter.body
    assert "01234567" not in letter.subject
    assert "30 minutes" in letter.body


def test_a_registered_factor_is_told_with_what_to_do_if_it_was_somebody_else():
    factor = LocalFactor(LocalMethod.TOTP, moment().at, factor_id="factor-1")
    letter = letters.factor_registered_letter(VAULT, TO, "Contoso", factor, moment())
    assert (letter.recipient, letter.once) == (TO, "factor:factor-1")
    assert "If it was not" in letter.body


def mailed(tenancy, *letters_):
    with tenancy.store.write() as w:
        for letter in letters_:
            w.outbox.add(letter)


def test_n_076_an_address_gets_five_mails_an_hour(tenancy):
    mailed(tenancy, *[code_letter(after(minutes=n)) for n in range(4)])
    with tenancy.store.read() as r:
        letters.may_mail(r, VAULT, TO, after(minutes=5))
    mailed(tenancy, code_letter(after(minutes=4)))
    with tenancy.store.read() as r, pytest.raises(Problem) as refused:
        letters.may_mail(r, VAULT, TO.upper(), after(minutes=5))
    assert refused.value.code is Code.TOO_MANY_ATTEMPTS
    assert refused.value.retry_after is not None
    with tenancy.store.read() as r:
        letters.may_mail(r, VAULT, TO, after(minutes=5) + refused.value.retry_after)
        letters.may_mail(r, VAULT, "eve@fabrikam.example", after(minutes=5))


def test_a_mail_says_who_it_is_from_and_that_a_machine_wrote_it():
    mail = letters.message(code_letter(), SENDER)
    assert (mail["From"], mail["To"], mail["Auto-Submitted"]) == (SENDER, TO, "auto-generated")
    assert mail["Message-ID"].endswith("@contoso.example>")
    assert "01234567" in mail.get_content()


def test_a_line_break_in_the_organisations_name_adds_no_header():
    mail = letters.message(code_letter(organisation="Contoso\r\nBcc: eve@evil.example"), SENDER)
    assert mail["Bcc"] is None


@pytest.mark.parametrize(
    "recipient",
    [
        "maria@fabrikam.example, eve@evil.example",
        "maria@fabrikam.example\r\nBcc: eve@evil.example",
        "",
        "maria",
        "@",
        "ü@x.example",
    ],
)
def test_a_recipient_that_is_not_one_address_gets_no_mail(recipient):
    with pytest.raises(MailFailed) as failed:
        letters.message(replace(code_letter(), recipient=recipient), SENDER)
    assert failed.value.permanent
    assert "evil" not in str(failed.value)


@pytest.mark.parametrize("sender", ["no-reply@contoso.example", SENDER])
def test_a_sender_is_an_address_with_or_without_a_name(sender):
    assert letters.checked_sender(sender) == sender


@pytest.mark.parametrize("sender", ["", "Contoso", "a@x.example, b@x.example", "a@x.example\nBcc: b@x", "@"])
def test_any_other_sender_is_a_bad_setting(sender):
    with pytest.raises(Problem) as refused:
        letters.checked_sender(sender)
    assert refused.value.code is Code.BAD_SETTING


def test_a_letter_in_html_too_lets_the_reader_choose_and_names_its_language():
    letter = replace(code_letter(), html="<p>Grüezi</p>", language="de")
    mail = letters.message(letter, SENDER)
    assert (mail.get_content_type(), mail["Content-Language"]) == ("multipart/alternative", "de")
    plain, html = mail.iter_parts()
    assert (plain.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert html.get_content().strip() == "<p>Grüezi</p>"
    assert plain.get_content() == letter.body


def test_a_mail_goes_to_its_one_reader_and_keeps_its_name_at_every_attempt():
    letter = code_letter()
    first, again = letters.message(letter, SENDER), letters.message(replace(letter, attempts=3), SENDER)
    assert first["Message-ID"] == again["Message-ID"]
    assert (first["Cc"], first["Bcc"]) == (None, None)
