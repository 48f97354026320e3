"""What the layers for tables ask of an engine, by NumPy in several passes over memory."""

from collections.abc import Callable

import numpy as np

from fcnet.types import Array

SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772  # for which mean 0 and variance 1 stay (Klambauer et al. 2017)
CURVES = {"selu": 0.0, "mish": 20.0, "silu": 40.0}
"""Functions of x and of its exponential, and above which x they are lines, to the last digit of float64."""


def _exponentials(curve: str, x: Array) -> Array:
    """Return exp(x), x being cut off where the curve is a line."""
    e: Array = np.minimum(x, CURVES[curve])
    return np.exp(e, out=e)


def _selu(x: Array, e: Array) -> Array:
    return SELU_SCALE * (np.maximum(x, 0) + SELU_ALPHA * (e - 1))


def _selu_slope(x: Array, e: Array) -> Array:
    return SELU_SCALE * np.where(x > 0, 1, SELU_ALPHA * e)


def _mish(x: Array, e: Array) -> Array:
    n = e * (e + 2)
    value: Array = x * (n / (n + 2))
    return value


def _mish_slope(x: Array, e: Array) -> Array:
    n = e * (e + 2)
    share = 1 / (n + 2)
    slope: Array = n * share + x * (4 * e * (1 + e) * share * share)
    return slope


def _silu(x: Array, e: Array) -> Array:
    value: Array = x * (e / (1 + e))
    return value


def _silu_slope(x: Array, e: Array) -> Array:
    share = 1 / (1 + e)
    slope: Array = e * share * (1 + x * share)
    return slope


_FUNCTIONS: dict[str, tuple[Callable[[Array, Array], Array], Callable[[Array, Array], Array]]] = {
    "selu": (_selu, _selu_slope),
    "mish": (_mish, _mish_slope),
    "silu": (_silu, _silu_slope),
}


class TableOperations:
    """The equations are in `fcnet.nn`. Arrays are of the dtype of the engine; `n` rows, `k` members."""

    def curve(self, curve: str, x: Array, slope: Array, out: Array, /) -> None:
        """Write ``x + w (f(x) - x)`` to `out` for x (n, d); f has a name, w is the slope (d,)."""
        np.subtract(_FUNCTIONS[curve][0](x, _exponentials(curve, x)), x, out=out)
        out *= slope
        out += x

    def curve_backward(self, curve: str, dout: Array, x: Array, slope: Array, dslope: Array, /) -> None:
        """Replace `dout` by the gradient of x, and write that of the slope."""
        (value, slope_of), e = _FUNCTIONS[curve], _exponentials(curve, x)
        np.sum(dout * (value(x, e) - x), axis=0, out=dslope)
        dout *= 1 + slope * (slope_of(x, e) - 1)

    def periodic(self, x: Array, f: Array, b: Array, V: Array, c: Array, out: Array, /) -> None:
        """Write for each of m columns of `x` the values ``V cos(2π f x + b) + c``, and x itself, to `out`, (n, m (values + 1)).

        f and b are (m, frequencies), V (m, values, frequencies) and c (m, values).
        """
        cosines = np.cos(2 * np.pi * x[:, :, np.newaxis] * f + b)
        of_column = out.reshape(len(x), len(f), -1)
        of_column[:, :, :-1] = np.matmul(cosines.swapaxes(0, 1), V.swapaxes(1, 2)).swapaxes(0, 1) + c
        of_column[:, :, -1] = x

    def periodic_backward(
        self, dout: Array, x: Array, f: Array, b: Array, V: Array, dx: Array, df: Array, db: Array, dV: Array, dc: Array, /
    ) -> None:
        """Write the gradients of the input and of the parameters of `periodic`."""
        angles = 2 * np.pi * x[:, :, np.newaxis] * f + b
        of_column = dout.reshape(len(x), len(f), -1)
        dz = of_column[:, :, :-1]
        np.sum(dz, axis=0, out=dc)
        np.matmul(dz.transpose(1, 2, 0), np.cos(angles).swapaxes(0, 1), out=dV)
        dangles = -np.matmul(dz.swapaxes(0, 1), V).swapaxes(0, 1) * np.sin(angles)
        np.sum(dangles, axis=0, out=db)
        np.sum(dangles * (2 * np.pi * x[:, :, np.newaxis]), axis=0, out=df)
        np.sum(dangles * (2 * np.pi * f), axis=2, out=dx)
        dx += of_column[:, :, -1]

    def scale_members(self, x: Array, scale: Array, bias: Array | None, out: Array, /) -> None:
        """Write ``s_m x + c_m`` for the rows of k members to `out`, (n k, d).

        The scale, and the bias if there is one, are (k, d). `x` is (n k, d), or (n, d) where the members share it.
        """
        product = np.multiply(_by_member(x, out, scale), scale, out=out.reshape(-1, *scale.shape))
        if bias is not None:
            product += bias

    def scale_members_backward(
        self, dout: Array, x: Array, scale: Array, dx: Array, dscale: Array, dbias: Array | None, /
    ) -> None:
        """Write the gradients of the input, of the scale and of the bias; `dx` may be `dout`, and is where x is not shared."""
        of_member = dout.reshape(-1, *scale.shape)
        np.sum(of_member * _by_member(x, dout, scale), axis=0, out=dscale)
        if dbias is not None:
            np.sum(of_member, axis=0, out=dbias)
        of_member *= scale
        if dx is not dout:
            np.sum(of_member, axis=1, out=dx)

    def add_rows(self, out: Array, places: Array, rows: Array, /) -> None:
        """Add each of the rows (n, d) to the row of `out` at its place (n,)."""
        np.add.at(out, places, rows)


def _by_member(x: Array, out: Array, scale: Array) -> Array:
    return x.reshape(-1, len(scale) if len(x) == len(out) else 1, x.shape[1])
