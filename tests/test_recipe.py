"""Recipes: each update rule and schedule has the settings of its own, and those that were given."""

import tomllib
from dataclasses import asdict, replace

import msgspec
import pytest
import tomli_w

from fcnet import FCNetClassifier
from fcnet.errors import SettingError
from fcnet.estimators.parameters import update_rule
from fcnet.experiments.recipe import Recipe, load_recipe, recipe_names
from fcnet.experiments.run import Config, check_run
from fcnet.training.schedules import SCHEDULES, get_schedule
from fcnet.training.updates import UPDATES, Adam, AdamW, Momentum, Nesterov, get_update


def rule_of(recipe):
    return recipe.trainer(0, None).update


@pytest.mark.parametrize("name", UPDATES)
def test_a_rule_that_is_chosen_by_its_name_alone_is_the_rule_of_that_name(name):
    recipes = [Recipe(update=name), *(load_recipe(recipe, [f"update={name}"]) for recipe in ("exercise", "table", "digits"))]
    for rule in (get_update(name), *map(rule_of, recipes[: 1 if name in ("adamw", "momentum", "nesterov") else None])):
        assert rule == UPDATES[name]()
    estimator = FCNetClassifier(solver=name)
    assert update_rule(estimator) == (Nesterov(0.9) if name == "sgd" else UPDATES[name]())  # "sgd" as scikit-learn has it


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_that_is_chosen_by_its_name_alone_is_the_schedule_of_that_name(name):
    own = SCHEDULES[name]()
    recipe = load_recipe("tuned", [f"schedule={name}"])
    assert recipe.trainer(0, None).schedule == (msgspec.structs.replace(own, warmup=0.2) if name == "one_cycle" else own)
    assert get_schedule(name) == own


def test_adam_decays_no_weights_unless_it_is_told_to():
    assert rule_of(load_recipe("digits", ["update=adam"])) == Adam()
    assert rule_of(load_recipe("table", ["update=adam"])) == Adam()  # the decay there is that of AdamW
    assert rule_of(load_recipe("digits", ["update=adamw"])) == AdamW(weight_decay=0.01)
    assert rule_of(load_recipe("digits", ["update=adam", "weight_decay=0.05"])) == AdamW(weight_decay=0.05)
    assert rule_of(load_recipe("table", ["weight_decay=0.05"])) == AdamW(weight_decay=0.05)


def test_a_recipe_file_may_give_a_setting_that_only_other_rules_have(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text('update = "momentum"\nmomentum = 0.5\nweight_decay = 0.3\nschedule = "step"\nstep_epochs = 3\n')
    assert rule_of(load_recipe(str(path))) == Momentum(0.5)
    assert load_recipe(str(path)).trainer(0, None).schedule.step_epochs == 3
    with pytest.raises(SettingError, match="step_epochs needs a value like 10, got 2.5"):
        load_recipe(str(path), ["step_epochs=2.5"])


@pytest.mark.parametrize("name", recipe_names())
def test_the_configuration_of_a_run_says_all_that_takes_effect(name, tmp_path):
    recipe = load_recipe(name)
    (tmp_path / "config.toml").write_text(Config("digits", name, recipe, engine="numpy").to_toml())
    again = load_recipe(str(tmp_path / "config.toml"))
    assert again.in_effect() == recipe.in_effect()
    assert again.trainer(0, None) == recipe.trainer(0, None)
    written = tomllib.loads((tmp_path / "config.toml").read_text())["settings"]
    rule = msgspec.structs.asdict(rule_of(recipe))
    assert {key: written[key] for key in rule} == rule


def test_a_run_of_before_means_what_it_meant(tmp_path):
    """Older configurations have every key, so that Adam was given the weight decay of the pool."""
    config = Config("digits", "digits", load_recipe("digits", ["update=adam"]), engine="numpy")
    every = {"momentum": 0.9, "decay_rate": 0.99, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.01}
    every |= {"decay": 0.95, "step_epochs": 10, "step_factor": 0.1, "warmup": 0.3, "final_fraction": 0.0}
    old = replace(config, settings=replace(config.settings, **every))
    (tmp_path / "config.toml").write_text(tomli_w.dumps(asdict(old)))
    read = Config.read(tmp_path)
    assert rule_of(read.settings) == AdamW(weight_decay=0.01)
    assert check_run(tmp_path, read, resume=True) is False
    with pytest.raises(SettingError, match=r"weight_decay was 0\.01, now None\."):
        check_run(tmp_path, config, resume=True)
    nesterov = replace(old, settings=replace(old.settings, update="nesterov"))
    (tmp_path / "config.toml").write_text(tomli_w.dumps(asdict(nesterov)))
    assert check_run(tmp_path, replace(config, settings=load_recipe("digits")), resume=True) is False
