"""Time-based one-time passwords, RFC 6238."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree

import pyotp
import pytest
from factors_world import AT, GUEST, PHONE, STRANGER, Tenancy, after, code_at, moment, wrong_code_at
from hypothesis import given
from hypothesis import strategies as st

from b2b_idp.factors import totp
from b2b_idp.factors.challenge import Failed, Passed
from b2b_idp.model.evidence import LocalFactor, LocalMethod
from b2b_idp.model.problem import Code
from tests.conformance import rfc

SECRET = b"12345678901234567890"


@rfc("6238", "B")
@pytest.mark.parametrize(
    ("seconds", "code"), [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")]
)
def test_the_codes_are_those_of_rfc_6238_appendix_b(seconds, code):
    at = datetime.fromtimestamp(seconds, UTC)
    assert totp.matching_step(SECRET, code, at) == seconds // 30


@pytest.mark.parametrize(("steps", "accepted"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_n_093_one_step_of_drift_is_accepted_two_are_not(steps, accepted):
    shown = code_at(SECRET, AT + timedelta(seconds=30 * steps))
    now = int(AT.timestamp()) // 30
    assert totp.matching_step(SECRET, shown, AT) == (now + steps if accepted else None)


def test_n_093_blanks_around_and_inside_are_no_part_of_the_code():
    code = code_at(SECRET, AT)
    assert totp.matching_step(SECRET, f" {code[:3]} {code[3:]} ", AT) is not None


@pytest.mark.parametrize(
    "spelled",
    [
        pytest.param(lambda c: c.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")), id="N-093-arabic-digits"),
        pytest.param(lambda c: "".join(chr(ord(d) + 0xFEE0) for d in c), id="N-093-fullwidth-digits"),
        pytest.param(lambda c: "0" + c, id="N-093-seven-digits-before"),
        pytest.param(lambda c: c + "0", id="N-093-seven-digits-after"),
        pytest.param(lambda c: c[:5], id="N-093-five-digits"),
        pytest.param(lambda c: "", id="N-093-empty"),
        pytest.param(lambda c: "   ", id="N-093-blank"),
        pytest.param(lambda c: "+" + c[1:], id="N-093-sign"),
    ],
)
def test_n_093_only_six_ascii_digits_are_a_code(spelled):
    assert totp.matching_step(SECRET, spelled(code_at(SECRET, AT)), AT) is None


@given(st.text(max_size=20))
def test_whatever_is_typed_is_judged_without_an_exception(typed):
    step = totp.matching_step(SECRET, typed, AT)
    assert step is None or "".join(typed.split()) == pyotp.HOTP(totp.text_of(SECRET)).at(step)


def test_a_secret_has_160_bits_and_is_new_each_time():
    one, other = totp.new_secret(moment()), totp.new_secret(moment())
    assert len(one) == len(other) == 20
    assert one != other


def test_an_authenticator_reads_from_the_uri_what_we_check():
    read = pyotp.parse_uri(totp.uri(SECRET, "maria@fabrikam.example", "Contoso & Söhne"))
    assert (read.secret, read.issuer, read.name) == (
        totp.text_of(SECRET),
        "Contoso & Söhne",
        "maria@fabrikam.example",
    )
    assert (read.digits, read.interval, read.digest().name) == (6, 30, "sha1")


def test_a_colon_in_the_organisation_does_not_end_its_name_in_the_label():
    parts = urlsplit(totp.uri(SECRET, "maria@fabrikam.example", "Contoso: Guests"))
    organisation, account = map(unquote, parts.path.lstrip("/").split(":"))
    assert (organisation, account) == ("Contoso: Guests", "maria@fabrikam.example")
    assert parse_qs(parts.query)["issuer"] == [organisation]


def test_the_qr_code_is_one_svg_element_that_a_strict_csp_lets_pass():
    elements = list(ElementTree.fromstring(totp.qr_svg(totp.uri(SECRET, "m@x.example", "Contoso"))).iter())
    assert [e.tag for e in elements] == ["svg", "path"]
    attributes = {name for e in elements for name in e.keys()}  # noqa: SIM118 – an element's keys are its attributes
    assert attributes <= {"viewBox", "class", "stroke", "d"}


@pytest.mark.parametrize("letter", ["a", "ß", "語", "😀"])
def test_a_qr_code_holds_the_longest_names(letter):
    assert totp.qr_svg(totp.uri(SECRET, letter * 254, letter * 256)).startswith("<svg")


def test_registering_proves_the_factor_and_hands_out_recovery_codes(tenancy):
    registered = tenancy.register()
    assert isinstance(registered, Passed)
    assert len(registered.codes) == 10
    with tenancy.store.read() as r:
        assert r.factors.methods(GUEST) == {LocalMethod.TOTP, LocalMethod.RECOVERY_CODE}
        [held] = r.factors.registered(GUEST)
    assert registered.factor == LocalFactor(LocalMethod.TOTP, AT, factor_id=held.id)


def test_an_authenticator_that_shows_another_code_is_not_registered(tenancy):
    refused = tenancy.register(wrong_code_at(tenancy.secret, AT))
    assert isinstance(refused, Failed)
    assert refused.problem.code is Code.WRONG_CODE
    with tenancy.store.read() as r:
        assert r.factors.methods(GUEST) == frozenset()


def test_the_secret_is_kept_sealed(tmp_path):
    tenancy = Tenancy(f"sqlite:///{tmp_path / 'db.sqlite3'}")
    tenancy.register()
    tenancy.store.close()
    for file in tmp_path.iterdir():
        assert tenancy.secret not in file.read_bytes()


def test_n_091_the_code_that_registered_the_authenticator_does_not_sign_in(tenancy):
    tenancy.register()
    assert isinstance(tenancy.totp(code_at(tenancy.secret, AT), AT), Failed)


def test_n_091_a_code_is_good_once_in_its_window(tenancy):
    id = tenancy.register().factor.factor_id
    at = after(minutes=5)
    code = code_at(tenancy.secret, at)
    assert tenancy.totp(code, at) == Passed(LocalFactor(LocalMethod.TOTP, at, factor_id=id))
    again = tenancy.totp(code, at + timedelta(seconds=1), STRANGER)
    assert isinstance(again, Failed)
    assert again.problem.code is Code.WRONG_CODE


def test_n_091_a_code_older_than_the_last_used_one_is_spent_too(tenancy):
    tenancy.register()
    at = after(minutes=5)
    tenancy.totp(code_at(tenancy.secret, at), at)
    assert isinstance(tenancy.totp(code_at(tenancy.secret, at - timedelta(seconds=30)), at), Failed)


def test_n_091_the_same_code_in_two_sessions_at_once_passes_in_one(tmp_path):
    tenancy = Tenancy(f"sqlite:///{tmp_path / 'db.sqlite3'}")
    tenancy.register()
    at = after(minutes=5)
    code, start, results = code_at(tenancy.secret, at), threading.Barrier(2), []

    def session(browser):
        start.wait()
        results.append(tenancy.totp(code, at, browser))

    sessions = [threading.Thread(target=session, args=(b,)) for b in (PHONE, STRANGER)]
    for s in sessions:
        s.start()
    for s in sessions:
        s.join()
    tenancy.store.close()
    assert sorted(type(r).__name__ for r in results) == ["Failed", "Passed"]
