"""Learning a representation and training on it: stopped and resumed, saved and loaded, and blind to the test images."""

import json
import multiprocessing
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from fcnet import FullyConnectedNet, load
from fcnet.cli import main
from fcnet.data import load_digits
from fcnet.errors import FcnetError, FileFormatError, InputError, SettingError
from fcnet.experiments import config
from fcnet.experiments.recipe import load_recipe
from fcnet.files import load_tensors, save_tensors
from fcnet.model import Model
from fcnet.model_file import save
from fcnet.preprocessing import MirrorCovariance, PatchRepresentation, StackedPatches, learning
from fcnet.preprocessing.learning import LearntRepresentation

PATCHES = [
    {"n_filters": 12, "patch_size": 3, "shift": 2, "max_value": 16.0, "n_iterations": 2},
    {"n_filters": 8, "patch_size": 2, "grid": 1, "map_filters": 6, "map_patch_size": 3, "map_channels": 4, "shift": 2},
]
MAPS_OF_MAPS = "patch_sizes=[2, 2]\nmap_filters=10\nmap_patch_size=3\nmap_channels=8\nmap_layers=[1, 2]\ngrid=1\nn_filters=16"
SETTINGS = ["features=patches", "n_filters=32", "patch_sizes=[3,4]", "n_components=60", "mirror=true", "shift=1", "epochs=4"]
CHANGES = [word for setting in [*SETTINGS, "average_views=true"] for word in ("--set", setting)]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "fcnet" / "features"


@pytest.fixture(scope="module")
def digits():
    return load_digits()


def learnt(digits, cache, **settings):
    return LearntRepresentation(digits.X_train, (8, 8, 1), PATCHES, 50, 1.0, 3, cache, **settings)


def changes(settings):
    return [word for setting in settings.split("\n") for word in ("--set", setting)]


def fcnet(*arguments, code=0):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


def test_components_are_what_the_representation_gives(digits, cache):
    learning = learnt(digits, cache)
    representation, rows = learning.learn()
    assert rows.shape == (5 * len(digits.X_train), representation.n_outputs)
    assert 40 < representation.n_outputs <= 50
    assert rows.dtype == np.float32
    views = representation.views(digits.X_train)
    for view in range(5):
        some = rows[view * len(digits.X_train) :][:20]
        np.testing.assert_allclose(some, views[:20, view], atol=1e-2)  # kept with half precision
    np.testing.assert_allclose(representation.transform(digits.X_train), views[:, 0], atol=1e-4)
    mirrored = digits.X_train.reshape(-1, 8, 8)[:, :, ::-1].reshape(-1, 64)
    np.testing.assert_allclose(representation.transform(mirrored), views[:, 0] * representation.mirror_signs, atol=1e-3)


def test_means_of_views_do_not_depend_on_what_is_in_the_cache(digits, cache, tmp_path, caplog):
    _, views = learnt(digits, cache).learn()
    caplog.set_level("INFO")
    representation, rows = learnt(digits, cache, unit_mean=True).learn()
    assert caplog.messages == [
        "Components of training images 0 to 1,200 of 1,200"
    ]  # dictionaries and whitening are learnt once
    _, alone = learnt(digits, tmp_path / "empty", unit_mean=True).learn()
    np.testing.assert_array_equal(rows, alone)
    means = views.reshape(5, len(digits.X_train), -1).mean(axis=0)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, means / np.linalg.norm(means, axis=1, keepdims=True), atol=1e-3)  # half precision
    np.testing.assert_allclose(rows[:20], representation.transform(digits.X_train[:20]), atol=1e-3)


def test_means_of_views_are_learnt_without_the_views_to_the_same_end(digits, cache):
    learning = learnt(digits, cache, unit_mean=True)
    representation, rows = learning.learn()
    means = representation.views(digits.X_train).mean(axis=1)
    np.testing.assert_allclose(representation.means(digits.X_train), means, atol=1e-5)
    np.testing.assert_allclose(rows, means / np.linalg.norm(means, axis=1, keepdims=True), atol=1e-3)
    assert [path.name for path in learning.folder.glob("*components-[0-9]*")] == ["mean-components-0.safetensors"]


def test_what_is_in_the_cache_is_not_learnt_again(digits, cache, caplog):
    caplog.set_level("INFO")
    one, two = learnt(digits, cache), learnt(digits, cache)
    _, a = one.learn()
    seconds = one.seconds
    assert len(caplog.messages) >= 4
    caplog.clear()
    _, b = two.learn()
    assert caplog.messages == []
    assert two.seconds == seconds > 0
    np.testing.assert_array_equal(a, b)
    means = learnt(digits, cache, unit_mean=True)
    means.learn()
    assert learnt(digits, cache).seconds == seconds != means.seconds > 0


@pytest.mark.parametrize(
    "change",
    [
        {"n_components": 49},
        {"regularisation": 2.0},
        {"seed": 4},
        {"patches": PATCHES[:1]},
        {"patches": [{**PATCHES[0], "threshold": 0.3}]},
        {"patches": [PATCHES[0], {**PATCHES[1], "map_channels": 2}]},
        {"patches": [PATCHES[0], {**PATCHES[1], "map_threshold": 0.3}]},
    ],
)
def test_other_settings_or_images_have_another_place_in_the_cache(digits, cache, change):
    settings = {"X": digits.X_train, "image_shape": (8, 8, 1), "patches": PATCHES, "n_components": 50, "regularisation": 1.0}
    settings |= {"seed": 3}
    one = LearntRepresentation(**settings, cache=cache)
    assert LearntRepresentation(**(settings | change), cache=cache).folder != one.folder
    assert LearntRepresentation(**(settings | {"X": digits.X_train[::-1]}), cache=cache).folder != one.folder
    assert LearntRepresentation(**settings, cache=cache).folder == one.folder


def writes_until(monkeypatch, stop_at):
    """Have the writing step of that number raise instead; return a list whose length is the number of steps so far."""
    steps = []

    def stopping(function):
        def wrapper(*arguments, **settings):
            steps.append(function)
            if len(steps) == stop_at:
                raise KeyboardInterrupt
            return function(*arguments, **settings)

        return wrapper

    monkeypatch.setattr(learning, "save_tensors", stopping(save_tensors))
    monkeypatch.setattr(learning, "write_atomic", stopping(learning.write_atomic))
    monkeypatch.setattr(learning.np, "save", stopping(np.save))
    monkeypatch.setattr(learning.shutil, "rmtree", stopping(learning.shutil.rmtree))
    return steps


def in_small_steps(monkeypatch):
    monkeypatch.setattr(learning, "ROWS", 500)
    monkeypatch.setattr(learning, "CHUNK", 600)
    monkeypatch.setattr(learning, "SHARE_OF_SAVING", 0)


@pytest.fixture(scope="module")
def unbroken(digits, tmp_path_factory):
    """Return what is learnt without a stop, and in how many writing steps."""
    with pytest.MonkeyPatch.context() as patch:
        in_small_steps(patch)
        steps = writes_until(patch, 0)
        return learnt(digits, tmp_path_factory.mktemp("unbroken")).learn()[1], len(steps)


@pytest.mark.parametrize("share", np.linspace(0, 1, 10))
def test_stopped_anywhere_it_goes_on_to_the_same(digits, unbroken, tmp_path, monkeypatch, share):
    expected, n_steps = unbroken
    in_small_steps(monkeypatch)
    with monkeypatch.context() as patch:
        writes_until(patch, 1 + round(share * (n_steps - 1)))
        stopped = learnt(digits, tmp_path)
        with pytest.raises(KeyboardInterrupt):
            stopped.learn()
    resumed = learnt(digits, tmp_path)
    np.testing.assert_array_equal(resumed.learn()[1], expected)
    assert not [path for path in resumed.folder.iterdir() if path.is_dir()]


def test_a_damaged_file_of_the_cache_is_named(digits, cache):
    learning = learnt(digits, cache)
    learning.learn()
    (learning.folder / "components-0.safetensors").write_bytes(b"no tensors")
    with pytest.raises(FileFormatError, match=r"components-0\.safetensors is damaged.*Delete the folder"):
        learnt(digits, cache).learn()


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(file.read_bytes()[:-8]),
        lambda file: file.write_bytes(file.read_bytes()[:50]),
        lambda file: file.write_bytes(b"no array, and long enough to be one" * 10),
        lambda file: file.write_bytes(b""),
        lambda file: file.unlink(),
    ],
    ids=["half of it", "half of its head", "other bytes", "nothing in it", "gone"],
)
@pytest.mark.parametrize("name", ["even", "n"])
def test_damaged_progress_is_named_and_costs_the_features_of_one_folder(digits, unbroken, tmp_path, monkeypatch, name, damage):
    def stop(_):
        raise KeyboardInterrupt

    in_small_steps(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(MirrorCovariance, "finish", stop)
        with pytest.raises(KeyboardInterrupt):
            learnt(digits, tmp_path).learn()
    folder = learnt(digits, tmp_path).folder
    (stage,) = folder.glob("*-covariance-*")
    damage(stage / "0" / f"{name}.npy")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(FileFormatError) as error:
        learnt(digits, tmp_path).learn()
    assert f"{stage} is damaged: " in str(error.value)
    assert str(error.value).endswith(f"Delete the folder {folder}; it will be made again.")
    assert "\n" not in str(error.value)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    shutil.rmtree(folder)
    np.testing.assert_array_equal(learnt(digits, tmp_path).learn()[1], unbroken[0])


def training(run):
    """Train in a process of its own, which as a copy of this one begins at once."""
    words = ["train", "digits", "--out", str(run), *CHANGES]
    process = multiprocessing.get_context("fork").Process(target=main, args=(words,))
    process.start()
    return process


@pytest.mark.skipif(os.name != "posix", reason="processes are forked")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_two_runs_on_the_same_features_take_turns(tmp_path, digits):
    processes = [training(tmp_path / f"run{i}") for i in range(3)]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    models = {(tmp_path / f"run{i}" / "model.safetensors").read_bytes() for i in range(3)}
    assert len(models) == 1


def test_a_cache_that_cannot_be_written_is_named(monkeypatch, digits):
    with pytest.raises(FcnetError, match="cannot be kept in /proc/none.*XDG_CACHE_HOME"):
        learnt(digits, Path("/proc/none"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        fcnet("train", "digits", "--out", folder / "run", *CHANGES)
    return folder / "run"


def test_a_run_on_features_is_a_run_like_any_other(finished, digits, tmp_path):
    metrics = json.loads((finished / "metrics.json").read_text())
    assert metrics["val_accuracy"] > 0.9
    model = load(finished / "model.safetensors")
    assert isinstance(model.preprocessor, PatchRepresentation)
    assert (model.average_mirror, model.average_shift) == (True, 1)
    assert np.mean(model.predict(digits.X_val) == digits.y_val) == metrics["val_accuracy"]
    fcnet("train", "digits", "--out", tmp_path / "again", *CHANGES)
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (finished / "model.safetensors").read_bytes()
    assert "Test accuracy" in fcnet("evaluate", tmp_path / "again").output
    assert (tmp_path / "again" / "report.html").stat().st_size > 10_000


def test_maps_of_patches_of_several_sizes(tmp_path):
    """Each dictionary has maps of its own; one size stands for all."""
    settings = "map_filters=10\nmap_patch_size=[3, 5]\nmap_channels=8\npatch_sizes=[2, 1]\nshift=2\npreprocessing.threshold=0.5"
    fcnet("train", "digits", "--out", tmp_path / "run", *CHANGES, *changes(settings))
    parts = load(tmp_path / "run" / "model.safetensors").preprocessor.patches
    assert [(part.second.patch_size, part.first.patch_size) for part in parts] == [(2, 3), (1, 5)]
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["val_accuracy"] > 0.85


def test_maps_of_maps_beside_maps(tmp_path):
    settings = load_recipe("features", MAPS_OF_MAPS.split("\n")).preprocessing
    patches = settings.dictionaries(shift=2)
    assert [part["map_layers"] for part in patches] == [1, 2]
    settings.check((14, 18, 3), shift=2)
    load_recipe("features-large").preprocessing.check((32, 32, 3), shift=2)
    X = np.random.default_rng(0).integers(256, size=(60, 14 * 18 * 3), dtype=np.uint8)
    learning = lambda: LearntRepresentation(X, (14, 18, 3), patches, 20, 1.0, 3)  # noqa: E731
    representation, rows = learning().learn()
    again, same = learning().learn()
    np.testing.assert_array_equal(same, rows)
    np.testing.assert_array_equal(again.transform(X[:5]), representation.transform(X[:5]))
    save(tmp_path / "m.safetensors", Model(FullyConnectedNet([20, 2]), representation, ["a", "b"], (14, 18, 3)))
    stored = load(tmp_path / "m.safetensors").preprocessor
    assert [part.map_layers for part in stored.patches] == [1, 2]
    np.testing.assert_array_equal(stored.transform(X[:5]), representation.transform(X[:5]))
    np.testing.assert_allclose(rows.reshape(5, 60, -1)[0], representation.transform(X), atol=0.02)
    with pytest.raises(SettingError, match="map_layers needs one number, or one for each of 2 patch_sizes"):
        load_recipe("features", [*MAPS_OF_MAPS.split("\n"), "map_layers=[1, 1, 1]"])


def test_a_run_on_patches_of_maps(digits, tmp_path):
    settings = "map_filters=10\nmap_patch_size=3\nmap_channels=8\npatch_sizes=[2]\nshift=2\npreprocessing.threshold=0.5"
    fcnet("train", "digits", "--out", tmp_path / "run", *CHANGES, *changes(settings))
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["val_accuracy"] > 0.9
    model = load(tmp_path / "run" / "model.safetensors")
    assert isinstance(model.preprocessor, PatchRepresentation)
    assert isinstance(model.preprocessor.patches[0], StackedPatches)
    assert np.mean(model.predict(digits.X_val) == digits.y_val) == metrics["val_accuracy"]
    report = (tmp_path / "run" / "report.html").read_text()
    assert "filters of patches" in report
    assert "map_channels" in report
    tensors, metadata = load_tensors(tmp_path / "run" / "model.safetensors", "fcnet-model-1")
    tensors["scaling.channels0"] = tensors["scaling.channels0"][:, :-1]
    save_tensors(tmp_path / "m.safetensors", tensors, metadata, "fcnet-model-1")
    with pytest.raises(FileFormatError, match=r"needs 'channels0' as floats of shape \(20, 8\)"):
        load(tmp_path / "m.safetensors")


def test_settings_of_maps_are_none_of_a_first_layer():
    with pytest.raises(SettingError, match="map_filters belongs to preprocessing of kind patches; here it is pixels"):
        load_recipe("pixels", ["map_filters=10", "shift=1", "patch_sizes=[8]"])
    recipe = load_recipe("pixels", ["shift=1", "patch_sizes=[8]"])
    recipe.check("numpy")
    recipe.network.first_layer.check_images((8, 8, 1))


def test_the_model_averages_over_views(finished, digits):
    model = load(finished / "model.safetensors")
    X = digits.X_val[:7]
    padded = np.pad(X.reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)), mode="reflect")
    moved = [X.reshape(-1, 8, 8), *(padded[:, a : a + 8, b : b + 8] for a in (0, 2) for b in (0, 2))]
    views = [view.reshape(-1, 64) for images in moved for view in (images, images[:, :, ::-1])]
    expected = np.mean([model.network.logits(model.preprocessor.transform(view)) for view in views], axis=0)
    np.testing.assert_allclose(model.logits(X), expected, atol=1e-4)
    alone = model.network.logits(model.preprocessor.transform(digits.X_train)).argmax(axis=1)
    train_accuracy = json.loads((finished / "metrics.json").read_text())["train_accuracy"]
    assert np.mean(alone == digits.y_train) == pytest.approx(train_accuracy, abs=0.002)  # learnt with half precision


def test_averaging_over_views_of_pixels(digits, tmp_path):
    changes = ["scaling=zca", "mirror=true", "shift=1", "average_views=true", "epochs=3"]
    fcnet("train", "digits", "--out", tmp_path / "run", *[word for change in changes for word in ("--set", change)])
    model = load(tmp_path / "run" / "model.safetensors")
    prepared = model.preprocessor.transform(digits.X_val).reshape(-1, 8, 8)
    padded = np.pad(prepared, ((0, 0), (1, 1), (1, 1)), mode="reflect")
    moved = [padded[:, a : a + 8, b : b + 8] for a in range(3) for b in range(3)]
    views = [view.reshape(-1, 64) for images in moved for view in (images, images[:, :, ::-1])]
    expected = np.mean([model.network.logits(view) for view in views], axis=0)
    np.testing.assert_allclose(model.logits(digits.X_val), expected, atol=1e-4)


def test_no_test_image_touches_a_fit(finished, tmp_path, monkeypatch):
    load_dataset = config.load_dataset

    def with_noise(name, *arguments, **settings):
        data = load_dataset(name, *arguments, **{**settings, "n_test": None})
        rng = np.random.default_rng(0)
        data.X_test = rng.integers(17, size=(300, 64)).astype(np.uint8)
        data.y_test = rng.integers(10, size=300)
        return data

    monkeypatch.setattr(config, "load_dataset", with_noise)
    fcnet("train", "digits", "--out", tmp_path / "noise", *CHANGES)
    assert (tmp_path / "noise" / "model.safetensors").read_bytes() == (finished / "model.safetensors").read_bytes()


@pytest.mark.skipif(os.name != "posix", reason="processes are forked")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_run_killed_while_features_are_learnt_resumes(finished, tmp_path, cache, monkeypatch):
    def save_one(*args):
        save_tensors(*args)
        os.kill(os.getpid(), signal.SIGKILL)

    with monkeypatch.context() as patch:
        patch.setattr(learning, "save_tensors", save_one)
        process = training(tmp_path / "run")
    process.join()
    assert process.exitcode == -signal.SIGKILL
    (kept,) = cache.glob("*/*.safetensors")
    written = kept.stat().st_mtime_ns
    fcnet("train", "digits", "--out", tmp_path / "run", *CHANGES, "--resume")
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == (finished / "model.safetensors").read_bytes()
    assert kept.stat().st_mtime_ns == written


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors, config: tensors.pop("scaling.even"), "does not have the arrays"),
        (
            lambda tensors, config: tensors.update({"scaling.odd": np.zeros((3, 3), np.float32)}),
            r"needs 'odd' as floats of shape \(128, 3\)",
        ),
        (
            lambda tensors, config: tensors.update({"scaling.filters0": np.zeros((3, 3), np.float32)}),
            r"needs 'filters0' as floats of shape \(9, 16\)",
        ),
        (lambda tensors, config: config["patches"][0].update(colour="red"), "colour"),
        (lambda tensors, config: config.pop("image_shape"), "image_shape"),
        (lambda tensors, config: config.update(image_shape=[8.0, 8, 1]), "three whole numbers"),
        (lambda tensors, config: config.update(image_shape=[4, 16, 1]), "do not fit into images"),
        (lambda tensors, config: config["patches"][0].update(grid=10**6), "do not fit into images"),
        (lambda tensors, config: config["patches"][0].update(max_value=10**400), "too large"),
        (lambda tensors, config: config.update(kind="wavelets"), "Unknown preprocessor"),
        (lambda tensors, config: tensors.update({"scaling.offset": np.zeros(2)}), "needs 'offset'"),
    ],
)
def test_a_model_whose_features_do_not_fit_is_refused(finished, tmp_path, change, message):
    tensors, metadata = load_tensors(finished / "model.safetensors", "fcnet-model-1")
    change(tensors, metadata["scaling"])
    save_tensors(tmp_path / "m.safetensors", tensors, metadata, "fcnet-model-1")
    with pytest.raises(FileFormatError, match=message):
        load(tmp_path / "m.safetensors")


def test_a_network_of_another_size_than_the_features_is_refused(finished, tmp_path):
    model = load(finished / "model.safetensors")
    with pytest.raises(InputError, match="preprocessing or image shape"):
        save(tmp_path / "m.safetensors", Model(load_recipe("digits").network.build(40, 10, 0, "numpy"), model.preprocessor))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("features=patch", "Did you mean 'patches'"),
        ("patch_sizes=[9]", "do not fit into images"),
        ("n_filters=66", "n_filters must be a multiple of 2 for each of patch_sizes, got 66"),
        ("mirror=false\nshift=0", "average_views needs mirror or shift"),
        ("n_components=0", "n_components"),
        ("shift=9", "shift must be less than the side of an image, 8"),
        ("patch_sizes=[]", "patch_sizes"),
        ("map_filters=10\nmap_channels=8", "shift must be a multiple of 2"),
        ("map_filters=10\nmap_channels=8\nshift=2\nmap_patch_size=4", "choose another map_patch_size"),
        ("map_filters=-2", "map_filters"),
        (
            "map_filters=10\nmap_channels=8\nshift=2\nmap_patch_size=[3, 3, 5]",
            "map_patch_size needs one number, or one for each",
        ),
    ],
)
def test_settings_of_features_that_cannot_be_are_refused_before_a_run_is_replaced(finished, setting, message):
    result = CliRunner().invoke(main, ["train", "digits", "--out", str(finished), "--force", *CHANGES, *changes(setting)])
    assert result.exit_code == 2
    assert message in result.output
    assert (finished / "metrics.json").exists()
