"""The mails of an invitation: to the guest, with the link; to one more reader, without it."""

from __future__ import annotations

import tomllib
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from b2b_idp.keys.vault import Vault
from b2b_idp.model.directory import Invitation
from b2b_idp.model.moment import Moment
from b2b_idp.store.outbox import Letter

DEFAULT_LANGUAGE = "en"
"""What a mail is written in when its messageLanguage is none that we have: American English."""

_LONGEST_NAME = 120
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of what follows them, beyond their own line's words."""


def invitation_letter(
    vault: Vault,
    *,
    invitation: Invitation,
    organisation: str,
    inviter: str | None,
    link: str,
    app_name: str | None,
    moment: Moment,
    once: str | None = None,
) -> Letter:
    """The invitation, with its link. `once` names the occasion; by default an invitation is mailed a single time, so
    one that is sent again needs a `once` of its own.

    A customizedMessageBody replaces our own sentence and is in whatever language it is in; all around it stays in
    messageLanguage. Names and message are taken as plain text, whatever they hold.
    """
    texts = _Texts(invitation, organisation, inviter, app_name)
    return _letter(
        vault,
        texts,
        kind="invitation",
        once=once or f"invitation:{invitation.id}",
        address=invitation.email,
        subject=texts.say("subject"),
        greeting=texts.say("hello_name" if texts.names["name"] else "hello"),
        standard=texts.standard(),
        link=link,
        notes=[texts.say(key) for key in ("account", "expiry", "ignore")],
        moment=moment,
    )


def copy_letter(
    vault: Vault,
    *,
    address: str,
    invitation: Invitation,
    organisation: str,
    inviter: str | None,
    moment: Moment,
) -> Letter:
    """What the one reader in ccRecipients gets: who invites whom and the message, never the link."""
    texts = _Texts(invitation, organisation, inviter, None)
    return _letter(
        vault,
        texts,
        kind="copy",
        once=f"copy:{invitation.id}",
        address=address,
        subject=texts.say("copy_subject"),
        greeting=texts.say("hello"),
        standard=texts.say("copy", by=True),
        link=None,
        notes=[texts.say("copy_note")],
        moment=moment,
    )


def language_of(tag: object) -> str:
    """The language that we have for a BCP 47 tag, by lookup (RFC 4647 §3.4): de-AT → de, an unknown one → en."""
    known = _languages()
    parts = tag.lower().replace("_", "-").split("-") if isinstance(tag, str) and len(tag) < 64 else []
    return next((t for n in range(len(parts), 0, -1) if (t := "-".join(parts[:n])) in known), DEFAULT_LANGUAGE)


class _Texts:
    """The sentences of one invitation in its language."""

    def __init__(self, invitation: Invitation, organisation: str, inviter: str | None, app_name: str | None) -> None:
        self.language = language_of(invitation.message.get("messageLanguage"))
        self._texts = _languages()[self.language]
        self.names = {
            "organisation": _line(organisation),
            "inviter": _line(inviter or ""),
            "app": _line(app_name or ""),
            "name": _line(invitation.display_name or ""),
            "address": _line(invitation.email),
            "date": self._date(invitation.expires_at),
        }
        self.invitation_id = invitation.id
        own = invitation.message.get("customizedMessageBody")
        self.message = _lines(own) if isinstance(own, str) else []

    def say(self, key: str, by: bool = False) -> str:
        """The sentence `key`; with `by` the one that names the inviter, if we know who that is."""
        if by and self.names["inviter"]:
            key += "_by"
        return str(self._texts[key]).format(**self.names)

    def standard(self) -> str | None:
        """Our own sentence, unless the inviter wrote one."""
        if self.message:
            return None
        return self.say("standard_app" if self.names["app"] else "standard", by=True)

    def _date(self, at: datetime) -> str:
        return str(self._texts["date"]).format(
            day=self._texts["first_day"] if at.day == 1 else at.day,
            month=self._texts["months"][at.month - 1],
            year=at.year,
            time=f"{at:%H:%M}",
        )


def _letter(
    vault: Vault,
    texts: _Texts,
    *,
    kind: str,
    once: str,
    address: str,
    subject: str,
    greeting: str,
    standard: str | None,
    link: str | None,
    notes: list[str],
    moment: Moment,
) -> Letter:
    message_from, footer = texts.say("message", by=True), texts.say("footer")
    html = _html().render(
        lang=texts.language,
        heading=subject,
        organisation=texts.names["organisation"],
        greeting=greeting,
        standard=standard,
        message_from=message_from,
        message=texts.message,
        link=link,
        accept=texts.say("accept"),
        link_hint=texts.say("link_hint"),
        notes=notes,
        footer=footer,
    )
    quoted = (
        [message_from + "\n\n" + "\n".join(f"> {line}".rstrip() for line in texts.message)] if texts.message else []
    )
    invited = [f"{texts.say('accept')}\n{link}"] if link else []
    paragraphs = [greeting, *([standard] if standard else []), *quoted, *invited, *notes, f"-- \n{footer}"]
    return Letter(
        id=moment.new_id(),
        once=once,
        recipient=address,
        recipient_key=vault.mail_key(address),
        subject=subject,
        body="\n\n".join(paragraphs) + "\n",
        html=html,
        language=texts.language,
        kind=kind,
        related_id=texts.invitation_id,
        created_at=moment.at,
    )


def _line(text: str) -> str:
    """A name as one line of plain text."""
    line = " ".join(_plain(text).split())
    return line if len(line) <= _LONGEST_NAME else line[: _LONGEST_NAME - 1].rstrip() + "…"


def _lines(text: str) -> list[str]:
    """A message as lines of plain text, without empty ones around it."""
    lines = [_plain(line).rstrip() for line in text.splitlines()]
    filled = [n for n, line in enumerate(lines) if line]
    return lines[filled[0] : filled[-1] + 1] if filled else []


def _plain(text: str) -> str:
    """Without what no reader sees: control characters, halves of surrogate pairs, turns of the writing direction."""
    return "".join(
        " " if c.isspace() else c
        for c in text
        if c.isspace() or (c not in _TURNING and unicodedata.category(c) not in ("Cc", "Cs"))
    )


@cache
def _languages() -> Mapping[str, Mapping[str, Any]]:
    """The texts by language tag: one file each."""
    folder = files("b2b_idp.guests") / "texts"
    found = [f for f in folder.iterdir() if f.name.endswith(".toml")]
    return {f.name.removesuffix(".toml"): tomllib.loads(f.read_text("utf-8")) for f in found}


@cache
def _html() -> Template:
    environment = Environment(
        loader=PackageLoader("b2b_idp.guests", "texts"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("letter.html")
