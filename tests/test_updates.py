"""Every update rule on the same problems, against its equation and against PyTorch."""

import copy
import pickle
from functools import partial

import numpy as np
import pytest
from sklearn.base import clone

from fcnet import FCNetClassifier
from fcnet.engine import get_engine
from fcnet.errors import SettingError
from fcnet.estimators.parameters import InverseScaling
from fcnet.experiments.recipe import load_recipe
from fcnet.settings import NotNegative
from fcnet.training.schedules import SCHEDULES, Step, get_schedule
from fcnet.training.updates import SGD, UPDATES, Adam, AdamW, FusedRule, Nesterov, get_update, step_at_rates

LR = 0.05


@pytest.fixture
def engine(engine_name):
    return get_engine(engine_name, "float64")


def by_equation(name, p, grads):
    """Apply the rule as its docstring states it, one float64 number at a time."""
    v = m = t = 0.0
    for g in grads:
        t += 1
        if name == "sgd":
            p -= LR * g
        elif name == "momentum":
            v = 0.9 * v - LR * g
            p += v
        elif name == "nesterov":
            v = 0.9 * v - LR * g
            p += 0.9 * v - LR * g
        elif name == "rmsprop":
            v = 0.99 * v + 0.01 * g**2
            p -= LR * g / (v + 1e-8) ** 0.5
        else:
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            decay = 0.01 if name == "adamw" else 0.0
            p -= LR * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)) ** 0.5 + 1e-8) + LR * decay * p
    return p


@pytest.mark.parametrize("name", UPDATES)
def test_each_rule_does_what_its_equation_says(name, engine):
    gradients = np.random.default_rng(0).standard_normal((6, 3))
    params = {"W1": np.array([1.0, -2.0, 0.5])}
    rule = get_update(name)
    state = rule.init(params)
    for g in gradients:
        rule.fused_step(params, {"W1": g}, state, LR, 0.0, engine, {"W1"})
    expected = [by_equation(name, p, g) for p, g in zip([1.0, -2.0, 0.5], gradients.T, strict=True)]
    np.testing.assert_allclose(params["W1"], expected, rtol=1e-12)


@pytest.mark.parametrize("name", UPDATES)
def test_each_rule_moves_arrays_of_any_layout(name, engine):
    grads = {"W1": np.arange(6.0).reshape(2, 3)}
    results = []
    for layout in (np.ascontiguousarray, np.asfortranarray, lambda a: np.repeat(a, 2, axis=1)[:, ::2]):
        params = {"W1": layout(np.ones((2, 3)))}
        rule = get_update(name)
        state = rule.init(params)
        for _ in range(3):
            rule.fused_step(params, grads, state, LR, 0.0, engine)
        results.append(params["W1"])
    assert results[0][1, 2] != 1
    np.testing.assert_allclose(results[0], results[1], rtol=1e-15)
    np.testing.assert_allclose(results[0], results[2], rtol=1e-15)


@pytest.mark.parametrize("name", UPDATES)
def test_each_rule_finds_the_minimum_of_a_quadratic(name, engine):
    params = {"W1": np.array([3.0, -4.0]), "b1": np.array([1.0])}
    curvature = {"W1": np.array([1.0, 5.0]), "b1": np.array([2.0])}
    rule = get_update(name, weight_decay=0.0)
    state = rule.init(params)
    for step in range(500):
        rule.fused_step(params, {k: curvature[k] * p for k, p in params.items()}, state, LR * (1 - step / 500), 0.0, engine)
    assert max(np.abs(p).max() for p in params.values()) < 1e-2


@pytest.mark.parametrize("name", UPDATES)
def test_each_rule_keeps_float32_the_gradients_and_the_arrays(name, engine):
    params = {"W1": np.ones((300, 200), np.float32)}  # more than one block
    arrays, grads = dict(params), {"W1": np.full((300, 200), 0.5, np.float32)}
    rule = get_update(name)
    state = rule.init(params)
    rule.fused_step(params, grads, state, LR, 0.0, engine)
    assert params["W1"] is arrays["W1"]
    assert params["W1"].dtype == np.float32
    assert all(s.dtype == np.float32 for key, s in state.items() if key != "t")
    assert (grads["W1"] == 0.5).all()
    assert len(np.unique(params["W1"])) == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", UPDATES)
def test_the_penalty_in_a_step_is_that_of_the_loss(name, dtype, engine_name):
    rng = np.random.default_rng(0)
    start = {"W1": rng.standard_normal((150, 210)).astype(dtype), "b1": rng.standard_normal(210).astype(dtype)}
    grads = {key: rng.standard_normal(p.shape).astype(dtype) for key, p in start.items()}
    engine, portable = get_engine(engine_name, dtype), get_engine("numpy", dtype)
    fused, apart = ({key: p.copy() for key, p in start.items()} for _ in range(2))
    rule = get_update(name, **{"weight_decay": 0.1} if name == "adamw" else {})
    fused_state, apart_state = rule.init(fused), rule.init(apart)
    for _ in range(3):
        penalty = rule.fused_step(fused, grads, fused_state, LR, 0.3, engine)
        whole = {key: g.copy() for key, g in grads.items()}
        assert portable.add_l2(whole["W1"], apart["W1"], 0.3) == pytest.approx(penalty, rel=1e-6)
        rule.step(apart, whole, apart_state, LR)
        for key, p in apart.items():
            np.testing.assert_allclose(fused[key], p, rtol=0, atol=1e-12 if dtype == "float64" else 1e-5)
            assert fused[key].dtype == dtype


def test_weight_decay_leaves_biases_alone():
    params = {"W1": np.ones((2, 1)), "b1": np.ones(2)}
    rule = get_update("adamw", weight_decay=0.1)
    rule.step(params, {"W1": np.zeros((2, 1)), "b1": np.zeros(2)}, rule.init(params), LR)
    np.testing.assert_allclose(params["W1"], 1 - 0.1 * LR)
    np.testing.assert_array_equal(params["b1"], 1)


@pytest.mark.parametrize("name", UPDATES)
def test_what_is_decayed_is_what_the_network_says_whatever_its_name_and_shape(name, engine):
    params = {"W1": np.ones((3, 2)), "slope": np.ones(2)}
    grads = {key: np.zeros_like(p) for key, p in params.items()}
    rule = get_update(name)
    assert rule.fused_step(params, grads, rule.init(params), LR, 0.3, engine, {"slope"}) == pytest.approx(0.15 * 2)
    np.testing.assert_array_equal(params["W1"], 1)
    assert (params["slope"] < 1).all()


@pytest.mark.parametrize("name", UPDATES)
def test_a_rate_of_a_parameter_is_another_learning_rate(name, engine):
    rng = np.random.default_rng(0)
    start = {"W1": rng.standard_normal((4, 3)), "b1": rng.standard_normal(3)}
    fused, apart, alone, without, ones = ({key: p.copy() for key, p in start.items()} for _ in range(5))
    rule = get_update(name)
    states = [rule.init(params) for params in (fused, apart, alone, without, ones)]
    own = rule.init({"b1": alone["b1"]})
    for _ in range(4):
        grads = {key: rng.standard_normal(p.shape) for key, p in start.items()}
        rule.fused_step(fused, grads, states[0], LR, 0.0, engine, {"W1"}, {"b1": 6.0})
        step_at_rates(rule, apart, grads, states[1], LR, {"b1": 6.0})
        rule.fused_step({"b1": alone["b1"]}, grads, own, LR * 6.0, 0.0, engine, {"W1"})
        rule.fused_step(without, grads, states[3], LR, 0.0, engine, {"W1"})
        rule.fused_step(ones, grads, states[4], LR, 0.0, engine, {"W1"}, {"b1": 1.0}, 1.0)
    np.testing.assert_array_equal(fused["b1"], alone["b1"])
    np.testing.assert_array_equal(fused["W1"], without["W1"])
    for key, p in start.items():
        np.testing.assert_allclose(apart[key], fused[key], rtol=1e-12)
        np.testing.assert_array_equal(ones[key], without[key])
        assert not np.array_equal(without[key], p)


def test_weight_decay_follows_its_share(engine):
    params, half = ({"W1": np.ones((2, 1)), "b1": np.ones(2)} for _ in range(2))
    grads = {"W1": np.ones((2, 1)), "b1": np.ones(2)}
    for p, share, weight_decay in ((params, 0.5, 0.2), (half, 1.0, 0.1)):
        rule = get_update("adamw", weight_decay=weight_decay)
        rule.fused_step(p, grads, rule.init(p), LR, 0.0, engine, {"W1"}, decay=share)
    np.testing.assert_allclose(params["W1"], half["W1"], rtol=1e-15)
    np.testing.assert_array_equal(params["b1"], half["b1"])


@pytest.mark.torch
@pytest.mark.parametrize("name", [name for name in UPDATES if name != "rmsprop"])  # PyTorch has epsilon outside the root
def test_pytorch_steps_alike(name):
    import torch

    start = np.random.default_rng(1).standard_normal((4, 5))
    gradients = np.random.default_rng(0).standard_normal((20, 4, 5))
    p = torch.tensor(start.copy(), requires_grad=True)
    make = {
        "sgd": lambda: torch.optim.SGD([p], LR),
        "momentum": lambda: torch.optim.SGD([p], LR, momentum=0.9),
        "nesterov": lambda: torch.optim.SGD([p], LR, momentum=0.9, nesterov=True),
        "adam": lambda: torch.optim.Adam([p], LR),
        "adamw": lambda: torch.optim.AdamW([p], LR, weight_decay=0.01),
    }
    optimizer, rule, params = make[name](), get_update(name), {"W1": start.copy()}
    state = rule.init(params)
    for g in gradients:
        p.grad = torch.tensor(g)
        optimizer.step()
        rule.step(params, {"W1": g}, state, LR)
    np.testing.assert_allclose(params["W1"], p.detach().numpy(), rtol=1e-10, atol=1e-12)


def test_unknown_names_and_values_out_of_range():
    with pytest.raises(SettingError, match="Did you mean 'momentum'"):
        get_update("momentun")
    with pytest.raises(SettingError, match="Did you mean 'beta1'"):
        get_update("adam", beta_1=0.5)
    with pytest.raises(SettingError, match="below 1"):
        get_update("adam", beta1=1.0)
    with pytest.raises(SettingError, match='"adam" has no weight_decay: take "adamw"'):
        get_update("adam", weight_decay=0.1)
    with pytest.raises(SettingError, match="Did you mean 'cosine'"):
        get_schedule("cosin")
    with pytest.raises(SettingError, match="Did you mean 'decay'"):
        get_schedule("exponential", deacy=0.9)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize(("per_epoch", "epochs"), [(1, 1), (10, 1), (7, 30)])
def test_each_schedule_stays_between_nothing_and_the_rate(name, per_epoch, epochs):
    schedule, total = get_schedule(name), per_epoch * epochs
    rates = [schedule(i, per_epoch, total) for i in range(total)]
    assert all(0 <= rate <= 1 for rate in rates)


def test_schedules_at_known_points():
    def at(name, iteration, **settings):
        return get_schedule(name, **settings)(iteration, 10, 101)

    assert at("constant", 55) == 1
    assert [at("exponential", i, decay=0.5) for i in (0, 9, 10, 29)] == [1, 1, 0.5, 0.25]
    assert [at("step", i, step_epochs=2, step_factor=0.1) for i in (0, 19, 20, 40)] == pytest.approx([1, 1, 0.1, 0.01])
    assert [at("cosine", i) for i in (0, 50, 100)] == pytest.approx([1, 0.5, 0])
    assert at("cosine", 100, final_fraction=0.1) == pytest.approx(0.1)
    assert [at("one_cycle", i, warmup=0.4) for i in (0, 20, 40, 70, 100)] == pytest.approx([0.04, 0.52, 1, 0.5, 0])
    assert [at("flat_cosine", i) for i in (0, 25, 50, 75, 100)] == pytest.approx([1, 1, 1, 0.5, 0])
    assert [at("flat_cosine", i, flat=0.8) for i in (0, 80, 90, 100)] == pytest.approx([1, 1, 0.5, 0])
    # Cycle i of four is from (2^(i-1) - 1)/15 to (2^i - 1)/15 of the way, and highest in the middle of its logarithm.
    ends, tops = [(2**i - 1) / 15 for i in range(5)], [(2 ** (i + 0.5) - 1) / 15 for i in range(4)]
    for points, value in ((ends, 0), (tops, 1)):
        schedule = get_schedule("log_cosine")
        assert [schedule(round(15e6 * t), 10, 15_000_001) for t in points] == pytest.approx([value] * len(points), abs=1e-6)
    assert at("log_cosine", 50, cycles=1) == pytest.approx((1 - np.cos(2 * np.pi * np.log2(1.5))) / 2)


@pytest.mark.torch
def test_one_cycle_is_that_of_pytorch():
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1)
    peer = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=200, pct_start=0.3, cycle_momentum=False)
    ours = get_schedule("one_cycle", final_fraction=1 / 25e4)
    for i in range(200):
        # PyTorch's warm-up ends an iteration early, at pct_start · total - 1; the rates differ by that shift alone.
        assert ours(i, 1, 200) * 0.1 == pytest.approx(optimizer.param_groups[0]["lr"], abs=0.1 * 0.03)
        optimizer.step()
        if i < 199:
            peer.step()


NAN, INF = float("nan"), float("inf")
SHARE, RATE = ([0, 0.5, 1, np.float32(0.25)], [-0.1, 1.1, NAN, INF, "0.5", True]), ([0, 0.5, 0.999], [1, 1.0, -0.1, NAN, "0.5"])
EPSILON, ANY = ([1e-30, 1e-8, 1.0], [0, 0.0, 1e-50, -1e-8, NAN, INF]), ([0, 0.01, 5], [-1e-9, NAN, INF, None])
RANGES = {  # of every setting what it may be, and what it may not
    "momentum": SHARE,
    "decay_rate": RATE,
    "beta1": RATE,
    "beta2": RATE,
    "epsilon": EPSILON,
    "weight_decay": ANY,
    "decay": SHARE,
    "step_factor": SHARE,
    "step_epochs": ([1, 10, np.int64(3)], [0, -1, 2.5, "1"]),
    "final_fraction": SHARE,
    "warmup": SHARE,
    "flat": SHARE,
    "cycles": ([1, 4, np.int64(3)], [0, -1, 21, 2.5, "1"]),
}
INVERSE = partial(InverseScaling, 10)
SETTINGS = [(made, name) for table in (UPDATES, SCHEDULES) for made in table.values() for name in made.__struct_fields__]


@pytest.mark.parametrize(
    ("made", "name"), [*SETTINGS, (partial(InverseScaling, 10), "power"), (partial(InverseScaling, 10), "seen")]
)
def test_every_rule_and_schedule_checks_its_settings_when_it_is_made(made, name):
    good, bad = {"power": ANY, "seen": ([0, 7], [-1, 0.5])}.get(name) or RANGES[name]
    params = {"W1": np.array([[1.0, 2.0]], np.float32)}
    for value in good:
        rule = made(**{name: value})
        assert getattr(rule, name) == value
        if callable(rule):
            assert all(0 <= rule(i, 3, 12) <= 1 for i in range(12))
            continue
        state = rule.init(params)
        for gradient in (0.0, 1.0, 0.0):
            rule.step(params, {"W1": np.full((1, 2), gradient, np.float32)}, state, 1e-3)
        assert np.isfinite(params["W1"]).all()
    for value in bad:
        with pytest.raises(SettingError, match=f"^{name} must be"):
            made(**{name: value})


@pytest.mark.parametrize(("made", "name"), SETTINGS)
def test_a_value_out_of_range_is_refused_by_name_and_in_a_recipe_too(made, name):
    part, get = ("update", get_update) if made in UPDATES.values() else ("schedule", get_schedule)
    kind, wrong = made.__struct_config__.tag, -1
    with pytest.raises(SettingError, match=f"{name} must be"):
        get(kind, **{name: wrong})
    with pytest.raises(SettingError, match=f"{name} must be"):
        load_recipe("digits", [f"{part}={kind}", f"{name}={wrong}"]).trainer(0, None)


class Signs(FusedRule):
    """A rule of a user's own, with a setting."""

    scale: NotNegative = 1.0

    def step(self, params, grads, state, learning_rate):
        for name, p in params.items():
            p -= learning_rate * self.scale * np.sign(grads[name])


@pytest.mark.parametrize("rule", [Signs(scale=0.5), *(made() for made in UPDATES.values())])
def test_rules_are_copied_pickled_cloned_and_compared_by_their_settings(rule):
    assert all(type(made()) is made for made in UPDATES.values())  # `__new__`, which is for old pickles, makes none of these
    twins = [copy.copy(rule), copy.deepcopy(rule), pickle.loads(pickle.dumps(rule))]
    model = clone(FCNetClassifier(solver=rule))
    assert [*twins, model.get_params()["solver"]] == [rule] * 4
    assert repr(rule) == repr(twins[2])
    assert len({rule, *twins}) == 1


@pytest.mark.parametrize(
    ("kind", "settings", "now"),
    [
        (SGD, {}, SGD()),
        (Nesterov, {"momentum": 0.8}, Nesterov(0.8)),
        (Adam, {"beta1": 0.8, "beta2": 0.9, "epsilon": 1e-7, "weight_decay": 0.05}, AdamW(0.8, 0.9, 1e-7, 0.05)),
        (Adam, {"beta1": 0.8, "beta2": 0.9, "epsilon": 1e-7, "weight_decay": 0.0}, AdamW(0.8, 0.9, 1e-7, 0.0)),
        (AdamW, {"beta1": 0.8, "beta2": 0.9, "epsilon": 1e-7, "weight_decay": 0.05}, AdamW(0.8, 0.9, 1e-7, 0.05)),
        (Step, {"step_epochs": 3, "step_factor": 0.5}, Step(3, 0.5)),
    ],
)
def test_a_pickle_of_before_when_rules_were_dataclasses(kind, settings, now):
    made = b"\x80\x02c%s\n%s\n)\x81" % (kind.__module__.encode(), kind.__name__.encode())  # by its class, without arguments
    assert pickle.loads(made + pickle.dumps(settings, 2)[2:-1] + b"b.") == now


def test_a_rule_of_ones_own_trains():
    X = np.random.default_rng(0).standard_normal((100, 3))
    model = FCNetClassifier(solver=Signs(scale=0.5), learning_rate="cosine", learning_rate_init=0.01, random_state=0)
    assert model.fit(X, X[:, 0] > 0).score(X, X[:, 0] > 0) > 0.9
    with pytest.raises(SettingError, match="scale must be"):
        Signs(scale=-1)


def test_settings_of_other_rules_are_checked_by_the_same_ranges():
    with pytest.raises(SettingError, match="beta1 must be"):
        get_update("sgd", beta1=1.0)
    with pytest.raises(SettingError, match="step_epochs must be"):
        get_schedule("cosine", step_epochs=0)
