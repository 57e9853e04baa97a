"""The backward direction: injection, adjoint, jacobian."""

from refsnn.exercises.derivation.topic import Step, Topic

INJECTION = Topic(
    "injection", "Differentiating what somebody else has run",
    "The forward pass ran on a chip. It is no function that could be differentiated: neurons differ, there is noise, and nobody knows the "
    "parameters. What is known is the trace: V and S as recorded.",
    (Step("Let r be a recorded quantity, M the ideal model's expression for it (a function of earlier quantities and of the weights), and M_now the "
          "number that M has. Put a sum in the place of both: its value is what was recorded, since the last two terms cancel.",
          ("Y(M) == r + M - M_now", "Y(M_now) == r")),
     Step("But as M changes, so does Y, with slope 1; r and M_now are constants. So every value is the chip's, and every derivative is the model's.",
          ("d(Y, M) == 1",), "E6"),
     Step("Apply this to the step. V[t+1] is recorded, and its model is beta V[t] + I[t+1]: the derivative by V[t] is beta. The reset is the chip's "
          "own affair; it is in the recorded values and in no derivative, not even where there was a spike.", ("dV_dV[t + 1, t] == beta",)),
     Step("Currents are not recorded; they are the model's. I[t] enters V[t] with slope 1.", ("dV_dI[t, t] == 1",)),
     Step("S[t] is recorded, and its model is the step of the membrane: its derivative is the surrogate, taken at the recorded membrane.",
          ("dS_dV[t, t] == sigma(V[t])",)),
     Step("What is left to the backward pass is the trace and the ideal parameters. It cannot tell who made the trace: that is why a gradient can "
          "be computed for any hardware."),))

ADJOINT = Topic(
    "adjoint", "Back-propagation through time, by hand",
    "L is any function of all membranes and spikes. gV[t] and gS[t] are its direct derivatives, those that page loss gives. But V[t] also acts on L "
    "through everything that comes after it. The adjoint of a quantity is the derivative of L by it along all ways. Adjoints are rows, one entry a "
    "neuron, as the quantities are.",
    (Step("Three kinds of quantities, three adjoints, by definition. Page injection says what their derivatives by each other are.",
          ("lamS[t] == dL_dS[t]", "lamV[t] == dL_dV[t]", "lamI[t] == dL_dI[t]")),
     Step("The chain rule: the adjoint of a quantity is its direct derivative, plus, for everything that it enters directly, the derivative of that "
          "by it times the adjoint of that. So ask of each of the three: what does it enter?"),
     Step("S_i[t] enters the currents I_j[t+1] of its own layer through R[i, j], and those of the layer above through W_above[i, j] (E1). It enters "
          "nothing else: the reset counts as a constant.",
          ("dI_dS[t + 1, t] == R.T", "dI_above_dS[t + 1, t] == W_above.T")),
     Step("The adjoint of S_i sums R[i, j] lamI_j over j, which is a product with the transpose. So forward from row to column, backward from "
          "column to row.",
          ("lamS[t] == gS[t] + lamI_above[t + 1] @ W_above.T + lamI[t + 1] @ R.T",), "E7"),
     Step("V[t] enters S[t] of the same t, with the surrogate derivative (E5, E6), and V[t+1], with beta (E2).",
          ("dS_dV[t, t] == sigma(V[t])", "dV_dV[t + 1, t] == beta")),
     Step("Both are of one neuron, so these are products entry by entry.", ("lamV[t] == gV[t] + sigma(V[t])*lamS[t] + beta*lamV[t + 1]",), "E8"),
     Step("I[t] enters V[t] of the same t, with 1 (E2 has I[t+1] in V[t+1]), and I[t+1], with alpha (E1). L does not depend on currents directly.",
          ("dV_dI[t, t] == 1", "dI_dI[t + 1, t] == alpha", "lamI[t] == lamV[t] + alpha*lamI[t + 1]"), "E9"),
     Step("A readout has no spikes: the term with S is missing. In its gV is the loss.",
          ("lamV_out[t] == gV_out[t] + beta*lamV_out[t + 1]", "lamI_out[t] == lamV_out[t] + alpha*lamI_out[t + 1]")),
     Step("After the last step there is nothing to act on, so every adjoint is 0 there. That starts the recursion, at t = T - 1; in each step first "
          "S, then V, then I, for each needs the one before. It ends at t = 1, for the states at t = 0 are given.", ("lamV[T] == 0", "lamI[T] == 0")),
     Step("A weight W[i, j] enters I_j[t+1] at every t, multiplied with S_below_i[t]. The ways through all t add up: a column times a row for each "
          "t. In a batch S_below[t] and lamI[t+1] have a row for every sample, and the product of the matrices adds up over them as well; the factor 1/B "
          "of their mean is in gV and gS (page loss) already.",
          ("dL_dW == sum(S_below[t].T @ lamI[t + 1] for t in range(T - 1))",), "E10"),
     Step("R likewise, with the layer's own spikes. The last spikes, S[T-1], meet no current: the sum ends before them.",
          ("dL_dR == sum(S[t].T @ lamI[t + 1] for t in range(T - 1))",))))

JACOBIAN = Topic(
    "jacobian", "The same as a matrix, and why it is never built",
    "One neuron with a synapse of weight r onto itself, and x[t] coming in from below. Its state is (I, V, S)[t]: with the inputs, everything that comes "
    "later follows from it. The reset is left out, for it is in no derivative (page injection); L is as on page adjoint.",
    (Step("Write the step with nothing but values of t on the right-hand side: V[t+1] contains I[t+1] (E2), and that contains I[t] and S[t] (E1).",
          ("I[t + 1] == alpha*I[t] + r*S[t] + x[t]", "V[t + 1] == beta*V[t] + alpha*I[t] + r*S[t] + x[t]")),
     Step("Differentiate both, one entry after the other, with the other two of the state held.",
          ("dI_dI[t + 1, t] == alpha", "dI_dV[t + 1, t] == 0", "dI_dS[t + 1, t] == r",
           "dV_dI[t + 1, t] == alpha", "dV_dV[t + 1, t] == beta", "dV_dS[t + 1, t] == r")),
     Step("S[t+1] follows V[t+1] with the slope of the surrogate (E5), so its three are those of V[t+1] times that. These are the nine entries of the Jacobian.",
          ("dS_dI[t + 1, t] == sigma(V[t + 1])*alpha", "dS_dV[t + 1, t] == sigma(V[t + 1])*beta", "dS_dS[t + 1, t] == sigma(V[t + 1])*r")),
     Step("Let muI, muV, muS be the derivatives of L by the three of a state, with the other two of the same t held: what L still sees of V[t] is then gV[t] and what comes "
          "after t. By the chain rule each is its direct derivative plus its column of the Jacobian times those of t + 1.",
          ("muI[t] == alpha*muI[t + 1] + alpha*muV[t + 1] + sigma(V[t + 1])*alpha*muS[t + 1]",
           "muV[t] == gV[t] + beta*muV[t + 1] + sigma(V[t + 1])*beta*muS[t + 1]",
           "muS[t] == gS[t] + r*muI[t + 1] + r*muV[t + 1] + sigma(V[t + 1])*r*muS[t + 1]")),
     Step("The same sums stand in them again and again. Name them: what V[t] does, also by way of S[t]; what I[t] does, also by way of V[t].",
          ("lamS[t] == muS[t]", "lamV[t] == muV[t] + sigma(V[t])*muS[t]", "lamI[t] == muI[t] + lamV[t]")),
     Step("These are the adjoints of page adjoint, for which nothing of the same t is held. With them the three lines become short, and put into each other "
          "they are E7 (where a layer above adds its share to gS), E8 and E9. So the recursion is the product with the transposed Jacobian, with every common "
          "sum computed once.",
          ("muS[t] == gS[t] + r*lamI[t + 1]", "muV[t] == gV[t] + beta*lamV[t + 1]", "muI[t] == alpha*lamI[t + 1]"))))
