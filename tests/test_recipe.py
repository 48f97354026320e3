"""Recipes: a tree of parts, each with exactly the settings that take effect."""

import json
import tomllib

import pytest
import tomli_w
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from fcnet import FCNetClassifier
from fcnet.cli import main
from fcnet.errors import SettingError
from fcnet.estimators.parameters import update_rule
from fcnet.experiments.config import Config
from fcnet.experiments.gradient import GradientDescent
from fcnet.experiments.kernel import KernelRegression
from fcnet.experiments.network import Drawn, LocalPatches, Network
from fcnet.experiments.recipe import Augmentation, Recipe, load_recipe, recipe_names
from fcnet.preprocessing import Histograms, Patches, Pixels, Table
from fcnet.training.schedules import SCHEDULES, Cosine, OneCycle, get_schedule
from fcnet.training.updates import UPDATES, Adam, AdamW, Momentum, Nesterov, get_update


def own(tmp_path, text):
    path = tmp_path / "own.toml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", UPDATES)
def test_a_rule_that_is_chosen_by_its_name_alone_is_the_rule_of_that_name(name, tmp_path):
    recipes = [load_recipe(recipe, [f"update={name}"]) for recipe in ("exercise", "table", "digits")]
    recipes.append(load_recipe(own(tmp_path, f'[training]\nkind = "gradient"\nupdate = "{name}"\n')))
    for rule in (get_update(name), *(recipe.training.trainer(0).update for recipe in recipes)):
        assert rule == UPDATES[name]()
    estimator = FCNetClassifier(solver=name)
    assert update_rule(estimator) == (Nesterov(0.9) if name == "sgd" else UPDATES[name]())  # "sgd" as scikit-learn has it


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_that_is_chosen_by_its_name_alone_is_the_schedule_of_that_name(name):
    own = SCHEDULES[name]()
    chosen = load_recipe("tuned", [f"schedule={name}"]).training.schedule
    assert chosen == (OneCycle(warmup=0.2) if name == "one_cycle" else own)  # which is as it was
    assert get_schedule(name) == own


def test_adam_decays_no_weights():
    assert load_recipe("digits", ["update=adam"]).training.update == Adam()
    assert load_recipe("table", ["update=adam"]).training.update == Adam()  # the decay there is that of AdamW
    assert load_recipe("digits", ["update=adamw"]).training.update == AdamW(weight_decay=0.01)
    assert load_recipe("table", ["weight_decay=0.05"]).training.update == AdamW(weight_decay=0.05)


def test_a_table_has_the_kind_and_what_it_does_not_say_is_the_default(tmp_path):
    text = """
    [preprocessing]
    kind = "pixels"
    scaling = {kind = "zca", regularisation = 1}
    [network]
    hidden_sizes = 20
    weight_init = 1e-2
    first_layer = "patches"
    [training]
    kind = "gradient"
    learning_rate = 1
    [training.update]
    kind = "momentum"
    momentum = 0.5
    """
    recipe = load_recipe(own(tmp_path, text))
    assert recipe.preprocessing.scaling.regularisation == 1.0
    assert recipe.network == Network(hidden_sizes=[20], weight_init=0.01, first_layer=LocalPatches())
    assert recipe.training == GradientDescent(learning_rate=1.0, update=Momentum(0.5))
    assert type(recipe.training.learning_rate) is float
    assert recipe.augmentation == Augmentation()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("training = {kind = 'gradient', epochs = 0}", "training.epochs must be a whole number of at least 1 or auto, got 0."),
        (
            "training = {kind = 'gradient', epochs = 2.5}",
            "training.epochs must be a whole number of at least 1 or auto, got 2.5.",
        ),
        (
            "training = {kind = 'gradient', update = {kind = 'momentum', momentum = 2}}",
            "training.update.momentum must be a finite number of at least 0 and at most 1, got 2.",
        ),
        ("network = {dropout = 1}", "network.dropout must be a finite number of at least 0 and below 1, got 1."),
        ("network = {hidden_sizes = ['9']}", "network.hidden_sizes must be a list of whole numbers of at least 1, got ['9']."),
        ("network = {weight_init = 'hee'}", "network.weight_init must be he or glorot or a finite number of at least 0"),
        ("network = {activation = 'rleu'}", "Unknown network.activation 'rleu'. Did you mean 'relu'?"),
        ("augmentation = {mirror = 1}", "augmentation.mirror must be true or false, got 1."),
        ("augmentation = 3", "augmentation must be a table of settings, got 3."),
        ("training = {kind = 'kernle'}", "Unknown training 'kernle'. Did you mean 'kernel'?"),
        ("training = {epochs = 3}", "training needs a kind, one of gradient, kernel."),
        ("training = {kind = 'gradient', update = 'adm'}", "Unknown training.update 'adm'. Did you mean 'adam'?"),
        ("training = {kind = 'gradient', epochss = 3}", "Unknown setting of training 'epochss'. Did you mean 'epochs'?"),
        ("training = {kind = 'gradient', lr = 3}", "Unknown setting of training 'lr'. Did you mean 'learning_rate'?"),
        ("seed = 3\n[training]\nkind = 'gradient'", "seed is no setting of a recipe, but an option: --seed 3."),
        ("hidden = [3]\nseed = 3", "seed is no setting of a recipe, but an option: --seed 3."),  # a flat one
        ("network = {lr = 3}", "Unknown setting of network 'lr'. It is training.learning_rate."),
        ("[network]\nmomentum = 0.5", "Unknown setting of network 'momentum'. It is training.update.momentum."),
        ("[network]\nhidden = [5]", "Unknown setting of network 'hidden'. Did you mean 'hidden_sizes'?"),
        ("[networks]", "Unknown setting of a recipe 'networks'. Did you mean 'network'?"),
        (
            "training = {kind = 'gradient', update = {kind = 'adam', momentum = 0.5}}",
            "training.update.momentum is a setting of the kind momentum or nesterov.",
        ),
        ("[training]\nkind = 'kernel'\n[network]\ndropout = 0.1", "leave [network] out"),
    ],
)
def test_an_error_names_the_file_the_path_the_value_and_what_it_may_be(tmp_path, text, message):
    path = own(tmp_path, text)
    with pytest.raises(SettingError) as error:
        load_recipe(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)


@pytest.mark.parametrize("name", recipe_names())
def test_the_configuration_of_a_run_is_the_recipe(name, tmp_path):
    recipe = load_recipe(name)
    recipe.check("numpy")
    Config("rows.csv" if name in ("table", "tabular") else "digits", name, recipe, engine="numpy").write(tmp_path)
    assert load_recipe(str(tmp_path / "config.toml")) == recipe
    assert Config.read(tmp_path).settings == recipe
    written = tomllib.loads((tmp_path / "config.toml").read_text())["settings"]
    assert ("network" in written) == (name != "features-large")


UNIT = st.floats(0, 1)
SHARES = st.floats(0, 1, exclude_max=True)
POSITIVE = st.floats(1e-6, 1e6)
COUNTS = st.integers(1, 10**6)
SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=3).map(tuple)
PREPROCESSING = st.one_of(
    st.sampled_from([Pixels(), Table(), Histograms()]),
    st.builds(Pixels, scaling=st.sampled_from([type(load_recipe("pixels").preprocessing.scaling)(0.3)])),
    st.builds(Patches, threshold=POSITIVE, n_components=COUNTS, regularisation=POSITIVE),
)
NETWORKS = st.builds(
    Network,
    hidden_sizes=st.lists(COUNTS, max_size=3).map(tuple),
    activation=st.sampled_from(["relu", "tanh"]),
    dropout=SHARES,
    weight_init=st.one_of(st.sampled_from(["he", "glorot"]), POSITIVE),
    first_layer=st.one_of(st.just(Drawn()), st.builds(LocalPatches, patch_sizes=SIZES)),
)
GRADIENTS = st.builds(
    GradientDescent,
    epochs=COUNTS,
    learning_rate=POSITIVE,
    update=st.one_of(st.builds(Momentum, UNIT), st.builds(AdamW, beta1=SHARES, weight_decay=POSITIVE), st.just(Adam())),
    schedule=st.one_of(st.builds(Cosine, UNIT), st.builds(OneCycle, warmup=UNIT)),
    class_weight=st.sampled_from(["none", "balanced"]),
    keep_best=st.booleans(),
)
AUGMENTATIONS = st.builds(Augmentation, mirror=st.booleans(), shift=st.integers(0, 9), average_views=st.booleans())
RECIPES = st.one_of(
    st.builds(Recipe, st.text(), PREPROCESSING, AUGMENTATIONS, NETWORKS, GRADIENTS),
    st.builds(Recipe, st.text(), PREPROCESSING, AUGMENTATIONS, training=st.builds(KernelRegression, POSITIVE, POSITIVE)),
)


@given(RECIPES)
def test_a_recipe_written_as_toml_is_the_same_when_it_is_read(recipe):
    assert Recipe.from_dict(tomllib.loads(tomli_w.dumps(recipe.to_dict())), "hypothesis") == recipe


def test_parts_say_what_does_not_go_together():
    for changes, message in (
        (["training=kernel"], "training = kernel needs preprocessing = patches"),
        (["average_views=true"], "average_views needs mirror or shift"),
        (["first_layer=patches", "preprocessing=histograms"], "first_layer = patches needs preprocessing = pixels"),
        (["first_layer=patches", "hidden_sizes=[]"], "hidden units, at least one for each patch size"),
    ):
        with pytest.raises(SettingError, match=message):
            load_recipe("digits", changes).check("numpy")


def test_a_check_makes_no_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError

    monkeypatch.setattr("fcnet.experiments.network.FullyConnectedNet", refuse)
    load_recipe("pixels-deep", ["hidden_sizes=[100000, 100000]"]).check("numpy")


def test_the_schema_has_every_setting_with_its_meaning():
    result = CliRunner().invoke(main, ["recipes", "--schema", "--json"])
    rows = {(row["path"], *row["kinds"]): row for row in json.loads(result.stdout)}
    assert all(row["meaning"].endswith(".") for row in rows.values())
    momentum = rows["training.update.momentum", "momentum", "nesterov"]
    assert (momentum["default"], momentum["type"]) == (0.9, "a finite number of at least 0 and at most 1")
    assert rows["training.update", "gradient"]["default"] == "momentum"
    assert rows["network.hidden_sizes", "plain"]["default"] == [100]
    assert rows["network",]["default"] == "plain"
    paths = {path for path, *_ in rows}
    for name in recipe_names():
        for part, values in load_recipe(name).grouped().items():
            assert {f"{part}.{path}" for path in values if path != "kind"} <= paths
    text = CliRunner().invoke(main, ["recipes", "--schema"]).stdout
    assert all(path in text for path in paths)
