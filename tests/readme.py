"""Run what the README shows, by what ``pip install fcnet`` brings: estimators, commands, pictures, tables, features, reports.

``make test-install`` runs it where nothing else is installed, and `test_bare_install.py` where nothing else can be imported.
"""

import os
import re
import tempfile
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
SMALL = "--set hidden_sizes=[8] --set epochs=1"
FEW = "--set n_filters=8 --set map_filters=4 --set map_channels=8 --set n_components=8"
COMMANDS = f"""
train digits --set epochs=2 --out digits
evaluate digits
report digits
export digits --to MODEL_CARD.md
train customers.csv --target churn --set epochs=2 --out churn
predict churn customers.csv.zst customers.parquet
train photos --recipe histograms {SMALL} --out histograms
predict histograms photos/cat/0.png
train images.npz --recipe features {FEW} {SMALL} --out features
recipes tuned
"""


def make_data() -> None:
    """Write pictures, arrays and tables of random numbers."""
    import numpy as np
    import polars as pl
    import zstandard
    from PIL import Image

    rng = np.random.default_rng(0)
    images, labels = rng.integers(256, size=(60, 32, 32, 3), dtype=np.uint8), np.arange(60) % 2
    np.savez("images.npz", X=images, y=labels)
    for i, image in enumerate(images):
        folder = Path("photos", ("cat", "dog")[labels[i]])
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{i}.png")
    table = pl.DataFrame({"size": rng.standard_normal(60), "colour": ["red", "blue"] * 30, "churn": ["no", "no", "yes"] * 20})
    table.write_csv("customers.csv")
    table.write_parquet("customers.parquet")
    Path("customers.csv.zst").write_bytes(zstandard.compress(Path("customers.csv").read_bytes()))


def main() -> None:
    """Do it all in the current folder."""
    import click

    from fcnet.cli import main as fcnet

    for code in re.findall(r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), re.M | re.S):
        exec(code, {})
    make_data()
    for command in COMMANDS.strip().splitlines():
        click.echo(f"$ fcnet {command}")
        try:
            fcnet(command.split(), standalone_mode=False)
        except SystemExit as end:
            if end.code:
                raise


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        main()
        os.chdir("/")
    print("All that the README shows works.")  # noqa: T201
