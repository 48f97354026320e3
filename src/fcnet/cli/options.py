"""Options and arguments that several commands share."""

from pathlib import Path
from typing import Any

import click

data_dir_option = click.option(
    "--data-dir", metavar="FOLDER", help="The folder with CIFAR-10.  [default: $FCNET_DATA, or the cache]"
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
encoding_option = click.option(
    "--encoding",
    default="",
    metavar="NAME",
    help="The encoding of a .csv or .tsv, such as latin-1 or cp1252.  [default: utf-8, or what its first bytes say]",
)
decimal_settings: dict[str, Any] = {"type": click.Choice([".", ","]), "callback": lambda *given: given[-1] or ""}


def _use_threads(context: click.Context, _: click.Parameter, threads: int | None) -> None:
    """Compute with `threads` threads until the command ends."""
    if threads is not None:
        from fcnet.threads import use_threads

        context.with_resource(use_threads(threads))


threads_settings: dict[str, Any] = {
    "type": click.IntRange(min=1),
    "metavar": "N",
    "help": "How many threads compute.  [default: as many as there are cores]",
}
threads_option = click.option("--threads", callback=_use_threads, expose_value=False, **threads_settings)
run_argument = click.argument("run", type=click.Path(path_type=Path))
