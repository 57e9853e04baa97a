"""The chip: the analog step, and weights of 6 bits."""

from refsnn.exercises.derivation.topic import Step, Topic

CHIP = Topic(
    "chip", "The analog step without cancellation, and learning through a rounding",
    "Page ode left an integral, c(h): the membrane that a current 1, decaying with tau_syn, has left in it after h. The emulated chip uses it on a "
    "fine grid, where each neuron has its own time constants.",
    (Step("What does not depend on s comes out of the integral; one exponential is left.",
          ("c(h) == exp(-h/tau_mem)*integral(lambda s: exp(-s*(1/tau_syn - 1/tau_mem)), 0, h)",)),
     Step("For different time constants it is elementary.", ("c(h) == (exp(-h/tau_mem) - exp(-h/tau_syn))/(1/tau_syn - 1/tau_mem)",)),
     Step("For equal ones that is 0/0, and for nearly equal ones both differences lose their digits. Write it with the difference of the exponents "
          "instead.",
          ("delta == h/tau_syn - h/tau_mem", "c(h) == h*exp(-h/tau_mem)*((1 - exp(-delta))/delta)")),
     Step("The last factor is harmless: its series has no delta in the denominator, and expm1 computes 1 - exp(-delta) without cancellation. (For "
          "small delta; the terms left out are of third order.)",
          ("(1 - exp(-small))/small == 1 - small/2 + small**2/6",)),
     Step("So it tends to 1, and for equal time constants there is a limit that has to be put in by hand. To put in 0 disconnects the synapse.",
          ("c_equal(h) == h*exp(-h/tau_mem)",)),
     Step("One thing is left. Where tau_syn is the longer of the two, delta is below 0, and a membrane much faster than that lets exp(-delta) overflow. But the "
          "quotient of the second step does not change when the two time constants change places. So take the longer one for the first factor and the "
          "distance for delta; then no exponent is above 0. This is what the code computes.",
          ("tau_slow == max(tau_mem, tau_syn)", "distance == abs(delta)", "c(h) == h*exp(-h/tau_slow)*((1 - exp(-distance))/distance)"), "C3"),
     Step("A synapse holds integers. scale is the number of steps in a weight of 1; the chip then works with w.",
          ("w == max(-63, min(63, round(scale*W)))/scale",), "C1"),
     Step("The derivative of w by W is 0 almost everywhere, as that of a spike. Injection (E6) says what to do: w is the value, W the model, so the "
          "derivative is 1. The gradient, taken at w, goes to W: straight through.", ("W_next == W - rate*dL_dw",))))
