"""What importing refsnn costs, and which room may import which."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import refsnn

ROOT = Path(refsnn.__file__).parent

# every room and the rooms below it that it may import; importing refsnn itself is left to the rooms that name the version
ALLOWED = {
    "errors": set(),
    "files": {"errors"},
    "spec": {"errors"},
    "events": {"errors", "spec"},
    "fast": {"errors", "events", "spec"},
    "chip": {"errors", "events", "spec"},
    "crew": {"errors"},
    "datasets": {"errors", "files", "spec"},
    "training": {"errors", "events", "fast", "spec", "chip"},
    "runs": {"crew", "errors", "files", "spec", "chip", "datasets", "training"},
    "relu": {"errors", "spec", "datasets", "training", "runs"},
    "speech": {"errors", "files", "spec"},
    "verify": {"errors", "events", "files", "spec", "chip"},
    "exchange": {"errors", "files", "spec", "chip", "verify"},
    "doctor": {"verify"},
    "__init__": {"errors", "spec", "chip"},
    "experiments": {"crew", "errors", "events", "fast", "files", "spec", "chip", "datasets", "training", "runs", "relu", "speech"},
    "exercises": {"errors", "events", "files", "spec", "chip", "datasets", "fast", "training", "runs", "verify"},
    "__main__": {"errors", "runs", "training", "experiments", "verify", "exercises"},
}
SPEC_ORDER = ["encoding", "trace", "neuron", "surrogate", "loss", "bptt", "network", "optim", "__init__"]


def imported(path):
    """The refsnn modules that a file imports, as lists of names without the leading refsnn."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module] if isinstance(node, ast.ImportFrom) else []
        yield from (name.split(".")[1:] for name in names if name.startswith("refsnn."))


def test_every_room_imports_only_from_rooms_below_it():
    for path in ROOT.rglob("*.py"):
        room = path.relative_to(ROOT).parts[0].removesuffix(".py")
        for name in imported(path):
            assert name[0] == room or name[0] in ALLOWED[room], f"{path} imports refsnn.{'.'.join(name)}"


def test_the_specification_is_read_from_the_top_down():
    for path in (ROOT / "spec").glob("*.py"):
        for name in imported(path):
            if name[0] == "spec":
                assert SPEC_ORDER.index(name[1]) < SPEC_ORDER.index(path.stem), f"{path} imports spec.{name[1]}"


def modules_after(statement):
    """The top-level modules that a fresh interpreter has loaded after a statement."""
    code = f"import sys, json; {statement}; print(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT.parent)}, capture_output=True, check=True)
    return set(json.loads(done.stdout))


def test_importing_refsnn_loads_nothing_but_numpy_and_the_standard_library():
    assert modules_after("import refsnn") - modules_after("import numpy") - set(sys.stdlib_module_names) == {"refsnn"}
