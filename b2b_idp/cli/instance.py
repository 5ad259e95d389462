"""An instance from its data directory, and how commands print."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from b2b_idp.guests.configuration_file.reading import MAX_BYTES
from b2b_idp.model.problem import Code, Problem
from b2b_idp.settings import Settings

if TYPE_CHECKING:
    from b2b_idp.extension import B2BIdp

SETTINGS_FILE = "settings.toml"

data_option: Callable[[Any], Any] = click.option(
    "--data",
    "data",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="B2B_IDP_DATA",
    default=Path("data"),
    show_default=True,
    help="The instance's directory.",
)
json_option: Callable[[Any], Any] = click.option(
    "--json", "as_json", is_flag=True, help="Print one compact line of JSON, the last."
)


def settings_of(data: Path) -> Settings:
    """The settings of the instance in `data`; relative places in them are below it."""
    toml = data / SETTINGS_FILE
    if not toml.is_file():
        raise Problem(Code.BAD_SETTING, f"{data} holds no instance. Make one: b2b-idp init --data {data} --issuer URL")
    # the directory and the command's own variables are not settings
    env = {k: v for k, v in os.environ.items() if k != "B2B_IDP_DATA"}
    settings = Settings.load(toml, env)
    given = {
        "database_url": settings.database_url or f"sqlite:///{(data / 'b2b-idp.sqlite3').resolve()}",
        "keys_dir": str((data / settings.keys_dir).resolve()),
    }
    return Settings.load(toml, env, **given)


def open_instance(data: Path) -> B2BIdp:
    """The instance in `data`, its parts made as they are used."""
    from b2b_idp.extension import B2BIdp

    return B2BIdp(settings=settings_of(data))


def bytes_of(file: Path) -> bytes:
    """A configuration file's bytes, at most one more than it may have. Raises Problem(BAD_REQUEST)."""
    try:
        with file.open("rb") as f:
            return f.read(MAX_BYTES + 1)
    except OSError as e:
        raise Problem(Code.BAD_REQUEST, f"{file} cannot be read: {e.strerror}.") from None


_PERIOD = re.compile(r"([0-9]{1,5})([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 7 * 24}


class Period(click.ParamType[timedelta]):
    """A length of time: 12h, 30d, 4w."""

    name = "period"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        match = _PERIOD.fullmatch(str(value))
        if match is None or not int(match[1]):
            self.fail(f"{value!r} is no period: write it as 12h, 30d or 4w.", param, ctx)
        return timedelta(hours=int(match[1]) * _HOURS[match[2]])


last_option: Callable[[Any], Any] = click.option(
    "--last", type=Period(), default="30d", show_default=True, help="How far to look back: 12h, 30d, 4w."
)


def show(document: dict[str, Any], lines: list[str], as_json: bool) -> None:
    """Prints data for people, or as one compact line of JSON."""
    if as_json:
        click.echo(json.dumps(document, separators=(",", ":"), ensure_ascii=False))
    else:
        for line in lines:
            click.echo(line)
