"""Flat recipes and run folders of fcnet 0.1 mean what they meant."""

from pathlib import Path

import pytest
import tomli_w

from fcnet.errors import FileFormatError, SettingError
from fcnet.experiments.config import Config
from fcnet.experiments.configure import configure
from fcnet.experiments.recipe import Recipe, load_recipe, recipe_names
from fcnet.experiments.run import check_run
from fcnet.training.updates import Adam, AdamW, Momentum

DEFAULTS = {  # of all settings in the first version, whose run folders have each of them
    "description": "",
    "features": "none",
    "n_filters": 1600,
    "patch_sizes": [6],
    "threshold": 0.25,
    "grid": 2,
    "map_filters": 0,
    "map_patch_size": [5],
    "map_channels": 64,
    "map_layers": [1],
    "n_components": 3072,
    "pca_regularisation": 1.0,
    "scaling": "standard",
    "zca_regularisation": 0.1,
    "mirror": False,
    "shift": 0,
    "average_views": False,
    "hidden": [100],
    "activation": "relu",
    "normalisation": "none",
    "dropout": 0.0,
    "input_dropout": 0.0,
    "members": 1,
    "training": "gradient",
    "concentration": 1.5,
    "ridge": 2e-3,
    "weight_init": "he",
    "first_layer": "random",
    "dtype": "float32",
    "epochs": 10,
    "batch_size": 100,
    "batches": "shuffled",
    "learning_rate": 1e-2,
    "l2": 0.0,
    "label_smoothing": 0.0,
    "class_weight": "none",
    "patience": 0,
    "keep_best": True,
    "update": "momentum",
    "momentum": 0.9,
    "decay_rate": 0.99,
    "beta1": 0.9,
    "beta2": 0.999,
    "epsilon": 1e-8,
    "weight_decay": 0.01,
    "schedule": "constant",
    "decay": 0.95,
    "step_epochs": 10,
    "step_factor": 0.1,
    "warmup": 0.3,
    "final_fraction": 0.0,
}
DIGITS = {"scaling": "standard", "hidden": [128], "dropout": 0.2, "epochs": 60, "batch_size": 50, "learning_rate": 0.02}
DIGITS |= {"l2": 1e-3, "update": "nesterov", "schedule": "one_cycle"}
TUNED = {"mirror": True, "average_views": True, "hidden": [1000], "input_dropout": 0.1, "dropout": 0.3, "epochs": 40}
TUNED |= {"batch_size": 256, "learning_rate": 0.03, "l2": 1e-3, "label_smoothing": 0.1, "keep_best": False}
TUNED |= {"update": "nesterov", "momentum": 0.9, "schedule": "one_cycle", "warmup": 0.2}
EXERCISE = {"scaling": "mean", "hidden": [50], "weight_init": 1e-5, "epochs": 5, "batch_size": 100, "batches": "sampled"}
EXERCISE |= {"learning_rate": 1e-5, "l2": 1.0, "update": "momentum", "momentum": 0.9, "schedule": "exponential", "decay": 0.95}
TABLE = {"hidden": [128, 64], "dropout": 0.2, "epochs": 60, "batch_size": 64, "learning_rate": 0.005, "update": "adamw"}
TABLE |= {"weight_decay": 0.01, "label_smoothing": 0.05, "schedule": "one_cycle"}
HISTOGRAMS = {"features": "histograms", "hidden": [500], "dropout": 0.3, "epochs": 40, "batch_size": 128, "learning_rate": 0.03}
HISTOGRAMS |= {"l2": 1e-3, "label_smoothing": 0.1, "update": "nesterov", "momentum": 0.9, "schedule": "one_cycle"}
PIXELS = {"scaling": "zca", "zca_regularisation": 0.1, "mirror": True, "shift": 3, "average_views": True, "hidden": [2000]}
PIXELS |= {"normalisation": "layer", "first_layer": "patches", "patch_sizes": [6, 10, 16], "input_dropout": 0.1, "dropout": 0.5}
PIXELS |= {"epochs": 240, "batch_size": 256, "learning_rate": 0.05, "l2": 5e-4, "label_smoothing": 0.1, "update": "nesterov"}
PIXELS |= {"momentum": 0.9, "schedule": "one_cycle", "warmup": 0.2}
FEATURES = {"features": "patches", "n_filters": 8000, "patch_sizes": [3, 2], "threshold": 0.5, "grid": 2, "map_filters": 200}
FEATURES |= {"map_patch_size": [5, 7], "map_channels": 64, "n_components": 4096, "pca_regularisation": 100, "mirror": True}
FEATURES |= {"shift": 2, "average_views": True, "hidden": [4000], "input_dropout": 0.2, "dropout": 0.5, "epochs": 24}
FEATURES |= {
    "batch_size": 256,
    "learning_rate": 0.05,
    "l2": 3e-3,
    "label_smoothing": 0.1,
    "update": "nesterov",
    "momentum": 0.9,
}
FEATURES |= {"schedule": "one_cycle", "warmup": 0.2}
LARGE = {"features": "patches", "n_filters": 16000, "patch_sizes": [3, 2, 4, 3, 2], "threshold": 0.5, "grid": 2}
LARGE |= {"map_filters": 200, "map_patch_size": [5, 7, 5, 7, 5], "map_channels": 64, "map_layers": [1, 1, 1, 1, 2]}
LARGE |= {"n_components": 5120, "pca_regularisation": 100, "mirror": True, "shift": 2, "training": "kernel"}
LARGE |= {"concentration": 1.0, "ridge": 2e-3}
FLAT = {"digits": DIGITS, "tuned": TUNED, "exercise": EXERCISE, "table": TABLE, "histograms": HISTOGRAMS, "pixels": PIXELS}
FLAT |= {"features": FEATURES, "features-large": LARGE, "pixels-deep": PIXELS | {"hidden": [2000, 1000, 1000], "dropout": 0.3}}


def of_flat(settings, **options):
    return Config(options.get("dataset", "digits"), "old", Recipe.from_dict({"settings": settings}, "old")).settings


@pytest.mark.parametrize("name", FLAT)
def test_the_flat_recipes_are_those_of_now(name):
    """Written with the settings that they give, and with all that there were, as in a run folder."""
    dataset = {"dataset": "people.csv"} if name == "table" else {}
    now = load_recipe(name, ["description="])
    assert of_flat(FLAT[name], **dataset) == now
    assert of_flat(DEFAULTS | FLAT[name], **dataset) == now
    assert {*FLAT, "tabular"} == set(recipe_names())  # which never was flat


def test_the_defaults_of_before_are_those_of_now():
    assert of_flat(DEFAULTS) == of_flat({"hidden": [100]}) == Recipe()


def test_adam_decayed_weights_where_a_run_folder_says_so(tmp_path):
    assert of_flat(DEFAULTS | {"update": "adam"}).training.update == AdamW(weight_decay=0.01)
    assert of_flat({"update": "adam"}).training.update == Adam()
    assert of_flat({"update": "adam", "weight_decay": 0.0}).training.update == Adam()
    old = {"dataset": "digits", "recipe": "digits", "seed": 0, "engine": "numpy", "verify": True}
    (tmp_path / "config.toml").write_text(tomli_w.dumps(old | {"settings": DEFAULTS | DIGITS | {"update": "adam"}}))
    read = Config.read(tmp_path)
    assert check_run(tmp_path, read, resume=True) is False
    now = Config("digits", "digits", load_recipe("digits", ["update=adam"]), engine="numpy")
    with pytest.raises(SettingError, match=r"training\.update was 'adamw', now 'adam'"):
        check_run(tmp_path, now, resume=True)
    (tmp_path / "config.toml").write_text(tomli_w.dumps(old | {"settings": DEFAULTS | DIGITS}))
    digits = Config("digits", "digits", load_recipe("digits"), engine="numpy")
    assert check_run(tmp_path, digits, resume=True) is False
    assert load_recipe(str(tmp_path / "config.toml"), ["description="]) == load_recipe("digits", ["description="])


def test_a_run_on_a_table_is_resumed_by_the_flat_recipe_that_it_was_begun_with(tmp_path):
    recipe, table, run = tmp_path / "own.toml", tmp_path / "people.csv", tmp_path / "run"
    recipe.write_text(tomli_w.dumps(TABLE))
    table.write_text("age,old\n1,no\n90,yes\n")
    run.mkdir()
    old = {"dataset": str(table), "recipe": "own", "seed": 0, "engine": "numpy", "settings": DEFAULTS | TABLE}
    (run / "config.toml").write_text(tomli_w.dumps(old))
    assert check_run(*configure(str(table), run, resume=True, recipe=str(recipe)), resume=True) is False


def test_a_flat_file_may_give_a_setting_that_only_other_rules_have(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text('update = "momentum"\nmomentum = 0.5\nweight_decay = 0.3\nschedule = "step"\nstep_epochs = 3\n')
    recipe = load_recipe(str(path))
    assert recipe.training.update == Momentum(0.5)
    assert recipe.training.schedule.step_epochs == 3
    with pytest.raises(SettingError, match=r"training\.schedule\.step_epochs must be a whole number of at least 1, got 2\.5"):
        load_recipe(str(path), ["step_epochs=2.5"])


def test_what_is_wrong_in_a_flat_file_is_named(tmp_path):
    for text, message in (
        ("epoch = 3\nhidden = [4]", "Unknown setting 'epoch'. Did you mean 'epochs'"),
        ("epochs = 0", "training.epochs must be a whole number of at least 1 or auto, got 0"),
        ("members = 4", "members = 4: "),
        ('update = "adm"', "Did you mean 'adam'"),
        ('features = "patches"\ntraining = "kernel"\ndtype = "float64"', "dtype cannot be chosen with training = kernel"),
        ('features = "patches"\ntraining = "kernel"\nclass_weight = "balanced"', "class_weight cannot be chosen with"),
    ):
        path = Path(tmp_path / "own.toml")
        path.write_text(text)
        with pytest.raises(SettingError) as error:
            load_recipe(str(path))
        assert str(error.value).startswith(f"{path}: ")
        assert message in str(error.value)
    (tmp_path / "config.toml").write_text('dataset = "digits"\n[settings]\nepochs = 0\n')
    with pytest.raises(FileFormatError, match="config.toml: training.epochs must be"):
        Config.read(tmp_path)
