"""A tenant with one guest, and the challenges as a sign-in puts them: each answer in a transaction of its own."""

from __future__ import annotations

import secrets
import uuid
from datetime import UTC, datetime, timedelta

import pyotp

from b2b_idp.factors import challenge, passes, passkeys, totp
from b2b_idp.keys.vault import Vault
from b2b_idp.model.directory import Tenant, User
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Problem
from b2b_idp.store import Store
from b2b_idp.testing.passkey import SoftwarePasskey

PARTY = passkeys.RelyingParty.of("https://idp.contoso.example/idp")
AT = datetime(2026, 6, 1, 10, tzinfo=UTC)
GUEST = "3f0c0d7e-5b0d-4c55-9b0e-0d5a4ad0a001"
ADMINISTRATOR = "3f0c0d7e-5b0d-4c55-9b0e-0d5a4ad0a002"
PHONE, STRANGER = b"phone" * 8, b"other" * 8
"""Browsers, by the keyed hash of their cookie."""


def after(**time):
    return AT + timedelta(**time)


def moment(at=AT):
    return Moment(at, lambda: str(uuid.uuid4()), lambda: secrets.token_urlsafe(32))


def code_at(secret, at):
    return pyotp.TOTP(totp.text_of(secret)).at(at)


def wrong_code_at(secret, at):
    """A code of the right form that no accepted step has."""
    right = {code_at(secret, at + timedelta(seconds=s)) for s in (-30, 0, 30)}
    return next(c for c in ("000000", "000001", "000002", "000003") if c not in right)


class Tenancy:
    def __init__(self, url="sqlite://"):
        self.url = url
        self.vault = Vault(b"k" * 32)
        self.store = Store(url, self.vault)
        if url != "sqlite://":
            self.store.migrate()
        self.secret = totp.new_secret(moment())
        with self.store.write() as w:
            w.documents.create_tenant(Tenant(str(uuid.uuid4()), "Contoso", "contoso.example", AT))
            w.users.add(User(id=GUEST, user_type="Guest", upn="maria#EXT#@contoso.example", mail=None, created_at=AT))

    def restart(self):
        self.store.close()
        self.store = Store(self.url, self.vault)

    def register(self, typed=None, at=AT):
        typed = code_at(self.secret, at) if typed is None else typed
        with self.store.write() as w:
            return challenge.register_totp(w, self.vault, GUEST, PHONE, self.secret, typed, False, moment(at))

    def totp(self, typed, at, browser=PHONE):
        with self.store.write() as w:
            return challenge.answer_totp(w, self.vault, GUEST, browser, typed, moment(at))

    def recovery(self, typed, at=AT, browser=PHONE):
        with self.store.write() as w:
            return challenge.answer_recovery(w, self.vault, GUEST, browser, typed, moment(at))

    def held(self):
        with self.store.read() as r:
            return r.factors.passkeys(GUEST)

    def registered(self, passkey=None, name="", **say):
        """A passkey that is registered, and what came of that."""
        passkey = passkey or SoftwarePasskey(**say)
        handle = passkeys.user_handle(self.vault, GUEST)
        over = passkeys.new_challenge(moment())
        options = passkeys.registration_options(PARTY, "Contoso", handle, "maria@x.example", "Maria", [], over)
        return passkey, self.register_passkey(over, passkey.create(options, PARTY.origin), name)

    def register_passkey(self, over, answer, name=""):
        with self.store.write() as w:
            return challenge.register_passkey(
                w, self.vault, PARTY, GUEST, PHONE, over, answer, name, None, False, moment()
            )

    def asserted(self, passkey, at=AT, browser=PHONE):
        """What came of an assertion by this passkey over a fresh challenge."""
        over = passkeys.new_challenge(moment())
        options = passkeys.assertion_options(PARTY, self.held(), over)
        return self.assert_passkey(over, passkey.get(options, PARTY.origin), at, browser)

    def assert_passkey(self, over, answer, at=AT, browser=PHONE):
        with self.store.write() as w:
            return challenge.answer_passkey(w, self.vault, PARTY, GUEST, browser, over, answer, moment(at))

    def give_pass(self, at=AT, **more):
        """A one-time pass for the guest; its code."""
        with self.store.write() as w:
            return passes.give(w, self.vault, w.users.by_id(GUEST), ADMINISTRATOR, moment(at), **more)[1]

    def use_pass(self, typed, at=AT, browser=PHONE):
        """The code of the refusal, None when the pass was right."""
        with self.store.write() as w:
            try:
                passes.answer(w, self.vault, GUEST, browser, typed, moment(at))
            except Problem as problem:
                return problem.code
        return None

    def wrong(self, at, browser):
        """A wrong TOTP code from this browser."""
        return self.totp(wrong_code_at(self.secret, at), at, browser)
