"""What a call means that leaves everything out: the numbers of the paper and of its training script."""

from dataclasses import asdict

import numpy as np
import pytest

from refsnn import Network, NeuronParameters, Objective, Surrogate, encode
from refsnn.spec import adam_start, adam_step, parameters
from refsnn.spec.optim import WEIGHT_LIMIT, clip_weights, cosine_rate, exponential_rate
from refsnn.spec.surrogate import superspike, superspike_primitive

RNG = np.random.default_rng(0)
V, w, IMAGES = RNG.normal(1, 1, (3, 4)), RNG.normal(size=5), RNG.integers(0, 256, (3, 5, 5), np.uint8)
NETWORK = Network.initialise(RNG, (4, 5, 3)).with_parameters([RNG.normal(size=(4, 5)), RNG.normal(size=(5, 3))])


def test_the_defaults_of_neuron_surrogate_and_objective():
    assert asdict(NeuronParameters()) == {"tau_mem": 6e-6, "tau_syn": 6e-6, "threshold": 1.0, "dt": 1.7e-6}
    assert asdict(Surrogate()) == {"slope": 50.0, "spike_aware": False}
    assert asdict(Objective()) == {"readout_scale": 10.0, "reduce": "max", "burst": 5e-4, "weight": 0.1, "readout": 0.0, "rate": 0.0, "rate_limit": 0.0}


@pytest.mark.parametrize(("call", "defaults"), [
    (lambda **given: superspike(V, 1.0, **given), {"slope": 50.0}),
    (lambda **given: superspike_primitive(V, 1.0, **given), {"slope": 50.0}),
    (lambda **given: encode(IMAGES, **given), {"steps": 20, "dt": 1.7e-6, "tau_in": 8e-6, "dtype": np.float64}),
    (lambda **given: adam_step([w], [3 * w], adam_start([w]), **given)[0][0], {"rate": 1.5e-3, "decay_first": 0.9, "decay_second": 0.999, "epsilon": 1e-8}),
    (lambda **given: exponential_rate(3, **given), {"rate": 1.5e-3, "factor": 0.97}),
    (lambda **given: cosine_rate(3, 10, **given), {"rate": 1.5e-3}),
    (lambda **given: parameters(clip_weights(NETWORK, **given).layers)[0], {"limit": WEIGHT_LIMIT}),
    (lambda **given: parameters(Network.initialise(np.random.default_rng(0), (4, 5, 3), **given).layers)[0],
     {"recurrent": False, "neuron": NeuronParameters(), "dtype": np.float64}),
])
def test_what_is_left_out_is_as_in_the_paper(call, defaults):
    np.testing.assert_array_equal(call(), call(**defaults))


def test_the_largest_weight_is_63_of_240():
    assert WEIGHT_LIMIT == 0.2625
