"""What Ctrl-C does to long commands."""

import math
import shlex
import signal
import time
from typing import Any

import click

SAME_STOP_SECONDS = 1.0


def stop_once() -> None:
    """Answer SIGTERM, which batch systems send, as Ctrl-C, and of several signals within a second only the first.

    `timeout` sends each signal twice, and so do fingers. A training that is stopped saves how far it has come; a later signal
    stops that, too.
    """
    first = -math.inf

    def stop(number: int, frame: Any) -> None:
        nonlocal first
        now = time.monotonic()
        if now - first > SAME_STOP_SECONDS:
            first = now
            raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:  # as of what a script runs in the background
            signal.signal(number, stop)


def is_given(context: click.Context, name: str) -> bool:
    """Return whether an option or argument was given on the command line."""
    return context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def same_command() -> str:
    """Return the command that is being run, as it can be typed again."""
    context, words, arguments = click.get_current_context(), list[str](), list[str]()
    for parameter in context.command.params:
        name = parameter.name or ""
        if not is_given(context, name):
            continue
        value = context.params[name]
        values = [str(each) for each in value] if isinstance(value, list | tuple) else [str(value)]
        if isinstance(parameter, click.Argument):
            arguments += values
        elif isinstance(parameter, click.Option) and parameter.is_flag:
            words.append(parameter.opts[0])
        else:
            words += [word for each in values for word in (parameter.opts[0], each)]
    return shlex.join(["fcnet", str(context.info_name), *arguments, *words])
