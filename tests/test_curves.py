"""The activations with a learnt slope: what numba makes of their exponentials, against NumPy's in float64."""

import numpy as np
import pytest

from fcnet.engine import get_engine
from fcnet.engine.table_operations import CURVES, TableOperations

ENDS = [0.0, 1e-30, -1e-30, 1e-7, -1e-7, 1e6, -1e6, 88.0, -88.0, -710.0, *CURVES.values()]


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_they_are_right_to_the_last_digits(curve, dtype, engine_name):
    rng, engine, epsilon = np.random.default_rng(0), get_engine(engine_name, dtype), np.finfo(dtype).eps
    x = (
        np.concatenate([ENDS, rng.uniform(-100, 100, 5000), rng.standard_normal(7000 - len(ENDS))])
        .reshape(-1, 100)
        .astype(dtype)
    )
    slope, dout = rng.standard_normal(100).astype(dtype), rng.standard_normal(x.shape).astype(dtype)
    out, dslope, dx = np.empty_like(x), np.empty_like(slope), dout.copy()
    engine.curve(curve, x, slope, out)
    engine.curve_backward(curve, dx, x, slope, dslope)
    wide, wide_slope, wide_dx = x.astype(float), slope.astype(float), dout.astype(float)
    expected, expected_slope = np.empty_like(wide), np.empty_like(wide_slope)
    TableOperations().curve(curve, wide, wide_slope, expected)
    TableOperations().curve_backward(curve, wide_dx, wide, wide_slope, expected_slope)
    assert (np.abs(out - expected) <= 8 * epsilon * (1 + np.abs(wide)) * (1 + np.abs(slope))).all()
    assert (np.abs(dx - wide_dx) <= 16 * epsilon * np.abs(dout) * (1 + np.abs(slope)) * (1 + np.minimum(np.abs(wide), 4))).all()
    np.testing.assert_allclose(dslope, expected_slope, rtol=0, atol=100 * epsilon * np.abs(dout * wide).sum(axis=0).max())
