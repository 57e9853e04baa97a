"""What learning needs of the spikes and of the scores: surrogate, loss."""

from refsnn.exercises.derivation.topic import Step, Topic

SOFTMAX = "exp(m[k])/sum(exp(m[j]) for j in range(K))"

SURROGATE = Topic(
    "surrogate", "A derivative for a step that has none",
    "S = 1 where V > theta, else 0. A gradient needs dS/dV.",
    (Step("The derivative of a step is 0 wherever there is one. With it no weight below a spike would ever learn.", ("d(step, V) == 0",)),
     Step("So another one, sigma', is put in its place, in the backward direction only: a peak at the threshold. It is a choice, not a consequence. "
          "Its meaning: a membrane that was near the threshold would have given another spike after a small change.",
          ("sigma(V) == 1/(beta_s*abs(V - theta) + 1)**2",), "E5"),
     Step("Its height is 1, and it has fallen to a quarter at a distance of 1/beta_s = 0.02 theta.",
          ("sigma(theta) == 1", "sigma(theta + 1/beta_s) == 1/4")),
     Step("It is the true derivative of a smooth function, Phi. A network without the reset that used Phi in place of the step would have the "
          "hand-written gradient as its exact one: that is how the gradient is tested (the smooth twin). With a reset by theta Phi(V[t]) it would "
          "not, for the hand-written gradient takes the reset for a constant.", ("Phi(V) == (V - theta)/(1 + beta_s*abs(V - theta))",)),
     Step("To see it, take u = V - theta > 0 and differentiate u/(1 + beta_s u) by the quotient rule. In the numerator beta_s u drops out.",
          ("((1 + beta_s*u) - u*beta_s)/(1 + beta_s*u)**2 == 1/(1 + beta_s*u)**2",)),
     Step("Phi is odd about the threshold, so its derivative is even: below the threshold the same formula holds with the distance in place of u. "
          "At the threshold both sides give 1.",
          ("Phi(theta - u) == -Phi(theta + u)", "d(Phi, V) == 1/(beta_s*abs(V - theta) + 1)**2")),
     Step("Its area on one side, up to a distance u, is Phi itself, and tends to 1/beta_s. A narrower peak (larger beta_s) of the same height lets "
          "less gradient through.",
          ("integral(lambda v: sigma(v), theta, theta + u) == u/(1 + beta_s*u)",))))

LOSS = Topic(
    "loss", "From membranes of the readout to a loss, and back",
    "One sample with the membranes V[t, k] of K readouts; label is the right class. For a batch of B samples every term "
    "but the weight decay, which no sample enters, is a mean over them, so that every derivative below but its own has a factor 1/B.",
    (Step("The score of a class is its largest membrane, in units of 1/R_out. The first step, t = 0, counts.",
          ("m[k] == R_out*max(V[t, k] for t in range(T))",), "E11"),
     Step("Scores become probabilities by softmax; the loss is the negative logarithm of that of the right class. The logarithm of the quotient is "
          "a difference.",
          (f"p[k] == {SOFTMAX}", "L == -log(p[label])", "L == log(sum(exp(m[j]) for j in range(K))) - m[label]")),
     Step("Differentiate: the logarithm of a sum of exponentials has the derivative exp(m[k]) over that sum, which is p[k]; the other term gives -1 "
          "for the right class, 0 for the others.",
          ("dL_dm[k] == p[k] - (1 if k == label else 0)",)),
     Step("exp overflows for scores above 709. A number a, taken off all scores, comes out of the logarithm again; with the largest score for a no "
          "exponent is above 0.",
          ("log(sum(exp(m[j]) for j in range(K))) == a + log(sum(exp(m[j] - a) for j in range(K)))",)),
     Step("The maximum follows the sample at which it is, with slope 1, and no other: move any other a little, and it stays. Where several are "
          "equal the derivative is not defined; the first one is taken. t_max[k] is its time.",
          ("gV[t, k] == (R_out*dL_dm[k] if t == t_max[k] else 0)",)),
     Step("With the sum over time in place of the maximum every step has slope 1.",
          ("m_sum[k] == R_out*sum(V[t, k] for t in range(T))", "gV_sum[t, k] == R_out*dL_sum_dm[k]"), "E12"),
     Step("Spikes cost energy. n[i] counts those of neuron i; the square makes bursts dearer than the same number of spikes of many neurons. N is "
          "the number of neurons.",
          ("n[i] == sum(S[t, i] for t in range(T))", "burst == rho_b*mean(n[i]**2 for i in range(N))"), "E13"),
     Step("S[t] is in n with slope 1 for every t, so the derivative is alike for all t. (It is a spike, but the formula is differentiated as if it "
          "were a number: what a change of a spike is, the surrogate decides.)", ("gS[t, i] == 2*rho_b*n[i]/N",)),
     Step("Large scores can be punished as well.", ("amplitude == rho_a*mean(m[k]**2 for k in range(K))", "damplitude_dm[k] == 2*rho_a*m[k]/K"),
          "E14"),
     Step("And large weights, of spiking layers; w[j] are the entries of W, J their number.",
          ("decay == rho_w*mean(w[j]**2 for j in range(J))", "ddecay_dw[j] == 2*rho_w*w[j]/J"), "E15"),
     Step("Last, an upper bound on the spikes of a whole layer: below theta_r it is 0, and so is its derivative; above, the square grows from 0, so "
          "there is no kink.",
          ("total == sum(n[i] for i in range(N))", "bound == rho_r*max(0, total - theta_r)**2", "dbound_dS == 2*rho_r*max(0, total - theta_r)"),
          "E16"),
     Step("The objective is the sum of these: of burst, bound and decay one for every spiking layer (here there is one), of loss and amplitude one. "
          "All derivatives above add up likewise.", ("objective == L + amplitude + burst + bound + decay",))))
