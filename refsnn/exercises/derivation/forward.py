"""From the differential equations to a step of the network: ode, neuron, code."""

from refsnn.exercises.derivation.topic import Step, Topic

ODE = Topic(
    "ode", "From the differential equations to a time step",
    "An analog neuron has a synaptic current J and a membrane U. This page goes from their two differential equations to E1 and E2. Nothing is "
    "approximated on the way: as long as nothing spikes, the discrete model is the continuous one, looked at every dt.",
    (Step("The current loses a share of itself in every instant; tau_syn says how large. That is the model, and the first of its two equations.",
          ("tau_syn*d(J, t) == -J(t)",)),
     Step("Try J(t) = a exp(-k t). The equation gives k = 1/tau_syn, the value at 0 gives a. There is no other solution: multiply any solution by "
          "exp(t/tau_syn), and the product has the derivative 0.", ("J(t) == J(0)*exp(-t/tau_syn)",)),
     Step("So a step of any length h multiplies J with a number that depends on nothing but h; for h = dt it is called alpha.",
          ("alpha == exp(-dt/tau_syn)", "J(t + dt) == alpha*J(t)")),
     Step("The membrane leaks likewise, with tau_mem, and is charged by the current: the second equation. U counts from the leak potential.",
          ("d(U, t) == -U(t)/tau_mem + J(t)",)),
     Step("Multiply it by exp(t/tau_mem). By the product rule the two terms with U are then the derivative of one product, G, so that what is left "
          "can be integrated.",
          ("G(t) == exp(t/tau_mem)*U(t)", "d(G, t) == exp(t/tau_mem)*J(t)")),
     Step("Integrate from t to t + h, and divide by exp((t + h)/tau_mem). What was in the membrane has decayed by exp(-h/tau_mem); what came in at "
          "t + s has decayed for the rest of the time, h - s.", ("U(t + h) == exp(-h/tau_mem)*U(t) + integral(lambda s: exp(-(h - s)/tau_mem)*J(t + "
                                                                 "s), 0, h)",)),
     Step("In between J decays as found above: J(t + s) = J(t) exp(-s/tau_syn). J(t) is a constant of the integral, so the membrane gains a "
          "multiple of it, c(h). (Page chip solves the integral.)",
          ("c(h) == integral(lambda s: exp(-(h - s)/tau_mem)*exp(-s/tau_syn), 0, h)", "U(t + h) == exp(-h/tau_mem)*U(t) + c(h)*J(t)")),
     Step("Now let spikes arrive, only at the times t dt, t = 0, 1, ..: each adds kappa times its weight to the current at once. Call J_after[t] "
          "the current just after those of step t have arrived, U_at[t] the membrane at that time (it does not jump), and drive[t] the sum of the "
          "weights of the spikes.",
          ("J_after[t + 1] == alpha*J_after[t] + kappa*drive[t + 1]", "beta == exp(-dt/tau_mem)", "U_at[t + 1] == beta*U_at[t] + c(dt)*J_after[t]")),
     Step("kappa is a matter of units. Choose it so that one spike through weight 1 lifts the membrane by 1 within its first step.",
          ("kappa == 1/c(dt)",)),
     Step("Measure the current, too, by what it adds to the membrane in a step: I[t+1] is c(dt) times the current during the step from t to t + 1. "
          "Multiply the equation of J_after by c(dt): the input comes in with the factor c(dt) kappa = 1.",
          ("I[t + 1] == c(dt)*J_after[t]", "I[t + 1] == alpha*I[t] + drive[t]"), "E1"),
     Step("And the membrane takes I[t+1], the current that already holds the input of t: not I[t], which is the one of the step before. With V[t] "
          "for U_at[t] this is E2, but for the reset.",
          ("V[t] == U_at[t]", "V[t + 1] == beta*V[t] + I[t + 1]"), "E2")))

NEURON = Topic(
    "neuron", "The neuron in discrete time, and what one spike does to it",
    "E1 and E2 come from page ode. Here spikes, reset and connections are added, and the response to one spike is worked out. A run has the steps "
    "t = 0 .. T - 1, and begins at rest.",
    (Step("At t = 0 there is no current, the membrane is at the leak potential, from which it counts, and nothing has spiked.",
          ("I[0] == 0", "V[0] == 0", "S[0] == 0")),
     Step("What drives a neuron at t are the spikes of t, from below through W and from its own layer through R. Rows of W and R are the senders, "
          "columns the receivers, so the spikes (a row) stand on the left.",
          ("drive[t] == S_below[t] @ W + S[t] @ R", "I[t + 1] == alpha*I[t] + S_below[t] @ W + S[t] @ R"),
          "E1"),
     Step("A neuron spikes where its membrane is above the threshold. On the threshold it does not: a choice that has to be made once, for in "
          "floating point ties do happen.",
          ("S[t + 1] == (1 if V[t + 1] > theta else 0)",), "E3"),
     Step("A spike takes theta off the membrane. The spike of t is known only after V[t] is, so it can act on V[t+1] first: the reset comes one "
          "step late, in full, and V[t] is recorded as it was compared with the threshold. To take theta off, rather than to set the membrane to a "
          "value, is a choice: what a neuron had above its threshold is not lost, and the step is linear in V, I and S. (The chip sets it to a value.)", ("V[t + 1] == beta*V[t] + I[t + 1] - theta*S[t]",),
          "E2"),
     Step("A readout does not spike, so it has no reset.",
          ("I_out[t + 1] == alpha*I_out[t] + S[t] @ W_out", "V_out[t + 1] == beta*V_out[t] + I_out[t + 1]"), "E4"),
     Step("One spike at t = 0 through weight w, to a neuron at rest: i and v are its current and membrane after n steps. The current is w after the "
          "first step and decays from then on.",
          ("i[n] == w*alpha**(n - 1)",)),
     Step("What the current adds in step k then decays with the membrane, n - k times.",
          ("v[n] == sum(beta**(n - k)*i[k] for k in range(1, n + 1))",)),
     Step("This is a geometric sum with the quotient alpha/beta. Multiplied by (beta - alpha), all terms cancel but the first and the last.",
          ("v[n]*(beta - alpha) == w*(beta**n - alpha**n)",)),
     Step("Where alpha = beta all n terms of the sum are equal, and there is nothing to divide by.", ("v_equal[n] == w*n*alpha**(n - 1)",)),
     Step("From n to n + 1 that is multiplied with a quotient that falls with n. V rises as long as it is above 1, so the peak is at the first n "
          "with (n + 1) alpha <= n: n = 4 for the paper's alpha = 0.753.", ("v_equal[n + 1]/v_equal[n] == (n + 1)/n*alpha",))))

CODE = Topic(
    "code", "From a pixel to the time of its spike",
    "A pixel of intensity x, from 0 to 1, is to spike the earlier the brighter it is. The code takes the time at which a leaky integrator U, "
    "empty at first and charged with x, crosses 0.2.",
    (Step("The integrator leaks with tau_in and is driven towards x.", ("tau_in*d(U, t) == x - U(t)",)),
     Step("x - U obeys the equation of a decay, tau_in d(x - U)/dt = -(x - U), and is x at the start, since U(0) = 0; so it decays as found on page ode.",
          ("U(t) == x*(1 - exp(-t/tau_in))",)),
     Step("U approaches x and never passes it: for x <= 0.2 there is no crossing, and no spike. Otherwise put U = 0.2 and solve: exp(-t/tau_in) = "
          "(x - 0.2)/x, and take the logarithm.",
          ("U(t_x) == theta_in", "t_x == tau_in*log(x/(x - theta_in))")),
     Step("Time bins start with the earliest spike that there can be, that of a white pixel, x = 1. A run has the bins 0 .. T - 1: a pixel whose bin is "
          "T or later does not spike in it.",
          ("t_white == tau_in*log(1/(1 - theta_in))", "bin == floor((t_x - t_white)/dt)"), "E18")))
