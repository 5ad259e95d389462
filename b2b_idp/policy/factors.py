"""Factors: what a value, a mode and a local method prove, and what one statement of a home tenant shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from b2b_idp.model.evidence import HomeStatement, Kind, LocalMethod, Vocabulary
from b2b_idp.policy.strengths import MULTIFACTOR, PHISHING_RESISTANT
from b2b_idp.policy.vocabulary import PROFILES

_NONE: frozenset[Kind] = frozenset()
_KNOWLEDGE = frozenset({Kind.KNOWLEDGE})
_POSSESSION = frozenset({Kind.POSSESSION})
_INHERENCE = frozenset({Kind.INHERENCE})

VALUE_KINDS: Mapping[str, frozenset[Kind]] = MappingProxyType(
    {
        **dict.fromkeys(("pwd", "pin"), _KNOWLEDGE),
        **dict.fromkeys(("hwk", "swk", "sc", "sms", "tel", "otp"), _POSSESSION),
        **dict.fromkeys(("face", "fpt", "iris", "retina", "vbm"), _INHERENCE),
    }
)
"""RFC 8176 values that are a factor of some kind; all others are none."""

MODE_KINDS: Mapping[str, frozenset[Kind]] = MappingProxyType(
    {
        **dict.fromkeys(("password", "qrCodePin"), _KNOWLEDGE),
        **dict.fromkeys(
            (
                *("voice", "hardwareOath", "softwareOath", "sms"),
                *("microsoftAuthenticatorPush", "x509CertificateSingleFactor"),
            ),
            _POSSESSION,
        ),
        "email": _NONE,
    }
)
"""Modes of one factor. Absent: `federatedSingleFactor`, which leaves the kind open, and those of several."""

MULTI_FACTOR_MODES = frozenset(mode for c in MULTIFACTOR.combinations if len(c) == 1 for mode in c)
"""Modes that are two factors by themselves."""

_PHISHING_RESISTANT_MODES = frozenset(mode for c in PHISHING_RESISTANT.combinations for mode in c)


@dataclass(frozen=True, slots=True)
class LocalWords:
    """What passing a local method means: its mode, its kinds, the values it adds to a token's `amr`."""

    mode: str
    kinds: frozenset[Kind]
    amr: tuple[str, ...]


LOCAL: Mapping[LocalMethod, LocalWords] = MappingProxyType(
    {
        # User verification makes a passkey possession and inherence (or a PIN) at once.
        LocalMethod.PASSKEY: LocalWords("fido2", _POSSESSION | _INHERENCE, ("hwk", "user")),
        LocalMethod.TOTP: LocalWords("softwareOath", _POSSESSION, ("otp",)),
        LocalMethod.RECOVERY_CODE: LocalWords("softwareOath", _POSSESSION, ("otp",)),  # stands in for a lost TOTP
        LocalMethod.EMAIL: LocalWords("email", _NONE, ("otp",)),
    }
)
"""In order of preference."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What one statement shows, before its age is looked at.

    `accounts` are the sets of modes that its amr and its acr each tell; `known` those of its amr values that
    the vocabulary knows, each once. The first factor is `first_mode` of `first_kinds`; no kind: unexplained.
    `first_amr` is what may be repeated when nothing beyond the first factor counts.
    """

    mfa: bool
    accounts: tuple[frozenset[str], ...]
    first_mode: str
    first_kinds: frozenset[Kind]
    known: tuple[str, ...]
    first_amr: tuple[str, ...]

    @property
    def phishing_resistant(self) -> bool:
        return any(not _PHISHING_RESISTANT_MODES.isdisjoint(account) for account in self.accounts)


def shown(statement: HomeStatement, vocabulary: Vocabulary, trusted: bool) -> Shown:
    """`statement` in the words of `vocabulary`. An untrusted home is believed one first factor, no more."""
    words = vocabulary.amr
    known = tuple(dict.fromkeys(value for value in statement.amr or () if value in words))
    by_password = words.get("pwd") == ("password",) and "pwd" in known
    first_amr = ("pwd",) if by_password else ()
    if not trusted:
        mode, kinds = ("password", _KNOWLEDGE) if by_password else ("federatedSingleFactor", _NONE)
        return Shown(False, (), mode, kinds, first_amr, first_amr)
    modes, kinds = _told(((value, _modes(value, vocabulary)) for value in known), VALUE_KINDS)
    class_modes: frozenset[str] = frozenset()
    class_kinds = _NONE
    if statement.acr is not None and statement.acr in vocabulary.acr:
        # A class is judged by itself: its word and the methods' are two accounts, not two factors.
        class_modes, class_kinds = _told(((statement.acr, vocabulary.acr[statement.acr]),), {})
    mfa = False
    accounts = []
    for account, account_kinds in ((modes, kinds), (class_modes, class_kinds)):
        if len(account_kinds) > 1 or not MULTI_FACTOR_MODES.isdisjoint(account):
            mfa = True
            accounts.append(account | {"federatedMultiFactor"})
        elif account:
            accounts.append(account)
    if by_password:
        return Shown(mfa, tuple(accounts), "password", _KNOWLEDGE, known, first_amr)
    first, first_kinds = (modes, kinds) if known else (class_modes, class_kinds)
    single = [mode for mode in first if mode in MODE_KINDS and mode != "email"]
    return Shown(
        mfa,
        tuple(accounts),
        single[0] if len(first) == len(single) == 1 else "federatedSingleFactor",
        first_kinds if len(first_kinds) == 1 else _NONE,
        known,
        first_amr,
    )


def says_mfa(statement: HomeStatement, vocabulary: Vocabulary) -> bool:
    """Whether the home says MFA, believed or not: in its own vocabulary, or in the words of RFC 8176."""
    if shown(statement, vocabulary, trusted=True).mfa:
        return True
    plain = replace(PROFILES["rfc8176"], otp_is_mailed=vocabulary.otp_is_mailed)
    return shown(replace(statement, acr=None), plain, trusted=True).mfa


def _modes(value: str, vocabulary: Vocabulary) -> tuple[str, ...]:
    return ("email",) if value == "otp" and vocabulary.otp_is_mailed else vocabulary.amr[value]


def _told(
    words: Iterable[tuple[str, tuple[str, ...]]], otherwise: Mapping[str, frozenset[Kind]]
) -> tuple[frozenset[str], frozenset[Kind]]:
    """The modes of `words` and their kinds: of the modes where these tell it, else of the value itself."""
    modes: set[str] = set()
    kinds: set[Kind] = set()
    for value, meant in words:
        modes.update(meant)
        explained = [MODE_KINDS[mode] for mode in meant if mode in MODE_KINDS]
        for kind in explained or (otherwise.get(value, _NONE),):
            kinds |= kind
    return frozenset(modes), frozenset(kinds)
