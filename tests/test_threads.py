"""Threads: how many, who may change the number of BLAS's, and that who does which piece of a product changes nothing."""

import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from click.testing import CliRunner
from threadpoolctl import threadpool_info, threadpool_limits

from fcnet import FullyConnectedNet, Trainer, cores, threads, use_threads
from fcnet.cli import main
from fcnet.cores import cgroup_quota
from fcnet.engine import get_engine, products
from fcnet.errors import SettingError
from fcnet.estimators import FCNetClassifier, FCNetRegressor
from fcnet.experiments.run import Config
from fcnet.preprocessing import PatchFeatures
from fcnet.training.callbacks import Callback

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((300, 400)).astype(np.float32), RNG.integers(0, 10, 300)


def blas_threads():
    return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]


@pytest.fixture
def two_cores(monkeypatch):
    """Two threads to share work, whatever this machine has; and the products of small networks are shared."""
    monkeypatch.setattr(threads, "cores", lambda: 2)
    monkeypatch.setattr(products, "SHARED_WORK", 0)


def trained(**settings):
    net = FullyConnectedNet([400, 120, 10], seed=0)
    Trainer(**({"epochs": 2, "batch_size": 64, "threads": 2} | settings)).fit(net, X, Y)
    return net


# How many.


@pytest.mark.parametrize(
    ("groups", "files", "quota"),
    [
        ("0::/", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/", {"cpu.max": "max 100000\n"}, np.inf),
        ("0::/a/b", {"cpu.max": "400000 100000", "a/cpu.max": "200000 100000", "a/b/cpu.max": "max 100000"}, 2),
        ("0::/of/the/host", {"cpu.max": "50000 100000"}, 0.5),  # as a container sees itself
        ("4:cpu,cpuacct:/docker/1", {"cpu,cpuacct/cpu.cfs_quota_us": "300000", "cpu,cpuacct/cpu.cfs_period_us": "100000"}, 3),
        ("4:cpu:/x\n0::/", {"cpu/x/cpu.cfs_quota_us": "-1", "cpu/x/cpu.cfs_period_us": "100000"}, np.inf),
        ("4:memory:/x", {"cpu/cpu.cfs_quota_us": "1000", "memory/cpu.max": "1 1"}, np.inf),
        ("0::/", {"cpu.max": "nonsense"}, np.inf),
    ],
)
def test_the_quota_of_a_container_is_read(tmp_path, groups, files, quota):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(groups + "\n")
    for name, text in files.items():
        file = tmp_path / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert cgroup_quota(str(tmp_path)) == quota


def test_without_control_groups_there_is_no_quota(tmp_path):
    assert cgroup_quota(str(tmp_path)) == np.inf


@pytest.mark.parametrize(("quota", "runnable", "expected"), [(np.inf, 4, 4), (1.5, 4, 2), (0.1, 4, 1), (8, 3, 3)])
def test_there_are_no_more_cores_than_affinity_and_quota_allow(monkeypatch, quota, runnable, expected):
    monkeypatch.setattr(cores, "cgroup_quota", lambda: quota)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(runnable)), raising=False)
    assert cores.cores() == expected


def test_the_default_is_no_more_than_blas_has_been_given(monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda: 8)
    with threadpool_limits(1, "blas"):
        assert threads.default_threads() == 1
        with threads.one_blas_thread():
            assert threads.default_threads() == 1
    most = threads.default_threads()
    with threads.one_blas_thread():
        assert threads.default_threads() == most
        with use_threads(5), use_threads(None):
            assert threads.default_threads() == 5


@pytest.mark.parametrize("number", [0, -1, 1.5])
def test_a_number_that_cannot_be_is_refused(number):
    with pytest.raises(SettingError, match="threads"):
        Trainer(threads=number).fit(FullyConnectedNet([400, 5, 10]), X, Y)
    with pytest.raises(SettingError, match="threads"), use_threads(number):
        pass
    with pytest.raises(ValueError, match="threads"):
        FCNetClassifier(threads=number).fit(X, Y)


# Who may change the number of BLAS's threads.


def test_limits_that_overlap_leave_the_number_as_it_was():
    before = blas_threads()
    held = [threads._limits.hold(number) for number in (1, 3, 1, 2)]  # as of fits in several threads
    assert set(blas_threads()) == {1}
    for first in held[:3]:  # in the order that they have come
        threads._limits.release(first)
    assert blas_threads() == [min(2, number) for number in before]
    threads._limits.release(held[3])
    assert blas_threads() == before


OVERLAP = """
import sys, threading
import numpy as np
from concurrent.futures import ThreadPoolExecutor
from threadpoolctl import threadpool_info
from fcnet.preprocessing import PatchFeatures
numbers = lambda: [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]
X = np.random.default_rng(0).integers(0, 256, (64, 12 * 12), np.uint8)
features = PatchFeatures(16, 3, n_iterations=1).fit(X, (12, 12, 1))
features.transform(X)
before, own = numbers(), features._extract_rows
first_in, second_in, first_out = threading.Event(), threading.Event(), threading.Event()
def hooked(images, *rest):  # the first to come goes before the second, which came while it was there
    if images.shape[0] == 1:
        first_in.set()
        assert second_in.wait(600)
    else:
        second_in.set()
        assert first_out.wait(600)
    own(images, *rest)
features._extract_rows = hooked
def first():
    features.transform(X[:1])
    first_out.set()
def second():
    assert first_in.wait(600)
    features.transform(X)
with ThreadPoolExecutor(2) as pool:
    [each.result() for each in (pool.submit(first), pool.submit(second))]
assert numbers() == before and max(before) == 2, (before, numbers())
"""


def test_blas_is_held_for_fits_of_any_thread_and_by_them():
    seen, before = [], blas_threads()

    class Look(Callback):
        def on_batch_end(self, state):
            seen.append(max(blas_threads()))

    with threadpool_limits(1, "blas"):
        pass  # in this thread, which is not to be the only one that may
    for _ in range(2):
        with ThreadPoolExecutor(1) as pool:
            pool.submit(trained, callbacks=[Look()]).result()
        assert blas_threads() == before
    trained(callbacks=[Look()])
    assert set(seen) == {1}
    assert blas_threads() == before


def test_a_library_that_is_loaded_while_another_is_held_leaves_the_number_as_it_was():
    script = """
import numpy as np
from threadpoolctl import threadpool_info
from fcnet import threads
before = max(lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas")
with threads.one_blas_thread():
    import scipy.linalg
    with threads.one_blas_thread():
        assert {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"} == {1}
assert {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"} == {before} == {2}
"""
    subprocess.run([sys.executable, "-c", script], check=True, env=os.environ | {"OPENBLAS_NUM_THREADS": "2"})


def test_features_extracted_in_two_threads_leave_the_number_as_it_was():
    subprocess.run([sys.executable, "-c", OVERLAP], check=True, env=os.environ | {"OPENBLAS_NUM_THREADS": "2"})


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_the_number_is_put_back_after_an_error(error):
    class Fail(Callback):
        def on_batch_end(self, state):
            raise error

    before = blas_threads()
    with pytest.raises(error):
        trained(callbacks=[Fail()])
    assert blas_threads() == before


# Who does which piece changes nothing.


def test_products_in_pieces_are_those_of_blas_but_for_rounding(two_cores):
    engine = get_engine("numpy", "float32")
    for n, k, m in [(100, 300, 40), (30, 300, 200), (1, 300, 200), (17, 5, 33)]:
        a, b = RNG.standard_normal((n, k)).astype(np.float32), RNG.standard_normal((k, m)).astype(np.float32)
        bound = 2 * k * np.finfo(np.float32).eps * (np.abs(a).astype(float) @ np.abs(b))  # of sums in any two orders
        for left, right in ((a, b), (np.asfortranarray(a), b), (a, np.asfortranarray(b))):
            for number in (1, 2, 5):
                with use_threads(number), engine.sharing():
                    found = engine.matmul(left, right, out=np.full((n, m), np.nan, np.float32))
                assert (np.abs(found - a.astype(float) @ b) <= bound).all()
                assert found.dtype == np.float32
    a, b = RNG.standard_normal((8, 30)), RNG.standard_normal((30, 7))
    with use_threads(2), engine.sharing():
        np.testing.assert_allclose(engine.matmul(a, b), a @ b, rtol=0, atol=1e-12)


@pytest.mark.parametrize("who", ["helpers that come late", "no helpers", "the caller comes late"])
def test_who_does_which_piece_changes_no_bit(two_cores, monkeypatch, who):
    expected = trained().params
    do, fits_in = threads._Job.do, threading.get_ident()

    def slowly(job):
        if (threading.get_ident() == fits_in) == (who == "the caller comes late"):
            time.sleep(0.002)
        do(job)

    monkeypatch.setattr(threads._Job, "do", slowly)
    if who == "no helpers":
        monkeypatch.setattr(threads, "_pool", threads._Pool())
        threads._pool.size = 9  # which are not there
    found = trained().params
    for name, p in expected.items():
        np.testing.assert_array_equal(found[name], p)


def test_helpers_take_part_and_their_errors_are_raised(two_cores):
    done, both = [], threading.Barrier(2, timeout=6000)

    def work(piece):
        both.wait()  # only two threads get through
        done.append((piece, threading.get_ident()))
        if piece == 3 and threading.current_thread() is not threading.main_thread():
            raise RuntimeError("no more")

    with use_threads(2):
        threads.share(work, range(2))
        assert sorted(piece for piece, _ in done) == [0, 1]
        assert len({thread for _, thread in done}) == 2
        with pytest.raises(RuntimeError, match="no more"):
            threads.share(work, [3, 3])
        threads.share(lambda piece: threads.share(done.append, [piece]), range(2))  # within a piece by the same thread
    assert done[-2:] in ([0, 1], [1, 0])


def test_after_an_interrupt_nobody_is_at_work_any_more(two_cores, monkeypatch):
    inside, waits, ended = threading.Event(), threading.Event(), []

    def work(piece):
        if threading.current_thread() is threading.main_thread():
            assert inside.wait(600)
            raise KeyboardInterrupt
        inside.set()
        assert waits.wait(600)
        time.sleep(0.05)  # a caller that does not wait long enough comes first
        ended.append(piece)

    class Job(threads._Job):
        def wait(self):
            waits.set()
            super().wait()

    monkeypatch.setattr(threads, "_Job", Job)
    with use_threads(2), pytest.raises(KeyboardInterrupt):
        threads.share(work, range(10))
    assert len(ended) == 1


def test_a_second_interrupt_ends_no_wait_for_those_at_work(two_cores, monkeypatch):
    inside, go_on, ended = threading.Event(), threading.Event(), []

    def work(piece):
        if threading.current_thread() is threading.main_thread():
            assert inside.wait(600)
            raise KeyboardInterrupt
        inside.set()
        assert go_on.wait(600)
        ended.append(piece)

    class Interrupted(threads.SimpleQueue):  # as by Ctrl-C while the caller waits
        def get(self):
            if not go_on.is_set():
                go_on.set()
                raise KeyboardInterrupt
            return super().get()

    class Job(threads._Job):
        def __init__(self, *args):
            super().__init__(*args)
            self.left = Interrupted()

    monkeypatch.setattr(threads, "_Job", Job)
    with use_threads(2), pytest.raises(KeyboardInterrupt):
        threads.share(work, range(10))
    assert len(ended) == 1
    assert not threads.is_busy()  # or all that comes later would be done by this thread alone


@pytest.mark.parametrize("who", ["caller", "helper"])
def test_helpers_say_of_an_overflow_what_their_caller_would(two_cores, who):
    both, told = threading.Barrier(2, timeout=6000), []

    def work(piece):
        both.wait()  # one piece for each
        if (threading.current_thread() is threading.main_thread()) == (who == "caller"):
            told.append(np.float32(1e38) * np.float32(10))

    with use_threads(2):
        with np.errstate(over="ignore"):
            threads.share(work, range(2))
        assert told == [np.inf]
        with np.errstate(over="raise"), pytest.raises(FloatingPointError):
            threads.share(work, range(2))


def test_where_no_more_threads_are_to_be_had_the_caller_does_the_work(two_cores, monkeypatch):
    def fail(_):
        raise RuntimeError("can't start new thread")

    done = []
    monkeypatch.setattr(threads, "_pool", threads._Pool())
    monkeypatch.setattr(threading.Thread, "start", fail)
    with use_threads(2):
        threads.share(done.append, range(5))
    assert done == [0, 1, 2, 3, 4]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_one_and_two_threads_agree(two_cores, solver):
    x, y = X.astype(np.float64), Y
    first, second = (
        FCNetClassifier((50,), solver=solver, max_iter=3, tol=0, random_state=0, threads=number).fit(x, y).predict_proba(x)
        for number in (1, 2)
    )
    np.testing.assert_allclose(first, second, rtol=0, atol=1e-9)


# Processes, and searches.


def _in_a_child(queue):
    net = trained()
    queue.put((float(net.params["W1"].sum()), blas_threads()))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_that_was_forked_while_others_train_has_helpers_and_numbers_of_its_own(two_cores):
    expected, before = float(trained().params["W1"].sum()), blas_threads()
    begun, go_on = threading.Event(), threading.Event()

    class Wait(Callback):
        def on_epoch_end(self, state):
            begun.set()
            assert go_on.wait(600)

    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(trained, callbacks=[Wait()])
        assert begun.wait(600)
        child = context.Process(target=_in_a_child, args=(queue,), daemon=True)
        child.start()
        found, numbers = queue.get(timeout=600)
        child.join(600)
        go_on.set()
        other.result()
    assert (found, numbers) == (expected, before)
    assert blas_threads() == before


def test_blas_is_held_by_whichever_thread_computes():
    began, may_end = [threading.Event(), threading.Event()], [threading.Event(), threading.Event()]
    seen = []

    def hold(i):
        with threads.one_blas_thread():
            seen.append(set(blas_threads()))
            began[i].set()
            assert may_end[i].wait(600)

    with threadpool_limits(2, user_api="blas"), ThreadPoolExecutor(2) as pool:  # the main thread has set a number first
        holders = []
        for i in (0, 1):
            holders.append(pool.submit(hold, i))
            assert began[i].wait(600)
        for i in (0, 1):
            may_end[i].set()
            holders[i].result()
            seen.append(set(blas_threads()))
    assert seen == [{1}, {1}, {1}, {2}]


def test_fits_in_threads_share_the_helpers_and_are_the_same_as_alone(two_cores):
    expected = trained().params["W1"]
    with ThreadPoolExecutor(3) as pool:
        found = [fit.result().params["W1"] for fit in [pool.submit(trained) for _ in range(3)]]
    for W in found:
        np.testing.assert_array_equal(W, expected)
    assert sum(thread.name.startswith("fcnet helper") for thread in threading.enumerate()) == threads._pool.size


# Where it can be said.


class _Number(Callback):
    def on_epoch_end(self, state):
        self.number = threads.default_threads()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("number", [1, 3])
def test_trainer_and_estimators_take_the_number(number):
    look = _Number()
    trained(threads=number, callbacks=[look])
    assert look.number == number
    for estimator in (FCNetClassifier, FCNetRegressor):
        look = _Number()
        estimator(hidden_layer_sizes=(5,), max_iter=1, threads=number, callbacks=[look]).fit(X, Y.astype(float))
        assert look.number == number
    with use_threads(number):
        trained(threads=None, callbacks=[look])
    assert look.number == number


def test_a_checkpoint_of_another_number_of_threads_is_gone_on_from(tmp_path):
    nets = [FullyConnectedNet([400, 5, 10], seed=0) for _ in range(2)]
    for net, number in zip(nets, (1, 2), strict=True):
        history = Trainer(epochs=2, threads=number).fit(net, X, Y, checkpoint=tmp_path / "checkpoint", resume=True)
    assert len(history) == 2
    np.testing.assert_array_equal(nets[0].params["W1"], nets[1].params["W1"])


def test_the_command_line_takes_and_keeps_the_number(tmp_path, monkeypatch):
    pytest.importorskip("sklearn")
    seen = []
    use = threads.use_threads
    run = str(tmp_path / "run")
    call = CliRunner().invoke
    result = call(main, ["train", "digits", "--out", run, "--threads", "3", "--set", "epochs=1"])
    assert result.exit_code == 0, result.output
    assert Config.read(tmp_path / "run").threads == 3
    monkeypatch.setattr(threads, "use_threads", lambda number: (seen.append(number), use(number))[1])
    result = call(main, ["evaluate", run, "--threads", "2", "--json"])
    assert json.loads(result.stdout)["test_accuracy"] > 0.5
    assert seen == [2]
    result = call(main, ["train", "digits", "--out", run, "--threads", "1", "--resume"])
    assert result.exit_code == 0, result.output  # a run may go on elsewhere
    assert call(main, ["train", "digits", "--out", run, "--threads", "0"]).exit_code == 2


def test_a_run_from_before_there_was_a_number_can_be_read(tmp_path):
    run = tmp_path / "run"
    assert CliRunner().invoke(main, ["train", "digits", "--out", str(run), "--set", "epochs=1"]).exit_code == 0
    assert Config.read(run).threads == threads.default_threads()
    text = (run / "config.toml").read_text()
    (run / "config.toml").write_text("".join(line for line in text.splitlines(True) if not line.startswith("threads")))
    assert Config.read(run).threads == 0
    assert CliRunner().invoke(main, ["train", "digits", "--out", str(run), "--resume"]).exit_code == 0


def test_features_are_the_same_by_any_number_of_threads_but_for_rounding():
    images = RNG.integers(0, 256, (40, 12 * 12), np.uint8)
    features = PatchFeatures(16, 3, n_iterations=1).fit(images, (12, 12, 1))
    first, second = (_features(features, images, number) for number in (1, 2))
    np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-4)


def _features(features, images, number):
    with use_threads(number):
        return features.transform(images)
