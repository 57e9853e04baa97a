"""Exercises 7-9: the maximum over time, the loss, the burst regulariser, each with its derivative."""

from refsnn.exercises.exercise import Exercise, Mistake

ONE_SAMPLE = "sample, k = np.indices(dV.shape, sparse=True)\n    gV[V.argmax(axis=0), sample, k] = dV"

OBJECTIVE = (
    Exercise(
        "scores", "the maximum over time and its derivative", "loss", ("spec.loss.scores", "spec.loss.scores_adjoint"),
        "Write the scores of a readout, and how a derivative of the loss by them becomes one by its membranes. objective has the fields "
        "readout_scale (R_out) and reduce (\"max\" or \"sum\", over time).",
        ("Move one membrane V_k[t] a little: does the maximum move? And the sum?",
         "The maximum has the derivative 1 by the sample at which it is, 0 by all others. Where several are equal, the first is meant, as argmax "
         "has it.",
         "The scale is in the derivative as it is in the score. For the maximum, fill an array of zeros at one t of every sample and class; numpy's "
         "indexing takes three index arrays at once; a loop over samples and classes is as good."),
        (Mistake("scale lost", (("dV = objective.readout_scale * dm", "dV = dm"),),
                 "The score is R_out times the maximum, so its derivative has the factor R_out: the chain rule lost it."),
         Mistake("all maxima", ((ONE_SAMPLE, "gV[:] = dV * (V == V.max(axis=0))"),),
                 "Where several samples are equal and largest, each of yours gets the whole derivative. It goes to one, the first."),
         Mistake("last maximum", (("V.argmax(axis=0)", "len(V) - 1 - V[::-1].argmax(axis=0)"),),
                 "Of equal maxima yours takes the last; the first is meant."),
         Mistake("every sample", ((ONE_SAMPLE, "gV[:] = dV"),),
                 "Every time step gets the derivative. That is right for the sum over time; the maximum has one step that counts."),
         Mistake("last step", (("V.max(axis=0)", "V[-1]"),),
                 "This is the membrane at the end of the run, not the largest of the run.")),
        ops=("scores", "scores_adjoint")),
    Exercise(
        "cross_entropy", "the loss, and its derivative by the scores", "loss", ("spec.loss.cross_entropy",),
        "Write the loss, and derive its derivative by the scores.",
        ("For one sample, write -log softmax(m)[label] as a difference of two terms. What is the derivative of each by m_k?",
         "The first term is -m_label; the second the logarithm of a sum of exponentials, whose derivative by m_k is a number between 0 and 1 that "
         "you know.",
         "The batch enters as a mean, in the loss and so in its derivative. The largest score of each sample is to be taken off first: that changes "
         "nothing but the range of the numbers."),
        (Mistake("mean lost in the derivative", (("dm / len(m)", "dm"),),
                 "The loss is a mean over the batch; the derivative of a mean has the factor 1/B, and yours lacks it."),
         Mistake("sum over the batch", ((".mean(), dm / len(m)", ".sum(), dm"),),
                 "You sum over the batch. It is a mean: otherwise the learning rate would have to follow the batch size."),
         Mistake("overflow", (("m - m.max(axis=1, keepdims=True)", "m + 0"),),
                 "Right, until a score is above 709: there the exponential overflows. Softmax does not change when one number is taken off all "
                 "scores of a sample; take off the largest."),
         Mistake("no one-hot", (("dm[rows, labels] -= 1", "pass"),),
                 "Your derivative is the softmax itself: it pushes every score down, the right one too. The derivative of the first term, -m_label, "
                 "is missing."),
         Mistake("in bits", (("-log_softmax[rows, labels].mean(), dm", "-log_softmax[rows, labels].mean() / np.log(2), dm"),),
                 "Your loss is in bits, 1.443 times too large: it has the natural logarithm, and only so is your dm its derivative."),
         Mistake("mean over the classes", (("dm / len(m)", "dm / m.size"),),
                 "Your derivative is divided by the number of classes, too. The mean is over the samples of the batch."),
         Mistake("sign", (("dm / len(m)", "-dm / len(m)"),),
                 "The sign of the derivative is wrong: descending it would raise the loss.")),
        ops=("cross_entropy",),
        withheld=(" = (softmax(m) - onehot) / B",)),
    Exercise(
        "burst", "the burst regulariser", "loss", ("spec.loss.burst",),
        "Write the regulariser and its derivative. A spike is 0 or 1, but the formula may be differentiated by S_i[t] as if it were a number.",
        ("n is a sum over t. What is dn/dS[t], and on which t does it depend?",
         "Chain rule: the derivative of n^2 by n, times the derivative of n by S[t]; and there is a mean over how many terms?",
         "The derivative is alike for all t, so one number a sample and neuron is enough, (B, N). It grows with the number of spikes: that is why "
         "bursts are punished more than single spikes."),
        (Mistake("two lost", (("2 * rho * n / n.size", "rho * n / n.size"),),
                 "Half of what it should be: the derivative of a square brings a 2."),
         Mistake("mean lost", (("2 * rho * n / n.size", "2 * rho * n"),),
                 "The value is a mean over batch and neurons, so the derivative is divided by their number."),
         Mistake("sum for mean", (("np.mean(n**2), 2 * rho * n / n.size", "np.sum(n**2), 2 * rho * n"),),
                 "You sum over batch and neurons, in the value and in the derivative. E13 has the mean: a sum would punish a larger layer more."),
         Mistake("square outside", (("np.mean(n**2)", "np.mean(n) ** 2"),),
                 "The square of the mean is not the mean of the squares: yours does not see whether one neuron spikes ten times or ten spike once."),
         Mistake("rate for count", (("n = S.sum(axis=0)", "n = S.mean(axis=0)"),),
                 "n is the number of spikes; yours is that number divided by T."),
         Mistake("alike for all", (("2 * rho * n / n.size", "2 * rho * np.ones_like(n) / n.size"),),
                 "Your derivative does not depend on how often the neuron spiked: that would be the derivative of a sum, not of a sum of squares.")),
        ops=("burst",),
        withheld=(" 2 rho_b n / (B N)",)),
)
