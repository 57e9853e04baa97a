"""The edges of what numbers can be: a right answer, by another way to compute it, or an error of ours; never a warning, an infinity or NaN."""

import math
from decimal import Decimal, getcontext

import numpy as np
import pytest

from refsnn import Layer, Network, NeuronParameters, Objective, RangeError, RefsnnError, encode, fast, forward, loss_and_gradient
from refsnn.chip import Chip, Variation
from refsnn.spec import adam_start, parameters, update
from refsnn.verify.conventions import Conventions
from refsnn.verify.general import forward as general_forward

DT = 1.7e-6
BOTH = {"spec": (forward, loss_and_gradient), "fast": (fast.forward, fast.loss_and_gradient)}
LABELS = np.array([0, 1, 1])


def network(scale=1.0, neuron=NeuronParameters(), dtype=np.float64, recurrent=False, seed=0):
    """5-4-2 with uniform weights up to `scale`."""
    rng = np.random.default_rng(seed)
    W, W_out, R = ((scale * rng.uniform(-1, 1, shape)).astype(dtype) for shape in ((5, 4), (4, 2), (4, 4)))
    return Network((Layer(W, R if recurrent else None, neuron), Layer(W_out, None, neuron, spiking=False)))


def spikes(T=8, dtype=np.float64, share=0.4, seed=1):
    """Random input (T, 3, 5)."""
    return (np.random.default_rng(seed).random((T, 3, 5)) < share).astype(dtype)


def finite(trace, loss, gradient):
    return np.isfinite(loss) and all(np.isfinite(array).all() for array in (*parameters(gradient), *(layer.membrane for layer in trace)))


@pytest.mark.parametrize("ratio", [1e-2, 1e-1, 1.0, 1e2, 1e6])
def test_the_decay_is_right_to_rounding_from_a_hundredth_to_a_million_steps(ratio):
    getcontext().prec = 40
    wanted = (-Decimal(DT) / Decimal(ratio * DT)).exp()
    assert abs(Decimal(NeuronParameters(tau_mem=ratio * DT).beta.item()) - wanted) <= Decimal(2.0**-52) * wanted * (1 + Decimal(1 / ratio))


@pytest.mark.parametrize("which", BOTH)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("tau_mem", "tau_syn"), [(1e-2, 1e-2), (1e-2, 1e6), (1e6, 1e-2), (1e6, 1e6), (1.0, 1.0 + 1e-12)])
def test_time_constants_of_any_size_give_the_membranes_of_the_general_model(which, dtype, tau_mem, tau_syn):
    neuron = NeuronParameters(tau_mem * DT, tau_syn * DT)
    own, x = network(neuron=neuron, dtype=dtype, recurrent=True), spikes(30, dtype)
    run, gradient_of = BOTH[which]
    for got, wanted in zip(run(own, x), general_forward(own.layers, x, Conventions())):
        np.testing.assert_allclose(got.membrane, wanted.membrane, rtol=0, atol=30 * np.finfo(dtype).eps * max(1, np.abs(wanted.membrane).max()))
    loss, gradient, trace = gradient_of(own, x, LABELS)
    assert finite(trace, loss, gradient)


@pytest.mark.parametrize("which", BOTH)
@pytest.mark.parametrize(("scale", "dtype"), [(1e-300, np.float64), (1e-40, np.float32), (1e5, np.float32), (1e12, np.float32), (1e50, np.float64), (1e100, np.float64)])
def test_weights_of_any_size_have_a_finite_gradient_or_are_refused(which, scale, dtype):
    own, x = network(scale, dtype=dtype), spikes(dtype=dtype)
    try:
        loss, gradient, trace = BOTH[which][1](own, x, LABELS)
    except RangeError as error:
        assert "can hold" in str(error) and scale >= 1e12
    else:
        assert finite(trace, loss, gradient)
        reference = loss_and_gradient(own, x, LABELS)[0]
        assert loss == pytest.approx(reference, rel=1e-4 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize(("scale", "dtype"), [(1e300, np.float64), (1e101, np.float64), (1e13, np.float32), (1e38, np.float32)])
def test_weights_with_which_membranes_would_overflow_are_refused_with_the_number(scale, dtype):
    with pytest.raises(RangeError, match="holds values up to"):
        network(scale, dtype=dtype)


@pytest.mark.parametrize("which", BOTH)
def test_a_gradient_that_a_recurrence_makes_too_large_is_refused(which):
    # a membrane on its threshold passes all of the adjoint, times R = 1e90 in every step back: after four steps no float64 holds it
    neuron = NeuronParameters()
    own = Network((Layer(np.ones((1, 1)), np.full((1, 1), 1e90), neuron), Layer(np.ones((1, 1)), None, neuron, spiking=False)))
    x, S = np.ones((12, 1, 1)), np.ones((12, 1, 1))
    trace = tuple(type(layer)(np.ones_like(layer.membrane), S if layer.spikes is not None else None) for layer in forward(own, x))
    with pytest.raises(RangeError, match="can hold"):
        BOTH[which][1](own, x, np.array([0]), trace, Objective(burst=1.0))


@pytest.mark.parametrize("which", BOTH)
@pytest.mark.parametrize("silent", [True, False])
def test_all_silent_and_all_spiking(which, silent):
    own = network(0.0 if silent else 1.0)
    W = np.zeros((5, 4)) if silent else np.full((5, 4), 50.0)
    own = Network((Layer(W), own.layers[1]))
    x = spikes(share=1.0)
    loss, gradient, trace = BOTH[which][1](own, x, LABELS)
    assert trace[0].spikes[1:].mean() == (0.0 if silent else 1.0) and finite(trace, loss, gradient)
    reference = loss_and_gradient(own, x, LABELS)
    assert loss == pytest.approx(reference[0], rel=1e-13)
    for got, wanted in zip(parameters(gradient), parameters(reference[1])):
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-13 * max(1e-3, np.abs(wanted).max()))


@pytest.mark.parametrize("which", BOTH)
def test_two_time_steps_are_a_run(which):
    loss, gradient, trace = BOTH[which][1](network(), spikes(2), LABELS)
    # V_out[1] = 0: nothing can have come through a hidden neuron
    assert not trace[1].membrane.any() and loss == pytest.approx(math.log(2) + 0.1 * (network().layers[0].W ** 2).mean() +
                                                                 5e-4 * (trace[0].spikes.sum(axis=0) ** 2).mean())


@pytest.mark.long
def test_a_hundred_thousand_time_steps_are_a_run_and_fast_agrees():
    own, x = network(recurrent=True), spikes(100_000, share=0.2)
    (loss, gradient, trace), (reference, wanted, other) = fast.loss_and_gradient(own, x, LABELS), loss_and_gradient(own, x, LABELS)
    assert (trace[0].spikes == other[0].spikes).all() and trace[0].spikes.sum() > 1000
    assert loss == pytest.approx(reference, rel=1e-12)
    for got, expected in zip(parameters(gradient), parameters(wanted)):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["ideal", "calibrated", "uncalibrated"])
@pytest.mark.parametrize("case", ["all silent", "all spiking", "two steps", "long time constants", "short time constants", "weights of 1e5"])
def test_the_chip_at_the_same_edges_gives_finite_traces_or_says_why_not(name, case):
    rng, neuron = np.random.default_rng(3), NeuronParameters(*{"long": (1.7, 1.7), "shor": (1.7e-8, 1.7e-8)}.get(case[:4], (6e-6, 6e-6)))
    own = network({"all ": 0.0, "weig": 1e5}.get(case[:4], 1.0), neuron)
    if case == "all spiking":
        own = Network((Layer(np.full((5, 4), 50.0), None, neuron), own.layers[1]))
    x = spikes(2 if case == "two steps" else 20, share=1.0 if case == "all spiking" else 0.4)
    try:
        chip = Chip.sample(rng, own, Variation.named(name))
        trace = chip.forward(own, x, rng)
    except RefsnnError as error:
        assert case == "short time constants" and str(error)
        return
    assert all(np.isfinite(layer.membrane).all() for layer in trace)
    if case == "all silent":
        assert not trace[0].spikes.any()
    if case == "all spiking":
        assert trace[0].spikes.mean() > 0.3                                 # the refractory time is longer than a time step
    loss, gradient, _ = loss_and_gradient(own, x, LABELS, trace)
    assert np.isfinite(loss) and all(np.isfinite(array).all() for array in parameters(gradient))


def test_updates_with_gradients_of_any_size_keep_the_weights_finite():
    own, state = network(), adam_start(parameters(network().layers))
    _, gradient, _ = loss_and_gradient(own, spikes(), LABELS)
    for scale in (1e-300, 1.0, 1e150):
        larger = tuple(type(entry)(entry.W * scale) for entry in gradient)
        following, state = update(own, larger, state, 1e-3)
        assert all(np.isfinite(array).all() for array in parameters(following.layers))


def test_images_all_black_and_all_white_are_runs():
    own = Network.initialise(np.random.default_rng(0), (16, 5, 2))
    for grey in (0, 255):
        x = encode(np.full((3, 4, 4), grey, np.uint8))
        loss, gradient, trace = loss_and_gradient(own, x, LABELS)
        assert finite(trace, loss, gradient) and x.sum() == (48 if grey else 0)
