"""The default engine is that of every entrance. A file of its own, as the fixture holds for a whole file."""

import pytest
from click.testing import CliRunner

from fcnet import FCNetClassifier, load
from fcnet.cli import main
from fcnet.experiments.config import Config


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_default_engine_is_that_of_every_entrance(tmp_path, engine_name):
    run = tmp_path / "run"
    assert FCNetClassifier((3,), max_iter=1).fit([[0.0], [1.0]] * 6, [0, 1] * 6).network_.engine.name == engine_name
    result = CliRunner().invoke(main, ["train", "digits", "--out", str(run), "--set", "epochs=1"])
    assert result.exit_code == 0, result.output
    assert Config.read(run).engine == engine_name
    assert load(run / "model.safetensors").network.engine.name == engine_name
