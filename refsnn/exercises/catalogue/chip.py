"""Exercises 15-17: weights of 6 bits, straight-through, the analog step and its singular limit."""

import numpy as np

from refsnn.exercises.exercise import Exercise, Mistake, Question

RETURN = "return h * np.exp(-np.minimum(rate_mem, rate_syn)) * ratio"
PLAIN = "(np.exp(-h / tau_mem) - np.exp(-h / tau_syn)) / (1 / tau_syn - 1 / tau_mem)"
QUOTIENT = "np.where(d > 0, -np.expm1(-d) / np.where(d > 0, d, 1), 1.0)"

CHIP = (
    Exercise(
        "load_weights", "weights of 6 bits", "chip", ("chip.synapses.load_weights",),
        "Round a matrix of weights to what the chip can hold, and return it in the model's unit. weight_scale gives the number of steps (LSB) in a "
        "weight of 1.",
        ("How many different weights can a synapse have, and what becomes of one that is too large?",
         "Scale, round, clip, and scale back. A tie between two integers goes to the even one, as numpy's rounding has it.",
         "The codes go from -levels to levels. With levels = 0 the weights are to be left as they are; the dtype is that of W."),
        (Mistake("not clipped", ((".clip(-levels, levels)", ""),),
                 "Large weights are not clipped: the chip has 6 bits, codes -63 .. 63."),
         Mistake("63 always", ((".clip(-levels, levels)", ".clip(-63, 63)"),),
                 "You clip at 63, whatever levels is: a chip with fewer bits has smaller codes."),
         Mistake("240 always", (("scale = weight_scale(W, spiking, levels)", "scale = 240.0"),),
                 "The scale is 240 with you in every layer. In the readout it follows from the largest weight: weight_scale knows."),
         Mistake("cut", (("np.rint(scale * W)", "np.trunc(scale * W)"),),
                 "You cut towards 0; it is to be rounded to the nearest. All weights become too small by half a step on average."),
         Mistake("rounded down", (("np.rint(scale * W)", "np.floor(scale * W)"),),
                 "You round down, so that all weights become smaller by half a step on average. It is to be rounded to the nearest."),
         Mistake("ties away from 0", (("np.rint(scale * W)", "(np.sign(W) * np.floor(np.abs(scale * W) + 0.5))"),),
                 "Only ties are wrong: you take them away from 0, and they go to the even code (2.5 to 2, 3.5 to 4)."),
         Mistake("ties up", (("np.rint(scale * W)", "np.floor(scale * W + 0.5)"),),
                 "Only ties are wrong: a weight in the middle between two codes goes to the even one."),
         Mistake("unsigned", ((".clip(-levels, levels)", ".clip(0, levels)"),),
                 "Negative weights are lost. A synapse is unsigned, but a signed input takes two rows of them: codes go from -63 to 63."),
         Mistake("weights clipped", (("(np.rint(scale * W).clip(-levels, levels) / scale)", "(np.rint(scale * W.clip(-1, 1)) / scale)"),),
                 "You clip the weights, at 1. What has an end is the code, at 63, which is a weight of 63/scale."),
         Mistake("codes", (("clip(-levels, levels) / scale)", "clip(-levels, levels))"),),
                 "You return codes; asked for are weights in the model's unit: scale back.")),
        questions=(
            Question("first", {"W": np.array([[0.25, -0.125, 0.0]]), "spiking": True, "levels": 63}, "codes 60, -30, 0 of a scale of 240"),
            Question("large", {"W": np.array([[0.5, -2.0, 0.3]]), "spiking": True, "levels": 63}, "codes 63, -63, 63: clipped"),
            Question("five-bits", {"W": np.array([[0.25, -0.25, 0.0625]]), "spiking": True, "levels": 31}, "codes 31, -31, 15: clipped at levels"),
            Question("as-they-are", {"W": np.array([[0.3, -2.0]]), "spiking": True, "levels": 0}, "levels = 0: as they are"),
            Question("readout", {"W": np.array([[0.5, -0.3, 0.1]]), "spiking": False, "levels": 63}, "scale 63 / 0.5 = 126: codes 63, -38, 13"),
            Question("ties", {"W": np.array([[1, 3, 5, -1, -3, 126]]) / 128, "spiking": False, "levels": 63},
                     "scale 64: 0.5, 1.5, 2.5, .. go to the even ones"),
            Question("small-readout", {"W": np.array([[0.01, -0.007]]), "spiking": False, "levels": 63}, "scale 250, not more"))),
    Exercise(
        "straight_through", "learning through a rounding", "chip", ("exercises.tasks.straight_through_step",),
        "One step of learning with a chip in the loop: the loss sees rounded weights, the update goes to the floats.",
        ("The derivative of a rounding is 0 almost everywhere. What would the weights do if you used that?",
         "Two matrices are in play: the one on the chip, at which the loss is taken, and the master copy, which is changed. Where does each appear?",
         "Loss and gradient belong to the chip's weights; the step, which is smaller than a code, is added to the floats, so that many small ones "
         "add up to a code."),
        (Mistake("master rounded", (("return W - rate * (chip", "return chip - rate * (chip"),),
                 "You step from the rounded weights, so what was rounded off is forgotten in each step: steps smaller than half a code have no "
                 "effect for ever."),
         Mistake("gradient at the floats", (("rate * (chip - target)", "rate * (W - target)"),),
                 "The loss is that of the chip's weights; you take its gradient at the floats, which no chip has run."),
         Mistake("ascent", (("return W - rate *", "return W + rate *"),),
                 "You go up the gradient. The loss grows."),
         Mistake("two too many", (("return W - rate *", "return W - 2 * rate *"),),
                 "Twice the step: the 1/2 of the loss takes the 2 of the square away."),
         Mistake("true derivative", (("return W - rate * (chip - target)", "return W - 0 * rate * (chip - target)"),),
                 "Nothing moves: the true derivative of a rounding is 0. Straight through means to put 1 in its place."),
         Mistake("result rounded", (("return W - rate * (chip - target)", "return np.rint(scale * (W - rate * (chip - target))) / scale"),),
                 "You round the new weights. The master copy is never rounded; that happens when they are loaded onto the chip.")),
        questions=(Question("quarter", {"W": np.array([[0.375]]), "target": np.array([[1.0]]), "rate": 0.125, "scale": 2.0},
                            "on the chip 0.375 is 1/2; the gradient is 1/2 - 1"),
                   Question("rounded-away", {"W": np.array([[0.125, -0.125]]), "target": np.array([[0.0, 0.5]]), "rate": 0.5, "scale": 1.0},
                            "on the chip both are 0"),
                   Question("matrix",
                            {"W": np.array([[0.3, -0.7], [1.2, 0.05]]), "target": np.array([[0.0, 1.0], [1.0, -1.0]]), "rate": 0.1, "scale": 4.0},
                            "several weights"))),
    Exercise(
        "transfer", "the analog step and its singular limit", "chip", ("chip.dynamics.transfer",),
        "A current 1 at time 0 decays with tau_syn; a leaky membrane integrates it with tau_mem. Solve the integral  c = int_0^h "
        "exp(-(h-s)/tau_mem) exp(-s/tau_syn) ds, and write it so that it holds to the last digits for equal and for nearly equal time constants. "
        "tau_mem and tau_syn may be arrays, one entry a neuron. The check runs a neuron with it: U_next = exp(-h/tau_mem) U + c(tau_exc) I_exc + c(tau_inh) I_inh, "
        "where I_exc and I_inh are the currents of its two kinds of synapses.",
        ("Do the integral for different time constants. What is it 0/0 of, when they are equal, and what is its limit?",
         "The result is a difference of two exponentials over a difference of two rates. Where the rates nearly agree, both differences lose their "
         "digits. Take one exponential out as a factor.",
         "What then remains is (1 - e^-d) / d, where d is the difference of the two rates times h; numpy has a function that gives e^x - 1 without "
         "cancellation. Where d is exactly 0 that quotient has a limit, which you must put in yourself; take out the slower decay, so that nothing "
         "overflows."),
        (Mistake("limit 0", ((QUOTIENT, QUOTIENT.replace("1.0)", "0.0)")),),
                 "With equal time constants the synapse is disconnected: 0/0 was replaced by 0. Its limit is not 0 (this happened in a real "
                 "prototype)."),
         Mistake("not a number", ((QUOTIENT, "-np.expm1(-d) / d"),),
                 "NaN where the time constants are equal: 0/0. It has a limit there."),
         Mistake("cancellation", ((QUOTIENT, "np.where(d > 0, (1 - np.exp(-d)) / np.where(d > 0, d, 1), 1.0)"),),
                 "Right for equal and for different time constants, but where they nearly agree 1 - e^-d loses its digits: at d = 1e-9 half of them "
                 "are gone."),
         Mistake("no decay", (("return h * np.exp(-np.minimum(rate_mem, rate_syn)) * ratio", "return h * ratio"),),
                 "One exponential was taken out as a factor, and then left out."),
         Mistake("plain quotient", ((RETURN, f"return {PLAIN}"),),
                 "The plain quotient is 0/0 where the time constants are equal, and loses digits where they nearly are."),
         Mistake("plain quotient, 0 for 0/0", ((RETURN, f"return np.where(d > 0, {PLAIN}, 0.0)"),),
                 "The plain quotient, with 0 in place of 0/0: with equal time constants the synapse is disconnected, and where they nearly agree the "
                 "quotient loses its digits."),
         Mistake("membrane's decay",
                 (("d = np.abs(rate_mem - rate_syn)", "d = rate_syn - rate_mem"),
                  (QUOTIENT, "np.where(d == 0, 1.0, -np.expm1(-d) / np.where(d == 0, 1, d))"), ("np.minimum(rate_mem, rate_syn)", "rate_mem")),
                 "Right, until the membrane is much the faster one: you always take out its decay, and 0 times infinity is left. Take out the slower "
                 "decay, whichever it is."),
         Mistake("overflow", ((QUOTIENT, QUOTIENT.replace("-np.expm1(-d)", "np.expm1(d)")), ("-np.minimum(rate_mem", "-np.maximum(rate_mem")),
                 "Right, until one of the two is much faster: then your quotient overflows, and 0 times infinity is left. Take out the slower "
                 "decay."),
         Mistake("over tau", ((RETURN, f"{RETURN} / tau_mem"),),
                 "Yours is smaller by a factor tau_mem, as if the current were divided by it on its way in. Take the integral as it stands."),
         Mistake("faster decay", (("-np.minimum(rate_mem", "-np.maximum(rate_mem"),),
                 "The factor taken out is that of the faster decay; with the remaining quotient it has to be the slower one.")),
        ops=("analog_step",), exact=True,
        withheld=("""
    (exp(-h/tau_m) - exp(-h/tau_s)) / (1/tau_s - 1/tau_m), written as h exp(-h/tau_slow) (1 - exp(-d)) / d with d = |h/tau_m -
    h/tau_s|: the plain quotient is 0/0 at tau_m = tau_s, and a guard that returns 0 there disconnects the synapse. The slower
    time constant is taken out so that nothing overflows when one of them is tiny.
""", "           # h exp(-h/tau)")),
)
