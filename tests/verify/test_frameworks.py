"""Who stands where among the conventions: one input, five numbers of spikes; norse and snnTorch run against the rules that are said to be theirs."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from refsnn import Layer, NeuronParameters, Surrogate, Trace
from refsnn.verify.conventions import FRAMEWORKS, Conventions
from refsnn.verify.general import backward, run

MILLISECONDS = NeuronParameters(tau_mem=10e-3, tau_syn=5e-3, dt=1e-3)
BY_EULER = Conventions(integrator="euler", input_scale="dt_over_both_taus", reset="to_value", reset_time="same_step", input_delay="none")
COUNTS = [*zip(FRAMEWORKS.values(), (99, 98, 100, 47)), (BY_EULER, 4)]


@pytest.mark.parametrize(("conventions", "count"), COUNTS, ids=[*FRAMEWORKS, "NIR's equations by Euler"])
def test_one_neuron_one_input_and_five_numbers_of_spikes(conventions, count):
    x = np.zeros((100, 1, 1))
    x[::4] = 1                                                             # 25 input spikes of weight 4.4, 4 ms apart
    assert run(Layer(np.array([[4.4]]), None, MILLISECONDS), x, conventions).spikes.sum() == count


def foreign_case():
    """Weights, input, and a weight on every output, for one layer."""
    rng = np.random.default_rng(4)
    W, x, gV, gS = rng.normal(1.0, 1.5, (3, 4)), rng.random((30, 2, 3)) < 0.3, *rng.standard_normal((2, 30, 2, 4))
    return W, x.astype(float), gV, gS.astype(np.float32).astype(float)      # snnTorch's spikes, and so their derivatives, are float32


def own_case(scale, slope, conventions, by_membranes=True):
    """(V, S, dW) of foreign_case by the rules; W times scale, gV taken for 0 unless by_membranes."""
    W, x, gV, gS = foreign_case()
    gV = by_membranes * gV
    layer = Layer(scale * W, None, MILLISECONDS)
    recorded = run(layer, x, conventions)
    compared = run(layer, x, replace(conventions, recorded_membrane="before_reset"))
    readout = Layer(np.zeros((4, 1)), None, MILLISECONDS, spiking=False)
    zeros = np.zeros((30, 2, 1))
    dW = backward((layer, readout), x, (compared, Trace(zeros)), [gV, zeros], [gS, None], Surrogate(slope), conventions)[0].W
    return recorded.membrane, recorded.spikes, dW


def agrees(own, foreign):
    for one, other in zip(own, foreign):
        np.testing.assert_allclose(one, other.detach().numpy(), rtol=0, atol=1e-12 * max(1, np.abs(one).max()))  # order of float64 sums


def test_snntorch_stands_where_the_table_says():
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        snntorch = pytest.importorskip("snntorch")
        surrogate = pytest.importorskip("snntorch.surrogate")
    W, x, gV, gS = (torch.tensor(array) for array in foreign_case())
    W.requires_grad_()
    alpha, beta = (torch.tensor(float(value), dtype=torch.float64) for value in (MILLISECONDS.alpha, MILLISECONDS.beta))
    layer = snntorch.Synaptic(alpha, beta, spike_grad=surrogate.fast_sigmoid(slope=7)).double()
    rest = torch.zeros(1, 1, dtype=torch.float64)
    assert layer(rest + 1, rest, rest)[0].item() == 0                      # V = theta
    I = V = torch.zeros(2, 4, dtype=torch.float64)
    membranes, spikes = [], []
    for x_t in x:
        S, I, V = layer(x_t @ W, I, V)
        membranes.append(V)
        spikes.append(S)
    V, S = torch.stack(membranes), torch.stack(spikes)
    ((gV * V).sum() + (gS * S).sum()).backward()
    assert 10 < S.sum() < 230
    agrees(own_case(1.0, 7.0, FRAMEWORKS["snnTorch, Synaptic"]), (V, S, W.grad))


def test_norse_stands_where_the_table_says():
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lif = pytest.importorskip("norse.torch.functional.lif")
    W, x, _, gS = (torch.tensor(array) for array in foreign_case())
    W = (3 * W).requires_grad_()                                           # norse records V after the reset: gV would mean something else
    values = {"tau_syn_inv": 200.0, "tau_mem_inv": 100.0, "v_leak": 0.0, "v_th": 1.0, "v_reset": 0.0}
    number = {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}
    parameters = lif.LIFParameters(**number, method="super")               # its alpha has no effect
    rest = torch.zeros(1, 1, dtype=torch.float64)
    S, state = lif.lif_feed_forward_step(rest + 10, lif.LIFFeedForwardState(v=rest, i=rest), parameters, dt=1e-3)
    assert state.v.item() == 1 and S.item() == 0                           # V = theta
    state = lif.LIFFeedForwardState(v=torch.zeros(2, 4, dtype=torch.float64), i=torch.zeros(2, 4, dtype=torch.float64))
    membranes, spikes = [], []
    for x_t in x:
        S, state = lif.lif_feed_forward_step(x_t @ W, state, parameters, dt=1e-3)
        membranes.append(state.v)
        spikes.append(S)
    V, S = torch.stack(membranes), torch.stack(spikes)
    (gS * S).sum().backward()
    assert 10 < S.sum() < 230
    agrees(own_case(3.0, 1.0, FRAMEWORKS["norse, lif_feed_forward_step"], by_membranes=False), (V, S, W.grad))
