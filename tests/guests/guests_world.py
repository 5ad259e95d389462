"""A tenant on SQLite in memory, and a clock that a test moves by hand."""

from __future__ import annotations

import secrets
import uuid
from datetime import UTC, datetime, timedelta

from b2b_idp.guests.invite import InvitationRequest, invite
from b2b_idp.keys.vault import Vault
from b2b_idp.model.directory import Tenant
from b2b_idp.model.moment import Moment
from b2b_idp.store import Store

ISSUER = "https://idp.contoso.example"
LANDING = "https://app.contoso.example/welcome"
AT = datetime(2026, 6, 1, 10, tzinfo=UTC)


def moment(**later):
    return Moment(AT + timedelta(**later), lambda: str(uuid.uuid4()), lambda: secrets.token_urlsafe(32))


class Directory:
    """The use cases as an edge calls them: each in a transaction of its own."""

    def __init__(self):
        self.vault = Vault(b"k" * 32)
        self.store = Store("sqlite://", self.vault)
        with self.store.write() as w:
            w.documents.create_tenant(Tenant(str(uuid.uuid4()), "Contoso", "contoso.example", AT))

    def invite(self, email, landing=LANDING, at=None, **more):
        ask = InvitationRequest(email=email, redirect_url=landing, **more)
        with self.store.write() as w:
            return invite(w, self.vault, ask, by="inviter", issuer=ISSUER, moment=at or moment())

    def user(self, id):
        with self.store.read() as r:
            return r.users.by_id(id)

    def letters(self):
        with self.store.read() as r:
            return r.outbox.latest()

    def is_open(self, redeem_url):
        """Whether this link still names an invitation that has not been revoked."""
        handle = self.vault.read_handle("ticket", redeem_url.partition("?ticket=")[2])
        with self.store.read() as r:
            return r.invitations.by_id(handle.id).revoked_at is None
