"""The list of commands, and how a Problem ends a command."""

from __future__ import annotations

from importlib import import_module

import click

from b2b_idp.model.problem import Code, Problem
from b2b_idp.version import __version__

COMMANDS = {
    "audit": "audit",
    "copy": "copy",
    "demo": "demo",
    "doctor": "doctor",
    "groups": "groups",
    "guests": "guests",
    "homes": "homes",
    "init": "init",
    "invite": "invite",
    "keys": "keys",
    "migrate": "doctor",
    "policy": "policy",
    "registration-tokens": "registration_tokens",
    "report": "report",
    "serve": "serve",
    "token": "token",
    "whatif": "whatif",
}
"""Command → its module, imported only when the command runs: `serve` starts fast."""


class _Commands(click.Group):
    """Problems become one plain line and an exit code: 2 for a wrong setting or call, 1 for anything else."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        command: click.Command = getattr(import_module(f"b2b_idp.cli.{module}"), cmd_name.replace("-", "_"))
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except Problem as p:
            click.echo(f"b2b-idp: {p.say}" + (f" ({p.why})" if p.why else ""), err=True)
            ctx.exit(2 if p.code in (Code.BAD_SETTING, Code.BAD_REQUEST) else 1)


@click.group(cls=_Commands)
@click.version_option(__version__, prog_name="b2b-idp")
def main() -> None:
    """An OpenID Connect identity provider for business-to-business guests."""
