"""Models on disk: whole, exact, and refused when they are damaged or foreign."""

import errno
import json
import multiprocessing
import os
import resource
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from fcnet import FullyConnectedNet, Trainer, load, save
from fcnet.errors import FileFormatError, InputError
from fcnet.files import load_tensors, save_tensors, write_atomic
from fcnet.model import Model
from fcnet.preprocessing.scaling import Scaling


@pytest.fixture
def model():
    X = np.random.default_rng(0).integers(256, size=(40, 12)).astype(np.uint8)
    net = FullyConnectedNet([12, 6, 3], activation="gelu", dropout=0.2, seed=1)
    return Model(net, Scaling.fit(X), ["a", "b", "ç"], (2, 2, 3))


def test_a_loaded_model_is_the_saved_one(model, tmp_path):
    save(tmp_path / "m.safetensors", model)
    found = load(tmp_path / "m.safetensors")
    X = np.random.default_rng(1).integers(256, size=(5, 12)).astype(np.uint8)
    np.testing.assert_array_equal(found.logits(X), model.logits(X))
    np.testing.assert_array_equal(found.predict(X), model.predict_proba(X).argmax(axis=1))
    assert found.network.get_config() == model.network.get_config()
    assert (found.classes, found.image_shape, found.max_value) == (model.classes, (2, 2, 3), 255.0)


@pytest.mark.parametrize("settings", [{"normalisation": "layer", "layer_sizes": [4, 6, 6, 3]}, {"dropout": 0.1}])
def test_networks_of_every_kind_train_and_can_be_saved(settings, tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 4)).astype(np.float32)
    y = (X @ rng.standard_normal((4, 3))).argmax(axis=1)
    net = FullyConnectedNet(**({"layer_sizes": [4, 18, 3]} | settings))
    Trainer(epochs=30, batch_size=20, learning_rate=0.05).fit(net, X, y)
    assert np.mean(net.predict(X) == y) > 0.9
    save(tmp_path / "m.safetensors", net)
    found = load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(found.logits(X), net.logits(X))
    assert found.network.get_config() == net.get_config()


def test_the_number_of_members_in_files_of_before(model, tmp_path):
    path = tmp_path / "m.safetensors"
    save(path, model)
    tensors, metadata = load_tensors(path, "fcnet-model-1")
    for members in (1, 2):
        network = metadata["network"] | {"members": members}
        save_tensors(tmp_path / f"{members}.safetensors", tensors, metadata | {"network": network}, "fcnet-model-1")
    X = np.ones((2, 12), np.float32)
    np.testing.assert_array_equal(load(tmp_path / "1.safetensors").logits(X), model.logits(X))
    with pytest.raises(FileFormatError, match="members = 2: .* no longer has"):
        load(tmp_path / "2.safetensors")


def test_a_bare_network_can_be_saved(tmp_path):
    net = FullyConnectedNet([4, 3], dtype=np.float64)
    save(tmp_path / "m.safetensors", net)
    X = np.ones((2, 4))
    np.testing.assert_array_equal(load(tmp_path / "m.safetensors").logits(X), net.logits(X))


def test_tensors_can_be_read_without_fcnet(model, tmp_path):
    save(tmp_path / "m.safetensors", model)
    tensors = load_file(tmp_path / "m.safetensors")
    assert set(tensors) == {"W1", "b1", "W2", "b2", "scaling.mean", "scaling.std"}
    np.testing.assert_array_equal(tensors["W2"], model.network.params["W2"])


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no tensors", b"\xff" * 100])
def test_a_file_that_is_no_safetensors_is_refused(tmp_path, content):
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match="damaged or not a safetensors file"):
        load(path)


def test_a_folder_is_refused_and_the_model_in_it_named(tmp_path):
    with pytest.raises(FileFormatError, match=r"is a folder: name a file in it\.$"):
        load(tmp_path)
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(FileFormatError, match=r"name a file in it, as .*model\.safetensors\.$"):
        load(tmp_path)


def test_a_missing_file_and_a_foreign_one_are_refused(tmp_path):
    with pytest.raises(FileFormatError, match="no file"):
        load(tmp_path / "none.safetensors")
    save_file({"W1": np.zeros((2, 2), np.float32)}, tmp_path / "foreign.safetensors", {"format": "pt"})
    with pytest.raises(FileFormatError, match="not a file of the format fcnet-model-1, but of another program"):
        load(tmp_path / "foreign.safetensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p.pop("b2"), r"must have the shapes .*'b2': \(3,\)"),
        (lambda p: p.update(W3=np.zeros(2, np.float32)), r"got .*'W3': \(2,\)"),
        (lambda p: p.update(W1=p["W1"].T.copy()), r"must have the shapes {'W1': \(12, 6\).*got .*'W1': \(6, 12\)"),
        (lambda p: p.update(b1=p["b1"].astype(np.float64)), "must be float32, got .*b1 float64"),
        (lambda p: p.update(b1=np.full(6, np.nan, np.float32)), "'b1' holds NaN"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(model, tmp_path, change, message):
    path = tmp_path / "m.safetensors"
    save(path, model)
    tensors, metadata = load_tensors(path, "fcnet-model-1")
    params = dict(model.network.params)
    change(params)
    model.network.params = params
    with pytest.raises(InputError, match=f"could not be read again, and was not saved: .*{message}"):
        save(path, model)
    np.testing.assert_array_equal(load_tensors(path, "fcnet-model-1")[0]["b1"], tensors["b1"])
    scaling = {name: tensor for name, tensor in tensors.items() if name.startswith("scaling.")}
    save_tensors(path, params | scaling, metadata, "fcnet-model-1")
    with pytest.raises(FileFormatError, match=message):
        load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": {"layer_sizes": ["a", 10]}}, "whole number"),
        ({"network": {"layer_sizes": [10**10, 10**10]}}, "must have the shapes"),
        ({"network": {"layer_sizes": [12, 6, 3], "colour": "red"}}, "colour"),
        ({"network": [12, 6, 3]}, "mapping"),
        ({"classes": [1, 2, 3]}, "names that are no text"),
        ({"classes": ["a", "b"]}, "names 2 classes, its network has 3"),
        ({"image_shape": [5, 5, 3]}, "image shape"),
        ({"max_value": "white"}, "white"),
        ({"max_value": 10**400}, "too large"),
        ({"image_shape": "abc"}, "three whole numbers"),
        ({"image_shape": [12]}, "three whole numbers"),
        ({"average_shift": 10**6}, "moves images by 1000000 pixels"),
        ({"average_shift": -1}, "moves images by -1 pixels"),
        ({"average_shift": float("inf")}, "infinity"),
        ({"average_mirror": True, "image_shape": None}, "averages over views, and has none"),
        ({"scaling": {"kind": "zca"}}, "does not have the arrays|needs 'mean'|matrix"),
    ],
)
def test_metadata_that_do_not_fit_are_refused(model, tmp_path, change, message):
    path = tmp_path / "m.safetensors"
    save(path, model)
    tensors, metadata = load_tensors(path, "fcnet-model-1")
    save_tensors(path, tensors, metadata | change, "fcnet-model-1")
    with pytest.raises(FileFormatError, match=message):
        load(path)
    save_tensors(path, tensors | {"scaling.mean": np.zeros(3)}, metadata, "fcnet-model-1")
    with pytest.raises(FileFormatError, match="its scaling"):
        load(path)


@pytest.mark.parametrize(
    "arrays",
    [
        {"mean": np.zeros((12, 12)), "std": np.zeros((12, 12))},
        {"mean": np.zeros(())},
        {"std": np.ones(12)},
        {"mean": np.zeros(12), "std": np.ones(7)},
        {"mean": np.zeros(12, np.int64)},
        {"mean": np.zeros(12), "colour": np.zeros(12)},
        {"mean": np.zeros(12), "matrix": np.zeros(12)},
    ],
)
def test_a_scaling_of_other_arrays_is_refused(model, tmp_path, arrays):
    path = tmp_path / "m.safetensors"
    save(path, model)
    tensors, metadata = load_tensors(path, "fcnet-model-1")
    params = {name: tensor for name, tensor in tensors.items() if not name.startswith("scaling.")}
    for kind in ("scaling", "zca", "histograms", "patches"):
        changed = metadata | {"scaling": {"kind": kind}}
        save_tensors(path, params | {f"scaling.{name}": array for name, array in arrays.items()}, changed, "fcnet-model-1")
        with pytest.raises(FileFormatError, match="does not describe a model"):
            load(path)


def test_any_changed_byte_is_found(tmp_path):
    path = tmp_path / "m.safetensors"
    save(path, Model(FullyConnectedNet([3, 2]), Scaling.fit(np.eye(3)), ["a", "b"]))
    content = path.read_bytes()
    for at, byte in enumerate(content):
        other = ord("\t") if byte == ord(" ") else byte ^ 1  # between white space JSON sees no difference
        path.write_bytes(content[:at] + bytes([other]) + content[at + 1 :])
        with pytest.raises(FileFormatError, match=r"m\.safetensors") as caught:
            load(path)
        assert "\n" not in str(caught.value)
    path.write_bytes(content)
    assert load(path).classes == ["a", "b"]


@settings(max_examples=200)
@given(position=st.floats(0, 1), change=st.integers(1, 255), cut=st.booleans())
def test_a_damaged_file_is_refused(model, tmp_path, position, change, cut):
    path = tmp_path / "m.safetensors"
    save(path, model)
    content = bytearray(path.read_bytes())
    at = min(int(position * len(content)), len(content) - 1)
    if cut:
        del content[at:]
    else:
        content[at] ^= change
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"m\.safetensors"):
        load(path)


def test_files_without_a_checksum_can_be_read(model, tmp_path):
    path = tmp_path / "m.safetensors"
    save(path, model)
    tensors, metadata = load_tensors(path, "fcnet-model-1")
    save_file(tensors, path, {"fcnet": json.dumps({"format": "fcnet-model-1", **metadata})})
    X = np.ones((2, 12))
    np.testing.assert_array_equal(load(path).logits(X), model.logits(X))


@pytest.mark.parametrize("text", ["[" * 100_000, '{"format": ' * 100_000, "[1, 2]", "12", '"text"', "null", "{"])
def test_metadata_that_are_no_metadata_are_refused(tmp_path, text):
    save_file({"W1": np.zeros((2, 2), np.float32)}, tmp_path / "m.safetensors", {"fcnet": text})
    with pytest.raises(FileFormatError, match="damaged"):
        load(tmp_path / "m.safetensors")


def test_a_model_is_read_without_the_code_that_trains(model, tmp_path):
    save(tmp_path / "m.safetensors", model)
    code = f"""
import sys
import fcnet
fcnet.load({str(tmp_path / "m.safetensors")!r}).predict([[0.0] * 12])
print([name for name in sys.modules if name.startswith(("fcnet.training", "fcnet.experiments", "fcnet.estimators"))])
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_atomic(path, "old")
    # A real failure of write(2): the system allows this process no file above 1000 bytes.
    code = f"from fcnet.files import write_atomic; write_atomic({str(path)!r}, b'x' * 10_000)"
    result = subprocess.run(
        [sys.executable, "-c", code],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "File too large" in result.stderr
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_writers_of_one_file_do_not_disturb_one_another(tmp_path):
    path, contents = tmp_path / "file", [bytes([i]) * 100_000 for i in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(10):
            list(pool.map(lambda content: write_atomic(path, content), contents))
            assert path.read_bytes() in contents
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(os.name != "posix", reason="processes are forked")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_processes_that_save_under_one_name_leave_one_whole_model(tmp_path):
    path, models = (
        tmp_path / "m",
        [Model(FullyConnectedNet([50, 40, 3], seed=seed), classes=[str(seed)] * 3) for seed in range(3)],
    )

    def write(model):
        for _ in range(10):
            save(path, model)

    save(path, models[0])
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=write, args=(model,)) for model in models]
    for process in processes:
        process.start()
    found = [load(path) for _ in range(20)]  # while they write
    for process in processes:
        process.join()
        assert process.exitcode == 0
    for model in (*found, load(path)):
        written = models[int(model.classes[0])].network.params
        assert all((model.network.params[name] == p).all() for name, p in written.items())
    assert [file.name for file in tmp_path.iterdir()] == ["m"]


@pytest.mark.skipif(os.name != "posix", reason="folders are flushed")
def test_a_file_system_that_cannot_flush_folders_is_written_to(tmp_path, monkeypatch):
    own = os.fsync

    def fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        own(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write_atomic(tmp_path / "file", "in ", b"parts")
    assert (tmp_path / "file").read_text() == "in parts"


def test_what_a_killed_write_left_does_not_stay_for_ever(tmp_path):
    code = (
        "import os, pathlib\nfrom fcnet.files import write_atomic\n"
        f"pathlib.Path.replace = lambda *_: os._exit(9)\nwrite_atomic({str(tmp_path / 'file')!r}, 'half')"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    (left_over,) = tmp_path.iterdir()
    write_atomic(tmp_path / "file", "whole")
    assert left_over.exists()  # it may be that of a writer that is alive
    os.utime(left_over, (0, 0))
    (tmp_path / ".file.tmp").write_text("of an older version")
    os.utime(tmp_path / ".file.tmp", (0, 0))
    (tmp_path / ".file.other.tmp").write_text("mine")
    write_atomic(tmp_path / "file", "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".file.other.tmp", "file"]


def test_training_goes_on_when_a_checkpoint_cannot_be_written(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    code = f"""
import resource, warnings
import numpy as np
from fcnet import FullyConnectedNet, Trainer
from fcnet.training.callbacks import Callback

class FillTheDisk(Callback):
    def on_epoch_end(self, state):
        if state.epoch == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

X, y = np.random.default_rng(0).standard_normal((100, 20)), np.arange(100) % 2
net = FullyConnectedNet([20, 50, 2])
history = Trainer(epochs=4, callbacks=[FillTheDisk()]).fit(net, X, y, checkpoint={str(path)!r}, checkpoint_seconds=0)
print(len(history))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "4\n"
    assert "No checkpoint of epoch 2" in result.stderr
    assert load_tensors(path, "fcnet-checkpoint-1")[1]["epoch"] == 1
