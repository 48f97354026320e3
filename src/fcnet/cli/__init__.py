"""The command line: words and options to calls, and the only place that prints for people."""

import click

from fcnet import __version__
from fcnet.cli.compare import compare
from fcnet.cli.data import data
from fcnet.cli.doctor import doctor
from fcnet.cli.evaluate import evaluate
from fcnet.cli.export import export
from fcnet.cli.gradcheck import gradcheck
from fcnet.cli.group import Commands
from fcnet.cli.predict import predict
from fcnet.cli.recipes import recipes
from fcnet.cli.report import report
from fcnet.cli.runs import runs
from fcnet.cli.sweep import sweep
from fcnet.cli.train import train


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fcnet")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:  # read by Commands.invoke
    """Train fully-connected networks, look at them, and trust them."""


for _command in (train, sweep, evaluate, predict, report, runs, compare, doctor, export, data, gradcheck, recipes):
    main.add_command(_command)
