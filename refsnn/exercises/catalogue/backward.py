"""Exercises 10-14: Jacobian entries, one adjoint step, the recursion, the gradient of the weights, the injection of a trace."""

from refsnn.exercises.exercise import Exercise, Mistake, Question
from refsnn.exercises.paper import STEP
from refsnn.verify.conformance.byhand import course

NEURON = {"alpha": 0.5, "beta": 0.25, "theta": 1.0, "slope": 2.0}

BACKWARD = (
    Exercise(
        "step_jacobian", "the entries of the Jacobian", "jacobian", ("exercises.tasks.step_jacobian",),
        "Differentiate the step of one neuron, entry by entry: nine numbers. Rows are I, V, S after the step, columns I, V, S before it.",
        ("Write the three equations of the step below each other, and in each substitute until only values of t are left on the right.",
         "V[t+1] contains I[t+1], which contains I[t] and, through r, S[t]. So a row is not read off one equation: it takes the row above it along.",
         "The third row is the second one times the surrogate derivative at V[t+1]: whatever moves the membrane moves the spike. The reset contains "
         "S[t], but is treated as a constant."),
        (Mistake("current not substituted", (("membrane = current + np.array([0, beta, 0])", "membrane = np.array([1, beta, r])"),),
                 "dV[t+1]/dI[t] is 1 with you. By I[t+1] it is 1; but the question is by I[t], which has decayed by then."),
         Mistake("nothing substituted",
                 (("return np.array([current, membrane, sigma * membrane])", "return np.array([current, [1, beta, 0], [0, sigma, 0]])"),),
                 "You read each row off its own equation. I[t+1] and V[t+1] on the right-hand sides are values after the step: put in what they are "
                 "made of, until only values of t are left."),
         Mistake("membrane not substituted", (("membrane = current + np.array([0, beta, 0])", "membrane = np.array([1, beta, 0])"),),
                 "In the row of the membrane I[t+1] is left as it is: put in alpha I[t] + r S[t], which brings a decay and the recurrent weight."),
         Mistake("reset differentiated", (("np.array([0, beta, 0])", "np.array([0, beta, -theta])"),),
                 "Your membrane depends on the spike through the reset. The reset carries no gradient: in the backward direction its spike is a "
                 "constant."),
         Mistake("recurrence only in the current", (("membrane = current + np.array([0, beta, 0])", "membrane = np.array([alpha, beta, 0])"),),
                 "A spike of t is in I[t+1], and so in V[t+1] within the same step: dV[t+1]/dS[t] is not 0."),
         Mistake("decay of the current", (("np.array([0, beta, 0])", "np.array([0, alpha, 0])"),),
                 "dV[t+1]/dV[t] is alpha with you: alpha is how the current decays; the membrane decays by beta."),
         Mistake("no surrogate", (("sigma * membrane", "membrane"),),
                 "The row of the spike equals that of the membrane: the surrogate derivative is missing."),
         Mistake("transposed",
                 (("return np.array([current, membrane, sigma * membrane])", "return np.array([current, membrane, sigma * membrane]).T"),),
                 "Rows and columns are exchanged. This is the matrix of the backward direction; asked for is that of the forward one.")),
        questions=(Question("at-threshold", {"V_next": 1.0, "r": 2.0, **NEURON}, "sigma' = 1"),
                   Question("above", {"V_next": 1.5, "r": 2.0, **NEURON}, "sigma' = 1/4"),
                   Question("below", {"V_next": 0.0, "r": -1.0, **NEURON}, "sigma' = 1/9"),
                   Question("threshold-2", {"V_next": 2.5, "r": 0.5, "alpha": 0.75, "beta": 0.5, "theta": 2.0, "slope": 2.0}, "another neuron"))),
    Exercise(
        "adjoint_step", "one step of the adjoint recursion", "adjoint", ("exercises.tasks.adjoint_step",),
        "One step of the recursion E7-E9, from the adjoints at t + 1 to those at t: for each of S[t], V[t], I[t], sum over what it enters (page adjoint; page "
        "jacobian says what this has to do with exercise 10). lam_S is the derivative of the loss by S[t] along all ways but the layer's own synapses R.",
        ("An adjoint is a total derivative. Through which quantities of the step does S[t] act on the loss? And V[t]? And I[t]?",
         "S[t] acts on its neighbours' I[t+1], through R. V[t] acts directly, through S[t], and through V[t+1]. I[t] acts through V[t] and I[t+1]. "
         "Sum over the ways; each is a derivative times an adjoint.",
         "Spikes first, then membrane, then current: each needs the one before it. What goes forward by R comes back by its transpose; what decays "
         "by alpha or beta forward is multiplied with the same number backward."),
        (Mistake("R not transposed", (("lam_I_next @ R.T", "lam_I_next @ R"),),
                 "R must be transposed: S_i acts on I_j through R[i, j], so the adjoint of S_i sums over j."),
         Mistake("surrogate forgotten", (("sigma * lam_S", "lam_S"),),
                 "The way from V[t] to S[t] has the surrogate derivative on it, and yours has not."),
         Mistake("membrane forgets", ((" + beta * lam_V_next", ""),),
                 "The way from V[t] to V[t+1] is missing: what the membrane does to later membranes is lost."),
         Mistake("adjoint of the other quantity", (("lam_V + alpha * lam_I_next", "lam_V + alpha * lam_V_next"),),
                 "alpha leads from I[t] to I[t+1], so what comes back through it is the adjoint of the current; you take that of the membrane."),
         Mistake("membrane of the next step", (("return lam_V, lam_V + alpha", "return lam_V, lam_V_next + alpha"),),
                 "I[t] enters V[t], the membrane of the same t (E2 has I[t+1] in V[t+1]). Your current takes the adjoint of the next membrane."),
         Mistake("alpha and beta exchanged",
                 (("beta * lam_V_next", "alpha * lam_V_next"), ("lam_V + alpha * lam_I_next", "lam_V + beta * lam_I_next")),
                 "The decays are exchanged: alpha belongs to the current, beta to the membrane. With equal time constants nobody sees it.")),
        ops=("adjoint_step",)),
    Exercise(
        "spiking_adjoint", "the whole adjoint recursion", "adjoint", ("spec.bptt.spiking_adjoint",),
        "Run the recursion over a whole trace. trace has membrane and spikes (T, B, N); surrogate.derivative(V, S, theta) is sigma'; "
        "layer.neuron.constants(dtype) gives alpha, beta, theta; layer.R is None where the layer is not recurrent.",
        ("In which direction of time does it run, what is known at its start, and which step is its last?",
         "Beyond the end every adjoint is 0. The states at t = 0 are fixed, so the recursion ends with t = 1. In every step: spikes, membrane, "
         "current.",
         "Two arrays (B, N) go from step to step, the adjoints of membrane and current of the step that came before in the loop (t + 1). The "
         "surrogate is taken at the membrane of the same t. A spike does not interrupt the membrane's adjoint."),
        (Mistake("cut at a spike", (("beta * lam_V      ", "beta * (1 - trace.spikes[t]) * lam_V      "),),
                 "Your membrane adjoint stops at a spike. There is no reset in the graph: a recorded V is injected, and dV[t+1]/dV[t] = beta even "
                 "across a spike."),
         Mistake("surrogate one step early", (("sigma[t] * lam_S_t", "sigma[t - 1] * lam_S_t"),),
                 "The surrogate is taken at V[t-1]. S[t] was decided by V[t]."),
         Mistake("forward in time", (("range(len(lam_I) - 1, 0, -1)", "range(1, len(lam_I))"),),
                 "Your recursion runs with time. Adjoints come from the future: begin at T - 1."),
         Mistake("reset flows", (("lam_S_t = lam_S[t]      ", "lam_S_t = lam_S[t] - theta * lam_V      "),),
                 "You let the gradient flow through the reset. Its spike counts as a constant."),
         Mistake("decays too early", (("lam_V + alpha * lam_I_next", "alpha * (lam_V + lam_I_next)"),),
                 "I[t] enters V[t] of the same step, with slope 1. alpha stands on the way to I[t+1] only, and yours is on both."),
         Mistake("spike in the surrogate's place", (("sigma[t] * lam_S_t", "trace.spikes[t] * lam_S_t"),),
                 "With you only a neuron that spiked hears what its spike does. The surrogate lets through whoever was near the threshold, spike or not."),
         Mistake("R not transposed", (("layer.R.T", "layer.R"),),
                 "R must be transposed on the way back."),
         Mistake("time zero", (("range(len(lam_I) - 1, 0, -1)", "range(len(lam_I) - 1, -1, -1)"),),
                 "One step too many: entry 0 stays 0. No gradient sees it, since no weight acts on the states at t = 0, which are given."),
         Mistake("last step forgotten", (("range(len(lam_I) - 1, 0, -1)", "range(len(lam_I) - 2, 0, -1)"),),
                 "The recursion begins one step too early: what the loss says about the last time step, T - 1, is lost.")),
        withheld=("""
    For t = T-1 .. 1, with zeros beyond the end:
        lamS[t] = lam_S[t] + lamI[t+1] R^T
        lamV[t] = gV[t] + sigma'(V[t]) lamS[t] + beta lamV[t+1]
        lamI[t] = lamV[t] + alpha lamI[t+1]""",),
        ops=("backward",),
        questions=(Question("time-zero", {"V": course(0, 0), "S": course(0, 0), "gV": course(4, 2), "lam_S": course(0, 0), **STEP},
                            "lamI[1] = 2, and entry 0 stays 0"),)),
    Exercise(
        "weight_gradient", "which spike meets which adjoint", "adjoint", ("spec.bptt.weight_gradient",),
        "Sum up the gradient of a weight. The same function serves W, with the spikes from below, and R, with the layer's own.",
        ("A spike of bin t goes through the weight: into the current of which t?",
         "W[i, j] is in I_j[t+1] once for every t and sample, multiplied with S_i[t]. So its derivative is a sum of products.",
         "The last spikes meet nothing, for there is no current after the end; the first adjoint meets nothing, for nothing came before it. Both T "
         "and B are summed over, not averaged: the mean is in the loss already."),
        (Mistake("same t", (("S_below[:-1]", "S_below[1:]"),),
                 "You pair S[t] with the adjoint of I[t]. A spike of t is in I[t+1] (E1)."),
         Mistake("same t, the last left out", (("lam_I[1:]", "lam_I[:-1]"),),
                 "You pair S[t] with lamI[t], up to t = T - 2. A spike of t is in I[t+1] (E1): its partner is lamI[t+1]."),
         Mistake("a step back", (("S_below[:-1]", "S_below[1:]"), ("lam_I[1:]", "lam_I[:-1]")),
                 "You pair S[t] with lamI[t-1], the adjoint of a current that was there before the spike."),
         Mistake("time summed first",
                 (("S_below[:-1].reshape(-1, M).T @ lam_I[1:].reshape(-1, N)", "S_below[:-1].sum(axis=0).T @ lam_I[1:].sum(axis=0)"),),
                 "You sum both over time before they meet, so that every spike is paired with every adjoint. Multiply for each t, and then sum."),
         Mistake("bin 0 left out", (("S_below[:-1]", "S_below[1:-1]"), ("lam_I[1:]", "lam_I[2:]")),
                 "The spikes of bin 0 are left out. The ideal model has none there in hidden layers, but the input has, and a chip has."),
         Mistake("mean over the batch", (("lam_I[1:].reshape(-1, N)", "lam_I[1:].reshape(-1, N) / lam_I.shape[1]"),),
                 "Divided by the batch size once more: the mean over the batch is in gV and gS already."),
         Mistake("mean over time", (("lam_I[1:].reshape(-1, N)", "lam_I[1:].reshape(-1, N) / (len(lam_I) - 1)"),),
                 "A mean over time, where it is a sum: the weight acts at every step anew, and the ways add up."),
         Mistake("two steps", (("S_below[:-1]", "S_below[:-2]"), ("lam_I[1:]", "lam_I[2:]")),
                 "You pair S[t] with the adjoint of I[t+2]; a spike of t is in I[t+1] already.")),
        withheld=(" = sum over t = 0 .. T-2 and the batch of S_below[t]^T lamI[t+1]",),
        ops=("backward",)),
    Exercise(
        "injection", "the gradient on a measured trace", "injection", ("spec.bptt.backward",),
        "The idea of the paper: somebody else, a chip, has run the network, and all you get is its trace. Put the backward pass of all layers "
        "together, out of the functions that are imported for you, from the readout down: readout_adjoint(layer, gV) and spiking_adjoint(layer, trace, gV, lam_S, "
        "surrogate) are lamI (T, B, N) of a layer; spike_adjoint(lam_I, W) is what it makes of the spikes below, (T, B, M); weight_gradient(S_below, lam_I). A "
        "LayerGradient has two fields, W and R; R is None where the layer has none.",
        ("Where, in the equations of the backward pass, does a quantity of the forward pass appear? Which of them were recorded?",
         "Spikes appear as what a layer got from below; membranes in the surrogate. Both are the recorded ones. Decays and weights are the ideal "
         "model's.",
         "Three kinds of spikes: x for the first layer, the recorded ones of the layer below for every other, the layer's own for R. Each layer "
         "gives the one below its share of the spikes' adjoint, to which that layer's own gS is added. Nothing is simulated again."),
        (Mistake("simulated again",
                 (("    below = (x, *(",
                   "    from refsnn.spec.network import Network, forward\n    trace = forward(Network(tuple(layers)), x)\n    below = (x, *("),),
                 "You run the ideal model again and differentiate that run. What counts is what was recorded: then the gradient knows about the "
                 "chip's imperfections."),
         Mistake("spikes from membranes",
                 (("(recorded.spikes for recorded in trace[:-1])", "((recorded.membrane > 1).astype(x.dtype) for recorded in trace[:-1])"),),
                 "You make spikes by comparing recorded membranes with the threshold. A chip samples the membrane before the spike and after the "
                 "reset: the recorded spikes say more."),
         Mistake("gS left out", (("gS_l + from_above", "0 * gS_l + from_above"),),
                 "The direct derivatives gS are left out: the regularisers, which act on spikes, have no effect."),
         Mistake("gV left out", (("(layer, recorded, gV_l,", "(layer, recorded, 0 * gV_l,"),),
                 "The direct derivatives gV of the hidden membranes are left out. They belong into the recursion of their layer, as those of the readout do."),
         Mistake("membranes from below", (("(recorded.spikes for recorded in trace[:-1])", "(recorded.membrane for recorded in trace[:-1])"),),
                 "What a layer receives from below is spikes. You take the membranes of the layer below."),
         Mistake("nothing from above", (("gS_l + from_above", "gS_l + 0 * from_above"),),
                 "A layer does not hear what the layer above it makes of its spikes: hidden layers learn nothing from the loss.")),
        ops=("backward",)),
)
