"""A group of commands whose help lists them by what they are for."""

from itertools import groupby
from typing import Any

import click

from benchmark.errors import EXIT_INTERRUPTED


class Sections(click.Group):
    """A click group with headings: `add_section` calls give the order of the help.

    A command that no section names follows under "Commands".
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._headings: dict[str, str] = {}  # by command

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """With the group's names of the help option, also where `cmd` is called by itself."""
        super().add_command(cmd, name)
        _same_help(cmd, self.context_settings.get("help_option_names", ["--help"]))

    def invoke(self, ctx: click.Context) -> Any:
        """As click does, but Ctrl-C gives the exit code of a sweep that is stopped."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(EXIT_INTERRUPTED)

    def add_section(self, heading: str, *commands: click.Command) -> None:
        for command in commands:
            self.add_command(command)
            assert command.name is not None
            self._headings[command.name] = heading

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(dict.fromkeys([*self._headings, *super().list_commands(ctx)]))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        shown = [name for name in self.list_commands(ctx) if not self.commands[name].hidden]
        width = max(map(len, shown), default=0)
        for heading, names in groupby(shown, lambda name: self._headings.get(name, "Commands")):
            rows = [
                (name.ljust(width), self.commands[name].get_short_help_str(formatter.width))
                for name in names
            ]
            with formatter.section(heading):
                formatter.write_dl(rows)


def _same_help(command: click.Command, names: list[str]) -> None:
    command.context_settings.setdefault("help_option_names", names)
    if isinstance(command, click.Group):
        for each in command.commands.values():
            _same_help(each, names)
