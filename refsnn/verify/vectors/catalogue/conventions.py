"""Drafts beyond the paper's conventions: every value of every switch at least once, and whole frameworks. Status may."""

import numpy as np

from refsnn.verify.conventions import FRAMEWORKS
from refsnn.verify.vectors.catalogue import forward, functions, gradient, objective, update
from refsnn.verify.vectors.draft import HALVING, Draft, column, layers, varied

SAME = {"reset_time": "same_step"}
RECORDED = {**SAME, "recorded_membrane": "after_reset"}


def drafts():
    """All of them."""
    bases = {draft.id: draft for room in (functions, forward, gradient, objective, update) for draft in room.drafts()}
    return (*one_switch(bases), *by_hand(), *frameworks(bases))


# id: (the draft that it is like, conventions, comment)
ONE_SWITCH = {
    "decay-101": ("decay-002", {"integrator": "euler"}, "1 - dt/tau; below 0 where tau < dt."),
    "surrogate-101": ("surrogate-004", {"surrogate": "sigmoid"}, "4 e^-u / (1 + e^-u)^2, u = slope |V - theta|."),
    "surrogate-102": ("surrogate-004", {"surrogate": "triangle"}, "max(0, 1 - u)."),
    "surrogate-103": ("surrogate-004", {"surrogate": "arctan"}, "1 / (1 + u^2)."),
    "surrogate-104": ("surrogate-004", {"surrogate": "rectangle"}, "1 where u < 1/2."),
    "surrogate-105": ("surrogate-004", {"surrogate_slope": "outside"}, "slope / (1 + |V - theta|)^2: high, not narrow."),
    "surrogate-106": ("surrogate-004", {"surrogate_slope": "both"}, "slope / (1 + slope |V - theta|)^2: its area does not depend on the slope."),
    "lif_step-101": ("lif_step-006", {"integrator": "euler"}, "Euler's step."),
    "lif_step-102": ("lif_step-006", {"current": "old"}, "V[t+1] takes I[t]."),
    "lif_step-103": ("lif_step-006", {"input_scale": "one_minus_beta"}, "The current enters the membrane times 1 - beta."),
    "lif_step-104": ("lif_step-006", {"input_scale": "dt_over_tau_mem"}, "The current enters the membrane times dt/tau_mem."),
    "lif_step-105": ("lif_step-006", {"input_scale": "dt_over_both_taus"}, "And spikes enter the current times dt/tau_syn."),
    "lif_step-106": ("lif_step-006", {"reset": "to_value"}, "A spike puts the membrane to 0."),
    "lif_step-107": ("lif_step-006", {"reset": "none"}, "A spike leaves the membrane."),
    "lif_step-108": ("lif_step-006", SAME, "The reset acts before the decay."),
    "lif_step-109": ("lif_step-002", {"tie": "spike"}, "A tie spikes."),
    "lif_step-110": ("lif_step-002", {"tie": "half"}, "A tie is half a spike."),
    "li_step-101": ("li_step-002", {"current": "old"}, "V[t+1] takes I[t]."),
    "li_step-102": ("li_step-002", {"integrator": "euler", "input_scale": "dt_over_tau_mem"}, "Euler's step with its scale."),
    "forward-101": ("forward-011", {"recurrence_delay": "two"}, "A spike comes back two steps later."),
    "forward-102": ("forward-011", {"recurrent_weights": "to_from"}, "R[i, j] leads from j to i."),
    "forward-103": ("forward-011", {"input_delay": "none"}, "All layers within a step."),
    "forward-104": ("forward-010", {"axes": "batch_first"}, "The arrays are taken for (B, T, N): 12 samples of 3 steps."),
    "forward-105": ("forward-014", RECORDED, "The reset acts at once, and the membrane is recorded after it."),
    "backward-101": ("backward-010", {"reset_gradient": "flow"}, "The spike in the reset carries a gradient."),
    "backward-102": ("backward-016", {"reset_gradient": "flow", **SAME}, "The same where the reset acts before the decay."),
    "backward-103": ("backward-010", {"current": "old"}, "V[t+1] takes I[t]."),
    "backward-104": ("backward-011", {"input_delay": "none"}, "All layers within a step."),
    "backward-105": ("backward-011", {"recurrence_delay": "two"}, "A spike comes back two steps later."),
    "backward-106": ("backward-011", {"recurrent_weights": "to_from"}, "R[i, j] leads from j to i, and so does dR."),
    "backward-107": ("backward-010", {"axes": "batch_first"}, "The arrays are taken for (B, T, N)."),
    "backward-108": ("backward-016", {"reset": "to_value", **SAME}, "A reset to 0 blocks the membrane's adjoint."),
    "backward-109": ("backward-016", {"integrator": "euler", "input_scale": "dt_over_both_taus"}, "Euler's step, both scales."),
    "backward-110": ("backward-017", {"surrogate": "arctan", "surrogate_slope": "both"}, "Another surrogate."),
    "scores_adjoint-101": ("scores_adjoint-005", {"time_maximum": "last"}, "The last of the largest takes the derivative."),
    "scores_adjoint-102": ("scores_adjoint-005", {"time_maximum": "shared"}, "All of the largest share the derivative."),
    "cross_entropy-101": ("cross_entropy-004", {"batch_loss": "sum"}, "A sum over the batch."),
    "loss_and_gradient-101": ("loss_and_gradient-003", {"batch_loss": "sum", "current": "old"},
                              "A sum over the batch; V[t+1] takes I[t], as the paper's text has it."),
    "load_weights-101": ("load_weights-002", {"weight_rounding": "away"}, "Ties go away from 0: 2, 3, 4."),
    "load_weights-102": ("load_weights-002", {"weight_rounding": "zero"}, "Cut towards 0: 1, 2, 3."),
}
GENERAL = {"Basic", "TieInRounding", "ResetGradient"}        # flags whose notes hold for the paper's conventions


def one_switch(bases):
    """Known inputs under other conventions."""
    return [varied(bases[base], id, comment, ("Convention", *(flag for flag in bases[base].flags if flag not in GENERAL)), conventions=conventions)
            for id, (base, conventions, comment) in ONE_SWITCH.items()]


def by_hand():
    """One input of weight 2 at t = 0, alpha = beta = 1/2, theta = 1: small enough to do by hand, so the first to look at."""
    one = {"x": column(1, 0, 0, 0), "W0": np.array([[2.0]]), "W1": np.array([[0.5]])}
    texts = (
        ("forward-111", {"current": "old"}, "V0 = 0, 0, 2, 1: all a step later."),
        ("forward-112", {"reset": "none"}, "V0 = 0, 2, 2, 1.5 and three spikes."),
        ("forward-113", {"reset": "to_value"}, "V0 = 0, 2, 0, 0.5: the input of the step of the reset is thrown away too."),
        ("forward-114", SAME, "V0 = 0, 2, (2 - 1)/2 + 1 = 1.5, 0.75 and two spikes."),
        ("forward-115", {**SAME, "reset": "to_value"}, "V0 = 0, 2, 0 + 1 = 1, 1: one spike, then ties."),
        ("forward-116", RECORDED, "V0 = 0, 1, 0.5, 0.75 and two spikes."),
        ("forward-117", {"input_delay": "none"}, "V0 = 2, 1, 1, 0.75: all a step earlier."),
        ("forward-118", {"tie": "spike"}, "V0 = 0, 2, 1, 0: the tie at t = 2 spikes, and its reset takes the next 1 off."),
    )
    return [Draft(id, f"alpha = beta = 1/2, W0 = 2. {comment}", one, layers(2, HALVING), ("Convention", "TieAtThreshold", "Float64Only"), conventions)
            for id, conventions, comment in texts]


def frameworks(bases):
    """The conventions of whole programs, in a run and in a gradient."""
    found = []
    for number, (name, conventions) in enumerate([pair for pair in FRAMEWORKS.items() if pair[1].others()], 1):
        for op, base in (("forward", "forward-013"), ("backward", "backward-013")):
            found.append(varied(bases[base], f"{op}-12{number}", f"The conventions of {name}.", ("Convention", "Framework", *bases[base].flags),
                                conventions={switch: value for switch, value in conventions.others().items()}))
    return found
