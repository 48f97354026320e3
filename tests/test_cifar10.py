"""CIFAR-10: found, checked, read without running anything, and downloaded only where it is nowhere."""

import hashlib
import http.server
import os
import pickle
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fcnet import load_cifar10
from fcnet.data import cifar10
from fcnet.data.restricted_pickle import load_plain_pickle
from fcnet.errors import FileFormatError, SettingError


def load_small(folder, **changes):
    return load_cifar10(folder, **({"n_train": 80, "n_val": 20, "n_test": 20} | changes))


@pytest.fixture
def no_real_data(monkeypatch, tmp_path):
    monkeypatch.delenv("FCNET_DATA", raising=False)
    monkeypatch.setattr(cifar10, "cache_dir", lambda: tmp_path / "cache")
    return tmp_path / "cache"


def test_the_split_and_the_order_of_values(small_cifar10):
    data = load_small(small_cifar10)
    assert data.X_train.shape == (80, 3072)
    assert data.X_val.shape == data.X_test.shape == (20, 3072)
    assert {data.X_train.dtype, data.X_test.dtype} == {np.dtype(np.uint8)}
    raw = pickle.loads((small_cifar10 / "data_batch_3").read_bytes())
    image = raw["data"][7].reshape(3, 32, 32)  # a plane for each channel
    np.testing.assert_array_equal(data.X_train[47].reshape(32, 32, 3), image.transpose(1, 2, 0))
    assert data.y_train[47] == raw["labels"][7]
    np.testing.assert_array_equal(data.y_val, pickle.loads((small_cifar10 / "data_batch_5").read_bytes())["labels"])
    assert data.classes[3] == "cat"


def test_the_test_file_is_not_opened_for_no_test_images(small_cifar10):
    (small_cifar10 / "test_batch").unlink()
    assert load_small(small_cifar10, n_test=0).X_test.shape == (0, 3072)


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("way", ["argument", "environment", "cache"])
def test_where_it_is_looked_for(small_cifar10, no_real_data, monkeypatch, inside, way):
    place = small_cifar10 if inside else small_cifar10.parent
    if way == "environment":
        monkeypatch.setenv("FCNET_DATA", str(place))
    elif way == "cache":
        monkeypatch.setattr(cifar10, "cache_dir", lambda: place)
    data = load_small(place if way == "argument" else None, download=False)
    assert len(data.X_train) == 80


def test_a_named_folder_without_it_is_passed_over_with_a_warning(small_cifar10, no_real_data, monkeypatch, tmp_path):
    monkeypatch.setenv("FCNET_DATA", str(small_cifar10))
    with pytest.warns(UserWarning, match=f"no cifar-10-batches-py in {tmp_path / 'none'}; using {small_cifar10}"):
        load_small(tmp_path / "none")


def test_nothing_is_downloaded_for_a_folder_that_was_mistyped(tmp_path, no_real_data, monkeypatch):
    with pytest.raises(FileFormatError, match="no cifar-10-batches-py in .* or .*cache: name the folder"):
        load_cifar10(tmp_path)
    with pytest.raises(FileFormatError, match="FCNET_DATA"):
        load_cifar10(download=False)
    monkeypatch.setenv("FCNET_DATA", str(tmp_path))
    with pytest.raises(FileFormatError, match="no cifar-10-batches-py in"):
        load_cifar10()


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def swap(path):
    path.write_bytes((path.parent / "data_batch_1").read_bytes())


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize("damage", [flip, swap, truncate])
def test_an_altered_file_is_named_with_its_checksum(small_cifar10, damage):
    path = small_cifar10 / "data_batch_2"
    published = cifar10.MD5["data_batch_2"]
    damage(path)
    found = hashlib.md5(path.read_bytes()).hexdigest()
    with pytest.raises(FileFormatError, match=f"data_batch_2 has the MD5 sum {found}, published is {published}"):
        load_small(small_cifar10)


def test_an_altered_file_can_be_used_knowingly(small_cifar10):
    swap(small_cifar10 / "data_batch_2")
    data = load_small(small_cifar10, verify=False)
    np.testing.assert_array_equal(data.X_train[:20], data.X_train[20:40])


def test_a_missing_file_is_named(small_cifar10):
    (small_cifar10 / "data_batch_4").unlink()
    with pytest.raises(FileFormatError, match="data_batch_4 cannot be read: No such file"):
        load_small(small_cifar10)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_rights_is_named(small_cifar10):
    (small_cifar10 / "data_batch_4").chmod(0)
    with pytest.raises(FileFormatError, match="data_batch_4 cannot be read: Permission denied"):
        load_small(small_cifar10)


def test_more_images_than_there_are(small_cifar10):
    with pytest.raises(SettingError, match="110 images are asked for, .* has 100"):
        load_small(small_cifar10, n_train=90)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "refused"),
        (b"no pickle", "refused"),
        (pickle.dumps([1, 2]), "holds a list"),
        (pickle.dumps({10**5000: 1}), "not the dict of a batch"),
        (pickle.dumps({"data": np.zeros((1, 3072), np.uint8), "labels": [2**70]}, protocol=2), "outside 0 to 9"),
        (pickle.dumps({"data": np.zeros((0, 3072), np.uint8), "labels": []}, protocol=2), "refused|or none"),
        (pickle.dumps({}), "no images of 3072"),
        (pickle.dumps({"data": [1, 2, 3], "labels": [1]}), "no images of 3072"),
        (pickle.dumps({"data": np.zeros((2, 3072), np.float64), "labels": [0, 1]}, protocol=2), "not of uint8"),
        (pickle.dumps({"data": np.zeros((2, 3), np.uint8), "labels": [0, 1]}, protocol=2), "no images of 3072"),
        (pickle.dumps({"data": np.zeros((2, 3072), np.uint8), "labels": [0]}, protocol=2), "list of 2 labels"),
        (pickle.dumps({"data": np.zeros((2, 3072), np.uint8), "labels": [0, "1"]}, protocol=2), "list of 2 labels"),
        (pickle.dumps({"data": np.zeros((2, 3072), np.uint8), "labels": [0, 10]}, protocol=2), "outside 0 to 9"),
        (pickle.dumps({"data": np.array([{}], object), "labels": [0]}, protocol=2), "not of uint8"),
    ],
)
def test_a_file_that_is_no_batch_is_refused(small_cifar10, content, message):
    path = small_cifar10 / "data_batch_1"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=message) as caught:
        load_small(small_cifar10, verify=False)
    assert "data_batch_1" in str(caught.value)


class Hostile:
    """Calls a function with arguments when it is unpickled."""

    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("kind", ["system", "eval", "getattr", "numpy", "open"])
def test_a_hostile_pickle_is_refused_and_runs_nothing(small_cifar10, tmp_path, protocol, verify, kind):
    mark = tmp_path / "ran"
    hostile = {
        "system": Hostile(os.system, f"touch {mark}"),
        "eval": Hostile(eval, f"open({str(mark)!r}, 'w')"),
        "getattr": Hostile(getattr, "", "join"),
        "numpy": Hostile(np.fromfile, "/dev/null"),
        "open": Hostile(open, str(mark), "w"),
    }[kind]
    content = {"data": np.zeros((2, 3072), np.uint8), "labels": [0, 1], "x": hostile}
    (small_cifar10 / "data_batch_1").write_bytes(pickle.dumps(content, protocol=protocol))
    with pytest.raises(FileFormatError, match="MD5" if verify else "data_batch_1 is refused: it asks for"):
        load_small(small_cifar10, verify=verify)
    assert not mark.exists()


def test_a_pickle_cannot_change_what_reads_it():
    from fcnet.data import restricted_pickle

    before = vars(restricted_pickle._reconstruct) | {"defaults": restricted_pickle._reconstruct.__defaults__}
    for module, name in restricted_pickle._ALLOWED:
        for state in ({"__defaults__": (1, 2, 3), "__doc__": "owned"}, {"_make": print}):
            for slots in (state, (None, state)):
                build = b"\x80\x02c" + module.encode() + b"\n" + name.encode() + b"\n" + pickle.dumps(slots, 2)[2:-1] + b"b."
                with pytest.raises(FileFormatError, match="refused"):
                    load_plain_pickle(build, "x")
    assert before == vars(restricted_pickle._reconstruct) | {"defaults": restricted_pickle._reconstruct.__defaults__}
    array = np.arange(6, dtype=np.uint8)
    np.testing.assert_array_equal(load_plain_pickle(pickle.dumps({"data": array}, 2), "x")["data"], array)


@pytest.mark.parametrize("put", [b"r" + (1 << 24).to_bytes(4, "little"), b"p16777216\n"])
def test_a_few_bytes_cannot_ask_for_much_memory(put):
    with pytest.raises(FileFormatError, match="under the number 16777216"):
        load_plain_pickle(b"\x80\x02}" + put + b".", "x")
    assert load_plain_pickle(b"\x80\x02}r\x05\0\0\0.", "x") == {}


@settings(max_examples=300)
@given(st.binary(max_size=200), st.integers(0, 200))
def test_no_bytes_do_anything_but_load_or_be_refused(junk, at):
    plain = pickle.dumps(
        {"data": np.arange(12, dtype=np.uint8).reshape(3, 4), "labels": [1, 2], "batch_label": "b"}, protocol=2
    )
    for content in (junk, plain[:at] + junk + plain[at:], plain[:at] + junk + plain[at + len(junk) :]):
        try:
            assert isinstance(load_plain_pickle(content, "junk"), dict)
        except FileFormatError as error:
            assert "junk" in str(error)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL))
def test_arrays_of_bytes_come_through_every_protocol(protocol):
    array = np.arange(24, dtype=np.uint8).reshape(4, 6)
    for order in (array, np.asfortranarray(array)):
        found = load_plain_pickle(pickle.dumps({"data": order, "labels": [1]}, protocol=protocol), "x")
        np.testing.assert_array_equal(found["data"], array)


@pytest.fixture
def archive(small_cifar10, tmp_path):
    """Serve the small batches as the published archive is served, on this machine."""
    site = tmp_path / "site"
    site.mkdir()
    path = site / "cifar-10-python.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(small_cifar10, cifar10.FOLDER)
        stray = tmp_path / "stray"
        stray.write_text("not part of the data")
        tar.add(stray, "../escaped")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(site))

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/{path.name}", hashlib.md5(path.read_bytes()).hexdigest()
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("progress", [True, False])
def test_download(archive, tmp_path, progress, capfd):
    url, md5 = archive
    cache = tmp_path / "new" / "cache"
    folder = cifar10.download_cifar10(cache, url=url, md5=md5, progress=progress)
    assert folder == cache / cifar10.FOLDER
    assert len(load_small(folder).X_train) == 80
    assert sorted(p.name for p in cache.iterdir()) == [cifar10.LOCK, cifar10.FOLDER]
    assert not (cache.parent / "escaped").exists()
    assert ("100%" in capfd.readouterr().err) == progress


def test_a_damaged_copy_in_the_cache_is_replaced_by_a_download(archive, tmp_path):
    url, md5 = archive
    cache = tmp_path / "cache"
    (cache / cifar10.FOLDER).mkdir(parents=True)
    (cache / cifar10.FOLDER / "data_batch_1").write_bytes(b"half of it")
    assert len(load_small(cifar10.download_cifar10(cache, url=url, md5=md5, progress=False)).X_train) == 80


def test_an_unpacking_that_fails_leaves_nothing_where_data_is_looked_for(archive, tmp_path, monkeypatch):
    url, md5 = archive
    cache = tmp_path / "cache"

    def fail_halfway(self, path, members, **_):
        self.extract(members[0], path, filter="data")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tarfile.TarFile, "extractall", fail_halfway)
    with pytest.raises(FileFormatError, match="No space left"):
        cifar10.download_cifar10(cache, url=url, md5=md5, progress=False)
    assert not (cache / cifar10.FOLDER).exists()


def test_a_download_that_fails_says_what_to_do_and_leaves_nothing(archive, tmp_path):
    url, md5 = archive
    for bad in ({"url": url, "md5": "0" * 32}, {"url": url + ".no", "md5": md5}, {"url": "http://127.0.0.1:1/x", "md5": md5}):
        with pytest.raises(FileFormatError, match="could not be downloaded .*point FCNET_DATA"):
            cifar10.download_cifar10(tmp_path / "cache", progress=False, **bad)
        assert [path.name for path in (tmp_path / "cache").glob("**/*")] == [cifar10.LOCK]


def test_downloads_at_once_are_one_download(archive, tmp_path):
    url, md5 = archive
    with ThreadPoolExecutor(4) as pool:
        folders = [
            pool.submit(cifar10.download_cifar10, tmp_path / "cache", url=url, md5=md5, progress=False) for _ in range(4)
        ]
    assert {future.result() for future in folders} == {tmp_path / "cache" / cifar10.FOLDER}
    assert len(load_small(folders[0].result()).X_train) == 80


@pytest.mark.cifar10
def test_the_real_data():
    data = load_cifar10()
    assert (data.X_train.shape, data.X_val.shape, data.X_test.shape) == ((49000, 3072), (1000, 3072), (10000, 3072))
    assert data.X_train.dtype == np.uint8
    assert np.bincount(np.concatenate([data.y_train, data.y_val])).tolist() == [5000] * 10
    assert np.bincount(data.y_test).tolist() == [1000] * 10
    assert data.classes == ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    assert data.y_train[:5].tolist() == [6, 9, 9, 4, 1]
    # The published mean of the training images over 255 is (0.4914, 0.4822, 0.4465).
    X = np.concatenate([data.X_train, data.X_val]).reshape(-1, 3)
    np.testing.assert_allclose(X.mean(axis=0) / 255, [0.4914, 0.4822, 0.4465], atol=5e-5)


@pytest.mark.cifar10
def test_one_flipped_byte_in_a_real_batch(tmp_path):
    folder = tmp_path / cifar10.FOLDER
    folder.mkdir()
    real = cifar10.find_cifar10()
    for name in cifar10.MD5:
        (folder / name).symlink_to((real / name).resolve())
    (folder / "data_batch_3").unlink()
    content = bytearray((real / "data_batch_3").read_bytes())
    content[12_345_678] ^= 4
    (folder / "data_batch_3").write_bytes(content)
    with pytest.raises(FileFormatError, match="data_batch_3 has the MD5 sum .* published is 54ebc095f3ab1f0389bbae665268c751"):
        load_cifar10(tmp_path)
