"""Proof of power: adapters that are wrong on purpose, each in one way that real programs were. Every one must fail, where and as the table says.

`python -m refsnn.verify.conformance.mutants README.md` runs them all and writes the table of the README.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import numpy as np

from refsnn.files import write_atomically
from refsnn.verify.conformance import wrongdoing
from refsnn.verify.conformance.guesses import moved, without_bin_0
from refsnn.verify.conformance.runner import check
from refsnn.verify.conformance.wrongdoing import right
from refsnn.verify.conventions import Conventions
from refsnn.verify.operations import OPERATIONS

NORSE = {"integrator": "euler", "input_scale": "dt_over_tau_mem", "reset": "to_value", "reset_time": "same_step", "recorded_membrane": "after_reset"}


@dataclass(frozen=True)
class Mutant:
    """A wrong adapter: what is wrong, the operation that must fail first, a part of the diagnosis, the operations it changes, and how.

    change(op, inputs, params, conventions) -> outputs.
    """

    wrong: str
    op: str
    diagnosis: str
    ops: tuple
    change: Callable

    def adapter(self):
        """The adapter: the reference, but for the operations that are changed."""
        return Adapter(self)


class Adapter:
    """The reference with a change; it offers the operations that a mutant changes."""

    name, version, dtype = "mutant", "1", "float64"

    def __init__(self, mutant):
        self.mutant = mutant

    def capabilities(self):
        """The operations that are changed."""
        return {"ops": [op for op in OPERATIONS if op in self.mutant.ops], "conventions": {}, "skip": {}}

    def call(self, op, inputs, params, conventions):
        """The changed operation."""
        return self.mutant.change(op, inputs, params, conventions)


def convention(wrong, op, **chosen):
    """A mutant that follows other conventions without saying so."""
    obeyed = Conventions.__dataclass_fields__
    text = " and ".join(f"{name} = {chosen[name]!r}" for name in obeyed if name in chosen and name in OPERATIONS[op].switches)
    ops = tuple(name for name, operation in OPERATIONS.items() if set(chosen) & set(operation.switches))
    return Mutant(wrong, op, text, ops, lambda name, inputs, params, _: right(name, inputs, params, **chosen))


def asked(wrong, op, diagnosis, question):
    """A mutant that answers another question: question(inputs, params) -> (inputs, params)."""
    return Mutant(wrong, op, diagnosis, (op,), lambda name, inputs, params, _: right(name, *question(inputs, params)))


def answered(wrong, op, diagnosis, answer):
    """A mutant that spoils the answer: answer(outputs, inputs, params) -> outputs."""
    return Mutant(wrong, op, diagnosis, (op,), lambda name, inputs, params, _: answer(right(name, inputs, params), inputs, params))


def swapped(params, one, other):
    """Params with two of them exchanged."""
    return {**params, one: params[other], other: params[one]}


def only_first(params):
    """Params of one layer with the first neuron's values for all."""
    return {name: value[0] if isinstance(value, list) else value for name, value in params.items()}


def moved_spikes(inputs, change):
    """Inputs with the input's and the layers' spikes changed."""
    return {name: change(array) if name[0] in "xS" else array for name, array in inputs.items()}


MUTANTS = (
    convention("Euler in place of the exponential", "decay", integrator="euler"),
    asked("a unit lost: dt in ms, tau in s", "decay", "dt a thousand times too short", lambda a, p: (a, {**p, "dt": p["dt"] / 1000})),
    asked("dt = 1.7 us in the code", "decay", "a dt of 1.7 us whatever is asked for", lambda a, p: (a, {**p, "dt": 1.7e-6})),
    answered("dark pixels spike at 0 in place of never", "latency", "NaN or infinity",
             lambda out, a, p: {"time": np.where(np.isinf(out["time"]), 0.0, out["time"])}),
    answered("spikes counted from bin 1", "encode", "x: one step late", lambda out, a, p: {"x": moved(1)(out["x"])}),
    Mutant("grey values cut in place of rounded", "downscale", "no convention and no known mistake", ("downscale",), wrongdoing.cut_grey),
    convention("sigmoid surrogate", "surrogate", surrogate="sigmoid"),
    convention("SuperSpike with the slope outside", "surrogate", surrogate_slope="outside"),
    convention("SuperSpike times its slope", "surrogate", surrogate_slope="both"),
    asked("a slope of 25, whatever is asked for", "surrogate", "a slope of 25", lambda a, p: (a, {**p, "slope": 25.0})),
    Mutant("float16 inside", "surrogate", "float16", ("surrogate",), wrongdoing.in_half_precision),
    answered("units: membranes in mV", "surrogate_primitive", "phi: times 1000 (a unit?)", lambda out, a, p: {"phi": 1000 * out["phi"]}),

    Mutant("the absolute value left out of the surrogate", "surrogate", "the absolute value left out", ("surrogate",), wrongdoing.one_sided),
    answered("the surrogate not squared", "surrogate", "the surrogate not squared", lambda out, a, p: {"sigma": np.sqrt(out["sigma"])}),
    answered("surrogate cut far below the threshold", "surrogate", "the surrogate is 0 more than 1 below the threshold",
             lambda out, a, p: {"sigma": np.where(a["V"] < p["threshold"] - 1, 0.0, out["sigma"])}),

    convention("a spike at V = theta", "lif_step", tie="spike"),
    convention("half a spike at V = theta", "lif_step", tie="half"),
    convention("the current of the step before", "lif_step", current="old"),
    convention("inputs times 1 - beta", "lif_step", input_scale="one_minus_beta"),
    convention("reset to 0", "lif_step", reset="to_value"),
    convention("no reset", "lif_step", reset="none"),
    convention("reset before the decay", "lif_step", reset_time="same_step"),
    convention("reset to 0 at once, and recorded after it", "lif_step", reset="to_value", reset_time="same_step", recorded_membrane="after_reset"),
    Mutant("a step by the rules of norse", "lif_step", "integrator = 'euler' and input_scale = 'dt_over_tau_mem' and reset = 'to_value' and",
           ("lif_step",), lambda op, inputs, params, _: right(op, inputs, params, **NORSE)),
    asked("tau_mem and tau_syn exchanged", "lif_step", "tau_mem and tau_syn exchanged", lambda a, p: (a, swapped(p, "tau_mem", "tau_syn"))),
    asked("one time constant for all neurons", "lif_step", "the first neuron's parameters used for all", lambda a, p: (a, only_first(p))),
    asked("theta squared taken off in a reset", "lif_step", "the reset takes theta squared off",
          lambda a, p: ({**a, "S": a["S"] * np.array(p["threshold"])}, p)),
    Mutant("input overwritten", "lif_step", "read-only", ("lif_step",), wrongdoing.overwriting),
    Mutant("input overwritten, by a pointer", "lif_step", "it changes its input V", ("lif_step",), wrongdoing.overwriting_by_force),
    Mutant("state kept between calls", "lif_step", "state is kept between calls", ("lif_step",), wrongdoing.Remembering()),
    Mutant("float32 inside", "li_step", "float32", ("li_step",), wrongdoing.in_single_precision),
    answered("the first sample's result for all", "li_step", "no convention and no known mistake", wrongdoing.first_for_all),
    convention("recurrence one step late", "forward", recurrence_delay="two"),
    convention("input without its delay", "forward", input_delay="none"),
    convention("R transposed", "forward", recurrent_weights="to_from"),
    convention("batch first", "forward", axes="batch_first"),
    asked("R transposed in the forward pass, and nowhere else", "forward", "recurrent_weights",
          lambda a, p: ({n: v.T.copy() if n[0] == "R" else v for n, v in a.items()}, p)),
    asked("noise added twice", "forward", "noise added twice", lambda a, p: ({n: 2 * v if n == "noise" else v for n, v in a.items()}, p)),
    asked("recurrence forgotten", "forward", "recurrence left out", lambda a, p: ({n: 0 * v if n[0] == "R" else v for n, v in a.items()}, p)),
    asked("the parameters of the first layer for all layers", "forward", "the first layer's parameters used for all", wrongdoing.first_layer),
    answered("recorded one step early", "forward", "one step early", lambda out, a, p: {n: moved(-1)(v) for n, v in out.items()}),
    answered("(B, T, N) returned", "forward", "time and batch exchanged", lambda out, a, p: {n: v.swapaxes(0, 1).copy() for n, v in out.items()}),
    Mutant("noise without a seed", "forward", "drawn at random", ("forward",), wrongdoing.drawing),
    Mutant("T = 20 in the code", "forward", "wrong from T = 23 on", ("forward",), wrongdoing.twenty_steps),
    asked("samples beyond the 8th left out", "forward", "wrong from B = 9 on",
          lambda a, p: ({**a, "x": np.where(np.arange(a["x"].shape[1])[:, None] < 8, a["x"], 0.0)}, p)),
    Mutant("rest at the wrong time", "forward", "time-shift", ("forward",), wrongdoing.restless),
    Mutant("0/0 at equal time constants", "analog_step", "no convention and no known mistake", ("analog_step",), wrongdoing.cancelling),
    asked("no refractory time", "chip_run", "no refractory time", lambda a, p: (a, {**p, "refractory": 0.0})),
    asked("weights of the chip not digitised", "chip_run", "weights not digitised", lambda a, p: (a, {**p, "weight_levels": 0})),

    convention("the reset carries a gradient", "adjoint_step", reset_gradient="flow"),
    asked("spike_aware ignored", "adjoint_step", "spike_aware ignored", lambda a, p: (a, {**p, "spike_aware": False})),
    answered("adjoints with the wrong sign", "adjoint_step", "times -1", lambda out, a, p: {n: -v for n, v in out.items()}),
    asked("R not transposed in the backward pass", "backward", "R transposed in the recursion",
          lambda a, p: ({n: v.T.copy() if n[0] == "R" else v for n, v in a.items()}, p)),
    asked("surrogate at the membrane of the step before", "backward", "V one step late",
          lambda a, p: ({n: moved(1)(v) if n[0] == "V" else v for n, v in a.items()}, p)),
    asked("no adjoint of the membrane from later steps", "adjoint_step", "input lam_V_next left out",
          lambda a, p: ({**a, "lam_V_next": 0 * a["lam_V_next"]}, p)),
    answered("dW transposed", "backward", "transposed", lambda out, a, p: {n: v.T.copy() for n, v in out.items()}),
    asked("spikes taken from the membranes of a given trace", "backward", "the spikes taken from the membranes", wrongdoing.spikes_again),
    Mutant("the network run again in place of the given trace", "backward", "the network run again", ("backward",), wrongdoing.running_again),
    asked("spikes of bin 0 left out of the sum", "backward", "the spikes of bin 0 left out", lambda a, p: (moved_spikes(a, without_bin_0), p)),
    asked("S[t] with lamI[t]", "backward", "spikes one step early", lambda a, p: (moved_spikes(a, moved(-1)), p)),
    answered("mean over the batch in place of the sum", "backward", "1 / the size of B",
             lambda out, a, p: {n: v / a["x"].shape[1] for n, v in out.items()}),
    Mutant("back-propagation cut off after 20 steps", "backward", "wrong from T = 22 on", ("backward",), wrongdoing.truncated),
    answered("NaN where nothing spikes", "backward", "NaN", lambda out, a, p: {n: np.where(v == 0, np.nan, v) for n, v in out.items()}),

    answered("the decision takes the last of equal classes", "scores", "decision",
             lambda out, a, p: {**out, "decision": out["m"].shape[1] - 1 - out["m"][:, ::-1].argmax(axis=1)}),
    asked("sum over time for the maximum", "scores", "the sum over time", lambda a, p: (a, {**p, "reduce": "sum"})),
    convention("the last of equal maxima", "scores_adjoint", time_maximum="last"),
    convention("equal maxima share", "scores_adjoint", time_maximum="shared"),
    asked("R_out lost in the derivative", "scores_adjoint", "readout_scale left out", lambda a, p: (a, {**p, "readout_scale": 1.0})),
    convention("sum over the batch for the mean", "cross_entropy", batch_loss="sum"),
    Mutant("softmax overflows", "cross_entropy", "NaN", ("cross_entropy",), wrongdoing.overflowing),
    asked("labels counted from 1", "cross_entropy", "labels one class too high",
          lambda a, p: ({**a, "labels": (a["labels"] + 1) % a["m"].shape[1]} if len(a["labels"]) == len(a["m"]) else a, p)),
    asked("the number of spikes cut at 2", "burst", "of a neuron's spikes 2 count at most",
          lambda a, p: ({"S": a["S"] * (a["S"].cumsum(axis=0) <= 2)}, p)),
    answered("sum over neurons for the mean", "burst", "the size of N", lambda out, a, p: {n: v * a["S"].shape[2] for n, v in out.items()}),
    answered("a lost 2 in the derivative", "weight_decay", "dW: times 1/2", lambda out, a, p: {**out, "dW": out["dW"] / 2}),
    answered("a lost rho in the value", "readout_amplitude", "value: times 1 / rho",
             lambda out, a, p: {**out, "value": np.array(out["value"] / p["rho"])}),
    asked("no limit on the rate", "rate_bound", "no limit on the rate", lambda a, p: (a, {**p, "limit": 0.0})),
    answered("burst in the loss, not in the gradient", "loss_and_gradient_of_trace", "burst regulariser left out",
             lambda out, a, p: {**right("loss_and_gradient_of_trace", a, {**p, "burst": 0.0}), "loss": out["loss"]}),
    answered("weight decay of R, too", "loss_and_gradient_of_trace", "weight decay of R, too", wrongdoing.decaying("R")),
    answered("weight decay of the readout, too", "loss_and_gradient_of_trace", "weight decay of the readout, too", wrongdoing.decaying("W")),
    asked("burst regulariser forgotten", "loss_and_gradient_of_trace", "burst regulariser left out", lambda a, p: (a, {**p, "burst": 0.0})),
    asked("noise forgotten", "loss_and_gradient", "noise left out", lambda a, p: ({n: 0 * v if n == "noise" else v for n, v in a.items()}, p)),

    asked("Adam without bias correction", "adam_step", "bias of Adam's means", lambda a, p: (a, {**p, "step": 10**9})),
    Mutant("Adam's step counted from 0", "adam_step", "Adam's step counted from 0", ("adam_step",), wrongdoing.counted_from_0),
    asked("Adam's decays exchanged", "adam_step", "two decays exchanged", lambda a, p: (a, swapped(p, "decay_first", "decay_second"))),
    Mutant("epsilon inside the root", "adam_step", "epsilon inside the root", ("adam_step",), wrongdoing.epsilon_inside),
    answered("clipped from above only", "clip_weights", "clipped from above only",
             lambda out, a, p: {"W_next": np.minimum(a["W"], p["limit"])}),
    answered("no clip", "clip_weights", "not clipped", lambda out, a, p: {"W_next": a["W"]}),
    convention("rounded away from 0", "load_weights", weight_rounding="away"),
    convention("weights cut to integers", "load_weights", weight_rounding="zero"),
    asked("-64 .. 63 levels", "load_weights", "one level more", lambda a, p: (a, {**p, "levels": p["levels"] + 1})),
    asked("epochs counted from 1", "learning_rate", "epochs counted from 1", lambda a, p: ({"epoch": a["epoch"] + 1}, p)),

    Mutant("Adam afresh in every step", "train", "no convention and no known mistake", ("train",), wrongdoing.untrained),
    Mutant("training without the clip", "train", "no clip", ("train",), wrongdoing.training(lambda array: array)),
    Mutant("the readout clipped in training, too", "train", "the readout clipped, too", ("train",),
           wrongdoing.training(lambda array: array.clip(-63 / 240, 63 / 240))),
    asked("training without noise", "train", "noise left out", lambda a, p: ({n: 0 * v if n == "noise" else v for n, v in a.items()}, p)),
)


def first_failure(mutant):
    """The OperationResult of the first operation in which a mutant fails; None where it fails nowhere."""
    return next((own for own in check(mutant.adapter(), ops=operations_until(mutant.op), shrink=False).operations if own.status == "fail"), None)


def operations_until(op):
    """All operations up to one."""
    names = list(OPERATIONS)
    return tuple(names[:names.index(op) + 1])


def table(found):
    """The README's table, under a line that sums it up, as lines of Markdown: found {what is wrong: OperationResult}."""
    named = sum(own.diagnosis.kind != "unknown" for own in found.values())
    rows = [f"That it finds something is tested: {len(found)} adapters are wrong on purpose, and fail. With {named} of them the report says what is wrong, "
            "with the others where the first wrong number is (`python -m refsnn.verify.conformance.mutants README.md` writes this):",
            "", "| what is wrong | level | fails first in | diagnosis |", "|---|---|---|---|"]
    return rows + [f"| {wrong} | L{own.level} | `{own.op}` | {own.diagnosis.short} |" for wrong, own in found.items()]


def write_table(path):
    """Put the table between the marks of a Markdown file."""
    lines = table({mutant.wrong: first_failure(mutant) for mutant in MUTANTS})
    before, rest = path.read_text(encoding="utf-8").split("<!-- mutants -->\n")
    after = rest.split("<!-- end of mutants -->")[1]
    write_atomically(path, "\n".join([f"{before}<!-- mutants -->", *lines, f"<!-- end of mutants -->{after}"]))


if __name__ == "__main__":
    write_table(Path(sys.argv[1]))
