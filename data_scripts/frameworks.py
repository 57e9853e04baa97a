"""Survey the frameworks: an environment for each, its adapter run in it, the results on file, and the table of them.

    python data_scripts/frameworks.py --envs DIR                              every framework; results in data_scripts/results/frameworks.json
    python data_scripts/frameworks.py --envs DIR --only norse_lif             one of them, the other results kept
    python data_scripts/frameworks.py --table README.md                       the table between the marks of that file

An environment is made by venv and pip with the versions that the adapter pins (PACKAGES in refsnn/verify/frameworks/*.py), and kept in DIR; an
adapter that says PYTHON = "3.13" wants python3.13 on the path. One that cannot be made is said, and the others go on.
"""

import argparse
import ast
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "refsnn" / "verify" / "frameworks"
RESULTS = ROOT / "data_scripts" / "results" / "frameworks.json"
sys.path.insert(0, str(ROOT))

from refsnn.files import write_atomically                     # noqa: E402
from refsnn.verify.frameworks.table import table              # noqa: E402

MARKS = "<!-- frameworks -->", "<!-- end of frameworks -->"


def pins_of(path):
    """{"PACKAGES": .., "PYTHON": ..} of an adapter, as far as they are there, read without importing it."""
    assigned = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.Assign)]
    return {node.targets[0].id: ast.literal_eval(node.value) for node in assigned if node.targets[0].id in ("PACKAGES", "PYTHON")}


def environment(packages, python, folder):
    """The interpreter of an environment in `folder` that has the packages; made by `python` where it is not there."""
    own = folder / "bin" / "python"
    if not own.exists():
        subprocess.run([python, "-m", "venv", folder], check=True)
    subprocess.run([own, "-m", "pip", "install", "--quiet", *packages], check=True)
    return own


def survey(name, python):
    """What the survey of one adapter found, in the environment of an interpreter."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "found.json"
        # in the scratch folder, because some frameworks write where they are run; and one runs pip when it is imported
        subprocess.run([python, "-m", "refsnn.verify.frameworks.survey", name, "--json", path], check=True, cwd=scratch,
                       env={**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PIP_NO_INDEX": "1"})
        return json.loads(path.read_text())


def main(arguments=None):
    """Make environments, run the surveys, write the results; or write the table."""
    parser = argparse.ArgumentParser(description="survey the frameworks")
    parser.add_argument("--envs", type=Path, metavar="DIR", help="folder for the environments")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these adapters")
    parser.add_argument("--table", type=Path, metavar="FILE", help="write the table of the results between the marks of a file")
    chosen = parser.parse_args(arguments)
    adapters = {path.stem: pins for path in sorted(FOLDER.glob("*.py")) if (pins := pins_of(path))}
    if not chosen.envs and (chosen.only or not chosen.table):
        parser.error("nothing to do: give --envs DIR to survey, --table FILE to write the table")
    unknown = [name for name in chosen.only or () if name not in adapters]
    if unknown:
        parser.error(f"there is no adapter {', '.join(unknown)}; there are {', '.join(adapters)}")
    failed = False
    if chosen.envs:
        results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        for name in chosen.only or adapters:
            try:
                packages, python = adapters[name]["PACKAGES"], adapters[name].get("PYTHON")
                # those that want the same torch share an environment
                folder = chosen.envs.resolve() / ("torch" if packages[0].startswith("torch==") else name)
                results[name] = survey(name, environment(packages, f"python{python}" if python else sys.executable, folder))
            except (subprocess.CalledProcessError, OSError) as error:
                print(f"{name}: {error}", file=sys.stderr)
                failed = True
        write_atomically(RESULTS, json.dumps(dict(sorted(results.items())), indent=1) + "\n")
        print(f"wrote {RESULTS}")
    if chosen.table:
        text, marks = chosen.table.read_text(encoding="utf-8"), "(?<={})\n.*?(?={})".format(*MARKS)
        new = re.sub(marks, lambda _: "\n" + table(json.loads(RESULTS.read_text())), text, flags=re.DOTALL)
        write_atomically(chosen.table, new)
        print(f"wrote {chosen.table}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
