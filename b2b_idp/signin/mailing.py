"""Mailing a one-time code for a sign-in: to whom, how many, and so that nobody learns whether an address is known."""

from __future__ import annotations

from dataclasses import dataclass, replace

from b2b_idp.factors import letters, mailed
from b2b_idp.keys.vault import Vault
from b2b_idp.model.moment import Moment
from b2b_idp.signin.facts import Known, MailedCodeFact
from b2b_idp.signin.moves import Ask, CodeFor
from b2b_idp.signin.values import Browser
from b2b_idp.signin.view import View, bound_address, mailed_identity, waiting_guest
from b2b_idp.store import Writer
from b2b_idp.store.outbox import MAILS_AN_HOUR, Letter

CODES_IN_A_SIGNIN = 3
"""How many codes one sign-in has mailed before it is known whose it is."""

STRANGERS_MAILS = 3
"""How many of an address's mails an hour browsers may use up that never signed in as its guest, so that strangers
leave some to the guest's own browser."""


def mailing_key(vault: Vault, browser: Browser) -> bytes:
    """A browser that signed in by a code mailed to the guest, as the store remembers it: another thing than one that
    passed a challenge."""
    return vault.digest("mailed-browser", browser.key.hex())


def is_told(known: Known, view: View, step: Ask) -> bool:
    """Whether this browser may be told what becomes of the mail: it has a session, or came by the mailed link. To
    whoever only typed an address nobody says whether it is known here."""
    if step.code_for is not CodeFor.FIRST_FACTOR or known.identity is not None:
        return True
    waits = view.invited is not None and view.invited.state == "PendingAcceptance"
    return waits and view.invitation is not None and view.invitation.email == step.address


@dataclass(frozen=True, slots=True)
class Mail:
    """A code to be mailed for the step of a sign-in; the newest one wins, within this sign-in."""

    w: Writer
    vault: Vault
    signin_id: str
    known: Known
    view: View
    step: Ask
    browser: Browser
    moment: Moment

    def code(self) -> MailedCodeFact:
        """Puts the mail into the outbox; what the sign-in remembers of it. Raises Problem(TOO_MANY_ATTEMPTS) where
        somebody is told."""
        assert self.step.address is not None
        if not is_told(self.known, self.view, self.step):
            return self._to_whoever_it_is(self.step.address)
        letters.may_mail(self.w, self.vault, self.step.address, self.moment.at)
        code = mailed.new_code(self.moment)
        self.w.outbox.add(self._letter(self.step.address, code))
        return self._remembered(self.step.address, code)

    def _to_whoever_it_is(self, address: str) -> MailedCodeFact:
        """The same statements, and the same answer, for an address that is known here, one that is not, and one that
        got its share of mails: only the outbox differs. A code that was not mailed cannot be guessed either."""
        user_id, recipient, familiar = self._recipient(address)
        most = MAILS_AN_HOUR if familiar else STRANGERS_MAILS
        within = self.w.outbox.may_have_another(self.vault.mail_key(recipient), self.moment.at, most)
        code = mailed.new_code(self.moment)
        letter = self._letter(recipient, code)
        if user_id and within:
            self.w.outbox.add(letter)
            return self._remembered(address, code)
        self.w.outbox.withhold(letter)
        return self._remembered(address, self.moment.new_secret())

    def _recipient(self, address: str) -> tuple[str, str, bool]:
        """The id of the guest whom a code mailed to this address lets in (empty: nobody), the address as it was bound
        or invited, and whether this browser is the guest's own."""
        bound = self.w.users.by_identity(mailed_identity(address))
        waiting = waiting_guest(self.w, address, self.moment.at)
        user_id, recipient = "", address
        if bound is not None:
            user_id, recipient = bound.id, bound_address(bound)
        elif waiting is not None and waiting.address.casefold() == address.casefold():
            user_id, recipient = waiting.user.id, waiting.address
        familiar = self.w.factors.knows_browser(user_id, mailing_key(self.vault, self.browser))
        return user_id, recipient, familiar

    def _letter(self, recipient: str, code: str) -> Letter:
        organisation = self.view.configuration.tenant.name
        once = f"code:{self.signin_id}:{self.moment.new_id()}"
        return letters.code_letter(self.vault, recipient, code, organisation, once, self.moment)

    def _remembered(self, address: str, code: str) -> MailedCodeFact:
        digest = mailed.code_digest(self.vault, self.signin_id, address, code)
        fact = MailedCodeFact(digest, address, self.moment.at)
        before = self.known.mailed_code
        return fact if before is None or before.address != address else replace(fact, number=before.number + 1)
