"""What can come next in a sign-in: values, which `steps` computes and `flow` carries out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from b2b_idp.model.access import Counted
from b2b_idp.model.directory import User
from b2b_idp.model.evidence import LocalMethod
from b2b_idp.model.home import Home
from b2b_idp.model.problem import Problem
from b2b_idp.policy.evaluate import Evaluation
from b2b_idp.signin.facts import Waiting
from b2b_idp.signin.view import Candidate


@dataclass(frozen=True, slots=True)
class Depart:
    """Send the browser to the home tenant."""

    home: Home
    step_up: bool
    max_age: int | None
    prompt: str | None


@dataclass(frozen=True, slots=True)
class Bind:
    """Bind the candidate to the identity, then compute again."""

    candidate: Candidate
    proved_mail: str


class CodeFor(Enum):
    """What a mailed code that is typed here is."""

    PROOF = "proof"
    """proof that the guest reads the address, no factor"""
    FIRST_FACTOR = "first_factor"
    SECOND_FACTOR = "second_factor"


@dataclass(frozen=True, slots=True)
class Ask:
    """Show the page that asks for what is waited for."""

    waiting: Waiting
    methods: tuple[LocalMethod, ...] = ()
    """What may be used or registered; of a challenge or registration, the first is the one asked for."""
    address: str | None = None
    terms: tuple[str, ...] = ()
    """Agreements to accept, one after another."""
    aaguids: frozenset[str] | None = None
    """The makes of passkey that would do; None: any."""
    or_pass: bool = False
    """Whether a one-time pass would do as well."""
    code_for: CodeFor = CodeFor.PROOF
    fresh: bool = False
    """Of a first factor: an earlier one was too old for what is asked."""

    @property
    def passkey(self) -> bool:
        """Whether a passkey is asked for."""
        return self.waiting in (Waiting.CHALLENGE, Waiting.REGISTRATION) and self.methods[0] is LocalMethod.PASSKEY

    @property
    def totp_registration(self) -> bool:
        """Whether an authenticator app is to be set up."""
        return self.waiting is Waiting.REGISTRATION and self.methods[0] is LocalMethod.TOTP


@dataclass(frozen=True, slots=True)
class Issue:
    """All is known and allowed."""

    user: User
    home: Home
    counted: Counted
    scope: tuple[str, ...]
    evaluation: Evaluation


@dataclass(frozen=True, slots=True)
class Stop:
    """Refused; `tell_app` when the app is redirected to, else a page says it."""

    problem: Problem
    tell_app: bool = False
    evaluation: Evaluation | None = None


Step = Depart | Bind | Ask | Issue | Stop
