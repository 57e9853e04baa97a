"""Exercises 1-6: the decay, the neuron's step and run, its response to a spike, the latency code, the surrogate."""

import math

from refsnn.exercises.exercise import Exercise, Mistake, Question

LOOP = "n = 1\n    while (n + 1) * alpha > n:\n        n += 1"

FORWARD = (
    Exercise(
        "decay", "how much is left after a time step", "ode", ("exercises.tasks.decay",),
        "Solve tau dI/dt = -I by hand, and write the factor by which I is smaller a time dt later.",
        ("Which function is, but for a constant, its own derivative? How fast does it have to fall?",
         "Try I(t) = c e^(-k t). The equation gives k; the constant c drops out of I(t + dt) / I(t).",
         "The factor lies between 0 and 1, tends to 1 for a slow decay (large tau) and to 0 for a fast one; both times enter only as their ratio."),
        (Mistake("Euler", (("np.exp(-dt / tau)", "1 - dt / tau"),),
                 "This is one step of Euler's method, the first two terms of the series. The equation is linear: it can be solved exactly for a "
                 "step of any length. Yours even goes negative where dt is larger than tau."),
         Mistake("upside down", (("np.exp(-dt / tau)", "np.exp(-tau / dt)"),),
                 "The ratio of the two times stands on its head: with yours, a slow decay (large tau) leaves less than a fast one."),
         Mistake("implicit Euler", (("np.exp(-dt / tau)", "1 / (1 + dt / tau)"),),
                 "1 / (1 + dt/tau) is a step of the implicit Euler method, an approximation. This equation has an exact solution."),
         Mistake("growing", (("np.exp(-dt / tau)", "np.exp(dt / tau)"),),
                 "Yours grows. The sign in tau dI/dt = -I says that I loses a share of itself."),
         Mistake("what is lost", (("np.exp(-dt / tau)", "1 - np.exp(-dt / tau)"),),
                 "This is the share that is lost in the step; what is asked for is the share that is left.")),
        ops=("decay",)),
    Exercise(
        "psp_peak", "the peak of the post-synaptic potential", "neuron", ("exercises.tasks.psp_peak",),
        "One spike through weight 1 arrives at a neuron at rest. From I[t+1] = alpha I[t] + (spike) and V[t+1] = alpha V[t] + I[t+1], derive V "
        "after n steps; then say when it is largest, and how large. (alpha = 1/2: V = 1, 1, 3/4, ..)",
        ("Write down I and V for the first four steps. What does V gain in a step, what does it lose?",
         "V rises from n to n + 1 as long as the quotient of the two values is above 1. Write the quotient down; most of it cancels.",
         "Time goes in whole steps: do not look for the zero of a derivative, compare neighbours, beginning with n = 1, and stop when the next one "
         "is no larger. The power is one less than the number of steps, for the first step has seen no decay."),
        (Mistake("ten steps", ((LOOP, LOOP.replace("> n:", "> n and n < 10:")),),
                 "You look at the first ten steps only. A slow decay has its peak later (alpha = 0.97: n = 33); go on until V no longer rises."),
         Mistake("power", (("n * alpha ** (n - 1)", "n * alpha ** n"),),
                 "One decay too many: the spike is in V after its first step in full, so V = 1 there, not alpha."),
         Mistake("from zero", (("return n, n", "return n - 1, n"),),
                 "V is right, but your n is too small by one: after the first step, n = 1, V is 1. (An index of an array begins with 0.)"),
         Mistake("last of equal", (("(n + 1) * alpha > n:", "(n + 1) * alpha >= n:"),),
                 "Where two neighbouring values are equal, the smaller n is asked for; yours goes one step on."),
         Mistake("continuous", ((LOOP, "n = -1 / np.log(alpha)"),),
                 "This is where the derivative by a continuous n vanishes. Steps are whole: n must be one of 1, 2, 3, .."),
         Mistake("rounded", ((LOOP, "n = max(1, round(-1 / np.log(alpha)))"),),
                 "The whole number nearest to the peak of the continuous curve is nearly always the best one, but not always (alpha = 0.51: V is 1 "
                 "for n = 1, 1.02 for n = 2). Compare V of neighbouring n itself."),
         Mistake("rounded down", ((LOOP, "n = max(1, int(-1 / np.log(alpha)))"),),
                 "Yours cuts the peak of the continuous curve down to a whole number. The best whole n may lie above it: compare V of both "
                 "neighbours.")),
        questions=tuple(Question(f"alpha-{alpha:.4g}", {"alpha": alpha}, comment) for alpha, comment in (
            (0.5, "V = 1, 1, 3/4, ..: a tie, so n = 1"), (0.75, "V = 1, 3/2, 27/16, 27/16, ..: a tie, so n = 3"),
            (math.exp(-1.7 / 6), "the paper's: dt = 1.7 us, tau = 6 us"), (0.51, "V = 1, 1.02, 0.78"),
            (0.3, "V falls at once"), (0.88, "a slow decay"), (0.97, "a slower one: n = 33"))),
        results=("n", "V")),
    Exercise(
        "lif_step", "one step of a spiking neuron", "neuron", ("spec.neuron.lif_step",),
        "Write the step from the state at t to the state at t + 1.",
        ("Of each symbol on the right-hand side, say whether it is the value before the step or after it.",
         "The order matters: current, then membrane, then spike. The membrane takes the current that already holds this step's input; the reset is "
         "that of the spike which the step was given, not of the one it is about to find.",
         "Three lines. A membrane exactly at the threshold stays silent; what you return for the spikes has to be 0.0 or 1.0, and the arguments "
         "must be left as they were."),
        (Mistake("tie", (("(V > theta)", "(V >= theta)"),),
                 "A membrane exactly at the threshold must not spike: the comparison is strict (E3)."),
         Mistake("old current",
                 (("I = alpha * I + drive ", "I_old, I = I, alpha * I + drive "),
                  ("V = beta * V + I - theta * S", "V = beta * V + I_old - theta * S")),
                 "The membrane takes the current from before the step: an input reaches V one step late. E2 has I[t+1], not I[t]. (The paper's text "
                 "prints I[t]; its code, and this library, do not.)"),
         Mistake("reset to 0", (("beta * V + I - theta * S", "np.where(S > 0, 0.0, beta * V) + I"),),
                 "A spike puts your membrane to 0. In the model it takes theta off, so that what was above the threshold is kept."),
         Mistake("no reset", (("beta * V + I - theta * S", "beta * V + I"),),
                 "A spike has no consequence for its own membrane: the reset is missing."),
         Mistake("reset, then decay", (("beta * V + I - theta * S", "beta * (V - theta * S) + I"),),
                 "The reset has decayed by one step: theta is subtracted before the decay. In E2 it comes off after it, in full."),
         Mistake("reset at once", (("return I, V, S", "return I, V - theta * S, S"), ("beta * V + I - theta * S", "beta * V + I")),
                 "Your membrane is reset by the spike of the same step. E2 subtracts theta for the spike of t when it makes V[t+1]: what is "
                 "recorded at a spike is still above the threshold."),
         Mistake("reset by 1", (("beta * V + I - theta * S", "beta * V + I - S"),),
                 "The reset takes off 1. It takes off theta, whatever that is."),
         Mistake("threshold of 1", (("(V > theta)", "(V > 1)"),),
                 "You compare with 1. A neuron spikes above its own threshold, theta."),
         Mistake("input decays", (("I = alpha * I + drive ", "I = alpha * (I + drive) "),),
                 "The input has decayed by a step before it is seen. Only what was there decays; what comes in is added in full."),
         Mistake("input scaled", (("beta * V + I - theta * S", "beta * V + (1 - beta) * I - theta * S"),),
                 "The current enters with a factor 1 - beta. Many texts have it; this model does not: it is absorbed in the weights.")),
        ops=("lif_step",)),
    Exercise(
        "run_spiking", "a whole run, and the time index of the recurrence", "neuron", ("spec.neuron.run_spiking",),
        "Run a layer over all time steps with lif_step; it may be connected to itself, through R, or not: then R is None. "
        "neuron.constants(W.dtype) gives alpha, beta, theta.",
        ("Draw a time axis. An input of step t: at which step is it first seen in V? A neighbour's spike of step t?",
         "What drives the step from t to t + 1 are the input spikes of t and, where there is R, the layer's own spikes of t: those are known "
         "already, those of t + 1 are not.",
         "Keep the current from one round of the loop to the next; read membrane and spikes at t, write them at t + 1. The last input that counts "
         "is that of T - 2. R goes from row to column, as W does."),
        (Mistake("recurrence late", (("spikes[t] @ R", "spikes[t - 1] @ R"),),
                 "A spike reaches its neighbours one step too late: the recurrent term has the spikes of the step before."),
         Mistake("R transposed", (("spikes[t] @ R", "spikes[t] @ R.T"),),
                 "R is the wrong way round: entry [i, j] leads from neuron i to neuron j."),
         Mistake("input early", (("x[t] @ W", "x[t + 1] @ W"),),
                 "An input acts one step too early: x[t] belongs to the step from t to t + 1, so it is first seen in V[t+1]. Yours is seen in V[t]."),
         Mistake("current lost", (("I, membrane[t + 1], spikes", "_, membrane[t + 1], spikes"),),
                 "The current does not go on from one step to the next: each begins with none, so an input is gone after a step."),
         Mistake("one step early",
                 (("for t in range(T - 1)", "V = S = I\n    for t in range(T)"), ("spikes[t] @ R", "S @ R"),
                  ("I, membrane[t + 1], spikes[t + 1] = lif_step(I, membrane[t], spikes[t], drive", "I, V, S = lif_step(I, V, S, drive"),
                  ("    return Trace(", "        membrane[t], spikes[t] = V, S\n    return Trace(")),
                 "Your entry t is the state after the input of t, so everything is one step early. Entry 0 is the state before any input, 0."),
         Mistake("membranes sent", (("spikes[t] @ R", "membrane[t] @ R"),),
                 "Your neurons send each other their membranes. What travels along R is spikes, 0 or 1."),
         Mistake("recurrence subtracted", (("drive + spikes[t] @ R", "drive - spikes[t] @ R"),),
                 "You subtract what comes through R. Whether a connection inhibits is in the sign of its entry; it is added, as the input is."),
         Mistake("no recurrence", (("drive = drive + spikes[t] @ R", "pass"),),
                 "R has no effect: a layer's own spikes must add to what drives it.")),
        ops=("forward",)),
    Exercise(
        "latency", "the latency code", "code", ("spec.encoding.latency",),
        "A leaky integrator, tau_in dU/dt = x - U from U(0) = 0, is charged by a pixel's intensity x. When does U reach 0.2? Never, where x <= 0.2.",
        ("Towards which value does U go, and can it reach 0.2 at all?",
         "Solve for U(t) first: it approaches x exponentially. Then put it equal to the threshold and solve for t.",
         "The time is tau_in times the logarithm of a quotient above 1: the way from 0 to x, over what was still missing when the threshold was "
         "met. For dark pixels the time is infinite, and must not come out as NaN."),
        (Mistake("dark at 0", (("np.inf)", "0.0)"),),
                 "A pixel that never reaches the threshold has no spike, so its time is infinite. Yours spikes at once, before the brightest."),
         Mistake("dark unguarded",
                 (("np.maximum(intensity - THRESHOLD_IN, 0.0)", "intensity - THRESHOLD_IN"),
                  ("np.where(charged > 0, tau_in * np.log(intensity / charged), np.inf)", "tau_in * np.log(intensity / charged)")),
                 "Right for bright pixels. For dark ones the logarithm is that of a number that is not positive: NaN, where the time is infinite."),
         Mistake("sign", (("intensity / charged", "charged / intensity"),),
                 "Times before 0: the quotient in the logarithm stands on its head."),
         Mistake("log10", (("np.log(", "np.log10("),),
                 "Too short by 2.303: the solution of the differential equation has the natural logarithm."),
         Mistake("no threshold", (("intensity / charged", "1 / intensity"),),
                 "Bright pixels are early with yours, too, but the curve is another one: it does not contain the threshold. Solve U(t) = 0.2, do "
                 "not guess a function that falls."),
         Mistake("unit lost", (("tau_in * np.log", "np.log"),),
                 "Your time has no unit: it is counted in time constants. It is asked for in seconds.")),
        ops=("latency",),
        withheld=("t = tau_in ln(x / (x - 0.2)), ",)),
    Exercise(
        "surrogate", "the surrogate derivative and its primitive", "surrogate", ("spec.surrogate.superspike", "spec.surrogate.superspike_primitive"),
        "Write both; then differentiate the second by hand and see that the first comes out.",
        ("How high is the derivative at the threshold, and how high at a distance of 1 / slope?",
         "Write u = V - theta. For u > 0 the primitive is u / (1 + slope u): use the quotient rule. For u < 0 use that it is odd.",
         "The derivative is even in the distance from the threshold, 1 on it, 1/4 at a distance of 1 / slope. The primitive is odd, and tends to 1 "
         "/ slope. In both, the distance without its sign is in the denominator."),
        (Mistake("height", (("return 1 / (slope * np.abs(V - theta) + 1) ** 2", "return slope / (slope * np.abs(V - theta) + 1) ** 2"),),
                 "The peak has the height `slope`. Here it has the height 1: it is no derivative of a step of height 1 (its area is 2 / slope), "
                 "only a window for the gradient."),
         Mistake("no square", (("return 1 / (slope * np.abs(V - theta) + 1) ** 2", "return 1 / (slope * np.abs(V - theta) + 1)"),),
                 "The square is missing: at a distance of 1 / slope yours is 1/2, it must be 1/4."),
         Mistake("singular", (("return 1 / (slope * np.abs(V - theta) + 1) ** 2", "return 1 / (slope * np.abs(V - theta)) ** 2"),),
                 "Infinite at the threshold: without the 1 in the denominator the derivative is singular just where it matters."),
         Mistake("no modulus", (("(1 + slope * np.abs(V - theta))", "(1 + slope * (V - theta))"),),
                 "Right above the threshold, wrong below it, and singular at a distance of 1 / slope: in the denominator stands the distance, which "
                 "has no sign."),
         Mistake("theta is 1", (("return 1 / (slope * np.abs(V - theta) + 1) ** 2", "return 1 / (slope * np.abs(V - 1) + 1) ** 2"),
                                ("return (V - theta) / (1 + slope * np.abs(V - theta))", "return (V - 1) / (1 + slope * np.abs(V - 1))")),
                 "The peak is at 1 with you, whatever theta is. It belongs where the neuron spikes."),
         Mistake("theta forgotten", (("return 1 / (slope * np.abs(V - theta) + 1) ** 2", "return 1 / (slope * np.abs(V) + 1) ** 2"),),
                 "Your peak is at V = 0: the distance is that from theta."),
         Mistake("slope divides", (("return 1 / (slope * np.abs(V - theta) + 1) ** 2", "return 1 / (np.abs(V - theta) / slope + 1) ** 2"),),
                 "You divide the distance by slope: with yours a larger slope makes the peak wider. It makes it narrower."),
         Mistake("even", (("return (V - theta) / (1", "return np.abs(V - theta) / (1"),),
                 "Your primitive falls below the threshold. A function whose derivative is positive everywhere rises everywhere: the numerator "
                 "keeps its sign.")),
        ops=("surrogate", "surrogate_primitive")),
)
