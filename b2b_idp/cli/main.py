"""The list of commands, and how a Problem ends a command."""

from __future__ import annotations

import click

from b2b_idp.cli.demo import demo
from b2b_idp.cli.doctor import doctor, migrate
from b2b_idp.cli.homes import homes
from b2b_idp.cli.init import init
from b2b_idp.cli.invite import invite
from b2b_idp.cli.keys import keys
from b2b_idp.cli.serve import serve
from b2b_idp.cli.whatif import whatif
from b2b_idp.model.problem import Code, Problem
from b2b_idp.version import __version__


class _Commands(click.Group):
    """Problems become one plain line and an exit code: 2 for a wrong setting or call, 1 for anything else."""

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


for command in (demo, init, serve, homes, keys, invite, whatif, doctor, migrate):
    main.add_command(command)
