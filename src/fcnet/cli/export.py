"""``fcnet export``."""

from pathlib import Path

import click

from fcnet.cli.group import Command
from fcnet.cli.model import model_of
from fcnet.cli.options import run_argument, threads_option
from fcnet.errors import FcnetError, SettingError


@click.command(cls=Command)
@run_argument
@click.option(
    "--to",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The file to write; its ending chooses the format: .onnx, .safetensors or .md.",
)
@click.option(
    "--tolerance",
    default=1e-5,
    show_default=True,
    type=click.FloatRange(min=0),
    help="The largest difference allowed between the outputs of the ONNX graph and the model's.",
)
@threads_option
def export(run: Path, to: Path, tolerance: float) -> None:
    """Write the model of RUN for use elsewhere.

    FILE becomes an ONNX graph that takes raw inputs, checked against the model; a copy of the safetensors file; or a model
    card in Markdown. A file of that name is replaced.
    """
    from fcnet.experiments.config import Config
    from fcnet.experiments.folder import MODEL
    from fcnet.files import write_atomic

    Config.read(run)  # raises where this is no run folder
    if not to.parent.is_dir():
        raise FcnetError(f"There is no folder {to.parent}.")
    if to.suffix == ".onnx":
        from fcnet.export import export_onnx

        difference = export_onnx(model_of(run), to, tolerance=tolerance)
        click.echo(f"{to}: the outputs of onnxruntime and of the model differ by at most {difference:.1e}.")
    elif to.suffix == ".safetensors":
        model_of(run)  # raises where it is damaged
        write_atomic(to, (run / MODEL).read_bytes())
        click.echo(to)
    elif to.suffix == ".md":
        from fcnet.model_card import model_card

        write_atomic(to, model_card(run))
        click.echo(to)
    else:
        raise SettingError(f"--to {to} must end in .onnx, .safetensors or .md, which chooses the format.")
