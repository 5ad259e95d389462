"""`b2b-idp doctor` and `b2b-idp migrate`."""

from __future__ import annotations

from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import click

from b2b_idp.cli.instance import data_option, json_option, open_instance, show
from b2b_idp.extension import B2BIdp, system_moment
from b2b_idp.factors.passkeys import RelyingParty
from b2b_idp.model.problem import Code, Problem
from b2b_idp.store.replicas import Standing

ENDS_SOON = timedelta(days=30)
"""How long before its end doctor points out an application's signing key."""


@click.command()
@data_option
@json_option
def doctor(data: Path, as_json: bool) -> None:
    """Check settings, keys, database and each home tenant, and say what to do."""
    idp = open_instance(data)
    checks = [_check("settings", lambda: idp.settings.issuer)]
    checks.append(_check("passkeys", lambda: _passkeys(idp.settings.issuer)))
    checks.append(_check("keys", lambda: f"{len(idp.keys.list())} signing keys"))
    checks.append(_check("database", lambda: _database(idp)))
    if checks[-1]["ok"]:
        checks += [_replica(standing) for standing in idp.store.standings()]
        checks.append(_check("audit log", lambda: _chain(idp)))
        checks.append(_check("policies", lambda: _policies(idp)))
        checks.append(_check("outbox", lambda: _outbox(idp)))
        checks.append(_check("dynamic groups", lambda: _rules(idp)))
        checks.append(_check("apps' keys", lambda: apps_keys(idp, system_moment().at)))
        checks += _homes(idp)
        checks.append(
            _check("mail", lambda: "sent" if idp.settings.mail_url else "kept in the outbox: MAIL_URL is empty")
        )
    lines = [f"{'ok  ' if c['ok'] else 'FAIL'}  {c['name']}: {c['says']}" for c in checks]
    show({"checks": checks}, lines, as_json)
    if not all(c["ok"] for c in checks):
        raise SystemExit(1)


def _check(name: str, look: Any) -> dict[str, Any]:
    try:
        return {"name": name, "ok": True, "says": look()}
    except Problem as p:
        return {"name": name, "ok": False, "says": p.say + (f" ({p.why})" if p.why else "")}


def _passkeys(issuer: str) -> str:
    host = RelyingParty.of(issuer).id
    try:
        ip_address(host)
    except ValueError:
        return f"for {host}"
    return f"none: browsers have no passkeys for the address {host}; give the issuer a host name"


def _database(idp: B2BIdp) -> str:
    idp.store.ping()
    schema = idp.store.schema()
    if schema in ("none", "older"):
        raise Problem(Code.UNAVAILABLE, "The schema is older than this version. Run: b2b-idp migrate")
    with idp.store.read() as r:
        return f"schema {schema}{' than this version' * (schema == 'newer')}, tenant {r.configuration.tenant.name}"


def _replica(standing: Standing) -> dict[str, Any]:
    late = "" if standing.lag is None else f"{standing.lag:.1f} seconds late"
    return {"name": f"replica {standing.name}", "ok": standing.why is None, "says": standing.why or late}


def _chain(idp: B2BIdp) -> str:
    with idp.store.read() as r:
        chain = r.logs.verify_chain()
    if chain.broken is not None:
        raise Problem(
            Code.INTERNAL,
            f"The audit log was tampered with: {chain.broken}; the {chain.entries} entries before it are as they were "
            "written. Compare with your last export, and find out who can write to the database.",
        )
    older = f", {chain.unchained} older than the chain" if chain.unchained else ""
    return f"{chain.entries} entries, each as it was written{older}"


def _policies(idp: B2BIdp) -> str:
    with idp.store.read() as r:
        problems = r.configuration.problems
    if problems:
        raise Problem(
            Code.INTERNAL,
            "What these policies concern is closed until they are mended or deleted: "
            + "; ".join(f"{id}: {why}" for id, why in sorted(problems.items())),
        )
    return "each can be enforced as it was written"


def _outbox(idp: B2BIdp) -> str:
    with idp.store.read() as r:
        dead = r.outbox.dead()
    if dead:
        last = dead[-1]
        raise Problem(
            Code.UNAVAILABLE,
            f"{len(dead)} mails were given up, the last one ({last.kind}) because: {last.last_error}. Mend MAIL_URL, "
            "then send the invitations again: POST /v1.0/invitations/{id}/resend.",
        )
    return "no mail was given up"


def _rules(idp: B2BIdp) -> str:
    with idp.store.read() as r:
        rules, progress = r.memberships.rules, r.memberships.progress()
    if rules.broken:
        raise Problem(
            Code.INTERNAL,
            f"This version does not read the membershipRule of {len(rules.broken)} groups, which keep the members they "
            f"had: {', '.join(rules.broken[:5])}. Change the rules; the log says what is wrong with each.",
        )
    behind = progress is not None and progress.behind
    return f"{len(rules.by_group)} rules are On; lists are " + ("being brought up to date" if behind else "up to date")


def apps_keys(idp: B2BIdp, at: datetime) -> str:
    """The signing keys of applications' own. Raises Problem(UNAVAILABLE) when the last one of an app is over soon."""
    with idp.store.read() as r:
        keys = r.app_keys.every()
        last = {k.app: k for k in keys}
        ending = [k for k in last.values() if k.ends_at < at + ENDS_SOON]
        names = sorted(row.application["displayName"] for k in ending if (row := r.apps.row(k.app)) is not None)
    if names:
        raise Problem(
            Code.UNAVAILABLE,
            f"The last signing key of {', '.join(names[:5])} is over within {ENDS_SOON.days} days; then the instance's "
            "keys sign, and a policy may stop to apply. Add another: "
            "POST /v1.0/servicePrincipals/{id}/addTokenSigningCertificate",
        )
    return f"{len(keys)} in {len(last)} apps" if keys else "no app has signing keys of its own"


def _homes(idp: B2BIdp) -> list[dict[str, Any]]:
    with idp.store.read() as r:
        homes = r.configuration.connected
    found = []
    for home in homes:
        report = idp.homes.check(home, system_moment())
        found.append(
            {
                "name": f"home {home.display_name}",
                "ok": not report.problems,
                "says": "; ".join(report.lines()),
            }
        )
    return found


@click.command()
@data_option
@click.option("--online", is_flag=True, help="While servers run; refused where that is not safe.")
@json_option
def migrate(data: Path, online: bool, as_json: bool) -> None:
    """Bring the database's schema, and the Graph API's list of permissions, to this version."""
    revision = open_instance(data).upgrade(online=online)
    show({"revision": revision}, [f"The schema is at revision {revision}."], as_json)
