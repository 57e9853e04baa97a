"""The table of the surveys: one column a framework, every cell from its run."""

import math

from refsnn.chip.dynamics import transfer
from refsnn.verify.conventions import Conventions
from refsnn.verify.frameworks.paper import Paper
from refsnn.verify.frameworks.survey import CASES, DT, NEURON, SLOPE

WORDS = {
    ("integrator", "exponential"): "exp", ("integrator", "euler"): "Euler", ("current", "new"): "I[t+1]", ("current", "old"): "I[t]",
    ("input_scale", "one"): "1", ("input_scale", "one_minus_beta"): "1-beta", ("input_scale", "dt_over_tau_mem"): "dt/tau_mem",
    ("input_scale", "dt_over_both_taus"): "dt/tau_mem dt/tau_syn", ("tie", "silent"): "silent", ("tie", "spike"): "spikes", ("tie", "half"): "half",
    ("reset", "subtract"): "subtract", ("reset", "to_value"): "to 0", ("reset", "none"): "none",
    ("reset_time", "next_step"): "next step", ("reset_time", "same_step"): "at once",
    ("recorded_membrane", "before_reset"): "before", ("recorded_membrane", "after_reset"): "after",
    ("reset_gradient", "stop"): "stop", ("reset_gradient", "flow"): "flow", ("input_delay", "one"): "1", ("input_delay", "none"): "0"}
ROWS = {"integrator": "decay", "current": "V[t+1] takes", "input_scale": "input times", "tie": "V = theta", "reset": "reset", "reset_time": "it acts",
        "reset_gradient": "its gradient", "recorded_membrane": "V recorded .. it", "input_delay": "input delay, steps"}
RUNS = ("surrogate, slope", "spikes, of 25 inputs", "gradient off by", "cases, the paper's", "cases, its own")


def table(results):
    """The Markdown of the results {adapter: what survey found}: the table, the paper's column first; the claims of documents that do not hold; what
    else was measured."""
    surveyed = sorted(results.values(), key=lambda found: found["name"] != Paper.name)
    columns = [("", *ROWS.values(), *RUNS)] + [column(found) for found in surveyed]
    rows = [[cells[index] for cells in columns] for index in range(len(columns[0]))]
    rows.insert(1, ["---"] * len(columns))
    claims = [f"- {found['name']} {found['version']}, `{claim['where']}`: {claim['says']}; but {claim['does']}."
              for found in surveyed for claim in found["documents"] if not claim["true"]]
    further = [f"- {found['name']} {found['version']}, {what}: {value}." for found in surveyed for what, value in found["further"].items()]
    return "\n".join(["| " + " | ".join(cells) + " |" for cells in rows] + ["", "Docstrings, in our words, that their code contradicts:", "", *claims,
                      "", "Measured further:", "", *further, ""])


def column(found):
    """The column of one framework."""
    cells = {name: "" for name in ROWS} | {"integrator": "unexplained", "tie": WORDS["tie", found["tie"]]}
    if found["conventions"] is not None:
        own = Conventions(**found["conventions"])
        cells = {name: WORDS[name, getattr(own, name)] for name in ROWS}
        cells["input_scale"] = unit_in_words(found["unit"]) or cells["input_scale"]
    surrogate = "none" if not found["learns"] else "another"
    if found["gradient_explained"]:
        fixed = "" if found["slope"] == SLOPE else f", always {found['slope']:g}"
        surrogate = f"{own.surrogate}, {own.surrogate_slope}{fixed}"
    else:
        cells["reset_gradient"] = "" if not found["learns"] else "?"
    off = "" if found["gradient"] is None else f"{found['gradient']:.2g}"
    head = f"{found['name']} {found['version']}"
    return [head, *cells.values(), surrogate, str(found["spikes"]), off, counted(found["cases_paper"]), counted(found["cases_own"])]


def unit_in_words(unit):
    """A unit of the weights that is not 1, as a formula where it is a known one; "" for 1."""
    known = {"exp(-dt/tau_syn)": math.exp(-DT / NEURON["tau_syn"]), "c(dt)/tau_mem": float(transfer(DT, **NEURON)) / NEURON["tau_mem"]}
    return "" if unit == 1 else next((text for text, value in known.items() if abs(unit - value) < 1e-6), f"{unit:.6g}")


def counted(cases):
    """Cases passed of cases asked, over all operations, and how many were not asked."""
    if not cases:
        return ""
    passed, asked = (sum(own[index] for own in cases.values()) for index in (0, 1))
    left = CASES * len(cases) - asked
    return f"{passed} of {asked}" + (f", {left} not asked" if left else "")
