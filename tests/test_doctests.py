"""The examples in the docstrings."""

import doctest
import importlib.util
import pkgutil

import pytest

import refsnn

NEEDED = {"refsnn.verify.strategies": "hypothesis", "refsnn.verify.conformance.examples.torch_autograd": "torch"}
FOREIGN = ("refsnn.verify.frameworks.", "refsnn.exchange.examples.")        # adapters and examples that import what they are for
MODULES = [module.name for module in pkgutil.walk_packages(refsnn.__path__, "refsnn.")
           if not module.name.endswith("__main__") and not module.name.startswith(FOREIGN) and importlib.util.find_spec(NEEDED.get(module.name, "refsnn"))]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_hold(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_examples_are_found():
    finder = doctest.DocTestFinder()
    assert sum(bool(test.examples) for name in MODULES for test in finder.find(importlib.import_module(name))) >= 25
