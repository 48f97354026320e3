"""Masks of dropout: a hash in the place of numbers that are drawn one by one."""

import numpy as np
import pytest

from fcnet.engine import get_engine
from fcnet.engine.masks import N_NUMBERS, Seed, draw_seed, numbers

SHAPE = (400, 500)


def bits(rng):
    """Return the 31 bits of the numbers of a seed, as ±1, (31, n)."""
    found = numbers(draw_seed(rng), SHAPE).ravel()
    return 1.0 - 2.0 * (found >> np.arange(31)[:, np.newaxis] & 1)


def test_numbers_are_spread_evenly():
    rng = np.random.default_rng(0)
    for _ in range(3):
        found = numbers(draw_seed(rng), SHAPE)
        assert found.min() >= 0
        counts = np.bincount(found.ravel() >> 23, minlength=256)  # chi squared, with a standard deviation of √(2 · 255)
        expected = found.size / 256
        assert abs(((counts - expected) ** 2 / expected).sum() - 255) < 5 * np.sqrt(2 * 255)


@pytest.mark.parametrize("lag", [1, 2, 500])
def test_numbers_beside_one_another_and_of_several_seeds_do_not_go_together(lag):
    rng = np.random.default_rng(1)
    one, other = bits(rng), bits(rng)
    n = one.shape[1]
    for first, second, left in ((one, one[:, lag:], n - lag), (one, other, n), (one[:, lag:], other, n - lag)):
        correlations = first[:, :left] @ second[:, :left].T / left  # of a bit with itself and with every other one
        assert np.abs(correlations).max() < 6 / np.sqrt(n)


def test_seeds_that_have_one_of_both_in_common_have_other_masks():
    kept = [numbers(seed, SHAPE) > N_NUMBERS // 2 for seed in (Seed(5, 7), Seed(6, 7), Seed(5, 1_234_567_890))]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        for lag in range(3):
            same = (kept[one][:, lag:] == kept[other][:, : SHAPE[1] - lag]).mean()
            assert abs(same - 0.5) < 0.01


def test_a_part_has_the_numbers_of_its_places(engine_name):
    engine, seed, x = get_engine(engine_name, "float64"), draw_seed(np.random.default_rng(2)), np.ones(SHAPE)
    whole = engine.dropout(x, seed, N_NUMBERS // 4, np.empty(SHAPE))
    np.testing.assert_array_equal(whole, np.where(numbers(seed, SHAPE) < N_NUMBERS // 4, 0, 1 / 0.75))
    part = engine.dropout(x[100:].copy(), seed._replace(place=100 * SHAPE[1]), N_NUMBERS // 4)  # in place
    np.testing.assert_array_equal(part, whole[100:])
    across = engine.dropout(np.ones(SHAPE[::-1]).T, seed, N_NUMBERS // 4, np.empty(SHAPE))
    np.testing.assert_array_equal(across, whole)
