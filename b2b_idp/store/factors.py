"""Local factors, recovery codes, and the counts that slow down guessing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    and_,
    bindparam,
    delete,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    union,
    union_all,
    update,
)
from sqlalchemy.exc import IntegrityError

from b2b_idp.model.evidence import LocalMethod
from b2b_idp.store.connection import Connection
from b2b_idp.store.followed import about
from b2b_idp.store.functions import upsert_into
from b2b_idp.store.sealing import Sealer
from b2b_idp.store.statements import Prepared, insert_into
from b2b_idp.store.tables import access_passes, factors, guess_budgets, known_browsers, passkeys, recovery_codes


@dataclass(frozen=True, slots=True)
class TotpFactor:
    """A registered TOTP factor; `last_step` is the last time step used (RFC 6238 §5.2: no code twice). `by_home` as in
    `Registered`."""

    id: str
    user_id: str
    secret: bytes
    last_step: int
    created_at: datetime
    by_home: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """A registered passkey: `public_key` is a COSE_Key, `sign_count` the last one seen (WebAuthn §6.1.1), `aaguid` the
    authenticator's make and model, `transports` how a browser reaches it, `backed_up` whether it is synced; `by_home`
    as in `Registered`."""

    id: str
    user_id: str
    credential_id: bytes
    public_key: bytes
    sign_count: int
    aaguid: str
    name: str
    transports: tuple[str, ...]
    backed_up: bool
    created_at: datetime
    last_used_at: datetime | None = None
    by_home: bool = True


@dataclass(frozen=True, slots=True)
class Registered:
    """A factor of any kind, as its owner and administrators see it. `name` is its owner's, `aaguid` the make of its
    authenticator; None: such have none. `by_home`: nobody but the home tenant vouched for who set it up, so it gives no
    power here."""

    id: str
    method: LocalMethod
    name: str | None
    created_at: datetime
    last_used_at: datetime | None
    aaguid: str | None = None
    by_home: bool = True


@dataclass(frozen=True, slots=True)
class Guesses:
    """Guesses since the last right one, and when the last of them came."""

    failures: int
    last_at: datetime


_OF = Prepared(
    select(factors).where(factors.c.user_id == bindparam("user")).order_by(factors.c.created_at), about("user")
)
_PASSKEYS = Prepared(
    select(passkeys).where(passkeys.c.user_id == bindparam("user")).order_by(passkeys.c.created_at), about("user")
)
_REGISTERED = Prepared(
    union_all(
        *(
            select(table.c.id, method, name, table.c.created_at, table.c.last_used_at, aaguid, table.c.by_home).where(
                table.c.user_id == bindparam("user")
            )
            for table, method, name, aaguid in (
                (factors, factors.c.method, null().label("name"), null().label("aaguid")),
                (passkeys, literal(LocalMethod.PASSKEY.value).label("method"), passkeys.c.name, passkeys.c.aaguid),
            )
        )
    ),
    about("user"),
)
_METHODS = Prepared(
    union(
        select(factors.c.method).where(factors.c.user_id == bindparam("user")),
        select(literal(LocalMethod.PASSKEY.value)).where(exists().where(passkeys.c.user_id == bindparam("user"))),
        select(literal(LocalMethod.RECOVERY_CODE.value)).where(
            exists().where(recovery_codes.c.user_id == bindparam("user"), recovery_codes.c.used_at.is_(None))
        ),
    ),
    about("user"),
)
_BUDGET = Prepared(
    select(guess_budgets.c.failures, guess_budgets.c.last_at).where(guess_budgets.c.scope == bindparam("scope"))
)
_CODES_LEFT = Prepared(
    select(func.count())
    .select_from(recovery_codes)
    .where(recovery_codes.c.user_id == bindparam("user"), recovery_codes.c.used_at.is_(None)),
    about("user"),
)
_KNOWN_BROWSER = Prepared(
    select(known_browsers.c.at).where(
        known_browsers.c.user_id == bindparam("user"), known_browsers.c.browser == bindparam("browser")
    )
)
_ADD_TOTP = insert_into(factors, ("id", "user_id", "method", "secret", "last_step", "created_at", "by_home"))
_ADD_PASSKEY = insert_into(passkeys, Passkey.__slots__)
_USE_STEP = Prepared(
    update(factors)
    .where(factors.c.id == bindparam("which"), factors.c.last_step < bindparam("step"))
    .values(last_step=bindparam("step"), last_used_at=bindparam("at"))
)
_FORGET_CODES = Prepared(delete(recovery_codes).where(recovery_codes.c.user_id == bindparam("user")))
_ADD_CODE = insert_into(recovery_codes, ("user_id", "code_hash"))
_USE_CODE = Prepared(
    update(recovery_codes)
    .where(
        recovery_codes.c.user_id == bindparam("user"),
        recovery_codes.c.code_hash == bindparam("code"),
        recovery_codes.c.used_at.is_(None),
    )
    .values(used_at=bindparam("at"))
)
_CLEAR_GUESSES = Prepared(delete(guess_budgets).where(guess_budgets.c.scope == bindparam("which")))


class FactorsReader:
    def __init__(self, connection: Connection, sealer: Sealer) -> None:
        self._c = connection
        self._sealer = sealer

    def methods(self, user_id: str) -> frozenset[LocalMethod]:
        """What this user has registered here; recovery codes count while one is left."""
        return frozenset(LocalMethod(m) for m in self._c.execute(_METHODS, {"user": user_id}).scalars())

    def totp(self, user_id: str) -> list[TotpFactor]:
        return [
            TotpFactor(
                r.id, r.user_id, self._sealer.open(r.secret, "factors:" + r.id), r.last_step, r.created_at, r.by_home
            )
            for r in self._c.execute(_OF, {"user": user_id})
            if r.method == LocalMethod.TOTP
        ]

    def passkeys(self, user_id: str) -> list[Passkey]:
        """The oldest first."""
        return [
            Passkey(**(row | {"transports": tuple(row["transports"])}))
            for row in map(dict, self._c.execute(_PASSKEYS, {"user": user_id}).mappings())
        ]

    def registered(self, user_id: str) -> list[Registered]:
        """Everything but recovery codes, the oldest first."""
        found = [
            Registered(r.id, LocalMethod(r.method), r.name, r.created_at, r.last_used_at, r.aaguid, r.by_home)
            for r in self._c.execute(_REGISTERED, {"user": user_id})
        ]
        return sorted(found, key=lambda f: (f.created_at, f.id))

    def recovery_codes_left(self, user_id: str) -> int:
        left: int = self._c.execute(_CODES_LEFT, {"user": user_id}).scalar_one()
        return left

    def guesses(self, scope: str) -> Guesses | None:
        row = self._c.execute(_BUDGET, {"scope": scope}).first()
        return None if row is None else Guesses(row.failures, row.last_at)

    def knows_browser(self, user_id: str, browser: bytes) -> bool:
        """Whether this browser once passed a challenge for this user."""
        return self._c.execute(_KNOWN_BROWSER, {"user": user_id, "browser": browser}).first() is not None


class FactorsWriter(FactorsReader):
    def add_totp(self, factor: TotpFactor) -> None:
        self._c.execute(
            _ADD_TOTP,
            {
                "id": factor.id,
                "user_id": factor.user_id,
                "method": LocalMethod.TOTP.value,
                "secret": self._sealer.seal(factor.secret, "factors:" + factor.id),
                "last_step": factor.last_step,
                "created_at": factor.created_at,
                "by_home": factor.by_home,
            },
        )

    def add_passkey(self, passkey: Passkey) -> bool:
        """False when anybody has registered it before."""
        values = {name: getattr(passkey, name) for name in Passkey.__slots__}
        try:
            with self._c.begin_nested():
                self._c.execute(_ADD_PASSKEY, values | {"transports": list(passkey.transports)})
        except IntegrityError:
            return False
        return True

    def use_passkey(self, id: str, sign_count: int, backed_up: bool, at: datetime) -> bool:
        """Notes a use; False when a use with this sign count, or a higher one, was noted before."""
        counts_on = passkeys.c.sign_count < sign_count
        if sign_count == 0:
            counts_on = passkeys.c.sign_count == 0
        done = self._c.execute(
            update(passkeys)
            .where(passkeys.c.id == id, counts_on)
            .values(sign_count=sign_count, backed_up=backed_up, last_used_at=at)
        )
        return done.rowcount == 1

    def use_step(self, factor_id: str, step: int, at: datetime) -> bool:
        """Spends a TOTP time step; False when it, or a later one, was used before."""
        done = self._c.execute(_USE_STEP, {"which": factor_id, "step": step, "at": at})
        return done.rowcount == 1

    def remove(self, user_id: str, id: str) -> None:
        """Deletes one TOTP factor or passkey; recovery codes stay."""
        for table in (factors, passkeys):
            self._c.execute(delete(table).where(table.c.user_id == user_id, table.c.id == id))

    def rename(self, user_id: str, id: str, name: str) -> None:
        """Gives a passkey another name."""
        self._c.execute(update(passkeys).where(passkeys.c.user_id == user_id, passkeys.c.id == id).values(name=name))

    def set_recovery_codes(self, user_id: str, hashes: list[bytes]) -> None:
        """Replaces the list."""
        self._c.execute(_FORGET_CODES, {"user": user_id})
        if hashes:
            self._c.execute(_ADD_CODE, [{"user_id": user_id, "code_hash": h} for h in hashes])

    def use_recovery_code(self, user_id: str, code_hash: bytes, at: datetime) -> bool:
        """Spends a recovery code, once."""
        done = self._c.execute(_USE_CODE, {"user": user_id, "code": code_hash, "at": at})
        return done.rowcount == 1

    def forget(self, user_id: str) -> None:
        """Deletes every local factor, recovery code, one-time pass and remembered browser."""
        for table in (factors, passkeys, recovery_codes, access_passes, known_browsers):
            self._c.execute(delete(table).where(table.c.user_id == user_id))

    def take_guess(self, scope: str, waits: Sequence[timedelta], at: datetime) -> bool:
        """Counts one guess, unless the wait after the guesses so far is not over: then False, and nothing is counted.

        `waits[n]` is the wait after n guesses, the last one that after any more. One statement, so that of guesses
        made at once each is counted before it is judged.
        """
        held = guess_budgets.c
        *few, many = enumerate(waits)
        may = or_(
            *(and_(held.failures == n, held.last_at <= at - wait) for n, wait in few),
            and_(held.failures >= many[0], held.last_at <= at - many[1]),
        )
        upsert = upsert_into(guess_budgets, self._c.dialect)
        done = self._c.execute(
            upsert.values(scope=scope, failures=1, last_at=at).on_conflict_do_update(
                index_elements=[held.scope], set_={"failures": held.failures + 1, "last_at": at}, where=may
            )
        )
        return done.rowcount == 1

    def clear_guesses(self, scope: str) -> None:
        self._c.execute(_CLEAR_GUESSES, {"which": scope})

    def remember_browser(self, user_id: str, browser: bytes, at: datetime) -> None:
        upsert = upsert_into(known_browsers, self._c.dialect)
        self._c.execute(upsert.values(user_id=user_id, browser=browser, at=at).on_conflict_do_nothing())
