"""Proof of power: every mutant is caught where and as its row says, and the README's table is what the run gives."""

from pathlib import Path

import pytest

from refsnn.verify.conformance.mutants import MUTANTS, first_failure, table
from refsnn.verify.conventions import SWITCHES
from refsnn.verify.operations import OPERATIONS

README = Path(__file__).parents[2] / "README.md"
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def found():
    """The first failing operation of every mutant."""
    return {mutant.wrong: first_failure(mutant) for mutant in MUTANTS}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.wrong)
def test_a_mutant_fails_at_its_operation_with_its_diagnosis(mutant, found):
    own = found[mutant.wrong]
    assert own is not None, "it passes"
    assert own.op == mutant.op and mutant.diagnosis in own.diagnosis.text, own.diagnosis.text


def test_the_mutants_are_of_every_level_and_every_switch():
    assert len(MUTANTS) >= 25 and len({mutant.wrong for mutant in MUTANTS}) == len(MUTANTS)
    assert {OPERATIONS[mutant.op].level for mutant in MUTANTS} == set(range(6))
    assert all(any(switch.name in mutant.diagnosis for mutant in MUTANTS) for switch in SWITCHES)


def test_the_table_of_the_readme_is_what_the_run_gives(found):
    text = README.read_text(encoding="utf-8")
    written = text.split("<!-- mutants -->\n")[1].split("<!-- end of mutants -->")[0]
    assert written.splitlines() == table(found), "python -m refsnn.verify.conformance.mutants README.md writes it anew"
