"""The mails of an invitation: what they say, in which language, and what they never hold."""

from __future__ import annotations

import re
import string
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from guests_world import AT, ISSUER, moment

from b2b_idp.guests import letters
from b2b_idp.guests.invite import LIFETIME
from b2b_idp.keys.vault import Vault
from b2b_idp.model.directory import Invitation

VAULT = Vault(b"k" * 32)
GUEST, READER = "alice@fabrikam.example", "chief@fabrikam.example"
TICKET = VAULT.handle("ticket", "5f0c0d7e-5b0d-4c55-9b0e-0d5a4ad0a001")
LINK = f"{ISSUER}/redeem?ticket={TICKET}"
HOSTILE = '<img src=x onerror=a()> {{7*7}} {link} %s </bdi>"\r\nBcc: eve@evil.example'
LANGUAGES = letters._languages()


def invitation(message=None, name=None, language=None, expires_at=AT + LIFETIME):
    info = {"customizedMessageBody": message, "messageLanguage": language}
    return Invitation(
        id="1f0c0d7e-5b0d-4c55-9b0e-0d5a4ad0a001",
        user_id="2f0c0d7e-5b0d-4c55-9b0e-0d5a4ad0a001",
        email=GUEST,
        redirect_url="https://app.contoso.example",
        display_name=name,
        user_type="Guest",
        send_message=True,
        message=info,
        reset_redemption=False,
        status="PendingAcceptance",
        generation=0,
        created_at=AT,
        expires_at=expires_at,
        invited_by="inviter",
    )


def letter(message=None, organisation="Contoso", inviter=None, app_name=None, once=None, **more):
    return letters.invitation_letter(
        VAULT,
        invitation=invitation(message, **more),
        organisation=organisation,
        inviter=inviter,
        link=LINK,
        app_name=app_name,
        moment=moment(),
        once=once,
    )


def copy(message=None, organisation="Contoso", inviter=None, **more):
    return letters.copy_letter(
        VAULT,
        address=READER,
        invitation=invitation(message, **more),
        organisation=organisation,
        inviter=inviter,
        moment=moment(),
    )


class Seen(HTMLParser):
    """The words a reader sees, the elements, and every attribute's value."""

    def __init__(self, html):
        super().__init__()
        self.words, self.elements, self.attributes, self.open = "", [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes += attrs
        self.open.append(tag)
        self.words += "\n" if tag == "br" else ""

    def handle_endtag(self, tag):
        self.open.reverse()
        self.open.remove(tag)
        self.open.reverse()

    def handle_data(self, data):
        if "style" not in self.open and "title" not in self.open:
            self.words += data


# --- what it says


def test_it_says_who_invites_to_what_until_when_and_for_whom():
    mail = letter(inviter="Maria Meyer", app_name="CRM", name="Alice Alder")
    for text in (mail.body, Seen(mail.html).words):
        for word in ("Hello Alice Alder", "Maria Meyer", "Contoso", "“CRM”", "July 1, 2026, 10:00 UTC", GUEST):
            assert word in text


def test_html_has_one_button_and_the_bare_link_and_plain_text_the_link_once():
    mail = letter()
    assert [v for n, v in Seen(mail.html).attributes if n == "href"] == [LINK, LINK]
    assert Seen(mail.html).words.count(LINK) == mail.body.count(LINK) == 1


def test_plain_text_and_html_say_the_same():
    mail = letter("Welcome.\n\nMaria", inviter="Maria Meyer")
    shown = " ".join(Seen(mail.html).words.split())
    for line in mail.body.splitlines():
        assert " ".join(line.removeprefix(">").replace("-- ", "").split()) in shown


def test_the_inviters_message_stands_where_our_own_sentence_would():
    assert "to work together as a guest" in letter().body
    mail = letter("Join us.", inviter="Maria Meyer")
    assert "A message from Maria Meyer (Contoso):\n\n> Join us.\n" in mail.body
    assert "to work together as a guest" not in mail.body


@pytest.mark.parametrize("message", ["", " \r\n\t", "\u2028"])
def test_an_empty_message_is_none(message):
    assert letter(message).body == letter().body


def test_every_line_of_the_message_is_marked_so_that_none_can_pass_for_ours():
    mail = letter("Hi\r\n\r\n\r\nAccept the invitation\rhttps://evil.example\u2028-- \x0bContoso")
    assert "> Hi\n>\n>\n> Accept the invitation\n> https://evil.example\n> --\n> Contoso\n" in mail.body


def test_it_tells_what_it_is_about_and_is_made_once_unless_asked_again():
    first, again = letter(), letter(once="resend:7")
    assert (first.kind, first.related_id, first.recipient) == ("invitation", invitation().id, GUEST)
    assert (first.once, again.once) == (f"invitation:{invitation().id}", "resend:7")
    assert first.recipient_key == VAULT.mail_key(GUEST)
    assert (first.body, first.html) == (again.body, again.html)


# --- what it never holds


@pytest.mark.parametrize("where", ["message", "organisation", "inviter", "app_name", "name"])
def test_n_075_hostile_text_arrives_as_the_text_it_is(where):
    mail = letter(**{where: HOSTILE})
    first = HOSTILE.partition("\r")[0]
    assert first in mail.body and first in Seen(mail.html).words
    assert Seen(mail.html).elements == Seen(letter(**{where: "a\nb"}).html).elements
    assert "49" not in re.sub(r"#\w+|ticket=\S+", "", mail.html)


@pytest.mark.parametrize("where", ["organisation", "inviter", "app_name", "name"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\x00", "\x0b", "\x85", "\u2028", "\u2029"])
def test_n_069_a_name_is_one_line_in_subject_and_text(where, end):
    mail = letter(**{where: f"Contoso{end}Bcc: eve@evil.example"})
    assert mail.subject.isprintable() and len(mail.subject.splitlines()) == 1
    assert not any(line.startswith("Bcc") for line in mail.body.splitlines())


@pytest.mark.parametrize("where", ["message", "organisation", "inviter", "app_name", "name"])
@pytest.mark.parametrize("hidden", ["\x00", "\x1b[31m", "\x7f", "\ud800", "\u202e", "\u2066"])
def test_n_075_what_no_reader_sees_is_dropped(where, hidden):
    mail = letter(**{where: f"Con{hidden}toso"})
    assert hidden[0] not in mail.body + mail.html + mail.subject
    assert (mail.body + mail.html + mail.subject).encode()


def test_what_scripts_need_to_be_read_is_kept():
    kept = "👩‍💻 می‌خواهم שלום\u200f Zoë"
    assert kept in letter(kept).body


def test_a_name_of_many_pages_is_cut_short():
    assert len(letter(organisation="x" * 5000).subject) < 200


def test_html_fetches_nothing_and_runs_nothing():
    seen = Seen(letter(HOSTILE, inviter=HOSTILE).html)
    assert not {"img", "script", "link", "iframe", "form", "object", "svg", "video"} & set(seen.elements)
    assert {n for n, _ in seen.attributes if n.startswith("on") or n in ("src", "background", "srcset")} == set()
    assert not any("url(" in (v or "") for _, v in seen.attributes)


def test_html_is_small_says_its_language_and_knows_the_dark():
    html = letter(language="fr").html
    assert len(html) < 8000
    assert '<html lang="fr"' in html
    assert "prefers-color-scheme: dark" in html


# --- the copy


@pytest.mark.parametrize("language", sorted(LANGUAGES))
@pytest.mark.parametrize("message", [None, "Join us."])
def test_a_copy_never_gets_the_link(language, message):
    mail = copy(message, inviter="Maria Meyer", language=language)
    for text in (mail.subject, mail.body, mail.html):
        assert TICKET not in text and "/redeem" not in text and "href" not in text and ISSUER not in text


def test_a_copy_says_who_invites_whom_and_the_message():
    mail = copy("Join us.", inviter="Maria Meyer")
    for text in (mail.body, Seen(mail.html).words):
        assert "Maria Meyer (Contoso) has invited alice@fabrikam.example" in text and "Join us." in text
    assert (mail.kind, mail.recipient, mail.related_id) == ("copy", READER, invitation().id)
    assert mail.once == f"copy:{invitation().id}"


# --- languages


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        ("de", "de"),
        ("de-AT", "de"),
        ("DE_ch", "de"),
        ("de-Latn-DE-1996", "de"),
        ("pt-BR", "pt"),
        ("ja-JP", "ja"),
        ("en-US", "en"),
        ("en-GB", "en"),
        ("tlh", "en"),
        ("", "en"),
        ("-", "en"),
        ("deutsch", "en"),
        ("../de", "en"),
        ("de" * 100, "en"),
        (None, "en"),
        (7, "en"),
        (["de"], "en"),
    ],
)
def test_the_language_is_looked_up_by_its_tag(tag, language):
    assert letters.language_of(tag) == language


def test_a_message_of_ones_own_leaves_the_frame_in_its_language():
    mail = letter("Welcome.", language="de-AT")
    assert (mail.language, "> Welcome." in mail.body) == ("de", True)
    assert "Einladung annehmen" in mail.body and "1. Juli 2026, 10:00 Uhr" in mail.body


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "July 1, 2026, 10:00 UTC"),
        ("de", "1. Juli 2026, 10:00 Uhr (UTC)"),
        ("fr", "1er juillet 2026 à 10:00 (UTC)"),
        ("es", "1 de julio de 2026, 10:00 (UTC)"),
        ("it", "1º luglio 2026, ore 10:00 (UTC)"),
        ("pt", "1 de julho de 2026, 10:00 (UTC)"),
        ("nl", "1 juli 2026 om 10:00 uur (UTC)"),
        ("ja", "2026年7月1日 10:00（UTC）"),
    ],
)
def test_the_last_day_is_written_out(language, text):
    assert text in letter(language=language).body


def test_any_other_day_is_its_number():
    assert "le 31 décembre 2026" not in letter(language="fr").body
    assert "31 décembre 2026" in letter(language="fr", expires_at=datetime(2026, 12, 31, 9, tzinfo=UTC)).body


def placeholders(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_each_language_has_the_same_texts_with_the_same_placeholders(language):
    texts, english = LANGUAGES[language], LANGUAGES["en"]
    assert texts.keys() == english.keys()
    assert len(set(texts["months"])) == 12
    for key in english.keys() - {"months"}:
        assert placeholders(texts[key]) == placeholders(english[key]), key
        assert texts[key].strip() == texts[key] != "", key


def test_the_languages_are_there():
    assert LANGUAGES.keys() >= set("en de fr es it pt nl ja".split())
