"""Checks of the specification, usable on anybody's network and anybody's trace.

    check.py        the two tests that a surrogate gradient can be given: smooth twin and adjoint identity
    exact.py        the analog neuron in continuous time, event by event: shares no code with the chip (needs scipy)
    convergence.py  how far the emulated chip's grid is from it
    residuals.py    what a calibration leaves of a chip's mismatch
    conventions.py  the choices in which implementations differ, as named switches
    general.py      one step, run and backward pass with all of them; at the paper's values the specification to the bit
    operations.py   the contract by which another implementation is compared, operation by operation; the reference adapter
    reference.py    what the reference does for each of them
    problems.py     a random problem for each of them
    conformance/    the check of another implementation by that contract: `refsnn conformance`
    scalar/         the same operations in plain Python, sharing no code with the rest: the second opinion
    vectors/        golden vectors: answers to compare with, which ship as files
    strategies.py   Hypothesis strategies for networks, input spikes and traces (needs the test extra)
"""
