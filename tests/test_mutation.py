"""data_scripts/mutation.py: mutants are told apart, and the reasons why nothing can kill some are of mutants that there are."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def mutation(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "data_scripts"))
    return __import__("mutation")


def test_every_change_of_a_small_source_is_a_mutant_of_its_own(mutation, tmp_path, monkeypatch):
    (tmp_path / "small.py").write_text("def f(x):\n    y = x[0] + x[0]\n    return y if y > -1 else 2.5\n")
    monkeypatch.setattr(mutation, "ROOT", tmp_path)
    mutants = mutation.mutants_of("small.py")
    assert [(own["line"], own["old"], own["new"], own["nth"]) for own in mutants] == [
        (2, "x[0] + x[0]", "(x[0]) - (x[0])", 0), (2, "0", "1", 0), (2, "0", "1", 1),
        (3, "y > -1", "not (y > -1)", 0), (3, "y > -1", "(y) >= (-1)", 0), (3, "-1", "(1)", 0), (3, "2.5", "5.0", 0)]
    assert len({mutation.changed((tmp_path / "small.py").read_text(), own) for own in mutants}) == len(mutants)


@pytest.mark.long
def test_reasons_are_of_mutants_that_there_are(mutation):
    mutants = [own for path in mutation.files() for own in mutation.mutants_of(path)]
    keys = {json.dumps(mutation.key_of(own)) for own in mutants}
    assert len(keys) == len(mutants)
    reasons = [json.dumps(own["mutant"]) for own in json.loads(mutation.EQUIVALENT.read_text(encoding="utf-8"))]
    assert len(set(reasons)) == len(reasons) and set(reasons) <= keys
    counts = json.loads(mutation.RESULTS.read_text(encoding="utf-8"))["counts"]
    assert list(counts) == list(mutation.TARGETS)
    for target, own in counts.items():
        assert own["equivalent"] == sum(json.loads(reason)[0].startswith(target) for reason in reasons), target
        assert sum(own.values()) == 2 * own["mutants"], target
