"""E11-E16: values by hand, and each derivative against central differences."""

import numpy as np
import pytest
from hypothesis import given

from refsnn import DtypeError, Objective, RangeError, ShapeError
from refsnn.spec.loss import burst, cross_entropy, rate_bound, readout_amplitude, scores, scores_adjoint, weight_decay
from refsnn.verify.strategies import generators


def central_difference(function, array, step=1e-6):
    slope = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        up, down = array.copy(), array.copy()
        up[index] += step
        down[index] -= step
        slope[index] = (function(up) - function(down)) / (2 * step)
    return slope


@given(generators())
def test_every_derivative_is_the_slope_of_its_value(rng):
    S, V, W = rng.normal(1, 1, (3, 2, 4)), rng.normal(size=(3, 2, 4)), rng.normal(size=(3, 4))
    labels = rng.integers(0, 4, 2)
    for reduce in ("max", "sum"):
        objective = Objective(reduce=reduce, readout_scale=2.0)
        dm = cross_entropy(scores(V, objective), labels)[1]
        slope = central_difference(lambda v: cross_entropy(scores(v, objective), labels)[0], V)
        np.testing.assert_allclose(scores_adjoint(V, dm, objective), slope, atol=1e-8)
    for value_and_slope, at, per_time in ((lambda a: burst(a, 0.3), S, True), (lambda a: rate_bound(a, 0.3, 2.0), S, True),
                                          (lambda a: readout_amplitude(a, 0.3), V[0], False), (lambda a: weight_decay(a, 0.3), W, False)):
        slope = central_difference(lambda a: value_and_slope(a)[0], at)
        np.testing.assert_allclose(np.broadcast_to(value_and_slope(at)[1], at.shape), slope, atol=1e-7)


def test_the_terms_by_hand():
    S = np.zeros((4, 2, 2))
    S[:3, 0, 0] = 1                                                       # n = 3, 0 / 0, 0
    assert burst(S, 2.0)[0] == 2 * 9 / 4 and burst(S, 2.0)[1][0, 0] == 2 * 2 * 3 / 4
    assert rate_bound(S, 2.0, 1.0)[0] == 2 * (3 - 1) ** 2 / 2 and rate_bound(S, 2.0, 3.0)[0] == 0
    assert weight_decay(np.array([[1.0, 3.0]]), 0.1)[0] == pytest.approx(0.5)
    assert readout_amplitude(np.array([[1.0, 3.0]]), 0.1)[0] == pytest.approx(0.5)


def test_a_tie_in_time_goes_to_the_first_sample_and_time_zero_counts():
    V = np.array([0.0, 2.0, 2.0, 1.0]).reshape(4, 1, 1)
    assert scores_adjoint(V, np.ones((1, 1)), Objective()).ravel().tolist() == [0, 10, 0, 0]
    assert scores(-V, Objective()).item() == 0
    assert scores_adjoint(-V, np.ones((1, 1)), Objective()).ravel().tolist() == [10, 0, 0, 0]


def test_cross_entropy_survives_scores_that_would_overflow():
    loss, dm = cross_entropy(np.array([[1e4, 0.0]]), np.array([1]))
    assert loss == 1e4 and dm.tolist() == [[1.0, -1.0]]


@pytest.mark.parametrize(("V", "options"), [(np.full((2, 1, 1), 1e308), {}), (np.full((2, 1, 1), 1e308), {"reduce": "sum", "readout_scale": 1.0}),
                                            (np.full((2, 1, 1), 1e30, np.float32), {"readout_scale": 1e10})])
def test_scores_that_the_dtype_cannot_hold_are_refused(V, options):
    assert np.isfinite(scores(V / V.dtype.type(1e10), Objective(**options))).all()
    with pytest.raises(RangeError, match=f"make scores that are more than {V.dtype}"):
        scores(V, Objective(**options))
    for wrong, error in ((V[0], ShapeError), (np.zeros((2, 1, 1), int), DtypeError), (np.full((2, 1, 1), np.nan), RangeError)):
        with pytest.raises(error, match="V "):
            scores(wrong, Objective())
    with pytest.raises(DtypeError, match="objective"):
        scores(V, None)
