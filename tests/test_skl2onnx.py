"""Pipelines that end in an estimator of fcnet give in onnxruntime what they give in scikit-learn."""

import sys
import warnings

import numpy as np
import pandas as pd
import pytest

from fcnet.errors import FcnetError, InputError
from fcnet.nn.layers import ReLU

pytest.importorskip("sklearn")
pytest.importorskip("skl2onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from skl2onnx import to_onnx  # noqa: E402
from sklearn.compose import make_column_transformer  # noqa: E402
from sklearn.datasets import make_classification, make_multilabel_classification, make_regression  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

from fcnet.estimators import FCNetClassifier, FCNetRegressor  # noqa: E402
from fcnet.skl2onnx_converter import register_skl2onnx  # noqa: E402

SETTINGS = {"hidden_layer_sizes": (12, 7), "max_iter": 15, "random_state": 0, "learning_rate_init": 0.01}
FLAT = {"zipmap": False}


@pytest.fixture(autouse=True, scope="module")
def registered():
    register_skl2onnx()


def fitted(estimator, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it need not converge
        return make_pipeline(StandardScaler(), estimator).fit(X, y)


def run(pipeline, X, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of skl2onnx's own
        graph = to_onnx(pipeline, X[:1], **settings)
    return onnxruntime.InferenceSession(graph.SerializeToString()).run(None, {"X": X})


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("names", [[3, 7], [0, 1, 2], ["no", "yes"], ["ä", "b", "c"], [False, True], [1.0, 2.0, 5.0]], ids=str)
@pytest.mark.parametrize("settings", [{}, {"activation": "gelu"}, {"normalisation": "layer"}, {"dtype": "float32"}], ids=str)
def test_classes(names, settings, dtype):
    X, y = make_classification(300, 10, n_informative=5, n_classes=len(names), random_state=0)
    X, y = X.astype(dtype), np.array(names)[y]
    pipeline = fitted(FCNetClassifier(**SETTINGS, **settings), X, y)
    for n in (1, 7, 300):
        label, probabilities = run(pipeline, X[:n], options={FCNetClassifier: FLAT})
        assert label.tolist() == pipeline.predict(X[:n]).tolist()
        assert probabilities.dtype == dtype
        np.testing.assert_allclose(probabilities, pipeline.predict_proba(X[:n]), atol=1e-5)


def test_labels_of_which_a_row_may_have_several():
    X, y = make_multilabel_classification(300, 10, n_classes=4, random_state=0)
    X = X.astype(np.float32)
    pipeline = fitted(FCNetClassifier(**SETTINGS), X, y)
    label, probabilities = run(pipeline, X, options={FCNetClassifier: FLAT})
    np.testing.assert_array_equal(label, pipeline.predict(X))
    np.testing.assert_allclose(probabilities, pipeline.predict_proba(X), atol=1e-5)


def test_two_labels_are_not_two_classes():
    X, y = make_multilabel_classification(300, 10, n_classes=2, random_state=0)
    X = X.astype(np.float32)
    pipeline = fitted(FCNetClassifier(**SETTINGS), X, y)
    label, probabilities = run(pipeline, X, options={FCNetClassifier: FLAT})
    np.testing.assert_array_equal(label, pipeline.predict(X))
    np.testing.assert_allclose(probabilities, pipeline.predict_proba(X), atol=1e-5)


def test_a_single_class():
    X = np.random.default_rng(0).standard_normal((30, 4)).astype(np.float32)
    pipeline = fitted(FCNetClassifier(**SETTINGS), X, np.full(30, 5))
    label, probabilities = run(pipeline, X, options={FCNetClassifier: FLAT})
    assert set(label.tolist()) == {5}
    np.testing.assert_array_equal(probabilities, pipeline.predict_proba(X))


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
@pytest.mark.parametrize("n_targets", [1, 3])
def test_values(loss, n_targets):
    X, y = make_regression(300, 10, n_targets=n_targets, random_state=0)
    X, y = X.astype(np.float32), np.abs(y) / 100
    pipeline = fitted(FCNetRegressor(loss, **SETTINGS), X, y)
    for n in (1, 7, 300):
        (values,) = run(pipeline, X[:n])
        expected = pipeline.predict(X[:n]).reshape(n, n_targets)
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_columns_may_have_the_names_that_a_graph_uses():
    names = ["fcnet_matmul_1", "fcnet_constant_0", "fcnet_cast_0", "variable", "fcnet_add_2"]
    X, y = make_classification(100, len(names), random_state=0)
    frame = pd.DataFrame(X.astype(np.float32), columns=names)
    pipeline = make_pipeline(make_column_transformer((StandardScaler(), names)), FCNetClassifier(**SETTINGS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it need not converge, and skl2onnx has some of its own
        pipeline.fit(frame, y)
        graph = to_onnx(pipeline, frame[:1], options={FCNetClassifier: FLAT})
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    label, probabilities = session.run(None, {name: frame[[name]].to_numpy() for name in names})
    assert label.tolist() == pipeline.predict(frame).tolist()
    np.testing.assert_allclose(probabilities, pipeline.predict_proba(frame), atol=1e-5)


def test_options_of_classifiers():
    X, y = make_classification(100, 6, random_state=0)
    X, y = X.astype(np.float32), np.array(["no", "yes"])[y]
    pipeline = fitted(FCNetClassifier(**SETTINGS), X, y)
    expected = pipeline.predict_proba(X)
    label, rows = run(pipeline, X)
    np.testing.assert_allclose([[row["no"], row["yes"]] for row in rows], expected, atol=1e-5)
    label, no, yes = run(pipeline, X, options={FCNetClassifier: {"zipmap": "columns"}})
    np.testing.assert_allclose(np.stack([no, yes], 1), expected, atol=1e-5)
    label, _ = run(pipeline, X, options={FCNetClassifier: {"zipmap": False, "nocl": True}})
    np.testing.assert_array_equal(label, expected.argmax(axis=1))
    *_, labels = run(pipeline, X, options={FCNetClassifier: {"zipmap": False, "output_class_labels": True}})
    assert labels.tolist() == ["no", "yes"]


class Own(ReLU):
    def forward(self, x, params, engine, rng):  # another one than the inherited to_onnx is meant for
        return super().forward(x, params, engine, rng)


class Exportable(ReLU):
    def to_onnx(self, graph, x, number):
        return graph.add("Max", x, number(0))


def test_an_activation_that_says_what_it_is_can_be_converted():
    X, y = make_classification(100, 6, random_state=0)
    X = X.astype(np.float32)
    pipeline = fitted(FCNetClassifier(**SETTINGS, activation=Exportable), X, y)
    _, probabilities = run(pipeline, X, options={FCNetClassifier: FLAT})
    np.testing.assert_allclose(probabilities, pipeline.predict_proba(X), atol=1e-5)


def test_what_cannot_be_converted_is_refused_in_a_line():
    X, y = make_classification(100, 6, random_state=0)
    X = X.astype(np.float32)
    normalised = fitted(FCNetClassifier(**SETTINGS, normalisation="layer"), X, y)
    with pytest.raises(InputError, match="LayerNormalization needs target_opset=17 or above, and 15 was asked for"):
        run(normalised, X, target_opset=15)
    assert len(run(fitted(FCNetClassifier(**SETTINGS), X, y), X, target_opset=15)) == 2
    with pytest.raises(InputError, match="one of your own, which does not say what it is in ONNX"):
        run(fitted(FCNetClassifier(**SETTINGS, activation=Own), X, y), X)
    fractions = fitted(FCNetClassifier(**SETTINGS), X, y)
    fractions[-1].classes_ = np.array([0.5, 1.5])
    with pytest.raises(InputError, match="whole numbers or text"):
        run(fractions, X, options={FCNetClassifier: FLAT})


def test_the_extra_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(FcnetError, match=r'needs skl2onnx: pip install "fcnet\[onnx\]"'):
        register_skl2onnx()
