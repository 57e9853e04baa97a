"""How far from their bounds the answers of other machines stay: numpy's versions and the kernels of OpenBLAS, measured again.

    python data_scripts/headroom.py [--python OTHER ..]

refsnn.verify.vectors.measure computes every golden vector in all the ways that this machine has (orders of summation, float32, kernels, the numpy of every
interpreter that is given); here the worst errors are compared with the bounds of the vectors that ship, and written to
data_scripts/results/headroom.json: the largest share of a bound that any way uses up, and which.
"""

import argparse
import json
import sys
from pathlib import Path

from refsnn.files import write_atomically
from refsnn.runs import versions
from refsnn.verify.vectors import read
from refsnn.verify.vectors.measure import measure
from refsnn.verify.vectors.tolerance import stem

RESULTS = Path(__file__).parent / "results" / "headroom.json"


def shares(found, cases):
    """For either dtype the outputs by the share of their bound that the worst error is, the largest first: [{"share", "op", "output", "case", "way"}]."""
    bounds = {(case.op, stem(name), dtype): own[dtype] for case in cases for name, own in case.tolerance.items() for dtype in ("float64", "float32")
              if own["kind"] != "exact" and own[dtype]}
    used = {"float64": [], "float32": []}
    for op, outputs in found["worst"].items():
        for name, own in outputs.items():
            for dtype, worst in own.items():
                if (op, name, dtype) in bounds and worst["error"]:
                    used[dtype].append({"share": round(worst["error"] / bounds[op, name, dtype], 4), "op": op, "output": name, "case": worst["case"],
                                        "way": worst["way"]})
    return {dtype: sorted(own, key=lambda entry: -entry["share"]) for dtype, own in used.items()}


def main(arguments=None):
    """Measure, compare, write."""
    parser = argparse.ArgumentParser(description="the headroom of the golden vectors' bounds")
    parser.add_argument("--python", action="append", default=[sys.executable], metavar="OTHER", help="an interpreter with another numpy")
    chosen = parser.parse_args(arguments)
    found = measure(chosen.python)
    used = shares(found, read())
    results = {"versions": versions(), "ways": found["names"], "shares": used}
    write_atomically(RESULTS, json.dumps(results, indent=1) + "\n")
    for dtype, own in used.items():
        print(f"{dtype}: at most {100 * own[0]['share']:.0f} % of a bound ({own[0]['case']}, {own[0]['way']}); {len(found['names'][dtype])} ways")
    return 0


if __name__ == "__main__":
    sys.exit(main())
