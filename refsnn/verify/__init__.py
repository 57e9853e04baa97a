"""Checks of the specification, usable on anybody's network and anybody's trace.

    check.py        the two tests that a surrogate gradient can be given: smooth twin and adjoint identity
    exact.py        the analog neuron in continuous time, event by event: shares no code with the chip (needs scipy)
    convergence.py  how far the emulated chip's grid is from it
    strategies.py   Hypothesis strategies for networks, input spikes and traces (needs the test extra)
"""
