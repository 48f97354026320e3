"""``fcnet doctor``."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from fcnet.cli.group import Command
from fcnet.cli.options import configuration_options, data_dir_option, json_option
from fcnet.errors import SettingError

COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}


@click.command(cls=Command)
@click.argument("target_or_run", metavar="DATASET|RUN")
@click.option(
    "--recipe",
    metavar="NAME|FILE",
    help="A recipe (see fcnet recipes), a TOML file or a run.  [default: one for each data set]",
)
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change a setting of the recipe; may be repeated.")
@configuration_options
@data_dir_option
@json_option
@click.pass_context
def doctor(
    context: click.Context,
    /,
    target_or_run: str,
    changes: Sequence[str],
    no_verify: bool,
    data_dir: str | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Say what will keep a network from learning, with the numbers that show it, and what to change.

    Of a DATASET the rows to train and to validate are looked at, prepared as fcnet train would, and the network of the recipe
    as it begins. Of a RUN its own data and settings are, its training, as far as it has come, and what its model predicts for
    the rows to validate. findings.json in its folder keeps what is found. The test part is not read.

    Errors keep a network from learning, warnings cost quality, and notes change nothing. The exit code is 0 whatever is found.
    """
    from fcnet.doctor.finding import write_findings
    from fcnet.experiments.configure import configure
    from fcnet.experiments.diagnosis import diagnose_data, diagnose_run
    from fcnet.experiments.folder import CONFIG, FINDINGS

    run = Path(target_or_run)
    if (run / CONFIG).is_file():
        given = [name for name in context.params if context.get_parameter_source(name) == ParameterSource.COMMANDLINE]
        if others := sorted(set(given) - {"target_or_run", "data_dir", "as_json"}):
            name = {"changes": "set"}.get(others[0], others[0].replace("_", "-"))
            raise SettingError(f"{run} is a run, with settings of its own: leave out --{name}, or name its data set.")
        found = diagnose_run(run, data_dir)
        write_findings(run / FINDINGS, found)
    else:
        config = configure(target_or_run, None, changes=changes, verify=not no_verify, **settings)[1]
        found = diagnose_data(config, data_dir)
    if as_json:
        click.echo(json.dumps([finding.to_dict() for finding in found]))
        return
    for finding in found:
        click.secho(f"{finding.severity}: {finding.code}:", fg=COLOURS[finding.severity], nl=False)
        click.echo(f" {finding.message}")
        for line in finding.advice:
            click.echo(f"    {line}")
