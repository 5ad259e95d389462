"""Guest pages as documents: escaped, labelled, usable without scripts, within the Content-Security-Policy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import jinja2
import pytest
import segno
from markupsafe import Markup

import b2b_idp.pages
from b2b_idp.model.directory import User
from b2b_idp.model.evidence import LocalMethod
from b2b_idp.pages.render import Pages, content_security_policy, in_fours
from b2b_idp.signin.account import Account, Inviter, Shared, Sponsored
from b2b_idp.signin.home_logout import WayHome
from b2b_idp.signin.security import SecurityInfo
from b2b_idp.signin.values import LogoutFrame
from b2b_idp.store.factors import Registered

FOLDER = Path(b2b_idp.pages.__file__).parent
HOSTILE = """"><img src=x onerror=alert(1)><script>alert(2)</script><p style='color:red' id=email>{{ 7*7 }}"""
WHEN = datetime(2025, 3, 4, 9, 12, tzinfo=UTC)
VOID = {"meta", "link", "input", "img", "br", "path", "rect", "circle"}


def account(value: str) -> Account:
    """An account of somebody who has all that one can have."""
    user = User(
        id="1",
        user_type="Guest",
        upn=value,
        mail=value,
        state="Accepted",
        created_at=WHEN,
        expires_at=WHEN,
        last_signin_at=WHEN,
        properties={"displayName": value},
    )
    return Account(
        user=user,
        home_name=value,
        inviter=Inviter(value, is_app=True),
        since=WHEN,
        signed_in_at=WHEN,
        apps=(("/start", value), (None, value)),
        shared=(Shared("app-1", value, (value, "see your address"), WHEN),),
        sponsored=(Sponsored(user, value, WHEN), Sponsored(replace(user, account_enabled=False), None, None)),
        sponsored_in_all=3,
    )


def device_asked(value: str) -> SimpleNamespace:
    """What a device's guest is asked."""
    return SimpleNamespace(
        app=SimpleNamespace(display_name=value),
        user=account(value).user,
        row=SimpleNamespace(address=value, created_at=WHEN),
        scopes=[(value, value)],
    )


def security_info(value: str) -> SecurityInfo:
    """An authenticator that was never used, and a passkey."""
    return SecurityInfo(
        (
            Registered("f-1", LocalMethod.TOTP, None, WHEN, None),
            Registered("f-2", LocalMethod.PASSKEY, value, WHEN, WHEN),
        ),
        codes_left=7,
    )


def contexts(value: str) -> Mapping[str, Mapping[str, object]]:
    """What each page takes, with `value` wherever text from outside may come."""
    every = {"correlation_id": value}
    form = {**every, "action": "/resume/1", "csrf": "c-1"}
    link = "/me"
    return {
        "home-realm": {**form, "email": value, "error": value, "app_name": value},
        "redeem": {
            **form,
            "invited_email": value,
            "organisation": value,
            "app_name": value,
            "home_name": value,
        },
        "consent": {
            **form,
            "app_name": value,
            "scopes": [(value, value), ("email", "see your address")],
            "organisation": value,
            "unverified_at": value,
        },
        "challenge-totp": {**form, "error": value, "can_use_recovery": True, "others": False},
        "terms": {
            **form,
            "title": value,
            "organisation": value,
            "terms": value,
            "language": "en",
            "paragraphs": [value, "second"],
        },
        "challenge-passkey": {**form, "options": value, "error": value, "others": True},
        "challenge-choose": {
            **form,
            "methods": [(value, value, value), ("recovery", "Recovery code", "")],
            "registering": False,
            "error": value,
        },
        "challenge-recovery": {**form, "error": value, "others": True},
        "register-passkey": {**form, "options": value, "passkey_name": value, "error": value, "others": True},
        "register-totp": {
            **form,
            "otpauth_uri": f"otpauth://totp/{value}",
            "qr_svg": Markup(segno.make(value).svg_inline(omitsize=True)),
            "secret": value,
            "error": value,
            "others": True,
        },
        "recovery-codes": {**form, "codes": [value, "k4m9"]},
        "email-code": {
            **form,
            "address": value,
            "is_factor": True,
            "unproved": True,
            "can_change": True,
            "can_use_pass": True,
            "error": value,
        },
        "access-pass": {**form, "error": value, "can_mail_code": True},
        "signed-out": {
            **every,
            "organisation": value,
            "restorable_until": WHEN,
            "frames": [LogoutFrame(value, link)],
            "go_on": link,
            "home": WayHome(link, value, False),
            "ended_at": value,
        },
        "device": {**form, "step": "confirm", "error": value, "asked": device_asked(value)},
        "logout": {**form, "client_name": value},
        "error": {
            **every,
            "code": "not_assigned",
            "title": value,
            "say": value,
            "way_forward": [(link, value)],
        },
        "me": {
            **every,
            "me": link,
            "csrf": "c-1",
            "account": account(value),
            "done": value,
            "unsent_address": value,
            "sign_out_link": link,
        },
        "me-leave": {**every, "me": link, "csrf": "c-1"},
        "me-pass": {**every, "me": link, "guest": account(value).user, "until": WHEN, "code": value},
        "me-security": {**every, "me": link, "csrf": "c-1", "info": security_info(value), "done": value},
        "me-factor": {**every, "me": link, "csrf": "c-1", "factor": security_info(value).factors[1], "last": True},
        "form-post": {"action": "https://app.example/callback", "fields": {"code": value, "iss": value}},
        "phone": {"accounts": [(value, "123456", 7)], "key": value, "error": None},
        "mailbox": {"mails": [SimpleNamespace(recipient=value, subject=value, body=value)]},
    }


class Document(HTMLParser):
    """A page as (tag, attributes) in document order, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.title = ""
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.open and self.open[-1] == "title":
            self.title += data

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag in tags]


def render(name: str, value: str = "Fabrikam") -> Document:
    pages = Pages(tenant_name=lambda: f"Contoso {value}", static_prefix=lambda: "/idp/static")
    return Document(pages.page(name, **contexts(value)[name]))


every_page = pytest.mark.parametrize("name", sorted(contexts("")))
every_guest_page = pytest.mark.parametrize("name", sorted(contexts("").keys() - {"form-post"}))
scripted = {"form-post", "challenge-passkey", "register-passkey", "signed-out"}
every_form_page = pytest.mark.parametrize(
    "name", sorted(n for n, c in contexts("").items() if "action" in c and n != "form-post")
)


def test_every_template_is_rendered_by_these_tests() -> None:
    parts = {"layout", "forms", "marks", "dates"}
    assert {f.stem for f in (FOLDER / "templates").iterdir()} - parts == set(contexts(""))


@every_page
def test_n_154_markup_from_outside_is_shown_as_text(name: str) -> None:
    hostile, harmless = render(name, HOSTILE), render(name, "Fabrikam")
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in harmless.elements]
    assert [a.keys() for _, a in hostile.elements] == [a.keys() for _, a in harmless.elements]
    assert HOSTILE in hostile.text


@every_page
def test_a_page_has_no_inline_script_style_or_handler(name: str) -> None:
    page = render(name)
    assert page.all("style") == []
    assert all("src" in script for script in page.all("script"))
    assert not [k for _, a in page.elements for k in a if k == "style" or k.startswith("on")]


@every_page
def test_only_a_few_pages_have_a_script(name: str) -> None:
    assert bool(render(name).all("script")) == (name in scripted)
    frames = ["https://app.example"] if name == "signed-out" else []
    assert ("script-src 'self';" in content_security_policy(name, ["'self'"], frames)) == (name in scripted)


@pytest.mark.parametrize("name", ["challenge-passkey", "register-passkey"])
def test_a_passkey_page_says_what_happens_and_what_to_do_without_javascript(name: str) -> None:
    page = render(name)
    assert {a.get("role") for _, a in page.elements} >= {"status", "alert"}
    tags = [tag for tag, _ in page.elements]
    assert tags.index("form") < tags.index("noscript") < tags.index("button")
    assert [field["value"] for field in page.all("input") if field.get("name") == "credential"] == [""]
    assert [a for a in page.all("button") if "autofocus" in a] == page.all("button")[:1]


@every_guest_page
def test_main_names_the_page(name: str) -> None:
    assert [main["data-page"] for main in render(name).all("main")] == [
        {"me-leave": "me", "me-pass": "me", "me-factor": "me-security"}.get(name, name)
    ]


@every_page
def test_a_page_has_a_language_a_title_with_the_tenant_and_one_heading(name: str) -> None:
    page = render(name)
    assert page.all("html") == [{"lang": "en"}]
    assert page.title.endswith(" – Contoso Fabrikam")
    assert len(page.all("h1")) == 1


@pytest.mark.parametrize("name", sorted(n for n, c in contexts("").items() if "correlation_id" in c))
def test_the_correlation_id_is_on_the_page(name: str) -> None:
    pages = Pages(tenant_name=lambda: "Contoso", static_prefix=lambda: "")
    assert "c0ffee-1" in pages.page(name, **{**contexts("x")[name], "correlation_id": "c0ffee-1"})


@every_page
def test_each_input_has_a_label_and_its_descriptions_exist(name: str) -> None:
    page = render(name)
    ids = [a["id"] for _, a in page.elements if "id" in a]
    labels = {label["for"] for label in page.all("label")}
    assert len(ids) == len(set(ids))
    for field in page.all("input"):
        if field.get("type") != "hidden":
            assert field["id"] in labels
            assert set((field["aria-describedby"] or "").split()) <= set(ids)


@every_form_page
def test_each_form_is_posted_with_the_csrf_token_and_the_first_goes_on(name: str) -> None:
    page = render(name)
    assert {form["method"] for form in page.all("form")} == {"post"}
    tokens = [field for field in page.all("input") if field.get("name") == "csrf"]
    assert [token["value"] for token in tokens] == ["c-1"] * len(page.all("form"))
    first = page.all("button")[0]
    assert first["type"] == "submit"
    assert "name" not in first


@pytest.mark.parametrize("name", ["consent", "challenge-choose"])
def test_nothing_is_ticked_or_chosen_to_go_on(name: str) -> None:
    assert {field.get("type") for field in render(name).all("input")} == {"hidden"}


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("home-realm", "email"),
        ("challenge-totp", "code"),
        ("challenge-recovery", "code"),
        ("register-totp", "code"),
        ("email-code", "code"),
        ("access-pass", "code"),
    ],
)
def test_a_wrong_answer_is_announced_and_tied_to_its_field(name: str, field: str) -> None:
    page = render(name)
    [box] = [a for a in page.all("input") if a["name"] == field]
    assert box["aria-invalid"] == "true"
    assert f"{field}-error" in (box["aria-describedby"] or "").split()
    assert [a["role"] for a in page.all("p") if a.get("id") == f"{field}-error"] == ["alert"]


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("consent", "decline", "1"),
        ("challenge-totp", "other", "recovery"),
        ("email-code", "resend", "1"),
        *((name, "other", "choose") for name in ("challenge-passkey", "challenge-recovery", "register-passkey")),
        ("access-pass", "other", "email-code"),
    ],
)
def test_the_second_button_is_the_other_way(name: str, field: str, value: str) -> None:
    second = render(name).all("button")[1]
    assert (second["name"], second["value"]) == (field, value)


def test_choices_come_in_the_callers_order() -> None:
    chosen = [a["value"] for a in render("challenge-choose", "totp").all("input") if a["name"] == "method"]
    assert chosen == ["totp", "recovery"]


def test_register_totp_links_to_the_otpauth_uri() -> None:
    assert {"href": "otpauth://totp/Fabrikam"} in render("register-totp").all("a")


def test_the_qr_code_is_named_for_those_who_cannot_see_it() -> None:
    [code] = [a for a in render("register-totp").all("div") if a.get("class") == "qr"]
    assert code["role"] == "img"
    assert code["aria-label"]


def test_a_qr_code_that_is_not_markup_is_text() -> None:
    pages = Pages(tenant_name=lambda: "Contoso", static_prefix=lambda: "")
    html = pages.page("register-totp", **{**contexts("x")["register-totp"], "qr_svg": "<svg onload=a()>"})
    assert "&lt;svg onload=a()&gt;" in html


@pytest.mark.parametrize(
    ("name", "absent"),
    [
        ("home-realm", "app_name"),
        ("home-realm", "error"),
        ("redeem", "app_name"),
        ("redeem", "home_name"),
        ("signed-out", "go_on"),
        ("signed-out", "home"),
        ("signed-out", "ended_at"),
        ("signed-out", "restorable_until"),
        ("logout", "client_name"),
        ("me", "unsent_address"),
        ("me", "done"),
        ("me-security", "done"),
    ],
)
def test_what_is_absent_is_not_spelled_out(name: str, absent: str) -> None:
    pages = Pages(tenant_name=lambda: "Contoso", static_prefix=lambda: "")
    assert "None" not in pages.page(name, **{**contexts("Fabrikam")[name], absent: None})


def test_nothing_is_said_of_what_an_account_does_not_have() -> None:
    bare = User(id="1", user_type="Member", upn="nina@contoso.example", mail=None, created_at=WHEN)
    mine = Account(
        user=bare,
        home_name=None,
        inviter=None,
        since=WHEN,
        signed_in_at=WHEN,
        apps=(),
        shared=(),
        sponsored=(),
        sponsored_in_all=0,
    )
    pages = Pages(tenant_name=lambda: "Contoso", static_prefix=lambda: "")
    html = pages.page("me", **{**contexts("Fabrikam")["me"], "account": mine, "unsent_address": None})
    for absent in ("None", "Invited by", "Account ends", "Guests you answer for", "What you share", "Leav", "<form"):
        assert absent not in html


def test_buttons_of_a_list_say_whom_or_what_they_are_about() -> None:
    labels = re.findall(
        r"<button.*?</button>",
        Pages(tenant_name=lambda: "C", static_prefix=lambda: "").page("me", **contexts("Fabrikam")["me"]),
        re.DOTALL,
    )
    assert len(labels) == 4
    assert all("Fabrikam" in label for label in labels)


def test_an_error_page_carries_its_code() -> None:
    assert render("error").all("main") == [{"data-page": "error", "data-error": "not_assigned"}]


def test_a_form_post_page_names_no_page_and_holds_only_the_response() -> None:
    page = render("form-post")
    assert page.all("main") == [{}]
    assert [a["name"] for a in page.all("input")] == ["code", "iss"]


def test_a_form_post_page_has_its_button_where_scripts_do_not_run() -> None:
    tags = [tag for tag, _ in render("form-post").elements]
    assert tags.index("form") < tags.index("noscript") < tags.index("button")


def test_links_in_the_demo_mailbox_can_be_followed() -> None:
    link = "http://127.0.0.1:5000/idp/redeem/abc?a=1&b=2"
    assert [a["href"] for a in render("mailbox", link).all("a")] == [link]


def test_n_134_no_page_may_be_framed() -> None:
    assert "frame-ancestors 'none'" in content_security_policy("home-realm", ["'self'"])


def test_the_policy_lets_forms_go_only_where_the_caller_says() -> None:
    policy = content_security_policy("form-post", ["https://app.example"])
    assert "form-action https://app.example;" in policy
    assert "script-src 'self';" in policy
    assert "form-action 'none';" in content_security_policy("error", [])


def test_a_value_left_out_is_an_error_not_a_gap() -> None:
    pages = Pages(tenant_name=lambda: "Contoso", static_prefix=lambda: "")
    with pytest.raises(jinja2.UndefinedError):
        pages.page("signed-out", correlation_id="1")


def test_who_left_is_told_until_when_it_can_be_undone() -> None:
    assert "Until 4 March 2025" in render("signed-out").text


def test_a_secret_is_grouped_once() -> None:
    assert in_fours("ABCDEFGHIJ") == in_fours("ABCD EFGH IJ") == "ABCD EFGH IJ"


def colours(theme: str) -> dict[str, str]:
    css = (FOLDER / "static" / "pages.css").read_text()
    light, dark = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", light if theme == "light" else dark))


def contrast(one: str, other: str) -> float:
    """WCAG 2.2 contrast ratio of two #rrggbb colours, 1 to 21."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    ("front", "back", "least"),
    [(text, back, 4.5) for text in ("text", "soft") for back in ("card", "ground", "glow", "field", "tint")]
    + [("text", "warn-tint", 4.5), ("text", "good-tint", 4.5), ("accent", "card", 4.5), ("accent-over", "tint", 4.5)]
    + [("on-accent", "accent", 4.5), ("on-accent", "accent-over", 4.5), ("bad", "bad-tint", 4.5)]
    + [("field-edge", "card", 3.0), ("field-edge", "field", 3.0), ("focus", "card", 3.0)]
    + [("bad", "field", 3.0), ("good", "good-tint", 3.0), ("accent", "tint", 3.0)],
)
def test_colours_reach_wcag_aa_contrast(theme: str, front: str, back: str, least: float) -> None:
    """WCAG 2.2 SC 1.4.3 (text 4.5:1) and 1.4.11 (parts of controls 3:1)."""
    named = colours(theme)
    assert contrast(named[front], named[back]) >= least
