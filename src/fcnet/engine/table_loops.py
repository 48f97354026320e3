"""Fused kernels for the layers of tables, as `fcnet.engine.loops`; the operations are those of `TableOperations`."""

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from fcnet.engine.compiled import compiled
from fcnet.engine.table_operations import CURVES, SELU_ALPHA, SELU_SCALE
from fcnet.types import Array

ROWS = 256  # at once, so that what is computed of a column stays in the first-level cache
# sin(2πq) = q Σ_i s_i q^(2i), with i going down: to the last digit for q from -1/4 to 1/4.
SINE = {
    dtype: tuple(dtype((-1) ** i * (2 * math.pi) ** (2 * i + 1) / math.factorial(2 * i + 1)) for i in range(degree, -1, -1))
    for dtype, degree in ((np.float32, 6), (np.float64, 10))
}
TWO_PI = 2 * math.pi
HIGH, LOW = 0.693145751953125, 1.4286068203094172e-06  # log(2) in two parts, the first with few digits
# What `_exp` needs: the least x, 1 / log(2) and log(2), and 1/k! with k going down to 0.
EXP = {
    dtype: tuple(map(dtype, (least, 1 / math.log(2), HIGH, LOW, *(1 / math.factorial(k) for k in range(degree, -1, -1)))))
    for dtype, least, degree in ((np.float32, -87, 7), (np.float64, -708, 13))
}
NUMBERS = {name: number for number, name in enumerate(CURVES)}


def _power_of_two(n: float) -> float:
    raise NotImplementedError  # compiled code has one of the two below


@overload(_power_of_two)
def _by_its_bits(n):  # type: ignore[no-untyped-def]  # as the lambdas have no types
    if n == types.float32:
        return lambda n: np.int32((np.int32(n) + 127) << 23).view(np.float32)
    return lambda n: np.int64((np.int64(n) + 1023) << 52).view(np.float64)


@compiled
def _exp(x: Any, constants: tuple[Any, ...]) -> Any:
    """``exp(x) = 2^n exp(r)`` with ``x = n log(2) + r``; by operations that processors do for several numbers at once."""
    least, per_power, high, low, value = constants[:5]
    x = max(x, least)
    n = np.rint(x * per_power)
    r = (x - n * high) - n * low
    for coefficient in constants[5:]:
        value = value * r + coefficient
    return value * _power_of_two(n)


@compiled
def curve(number: int, top: float, constants: tuple[Any, ...], x: Array, slope: Array, out: Array) -> None:
    """``out = x + w (f(x) - x)``; the number of f is its place in `NUMBERS`."""
    n, d = x.shape
    real = x.dtype.type
    zero, one, two, most = real(0), real(1), real(2), real(top)
    scale, alpha = real(SELU_SCALE), real(SELU_ALPHA)
    for i in range(n):
        X, out_ = x[i], out[i]
        if number == 0:
            for j in range(d):
                e = _exp(min(X[j], most), constants)
                out_[j] = X[j] + slope[j] * (scale * (max(X[j], zero) + alpha * (e - one)) - X[j])
        elif number == 1:
            for j in range(d):
                e = _exp(min(X[j], most), constants)
                squares = e * (e + two)
                out_[j] = X[j] + slope[j] * (X[j] * (squares / (squares + two)) - X[j])
        else:
            for j in range(d):
                e = _exp(min(X[j], most), constants)
                out_[j] = X[j] + slope[j] * (X[j] * (e / (one + e)) - X[j])


@compiled
def curve_backward(
    number: int, top: float, constants: tuple[Any, ...], dout: Array, x: Array, slope: Array, dslope: Array
) -> None:
    """``dw = Σ_rows dout (f(x) - x)``, and ``dout = dout (1 + w (f'(x) - 1))``."""
    n, d = x.shape
    real = x.dtype.type
    zero, one, two, four, most = real(0), real(1), real(2), real(4), real(top)
    scale, alpha = real(SELU_SCALE), real(SELU_ALPHA)
    dslope[:] = zero
    for i in range(n):
        g, X = dout[i], x[i]
        if number == 0:
            for j in range(d):
                e = _exp(min(X[j], most), constants)
                dslope[j] += g[j] * (scale * (max(X[j], zero) + alpha * (e - one)) - X[j])
                g[j] *= one + slope[j] * (scale * (one if X[j] > zero else alpha * e) - one)
        elif number == 1:
            for j in range(d):
                e = _exp(min(X[j], most), constants)
                squares = e * (e + two)
                share = one / (squares + two)
                t = squares * share
                dslope[j] += g[j] * (X[j] * t - X[j])
                g[j] *= one + slope[j] * (t + X[j] * ((four * e * share) * ((one + e) * share)) - one)
        else:
            for j in range(d):
                e = _exp(min(X[j], most), constants)
                share = one / (one + e)
                t = e * share
                dslope[j] += g[j] * (X[j] * t - X[j])
                g[j] *= one + slope[j] * (t * (one + X[j] * share) - one)


@compiled
def _cosine(turns: Any, quarter: Any, sine: tuple[Any, ...]) -> Any:
    """``cos(2π t)``, which is the sine of the turns that are left to a quarter; without a branch, for several at once."""
    q = quarter - abs(turns - np.rint(turns))
    y, value = q * q, sine[0]
    for coefficient in sine[1:]:
        value = value * y + coefficient
    return q * value


@compiled
def periodic(sine: tuple[Any, ...], x: Array, f: Array, b: Array, V: Array, c: Array, out: Array) -> None:
    n, n_columns = x.shape
    n_values, n_frequencies = V.shape[1:]
    real = x.dtype.type
    quarter, turn = real(0.25), real(1 / TWO_PI)
    column, cosines, values = np.empty(ROWS, x.dtype), np.empty(ROWS, x.dtype), np.empty((n_values, ROWS), x.dtype)
    for start in range(0, n, ROWS):
        m = min(ROWS, n - start)
        for j in range(n_columns):
            for i in range(m):
                column[i] = x[start + i, j]
            for o in range(n_values):
                values[o, :m] = c[j, o]
            for k in range(n_frequencies):
                frequency, phase = f[j, k], b[j, k] * turn
                for i in range(m):
                    cosines[i] = _cosine(frequency * column[i] + phase, quarter, sine)
                for o in range(n_values):
                    weight, z = V[j, o, k], values[o]
                    for i in range(m):
                        z[i] += weight * cosines[i]
            first = j * (n_values + 1)
            for i in range(m):
                row = out[start + i]
                for o in range(n_values):
                    row[first + o] = values[o, i]
                row[first + n_values] = column[i]


@compiled
def periodic_backward(
    sine: tuple[Any, ...],
    dout: Array,
    x: Array,
    f: Array,
    b: Array,
    V: Array,
    dx: Array,
    df: Array,
    db: Array,
    dV: Array,
    dc: Array,
) -> None:
    n, n_columns = x.shape
    n_values, n_frequencies = V.shape[1:]
    real = x.dtype.type
    zero, quarter, turn, two_pi = real(0), real(0.25), real(1 / TWO_PI), real(TWO_PI)
    rows, dvalues = np.empty((5, ROWS), x.dtype), np.empty((n_values, ROWS), x.dtype)
    column, dcolumn, cosines, sines, along = rows[0], rows[1], rows[2], rows[3], rows[4]
    df[:] = zero
    db[:] = zero
    dV[:] = zero
    dc[:] = zero
    for start in range(0, n, ROWS):
        m = min(ROWS, n - start)
        for j in range(n_columns):
            first = j * (n_values + 1)
            for i in range(m):
                row = dout[start + i]
                column[i] = x[start + i, j]
                for o in range(n_values):
                    dvalues[o, i] = row[first + o]
                    dc[j, o] += row[first + o]
                dcolumn[i] = row[first + n_values]
            for k in range(n_frequencies):
                frequency, phase = f[j, k], b[j, k] * turn
                for i in range(m):
                    turns = frequency * column[i] + phase
                    cosines[i] = _cosine(turns, quarter, sine)
                    sines[i] = _cosine(turns - quarter, quarter, sine)
                along[:m] = zero
                for o in range(n_values):
                    weight, dz, total = V[j, o, k], dvalues[o], zero
                    for i in range(m):
                        total += dz[i] * cosines[i]
                        along[i] += weight * dz[i]
                    dV[j, o, k] += total
                total, total_x, rate = zero, zero, two_pi * frequency
                for i in range(m):
                    dangle = -along[i] * sines[i]
                    total += dangle
                    total_x += dangle * column[i]
                    dcolumn[i] += rate * dangle
                db[j, k] += total
                df[j, k] += two_pi * total_x
            for i in range(m):
                dx[start + i, j] = dcolumn[i]


@compiled
def scale_members(x: Array, scale: Array, bias: Array | None, out: Array) -> None:
    k, d = scale.shape
    n = len(out) // k
    shared = len(x) < len(out)
    for i in range(n):
        for m in range(k):
            row, s, out_ = x[i if shared else i * k + m], scale[m], out[i * k + m]
            if bias is None:
                for j in range(d):
                    out_[j] = s[j] * row[j]
            else:
                c = bias[m]
                for j in range(d):
                    out_[j] = s[j] * row[j] + c[j]


@compiled
def scale_members_backward(dout: Array, x: Array, scale: Array, dx: Array, dscale: Array, dbias: Array | None) -> None:
    k, d = scale.shape
    n = len(dout) // k
    shared = len(x) < len(dout)
    zero = x.dtype.type(0)
    dscale[:] = zero
    if dbias is not None:
        dbias[:] = zero
    if shared:
        dx[:] = zero
    for i in range(n):
        for m in range(k):
            row, s, g, ds = x[i if shared else i * k + m], scale[m], dout[i * k + m], dscale[m]
            for j in range(d):
                ds[j] += g[j] * row[j]
            if dbias is not None:
                dc = dbias[m]
                for j in range(d):
                    dc[j] += g[j]
            if shared:
                into = dx[i]
                for j in range(d):
                    into[j] += g[j] * s[j]
            else:
                for j in range(d):
                    g[j] *= s[j]


@compiled
def add_rows(out: Array, places: Array, rows: Array) -> None:
    n, d = rows.shape
    for i in range(n):
        into, row = out[places[i]], rows[i]
        for j in range(d):
            into[j] += row[j]
