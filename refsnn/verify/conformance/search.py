"""The smallest problem on which something fails: by Hypothesis where it is installed, among the draws of a seeded generator otherwise.

Hypothesis draws what makes a problem large or complicated (sizes, recurrence, which of some values); the many numbers come from a numpy Generator
with a drawn seed. So a failure shrinks to few steps, one sample, one neuron.
"""

import importlib.util
import time

import numpy as np

from refsnn.verify.conformance.cases import as_float64, settled
from refsnn.verify.conformance.subject import HarnessError
from refsnn.verify.problems import problem

EXAMPLES = 20                # problems looked at, where nothing fails
PATIENCE = 2.0               # seconds of shrinking after the first failure


class Enough(BaseException):
    """Ends a search. No Exception, so that Hypothesis does not take it for a failure of what it tests."""


class Numbers:
    """What refsnn.verify.problems needs of a numpy Generator, its structure drawn by Hypothesis."""

    def __init__(self, draw):
        from hypothesis import strategies

        self.draw, self.strategies = draw, strategies
        rng = np.random.default_rng(draw(strategies.integers(0, 255)))
        self.normal, self.uniform, self.exponential, self.draws = rng.normal, rng.uniform, rng.exponential, rng

    def integers(self, low, high=None, size=None, dtype=None):
        """Whole numbers: one, or a few (the sizes of layers), by Hypothesis; arrays by the generator."""
        low, high = (0, low) if high is None else (low, high)
        numbers = self.strategies.integers(int(low), int(high) - 1)
        if size is None:
            return self.draw(numbers)
        if np.ndim(size) == 0 and dtype is None:
            return np.array([self.draw(numbers) for _ in range(size)])
        return self.draws.integers(low, high, size, dtype or np.int64)

    def random(self, shape=None):
        """A number: the largest or the smallest, by Hypothesis, for it decides whether something is there; arrays by the generator."""
        return self.draws.random(shape) if shape is not None else 0.0 if self.draw(self.strategies.booleans()) else 0.99


def smallest_failure(op, dtype, conventions, fails, examples=EXAMPLES):
    """(inputs, params), inputs in float64, of the smallest problem found for which fails(inputs, params) is true; or None.

    Problems whose result hangs on the last digits are left out.
    """
    found, started = [], []

    def look(drawn):
        inputs, params = as_float64(drawn[0]), drawn[1]
        if started and time.monotonic() - started[0] > PATIENCE:
            raise Enough
        if not settled(op, inputs, params, conventions):
            return False
        try:
            failed = fails(inputs, params)
        except HarnessError:
            found.append((inputs, params))
            raise Enough from None
        if failed:
            started.append(time.monotonic())
            found.append((inputs, params))
        return failed

    look_at_problems(op, dtype, look, examples)
    return min(reversed(found), key=lambda pair: sum(array.size for array in pair[0].values()), default=None)


def look_at_problems(op, dtype, look, examples):
    """Draw problems, and shrink those for which look(problem) is true."""
    try:
        if importlib.util.find_spec("hypothesis") is None:
            for seed in range(examples):
                look(problem(op, np.random.default_rng([seed, 1, *op.encode()]), dtype))
        else:
            look_with_hypothesis(op, dtype, look, examples)
    except Enough:
        pass


def look_with_hypothesis(op, dtype, look, examples):
    """The same by Hypothesis, which shrinks."""
    from hypothesis import HealthCheck, Phase, find, settings, strategies
    from hypothesis.errors import NoSuchExample

    @strategies.composite
    def problems(draw):
        return problem(op, Numbers(draw), dtype)

    quiet = settings(max_examples=examples, database=None, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck),
                     phases=(Phase.generate, Phase.shrink))
    try:
        find(problems(), look, settings=quiet)
    except NoSuchExample:
        pass
