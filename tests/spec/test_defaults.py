"""What a call means that leaves everything out: the numbers of the paper and of its training script."""

import inspect
from dataclasses import asdict

from refsnn import Network, NeuronParameters, Objective, Surrogate, encode
from refsnn.spec import adam_step
from refsnn.spec.optim import WEIGHT_LIMIT, clip_weights, cosine_rate, exponential_rate
from refsnn.spec.surrogate import superspike, superspike_primitive


def defaults(function):
    """{name: default} of the arguments that have one."""
    return {name: argument.default for name, argument in inspect.signature(function).parameters.items()
            if argument.default is not inspect.Parameter.empty}


def test_the_defaults_of_neuron_surrogate_and_objective():
    assert asdict(NeuronParameters()) == {"tau_mem": 6e-6, "tau_syn": 6e-6, "threshold": 1.0, "dt": 1.7e-6}
    assert asdict(Surrogate()) == {"slope": 50.0, "spike_aware": False}
    assert asdict(Objective()) == {"readout_scale": 10.0, "reduce": "max", "burst": 5e-4, "weight": 0.1, "readout": 0.0, "rate": 0.0, "rate_limit": 0.0}
    assert defaults(superspike) == defaults(superspike_primitive) == {"slope": 50.0}


def test_the_defaults_of_code_initial_weights_and_training():
    assert {name: value for name, value in defaults(encode).items() if name != "dtype"} == {"steps": 20, "dt": 1.7e-6, "tau_in": 8e-6}
    assert defaults(Network.initialise)["recurrent"] is False
    assert defaults(adam_step) == {"rate": 1.5e-3, "decay_first": 0.9, "decay_second": 0.999, "epsilon": 1e-8}
    assert defaults(exponential_rate) == {"rate": 1.5e-3, "factor": 0.97} and defaults(cosine_rate) == {"rate": 1.5e-3}
    assert defaults(clip_weights) == {"limit": WEIGHT_LIMIT} and WEIGHT_LIMIT == 63 / 240
