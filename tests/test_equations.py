"""The README's table of equations: complete, and each row names functions that cite it."""

import importlib
import re
from pathlib import Path

import pytest

import refsnn

README = Path(__file__).parents[1] / "README.md"
ROWS = [line for line in README.read_text(encoding="utf-8").splitlines() if re.match(r"\| [EC]\d+ \|", line)]
CHIP_ROOMS = {"synapses", "settings", "dynamics", "leaps", "readout", "variation", "noise", "calibration", "cost", "partition"}
ROOMS = {"speech": "refsnn.speech", "spoken": "refsnn.experiments.spoken", **{room: f"refsnn.chip.{room}" for room in CHIP_ROOMS}}


def cited(docstring):
    """The equation numbers after SPEC in a docstring, ranges such as E7-E9 written out."""
    numbers = set()
    for passage in re.findall(r"SPEC ((?:[EC]\d+(?:-[EC]\d+)?(?:, )?)+)", docstring):
        for letter, first, last in re.findall(r"([EC])(\d+)(?:-[EC](\d+))?", passage):
            numbers |= {f"{letter}{number}" for number in range(int(first), int(last or first) + 1)}
    return numbers


def test_every_equation_of_the_core_has_a_row_in_order():
    numbers = [row.split("|")[1].strip() for row in ROWS]
    assert [number for number in numbers if number[0] == "E"] == [f"E{n}" for n in range(1, 20)]
    assert list(dict.fromkeys(number for number in numbers if number[0] == "C")) == [f"C{n}" for n in range(1, 10)]


@pytest.mark.parametrize("row", ROWS)
def test_a_row_names_functions_whose_docstrings_cite_it(row):
    cells = re.split(r"(?<!\\)\|", row)
    number, places = cells[1].strip(), re.findall(r"`(\w+)\.(\w+)`", cells[4])
    assert places
    for room, name in places:
        function = getattr(importlib.import_module(ROOMS.get(room, f"refsnn.spec.{room}")), name)
        assert number in cited(function.__doc__), f"{room}.{name} does not cite {number}"


def python_blocks():
    return re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def test_the_readmes_python_runs_and_gives_what_it_says(capsys):
    names = {}
    for block in python_blocks():
        compiled = compile(block, "README.md", "exec")
        exec(compiled, names)
    twin, identity = map(float, capsys.readouterr().out.split())
    assert twin < 1e-6 and identity < 1e-13
    assert names["gradient"][0].W.shape == (256, 246) and names["loss"] > 0


def test_the_version_is_the_packages():
    assert re.fullmatch(r"\d+\.\d+\.\d+", refsnn.__version__)
