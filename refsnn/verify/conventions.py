"""Where implementations differ: every choice that "a LIF network with surrogate gradients" leaves open, as a named switch.

The same words, the same parameters, the same input, and yet one program counts 99 spikes, the next one 100, 47 or 4 (the table is in the
tests of this room). None of them is wrong; they made the choices below differently. The specification, refsnn/spec, makes each of them once
and has no switches. Here they all are, and general.py has the step, the run and the backward pass with the switches written in. So a
disagreement can be given a name: the switch under which the other program agrees.

Source: collected from the code and the issue trackers of the frameworks named. "Checked" marks those against which the
tests run these rules; the others were read, not run.
"""

from dataclasses import dataclass, fields

from refsnn.errors import RangeError, check_choice


@dataclass(frozen=True)
class Switch:
    """One choice: its name, its values with the paper's first, what they mean, and who is known to use which."""

    name: str
    values: tuple
    meaning: str
    users: str


SWITCHES = (
    Switch("integrator", ("exponential", "euler"),
           "A step multiplies by exp(-dt/tau), or by 1 - dt/tau.",
           "euler: norse (checked)"),
    Switch("current", ("new", "old"),
           "V[t+1] takes I[t+1], which holds the input of t already, or I[t], which does not.",
           "new: the code of the paper, snnTorch and norse (both checked); old: the text of the paper, hxtorch, jaxsnn, spytorch"),
    Switch("input_scale", ("one", "one_minus_beta", "dt_over_tau_mem", "dt_over_both_taus"),
           "An input is multiplied with nothing; with 1 - beta or dt/tau_mem, where the current enters the membrane; or with dt/tau_mem there and "
           "with dt/tau_syn where spikes enter the current.",
           "one: snnTorch (checked), spytorch; dt_over_tau_mem: norse (checked); dt_over_both_taus: the differential equations of NIR as they stand"),
    Switch("tie", ("silent", "spike", "half"),
           "V = theta gives no spike, a spike, or half a spike.",
           "silent: norse and snnTorch (both checked), hxtorch, stork, spytorch; spike: SpikingJelly, sinabs, rockpool; half: jaxsnn"),
    Switch("reset", ("subtract", "to_value", "none"),
           "A spike takes theta off the membrane, puts it to 0, or leaves it.",
           "subtract: snnTorch by default (checked); to_value: norse (checked), spytorch"),
    Switch("reset_time", ("next_step", "same_step"),
           "The reset acts after the decay of the next step, or at once, and what it left decays.",
           "next_step: snnTorch by default (checked), spytorch; same_step: norse (checked)"),
    Switch("reset_gradient", ("stop", "flow"),
           "In the backward pass the spike in the reset is a constant, or a spike like any other.",
           "stop: snnTorch (checked), and norse in its recurrent step; flow: norse in its feed-forward step (checked)"),
    Switch("recorded_membrane", ("before_reset", "after_reset"),
           "V[t] as recorded is the membrane that was compared with the threshold, or what a reset of the same step left of it. The backward "
           "pass takes the V it is given for the membrane that was compared.",
           "after_reset: norse (checked)"),
    Switch("surrogate", ("superspike", "sigmoid", "triangle", "arctan", "rectangle"),
           "Its formula, of height 1 at u = 0: 1/(1+u)^2; 4 e^-u/(1+e^-u)^2; max(0, 1-u); 1/(1+u^2); 1 where u < 1/2. u = slope |V - theta|.",
           "superspike: norse, and snnTorch under the name fast sigmoid (both checked)"),
    Switch("surrogate_slope", ("inside", "outside", "both"),
           "The slope makes the peak narrow, f(slope d); high, slope f(d); or both, slope f(slope d), which keeps its area. d = |V - theta|.",
           "inside: snnTorch (checked); outside: SpikingJelly's SuperSpike; norse 1.1 has SuperSpike with the slope 1 whatever is asked for (checked)"),
    Switch("recurrence_delay", ("one", "two"),
           "A spike of t enters the currents of its own layer at t + 1, or a step later.",
           "one: norse"),
    Switch("input_delay", ("one", "none"),
           "An input of t enters the current of t + 1, the state at 0 being at rest; or that of t, every layer being run within the step.",
           "one: spytorch; none: norse, snnTorch (both checked)"),
    Switch("recurrent_weights", ("from_to", "to_from"),
           "R[i, j] leads from i to j, or from j to i.",
           "to_from: everything built on torch.nn.functional.linear, norse for one"),
    Switch("axes", ("time_first", "batch_first"),
           "Arrays are (T, B, N), or are taken for (B, T, N).",
           "time_first: norse, snnTorch"),
    Switch("time_maximum", ("first", "last", "shared"),
           "A tie for the maximum over time passes its derivative to the first sample, to the last, or to all in equal parts.",
           "shared: torch.amax and jax.numpy.max"),
    Switch("batch_loss", ("mean", "sum"),
           "The cross-entropy is averaged over the batch, or summed.",
           "mean: the default of torch.nn.functional.cross_entropy"),
    Switch("weight_rounding", ("even", "away", "zero"),
           "A weight between two integers goes to the nearer one, a tie to the even one or away from 0; or every weight is cut towards 0.",
           "even: numpy, torch; away: round of C; zero: a cast to an integer"),
)


@dataclass(frozen=True)
class Conventions:
    """One value for each switch of SWITCHES; the defaults are the paper's.

    Raises RangeError for a value that a switch does not have, and for two that do not go together.

    >>> Conventions(tie="spike").others()
    {'tie': 'spike'}
    """

    integrator: str = "exponential"
    current: str = "new"
    input_scale: str = "one"
    tie: str = "silent"
    reset: str = "subtract"
    reset_time: str = "next_step"
    reset_gradient: str = "stop"
    recorded_membrane: str = "before_reset"
    surrogate: str = "superspike"
    surrogate_slope: str = "inside"
    recurrence_delay: str = "one"
    input_delay: str = "one"
    recurrent_weights: str = "from_to"
    axes: str = "time_first"
    time_maximum: str = "first"
    batch_loss: str = "mean"
    weight_rounding: str = "even"

    def __post_init__(self):
        for switch in SWITCHES:
            check_choice(switch.name, getattr(self, switch.name), switch.values)
        if self.recorded_membrane == "after_reset" and self.reset_time == "next_step":
            raise RangeError("recorded_membrane is after_reset but reset_time is next_step: then no membrane is ever left by its own reset")
        if (self.reset, self.reset_time, self.reset_gradient) == ("to_value", "next_step", "flow"):
            raise RangeError("reset is to_value, reset_time next_step and reset_gradient flow: that gradient needs the membrane that the reset "
                             "threw away, which no trace holds")

    def others(self):
        """The switches that are not at the paper's value, as a dict."""
        return {field.name: getattr(self, field.name) for field in fields(self) if getattr(self, field.name) != field.default}


FRAMEWORKS = {
    "the paper's code": Conventions(),
    "the paper's text": Conventions(current="old"),
    "snnTorch, Synaptic": Conventions(input_delay="none"),
    "norse, lif_feed_forward_step": Conventions(integrator="euler", input_scale="dt_over_tau_mem", reset="to_value", reset_time="same_step",
                                                reset_gradient="flow", recorded_membrane="after_reset", input_delay="none",
                                                recurrent_weights="to_from"),
}
