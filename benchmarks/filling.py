"""Directories as large as those of large organisations, written past the API, which would take hours."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from b2b_idp.extension import B2BIdp
from b2b_idp.guests.homes import connect
from b2b_idp.model.moment import tenant_id_of
from b2b_idp.store.engine import Database
from benchmarks.contenders import B2bIdp
from benchmarks.contenders.contender import DOMAIN

_ROWS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)"
_ID = "'00000000-0000-4000-8000-' || (100000000000 + i)"
_MAIL = f"'filler' || i || '@{DOMAIN}'"
_USERS = f"""{_ROWS} INSERT INTO users (id, user_type, upn, upn_key, mail, mail_key, account_enabled, creation_type,
    state, state_changed_at, issuer, subject, home_tenant_id, proved_mail, created_at, properties, display_name_key)
  SELECT {_ID}, 'Guest', {_MAIL}, {_MAIL}, {_MAIL}, {_MAIL}, true, 'Invitation', 'Accepted', :now,
    :issuer, {_MAIL}, :tenant, {_MAIL}, :now, '{{}}', 'filler ' || i FROM n"""
_SESSIONS = f"""{_ROWS} INSERT INTO sessions (id, user_id, evidence, created_at, expires_at)
  SELECT {_ID}, {_ID}, '{{}}', :now, :later FROM n"""


def add_guests(contender: B2bIdp, count: int) -> None:
    """So many guests of the same home, every tenth of them signed in."""
    now = datetime.now(UTC)
    times = {"now": _microseconds(now), "later": _microseconds(now + timedelta(days=1))}
    home = {"issuer": contender.home.issuer, "tenant": tenant_id_of(contender.home.issuer)}
    database = Database(contender.database_url)
    with database.transaction(write=True) as connection:
        connection.execute(text(_USERS), {"count": count, "now": times["now"], **home})
        connection.execute(text(_SESSIONS), {"count": count // 10, **times})
    _analyse(database)
    database.close()


def _microseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)


def _analyse(database: Database) -> None:
    """What PostgreSQL does by itself some time after so many rows came, and should not do while we measure."""
    if database.url.startswith("postgresql"):
        with database.transaction(write=True) as connection:
            connection.execute(text("ANALYZE"))


def add_partners(contender: B2bIdp, count: int) -> None:
    """So many more home tenants, each trusted for MFA."""
    idp = _opened(contender)
    with idp.store.write() as w:
        for n in range(count):
            connect(
                w,
                issuer=f"https://idp{n}.example",
                name=f"Partner {n}",
                client_id="b2b-idp",
                client_secret=secrets.token_urlsafe(24),
                domains=[f"partner{n}.example"],
                profile="rfc8176",
                trust_mfa=True,
                moment=idp.moment(),
            )


def add_groups(contender: B2bIdp, count: int, guests: Collection[str]) -> str:
    """So many groups with each of the guests as member; the id of one."""
    idp = _opened(contender)
    with idp.store.write() as w:
        members = [user.id for guest in guests for user in w.users.by_mail(guest)]
        assert len(members) == len(guests)
        for n in range(count):
            moment = idp.moment()
            id = moment.new_id()
            w.apps.add_group(id, {"displayName": f"Group {n}", "securityEnabled": True}, moment.at)
            for member in members:
                w.apps.add_member(id, member)
    return id


def _opened(contender: B2bIdp) -> B2BIdp:
    return B2BIdp(
        issuer=contender.issuer, database_url=contender.database_url, keys_dir=str(contender.instance / "keys")
    )
