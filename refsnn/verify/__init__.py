"""Checks of the specification, usable on anybody's network and anybody's trace.

    check.py        the two tests that a surrogate gradient can be given: smooth twin and adjoint identity
    strategies.py   Hypothesis strategies for networks, input spikes and traces (needs the test extra)
"""
