"""The sign-in: facts with where they came from, and the one thing waited for. Knows no Flask."""

from b2b_idp.signin.flow.parts import SignInParts
from b2b_idp.signin.grants import reconsider

__all__ = ["SignInParts", "reconsider"]
