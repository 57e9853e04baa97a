"""How far apart correct answers are: every case computed in many ways, and the worst error of every output written down.

    python -m refsnn.verify.vectors.measure --to FILE [--python OTHER ...]      # about 20 seconds an interpreter; data/measured.json is one

The ways: the oracles; neurons, inputs and samples in other orders; the same in float32; in processes of their own, the kernels that OpenBLAS
has for other processors, and numpy without its vector instructions; and all of these under the interpreters OTHER, which have another numpy.
A kernel that this machine cannot run is left out. A way that is off by more than LIMIT is no rounding but a mistake, and ends the measurement.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import refsnn
from refsnn.errors import DataError
from refsnn.files import damage_is_data_error, npz_bytes, read_npz, write_atomically
from refsnn.verify.operations import Reference, cast
from refsnn.verify.vectors.catalogue import all_drafts
from refsnn.verify.vectors.oracles import opinions, reordered
from refsnn.verify.vectors.tolerance import error, kind_of, stem

ORDERS = 8
LIMIT = {"float64": 1e-9, "float32": 1e-2}
ULP = {"float64": 2.0**-52, "float32": 2.0**-23}
NUMPY = """
import json, numpy as np
try:
    found = np.show_config(mode="dicts")["SIMD Extensions"]["found"]
except TypeError:                                             # before numpy 1.25
    found = []
print(json.dumps([np.__version__, found]))
"""
KERNELS = ("Prescott", "Nehalem", "Sandybridge", "Haswell", "Zen", "SkylakeX")


def asked():
    """The drafts that have an answer."""
    return [draft for draft in all_drafts() if not draft.error]


def takes_part(draft, dtype):
    """Whether a draft is for subjects of a dtype."""
    return dtype == "float64" or "Float64Only" not in draft.flags


def answers(dtype):
    """{id: outputs} of the reference in a dtype."""
    return {draft.id: Reference(dtype).call(draft.op, cast(draft.inputs, dtype), draft.params, draft.conventions)
            for draft in asked() if takes_part(draft, dtype)}


class Worst:
    """The worst errors so far, and in how many ways the outputs were computed."""

    def __init__(self):
        self.reference, self.found, self.ways, self.names = answers("float64"), {}, {}, {dtype: [] for dtype in LIMIT}

    def add(self, way, dtype, given):
        """Take the answers {id: outputs} of one way into account. Raises DataError for one that is no rounding."""
        if way not in self.names[dtype]:
            self.names[dtype].append(way)
        for draft in (draft for draft in asked() if draft.id in given):
            self.ways.setdefault(draft.op, {either: set() for either in LIMIT})[dtype].add(way)
            for name, reference in self.reference[draft.id].items():
                if name not in given[draft.id]:
                    continue                                  # an oracle may know some of the outputs
                kind = kind_of(draft.op, name, reference.dtype)
                found = error(kind, given[draft.id][name], reference, dtype)
                if found * (ULP[dtype] if kind == "ulp" else 1) > LIMIT[dtype]:
                    raise DataError(f"{draft.id}, output {name}, {dtype}: {way} is off by {found:.1e}")
                if kind != "exact":
                    own = self.found.setdefault(draft.op, {}).setdefault(stem(name), {either: {"error": 0.0} for either in LIMIT})
                    if found > own[dtype]["error"]:
                        own[dtype] = {"error": float(f"{found:.2e}"), "case": draft.id, "way": way}


def measure(interpreters):
    """The record of all ways."""
    worst = Worst()
    for draft in asked():
        for name, outputs in opinions(draft, worst.reference[draft.id]).items():
            worst.add(name, "float64", {draft.id: outputs})
    worst.add("the reference in float32", "float32", answers("float32"))
    for seed in range(1, ORDERS + 1):                         # 0 is the oracle's
        for dtype in LIMIT:
            worst.add(f"order {seed}", dtype, {draft.id: reordered(draft, seed, dtype) for draft in asked()
                                               if takes_part(draft, dtype) and draft.op != "exact_spikes"})
    for way, dtype, given in elsewhere(interpreters):
        worst.add(way, dtype, given)
    return {"command": "python -m refsnn.verify.vectors.measure", "refsnn": refsnn.__version__,
            "names": worst.names, "ways": {op: {dtype: len(ways) for dtype, ways in own.items()} for op, own in worst.ways.items()},
            "worst": worst.found}


def elsewhere(interpreters):
    """Answers of other processes: (way, dtype, answers)."""
    for interpreter in interpreters:
        said = subprocess.run([interpreter, "-c", NUMPY], capture_output=True, check=True, text=True)
        version, extensions = json.loads(said.stdout)
        settings = [{"OPENBLAS_CORETYPE": kernel} for kernel in KERNELS] + [{"NPY_DISABLE_CPU_FEATURES": " ".join(extensions)}] * bool(extensions)
        for setting in settings:
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "answers.npz"
                done = subprocess.run([interpreter, "-m", __spec__.name, "--answers", file], capture_output=True, text=True,
                                      env=os.environ | {"PYTHONPATH": str(Path(refsnn.__file__).parents[1])} | setting)
                name = f"numpy {version}, {' '.join(setting)}={setting.get('OPENBLAS_CORETYPE', 'all')}"
                if done.returncode != 0:
                    print(f"left out: {name}: {(done.stderr.splitlines() or [done.returncode])[-1]}", file=sys.stderr)
                    continue
                yield from ((name, dtype, given) for dtype, given in unpacked(file))


def packed():
    """The answers of this process as bytes of an .npz."""
    return npz_bytes({f"{dtype}/{id}/{name}": array for dtype in LIMIT for id, outputs in answers(dtype).items() for name, array in outputs.items()})


def unpacked(file):
    """(dtype, answers) out of such a file."""
    given = {dtype: {} for dtype in LIMIT}
    with damage_is_data_error(file):
        for key, array in read_npz(file).items():
            dtype, id, name = key.split("/")
            given[dtype].setdefault(id, {})[name] = array
    return given.items()


def main():
    """Measure and write; or, for the processes started above, answer."""
    parser = argparse.ArgumentParser(prog=f"python -m {__spec__.name}")
    parser.add_argument("--to", type=Path, help="the file to write")
    parser.add_argument("--python", action="append", default=[sys.executable], metavar="OTHER", help="an interpreter with another numpy")
    parser.add_argument("--answers", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    with np.errstate(over="ignore"):
        if chosen.answers:
            write_atomically(chosen.answers, packed())
        elif chosen.to:
            write_atomically(chosen.to, json.dumps(measure(chosen.python), indent=1) + "\n")
        else:
            parser.error("--to says where the result goes")


if __name__ == "__main__":
    main()
