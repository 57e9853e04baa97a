"""The README's tables of results are those of the results files."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
FILES = sorted(path for path in (ROOT / "data_scripts" / "results").glob("*.json") if "table" in json.loads(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_table_of_results_stands_in_the_readme_as_in_its_file(path):
    """Row by row, but for heads, whose words may be others."""
    results = json.loads(path.read_text(encoding="utf-8"))
    missing = ["| " + " | ".join(row) + " |" for row in results["table"][1:] if row[1][:1].isdigit() and "| " + " | ".join(row) + " |" not in README]
    assert not missing, "\n".join(missing)


def test_every_results_file_is_named_in_the_readme():
    named = set(re.findall(r"data_scripts/results/([\w.-]+\.json)", "\n".join(README)))
    assert named == {path.name for path in (ROOT / "data_scripts" / "results").glob("*.json")}
