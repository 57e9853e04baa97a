"""The published surrogate and the spike-aware one, on the chip and on the ideal model: what they reach, and why they differ.

Every gradient acts on a neuron through the surrogate derivatives of its trace. `reach` is their sum over time, mean over the neurons that
spiked in an image, or over those that did not: how strongly the first can be told to spike less, and the second to spike more.
"""

from dataclasses import replace

import numpy as np

from refsnn.chip import Chip, Variation
from refsnn.datasets import load
from refsnn.experiments.figures import dots
from refsnn.experiments.table import percent
from refsnn.spec import Surrogate, encode, forward
from refsnn.training import split

FULL: dict = {}
QUICK = {"epochs": 4}
CHOOSES = ("slope",)
SIZE = (7, 5)
IMAGES = 300


def jobs(base):
    """The runs, by label: all with the slope of the published surrogate, 50, but for the last two."""
    published, aware = replace(base, spike_aware=False, slope=50.0), replace(base, spike_aware=True, slope=50.0)
    return {
        "ideal model, published": replace(published, substrate="ideal"),
        "ideal model, spike-aware": replace(aware, substrate="ideal"),
        "chip without imperfections, published": replace(published, variation="ideal"),
        "chip without imperfections, spike-aware": replace(aware, variation="ideal"),
        "chip, published": published,
        "chip, published, rho_b x 4": replace(published, burst=4 * base.burst),
        "chip, published, rho_b x 16": replace(published, burst=16 * base.burst),
        "chip, published, sampled 0.5 dt late": replace(published, sample_offset=0.5),
        "chip, published, sampled 0.9 dt late": replace(published, sample_offset=0.9),
        "chip, published, spikes one bin later": replace(published, spike_shift=1.0),
        "chip, published, spikes one bin earlier": replace(published, spike_shift=-1.0),
        "chip, spike-aware": aware,
        "chip, spike-aware, sampled 0.5 dt late": replace(aware, sample_offset=0.5),
        "chip, spike-aware, sampled 0.9 dt late": replace(aware, sample_offset=0.9),
        "chip, published, slope 20": replace(published, slope=20.0),
        "chip, spike-aware, slope 20": replace(aware, slope=20.0),
    }


def report(runs, base):
    """The table, and the anatomy of the traces of one network, trained by the published rule on the ideal model."""
    rows = [("trained", "accuracy / %", "hidden spikes")]
    for label, own in runs.items():
        rows.append((label, percent(*own.figure("accuracy")), f"{own.figure('hidden_spikes')[0]:.1f}"))
    rows += [("", "", ""), ("the weights of the first row, forward on", "V at a spike", "reach: spiking, silent")]
    anatomy = {}
    images = split(base, load(base.data)).evaluation_images[:IMAGES]
    for name, (membrane, spiking, silent) in dissect(runs["ideal model, published"].networks()[0], encode(images, dtype=np.float32), base.substeps).items():
        anatomy[name] = {"membrane_at_spike": membrane, "reach_spiking": spiking, "reach_silent": silent}
        rows.append((name, "-", "-") if membrane is None else (name, f"{membrane:.2f}", f"{spiking:.2f}, {silent:.3f}"))
    return rows, {"anatomy": anatomy}


def draw(figure, results):
    """The accuracies."""
    dots(figure.subplots(), results["runs"])


def dissect(network, x, substeps):
    """What the backward pass sees of a network's neurons: {name of the forward pass: (mean recorded V in the bin of a spike, reach
    of the neurons that spiked, of those that did not)}; None where there are none."""
    def on(variation, **options):
        """The hidden Trace on a chip."""
        rng = np.random.default_rng(0)
        return Chip.sample(rng, network, variation, substeps, **options).forward(network, x, rng)[0]

    published, aware, calibrated = Surrogate(50.0), Surrogate(50.0, True), Variation.calibrated()
    traces = {
        "ideal model": (forward(network, x)[0], published),
        "chip without imperfections": (on(Variation.ideal()), published),
        "chip": (on(calibrated), published),
        "chip, sampled 0.5 dt late": (on(calibrated, sample_offset=0.5), published),
        "chip, spikes one bin later": (on(calibrated, spike_shift=1.0), published),
        "chip without imperfections, spike-aware": (on(Variation.ideal()), aware),
        "chip, spike-aware": (on(calibrated), aware),
    }
    found = {}
    for name, (trace, surrogate) in traces.items():
        reach = surrogate.derivative(trace.membrane, trace.spikes, network.layers[0].neuron.threshold).sum(axis=0)       # (B, N)
        spiked = trace.spikes.any(axis=0)                                                                                # (B, N)
        found[name] = tuple(float(values.mean()) if values.size else None
                            for values in (trace.membrane[trace.spikes > 0], reach[spiked], reach[~spiked]))
    return found
