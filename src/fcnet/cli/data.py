"""``fcnet data``."""

import click

from fcnet.cli.group import Command
from fcnet.cli.options import data_dir_option


@click.command(cls=Command)
@click.argument("dataset", type=click.Choice(["cifar10"]))
@data_dir_option
def data(dataset: str, data_dir: str | None) -> None:
    """Find DATASET on this computer, or download it, and check every file."""
    from fcnet.data.cifar10 import download_cifar10, find_cifar10, load_cifar10

    folder = find_cifar10(data_dir) or download_cifar10()
    cifar10 = load_cifar10(folder)
    click.echo(f"CIFAR-10 is in {folder}; every file has its published checksum.")
    for part in ("train", "val", "test"):
        click.echo(f"{part:>6}: {getattr(cifar10, f'X_{part}').shape[0]:,} images of 32 × 32 × 3")
    click.echo(f"classes: {', '.join(cifar10.classes)}")
