"""``fcnet gradcheck``."""

import json
import sys
from dataclasses import asdict

import click

from fcnet.cli.group import Command
from fcnet.cli.options import json_option


@click.command(cls=Command)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Draws networks and data.")
@json_option
def gradcheck(seed: int, as_json: bool) -> None:
    """Check every hand-written gradient against a numeric one.

    Small networks by every entry, a large one by random projections; all activations, with dropout, label smoothing and L2;
    plain, and with each normalisation. Networks for tables, as RealMLP, TabM and TabM-mini.
    """
    from fcnet.nn.every_gradient import TOLERANCE, check_every_gradient

    checks = check_every_gradient(seed)
    passed = all(check.relative_error < TOLERANCE for check in checks)
    if as_json:
        click.echo(json.dumps({"passed": passed, "checks": [asdict(check) for check in checks]}))
    else:
        for check in checks:
            click.echo(
                f"{check.activation:<12}{check.kind:<12}{'-'.join(map(str, check.layers)):<18}{check.method:<13}"
                f"largest relative error {check.relative_error:.1e}"
            )
        click.echo("All gradients are right." if passed else f"Wrong: an error is above {TOLERANCE:.0e}.")
    sys.exit(0 if passed else 1)
