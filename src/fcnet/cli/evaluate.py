"""``fcnet evaluate``."""

import json
from pathlib import Path

import click

from fcnet.cli.group import Command
from fcnet.cli.messages import other_metrics, warn_of
from fcnet.cli.options import data_dir_option, json_option, run_argument, threads_option
from fcnet.cli.report import write_or_warn


@click.command(cls=Command)
@run_argument
@threads_option
@data_dir_option
@json_option
def evaluate(run: Path, data_dir: str | None, as_json: bool) -> None:
    """Evaluate RUN on the test rows, once, and record the accuracy, or of a regression R² or D², and other metrics."""
    from fcnet.experiments.members import measured_by_themselves, over_members
    from fcnet.experiments.run import evaluate as evaluate_run
    from fcnet.experiments.scores import headline

    metrics = evaluate_run(run, data_dir=data_dir)
    write_or_warn(run)
    warn_of(metrics, "test")
    if as_json:
        click.echo(json.dumps(metrics))
    else:
        click.echo(f"Test {headline(metrics, 'test')} on {metrics['n_test']:,} rows.")
        if measured_by_themselves(metrics):
            click.echo(f"Its {len(metrics['members'])} networks, each by itself: {over_members(metrics, 'test')}.")
        if others := other_metrics(metrics, "test"):
            click.echo(others)
