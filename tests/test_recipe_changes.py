"""``--set``: settings by short names and by paths, kinds before settings, names of other libraries."""

import pytest

from fcnet.errors import SettingError
from fcnet.experiments.gradient import GradientDescent
from fcnet.experiments.kernel import KernelRegression
from fcnet.experiments.network import LocalPatches, Network
from fcnet.experiments.recipe import load_recipe
from fcnet.preprocessing import Patches
from fcnet.training.updates import Adam, Momentum


def test_a_short_name_and_a_path_lead_to_the_same_setting():
    for key in ("momentum", "update.momentum", "training.update.momentum"):
        assert load_recipe("exercise", [f"{key}=0.5"]).training.update == Momentum(0.5)
    assert load_recipe("exercise", ["training.update.kind=adam"]).training.update == Adam()
    assert load_recipe("exercise", ['update={kind = "adam", beta1 = 0.5}']).training.update == Adam(beta1=0.5)


def test_a_number_of_more_digits_than_can_be_read_is_refused_by_its_key():
    with pytest.raises(SettingError, match="training.epochs must be a whole number"):
        load_recipe("exercise", [f"epochs={'9' * 5000}"])


@pytest.mark.parametrize(
    ("change", "part", "name", "value"),
    [
        ("lr=0.3", "training", "learning_rate", 0.3),
        ("Learning-Rate=0.3", "training", "learning_rate", 0.3),
        ("reg=0.1", "training", "l2", 0.1),
        ("bs=7", "training", "batch_size", 7),
        ("early_stopping=5", "training", "patience", 5),
        ("early_stopping=no", "training", "patience", 0),
        ("hidden=[3, 4]", "network", "hidden_sizes", (3, 4)),
        ("hidden_layer_sizes=3", "network", "hidden_sizes", (3,)),
        ("optimiser=adam", "training", "update", Adam()),
        ("flip=true", "augmentation", "mirror", True),
        ("hidden=50,20", "network", "hidden_sizes", (50, 20)),
        ("hidden=(50, 20)", "network", "hidden_sizes", (50, 20)),
        ("dropout=.1", "network", "dropout", 0.1),
        ("weight_init=.5", "network", "weight_init", 0.5),
        ("weight_init=glorot", "network", "weight_init", "glorot"),
        ("mirror=True", "augmentation", "mirror", True),
        ("mirror=yes", "augmentation", "mirror", True),
        ("keep_best=No", "training", "keep_best", False),
    ],
)
def test_names_of_other_libraries_and_values_as_people_type_them_are_understood(change, part, name, value):
    assert getattr(getattr(load_recipe("digits", [change]), part), name) == value


def test_kinds_are_chosen_before_settings_whatever_the_order():
    for changes in (["beta1=0.5", "update=adam"], ["update=adam", "beta1=0.5"]):
        assert load_recipe("digits", changes).training.update == Adam(beta1=0.5)
    recipe = load_recipe(
        "digits", ["pca_regularisation=3", "mirror=true", "concentration=3.0", "training=kernel", "features=patches"]
    )
    assert recipe.preprocessing == Patches(regularisation=3.0)
    assert recipe.training == KernelRegression(gamma=1.5)
    assert recipe.network is None
    assert recipe.augmentation.average_views


def test_a_kind_resets_its_part_alone():
    recipe, before = load_recipe("pixels", ["preprocessing=patches", "first_layer=random"]), load_recipe("pixels")
    assert recipe.preprocessing == Patches()
    assert recipe.augmentation == before.augmentation
    assert recipe.training == before.training
    assert recipe.network == Network([2000], normalisation="layer", input_dropout=0.1, dropout=0.5)
    back = load_recipe("features-large", ["training=gradient", "hidden_sizes=[7]"])
    assert back.training == GradientDescent()
    assert back.network == Network([7])


def test_the_same_name_in_two_parts_is_the_one_that_is_there():
    assert load_recipe("pixels", ["patch_sizes=[3]"]).network.first_layer == LocalPatches([3])
    assert load_recipe("features", ["patch_sizes=[3, 4]"]).preprocessing.patch_sizes == (3, 4)
    with pytest.raises(SettingError, match="may be preprocessing.patch_sizes or network.first_layer.patch_sizes"):
        load_recipe("features", ["first_layer=patches", "patch_sizes=[3, 4]"])
    recipe = load_recipe("features", ["first_layer=patches", "first_layer.patch_sizes=[2]"])
    assert recipe.network.first_layer == LocalPatches([2])


@pytest.mark.parametrize(
    ("recipe", "change", "message"),
    [
        (
            "table",
            "momentum=0.5",
            "momentum belongs to training.update of kind momentum or nesterov; here it is adamw: add --set update=momentum.",
        ),
        (
            "digits",
            "n_filters=9",
            "preprocessing of kind patches; here it is pixels: add --set preprocessing=patches.",
        ),
        ("digits", "warmup=2", "training.schedule.warmup must be a finite number of at least 0 and at most 1, got 2."),
        ("digits", "gamma=2", "gamma belongs to training of kind kernel; here it is gradient: add --set training=kernel."),
        ("digits", "map_filtres=3", "Did you mean 'map_filters'?"),
        ("digits", "layer_sizes=[3]", "Did you mean 'hidden_sizes'?"),  # which has inputs and outputs in the library
        ("digits", "shuffle=true", "Did you mean 'batches'?"),
        ("features-large", "dropout=0.1", "dropout belongs to training of kind gradient; here it is kernel"),
        ("digits", "regularisation=1", "preprocessing.scaling of kind zca or to preprocessing of kind patches; here"),
        ("digits", "members=3", "Unknown setting 'members'"),
        ("digits", "hidden=50;20", "a list of whole numbers of at least 1, got '50;20'. Write it as [50, 20]."),
        ("digits", "epochs=.5", "training.epochs must be a whole number of at least 1 or auto, got '.5'."),
        ("digits", "zca=true", "Unknown setting 'zca'. Did you mean preprocessing.scaling=zca?"),
        ("digits", "kind=zca", "Did you mean preprocessing.scaling=zca?"),
        ("digits", "kind=whitened", "kind needs the part that it is of, as training.update.kind=whitened."),
        ("digits", "whitening=true", "Did you mean 'scaling'?"),
        ("digits", "patches=true", "Did you mean preprocessing=patches or network.first_layer=patches?"),
        ("digits", "preprocesing.scaling=zca", "Did you mean 'preprocessing.scaling'? fcnet recipes --schema lists all."),
        ("digits", "training.foo=3", "Unknown setting of training 'foo'. Known: batch_size, batches,"),
        ("digits", "training.lerning_rate=3", "Unknown setting of training 'lerning_rate'. Did you mean 'learning_rate'?"),
    ],
)
def test_what_cannot_be_set_is_explained(recipe, change, message):
    with pytest.raises(SettingError) as error:
        load_recipe(recipe, [change])
    assert str(error.value).startswith("--set: ")
    assert message in str(error.value)


def test_the_description_says_what_was_changed():
    recipe = load_recipe("digits", ["lr=0.1", "epochs=3", "epochs=4"])
    assert recipe.description.endswith(" Changed: lr, epochs.")
    assert recipe.training.epochs == 4
    assert load_recipe("digits", ["description=mine", "epochs=3"]).description == "mine"
