"""Every setting, declared once: name, type, default, help. The file, the environment and the manual read it here."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from b2b_idp.model.problem import Code, Problem

PREFIX = "B2B_IDP_"


def _bad(name: str, say: str) -> Problem:
    return Problem(Code.BAD_SETTING, f"{name}: {say}")


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise _bad(name, "is a text.")
    return value


def _issuer(name: str, value: object) -> str:
    text = _text(name, value)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise _bad(name, "is not a URL.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise _bad(name, "is an https URL such as https://idp.example.org, without user name.")
    if "?" in text or "#" in text or text != text.strip() or not text.isascii():
        raise _bad(name, "has no query, fragment, blanks or letters beyond ASCII.")
    if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise _bad(name, "http is for loopback only; use https.")
    if port == 0 or parts.path.endswith("/"):
        raise _bad(name, "ends without a slash: it is compared byte for byte.")
    return text


def _list(name: str, value: object) -> tuple[str, ...]:
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(i, str) for i in items):
        raise _bad(name, "is a list of texts; in the environment they are separated by commas.")
    return tuple(i.strip() for i in items if i.strip())


def _replicas(name: str, value: object) -> tuple[str, ...]:
    urls = _list(name, value)
    if not all(url.startswith("postgresql://") for url in urls):
        raise _bad(name, "is a list of postgresql:// addresses.")
    return urls


def _private(name: str, value: object) -> bool | tuple[str, ...]:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false", ""):
        return value.strip().lower() == "true"
    return _list(name, value)


def _header(name: str, value: object) -> str:
    text = _text(name, value)
    if text and not text.replace("-", "").isalnum():
        raise _bad(name, "is the name of a header.")
    return text


def _optional_url(name: str, value: object) -> str:
    return _issuer(name, value) if value else ""


def _positive(name: str, value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise _bad(name, "is a whole number, above 0.")
    return value


def _count(name: str, value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _bad(name, "is a whole number, 0 or more.")
    return value


def _level(name: str, value: object) -> str:
    level = _text(name, value).upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise _bad(name, "is DEBUG, INFO, WARNING or ERROR.")
    return level


def setting(help: str, parse: Callable[[str, object], Any], default: Any = MISSING, *, secret: bool = False) -> Any:
    return field(default=default, repr=not secret, metadata={"help": help, "parse": parse, "secret": secret})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of one instance. `load` reads them; each part is then given only what it uses."""

    issuer: str = setting("The address that guests and apps see; byte for byte the `iss` of every token.", _issuer)
    database_url: str = setting("sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE.", _text, "", secret=True)
    replica_urls: tuple[str, ...] = setting(
        "Streaming replicas of the PostgreSQL database, postgresql://… each: they answer what they provably know.",
        _replicas,
        (),
        secret=True,
    )
    max_staleness: int = setting(
        "How many seconds old an answer of the API about something revocable may be, at most.", _positive, 2
    )
    keys_dir: str = setting("The folder of signing keys and the master key.", _text, "keys")
    mail_url: str = setting(
        "smtp://[user:password@]host[:port][?starttls=1] or smtps://…; empty: mail stays in the outbox.",
        _text,
        "",
        secret=True,
    )
    mail_from: str = setting("The sender of mails; empty: no-reply@ the tenant's default domain.", _text, "")
    trusted_proxies: int = setting("How many reverse proxies in front may set X-Forwarded-For.", _count, 0)
    log_level: str = setting("DEBUG, INFO, WARNING or ERROR.", _level, "INFO")
    allow_private_upstreams: bool | tuple[str, ...] = setting(
        "Home tenants on private addresses, and plain http to loopback: hosts or CIDRs, or true for loopback and "
        "private ranges.",
        _private,
        False,
    )
    client_certificate_header: str = setting(
        "The header in which the TLS front hands on client certificates (X-SSL-Client-Cert with nginx's "
        "$ssl_client_escaped_cert, or Client-Cert); needs trusted_proxies. Empty: none are looked for.",
        _header,
        "",
    )
    client_certificate_authorities: str = setting(
        "PEM file of the authorities whose certificates authenticate apps (tls_client_auth).", _text, ""
    )
    mtls_url: str = setting(
        "Where apps with a client certificate call, if not at the issuer: the same paths below another https address.",
        _optional_url,
        "",
    )
    home_recheck: int = setting("Seconds that a session lives after home's last word.", _positive, 24 * 3600)
    graph_requests: int = setting(
        "How many Graph requests one application may make in ten seconds, in each worker.", _positive, 3500
    )

    @classmethod
    def load(cls, toml: Path | None = None, env: Mapping[str, str] | None = None, **given: object) -> Settings:
        """Settings from a TOML file, overridden by `B2B_IDP_<NAME>`, overridden by arguments.

        Raises Problem(BAD_SETTING) that names every wrong or unknown one.
        """
        declared = {f.name: f for f in fields(cls)}
        found: dict[str, object] = {}
        wrong: list[str] = []
        if toml is not None:
            for name, value in _read_toml(toml).items():
                if name in declared:
                    found[name] = value
                else:
                    wrong.append(f"{name}: unknown setting in {toml.name}")
        for variable, text in (env or {}).items():
            if variable.startswith(PREFIX):
                name = variable.removeprefix(PREFIX).lower()
                if name in declared:
                    found[name] = text
                else:
                    wrong.append(f"{variable}: unknown setting")
        for name, value in given.items():
            if name.lower() in declared:
                found[name.lower()] = value
            else:
                wrong.append(f"{name}: unknown setting")
        values: dict[str, Any] = {}
        for name, f in declared.items():
            if name in found:
                try:
                    values[name] = f.metadata["parse"](name.upper(), found[name])
                except Problem as p:
                    wrong.append(p.say)
            elif f.default is MISSING:
                wrong.append(f"{name.upper()}: is needed")
        if values.get("client_certificate_header") and not values.get("trusted_proxies"):
            wrong.append("CLIENT_CERTIFICATE_HEADER: anybody could send it; say how many TRUSTED_PROXIES are in front.")
        if wrong:
            raise Problem(Code.BAD_SETTING, "; ".join(wrong))
        return cls(**values)


def _read_toml(path: Path) -> Mapping[str, object]:
    try:
        with path.open("rb") as f:
            return tomllib.load(f)
    except OSError as e:
        raise Problem(Code.BAD_SETTING, f"{path}: {e.strerror or e}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise Problem(Code.BAD_SETTING, f"{path}: not TOML: {e}") from None


def template(issuer: str) -> str:
    """The settings.toml that `init` writes: what is set, and every default as a comment."""
    lines = ["# Settings of b2b-idp. Each can be overridden by the environment: B2B_IDP_<NAME>.", ""]
    for f in fields(Settings):
        lines.append(f"# {f.metadata['help']}")
        if f.name == "issuer":
            lines.append(f'issuer = "{issuer}"')
        else:
            lines.append(f"# {f.name} = {_toml(f.default)}")
        lines.append("")
    return "\n".join(lines)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(f'"{v}"' for v in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)
