"""Addresses from outside: which are one, which are none."""

from __future__ import annotations

import pytest

from b2b_idp.guests.addresses import a_label, checked_address, checked_landing
from b2b_idp.model.problem import Code, Problem

BAD_ADDRESSES = [
    "a@b", "a@@b.c", '"a b"@c.d', "x" * 400, "x@" + "y." * 200 + "example", "", "@b.example", "a@",
    "a b@c.example", "a@b.example\r\nBcc: eve@evil.example", "a\x00@b.example", ["a@b.example"], {"a": 1}, None,
    7, True, "A <a@b.example>", "a@b.example,c@d.example", "a@[127.0.0.1]", "ａ@fabrikam.example",
    "a@fabrikam..example",
]  # fmt: skip


@pytest.mark.parametrize("text", BAD_ADDRESSES, ids=lambda t: f"N-069 {str(t)[:24]!r}")
def test_what_is_no_address_is_refused(text):
    with pytest.raises(Problem) as e:
        checked_address(text)
    assert e.value.code is Code.BAD_REQUEST


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Ada@FABRIKAM.example", "Ada@fabrikam.example"),
        ("ada@fabrikam.example.", "ada@fabrikam.example"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ada@XN--BCHER-KVA.example", "ada@xn--bcher-kva.example"),
    ],
    ids=["case", "trailing dot", "IDN", "punycode"],
)
def test_n_070_spellings_of_one_domain_are_one(text, kept):
    assert checked_address(text) == kept


@pytest.mark.parametrize(
    "domain", ["fаbrikam.example", "fabrikаm.example", "ｆabrikam.example", "xn--fbrikam-2fg.example"]
)
def test_n_070_a_domain_that_mixes_scripts_to_look_like_another_is_refused(domain):
    with pytest.raises(Problem):
        a_label(domain)


@pytest.mark.parametrize(
    "domain",
    ["", "fabrikam", "-a.example", "a_b.example", "a..example", "xn--a.example", "a" * 64 + ".example"],
)
def test_what_is_no_domain_is_refused(domain):
    with pytest.raises(Problem):
        a_label(domain)


BAD_LANDINGS = [
    "javascript:alert(1)", "data:text/html,x", "//evil.example", "https://good.example@evil.example/",
    "https://app.example/\r\nSet-Cookie: a=b", "/welcome", "https://app.example/#<script>alert(1)</script>",
    "https://app.example/#javascript:alert(1)", "http://app.example/", "https:///nohost", "https://app.example\\@evil.example",
    "ftp://app.example/", "https://app.example:99999/", "https://[::1", "", None, 7, ["https://app.example/"],
    "https://app.example/ a", "https://" + "a" * 3000, "https://аpp.example/", "\thttps://app.example/",
]  # fmt: skip


@pytest.mark.parametrize("url", BAD_LANDINGS, ids=lambda u: f"N-071 {str(u)[:30]!r}")
def test_a_guest_is_never_sent_to(url):
    with pytest.raises(Problem) as e:
        checked_landing(url)
    assert e.value.code is Code.BAD_REQUEST


@pytest.mark.parametrize(
    "url",
    [
        "https://app.example/welcome?a=b",
        "http://127.0.0.1:5001/",
        "http://localhost:5001/",
        "http://[::1]:5001/x",
        "https://app.example/#/inbox",
    ],
)
def test_a_guest_may_be_sent_to(url):
    assert checked_landing(url) == url
