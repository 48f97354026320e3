"""The group of all commands, and the summary of each."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from fcnet.cli.messages import plain_words, show_error
from fcnet.errors import FcnetError, SettingError, unknown_name


class Commands(click.Group):
    """A group that suggests the nearest command for an unknown one, and reports errors in a line."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        from fcnet.cli.notes import shown_notes

        with plain_errors(ctx.params["debug"]), shown_notes():
            return super().invoke(ctx)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find the command by the first of `args`."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            raise click.UsageError(str(unknown_name("command", args[0], self.commands)), ctx)
        return super().resolve_command(ctx, args)


class Command(click.Command):
    """A command whose summary is not cut off in the list of commands, and that says which file the system has refused.

    Where it takes ``--set``, it says how a setting is changed that is given as an option.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            name = error.option_name.lstrip("-")
            if any("--set" in option.opts for option in self.params) and (setting := _setting(name)):
                raise click.UsageError(f"No such option {error.option_name!r}. Write --set {setting}=VALUE.", ctx) from None
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except OSError as error:
            if not error.filename:
                raise
            raise FcnetError(plain_words(error, ctx.params)) from error

    def get_short_help_str(self, limit: int = 0) -> str:
        """Return the first sentence of the help."""
        return super().get_short_help_str(limit=1000)


def _setting(name: str) -> str:
    """Return the name of the setting of recipes that an option names, perhaps as another library does; nothing if none."""
    from fcnet.experiments.changes import find
    from fcnet.experiments.recipe import Recipe

    try:
        return find(Recipe, name.replace("-", "_"))[0].path[-1]
    except SettingError:
        return ""


@contextmanager
def plain_errors(debug: bool) -> Iterator[None]:
    """Turn an error that a person can mend into one line and an exit code: 1 the work failed, 2 wrong use."""
    try:
        yield
    except (FcnetError, OSError, KeyboardInterrupt, MemoryError) as error:
        if debug:
            raise
        names = {KeyboardInterrupt: "Stopped.", MemoryError: f"Out of memory: {error}"}
        show_error(names.get(type(error), error))
        sys.exit(2 if isinstance(error, SettingError) else 1)
