"""What each imperfection of a calibrated chip costs: alone on a chip that is otherwise perfect, and all together."""

from dataclasses import replace

from refsnn.chip import Variation
from refsnn.experiments.figures import dots
from refsnn.experiments.table import percent

FULL: dict = {}
QUICK = {"epochs": 4}
CHOOSES = ()
SIZE = (7, 6)

CONVERTER = ("converter_lsb", "converter_gain", "converter_offset")
ALONE = {
    "6-bit weights": ("weight_levels",),
    "8-bit converters": CONVERTER,
    "8-bit converters, read noise": (*CONVERTER, "read_noise"),
    "membrane time constants": ("tau_mem",),
    "synaptic time constants": ("tau_syn",),
    "thresholds": ("threshold", "threshold_shift"),
    "thresholds from run to run": ("batch_threshold",),
    "leaks": ("leak",),
    "resets": ("reset",),
    "synaptic gains": ("gain",),
    "single synapses": ("synapse", "dead_synapses"),
    "refractory times": ("refractory",),
    "sampling instants": ("sample_time",),
    "membrane noise": ("membrane_noise",),
    "spike jitter, lost events": ("spike_jitter", "lost_events"),
}


def jobs(base):
    """The runs, by label."""
    calibrated = Variation.calibrated()
    alone = {label: ",".join(["ideal", *(f"{name}={getattr(calibrated, name)!r}" for name in names)]) for label, names in ALONE.items()}
    chips = {"chip without imperfections": "ideal", **{f"{label} alone": text for label, text in alone.items()}, "all, calibrated": "calibrated",
             "all, uncalibrated": "uncalibrated"}
    return {"ideal model": replace(base, substrate="ideal"),
            **{label: replace(base, variation=text) for label, text in chips.items()},
            "uncalibrated, then calibrated from recordings": replace(base, variation="uncalibrated", calibrate=True)}


def report(runs, base):
    """The table: accuracy and hidden spikes of every run, and the difference to the chip without imperfections."""
    without, _ = runs["chip without imperfections"].figure("accuracy")
    rows = [("forward on", "accuracy / %", "hidden spikes", "difference / %")]
    for label, own in runs.items():
        (accuracy, spread), (spikes, _) = own.figure("accuracy"), own.figure("hidden_spikes")
        rows.append((label, percent(accuracy, spread), f"{spikes:.1f}", f"{100 * (accuracy - without):+.2f}"))
    return rows, {}


def draw(figure, results):
    """The accuracies."""
    dots(figure.subplots(), results["runs"])
