"""The golden vectors: what ships is what is generated, oracles and margins are asked, bounds hold, and a wrong subject is caught."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from refsnn.errors import RangeError
from refsnn.verify.conventions import SWITCHES
from refsnn.verify.operations import OPERATIONS, Reference, cast, conventions_for
from refsnn.verify.vectors import check, read
from refsnn.verify.vectors import collection as collection_module
from refsnn.verify.vectors import oracles as oracles_module
from refsnn.verify.vectors.archive import shipped
from refsnn.verify.vectors.case import case_files
from refsnn.verify.vectors.catalogue import all_drafts
from refsnn.verify.vectors.collection import build, examine, examined, read_manifest
from refsnn.verify.vectors.draft import Draft, Numbers, column, layers
from refsnn.verify.vectors.flags import FLAGS
from refsnn.verify.vectors.margins import LEAST
from refsnn.verify.vectors.measure import measure
from refsnn.verify.vectors.oracles import ORACLES
from refsnn.verify.vectors.tolerance import bound, error, kind_of

VECTORS = shipped()
MEASURED = json.loads((VECTORS / "measured.json").read_text(encoding="utf-8"))
CASES = read()
ANSWERED = [case for case in CASES if case.error is None]


# what ships

def test_what_ships_is_what_is_generated():
    assert check() == []


def test_every_oracle_of_every_draft_agrees():
    assert len(examined()) == len(CASES)


def test_the_same_draft_gives_the_same_bytes():
    for draft in all_drafts():
        if draft.id.endswith(("01", "10")):
            first, again = (case_files(build(draft, MEASURED)) for _ in range(2))
            assert first == again, draft.id


def test_a_case_that_was_read_is_written_with_the_same_bytes():
    for case in CASES:
        assert case_files(case) == {path.name: path.read_bytes() for path in (VECTORS / case.id).iterdir()}, case.id


def test_the_manifest_is_complete():
    manifest = read_manifest(VECTORS)
    assert list(manifest["cases"]) == [draft.id for draft in all_drafts()]
    assert {path.name for path in VECTORS.iterdir()} == {*manifest["cases"], "manifest.json", "measured.json"}
    assert {flag for case in CASES for flag in case.flags} == set(FLAGS) == set(manifest["flags"])


def test_there_are_cases_for_everything():
    assert len(CASES) >= 120 and {case.level for case in CASES} == {0, 1, 2, 3, 4, 5}
    for op in OPERATIONS:
        own = [case for case in CASES if case.op == op]
        assert "Basic" in own[0].flags and own[0].id == f"{op}-001", op
    asked = {pair for case in CASES for pair in case.conventions.items()}
    assert asked == {(switch.name, value) for switch in SWITCHES for value in switch.values[1:]}


def test_they_are_small():
    # they are copied, and read in other languages, as they are
    assert sum(path.stat().st_size for path in VECTORS.rglob("*") if path.is_file()) < 2_000_000


def test_status_is_must_only_for_the_papers_conventions_and_operations_that_all_have():
    for case in CASES:
        assert (case.status == "must") == (OPERATIONS[case.op].status == "must" and not case.conventions), case.id


def test_free_runs_keep_away_from_their_thresholds():
    free = [case for case in ANSWERED if case.op in ("forward", "loss_and_gradient", "train", "chip_run", "exact_spikes")]
    assert all(case.threshold_margin >= LEAST for case in free)
    assert all("TieAtThreshold" in case.flags for case in ANSWERED if case.ties)


def test_boundary_values_are_given_as_hex_floats_too():
    for case in ANSWERED:
        if "Boundary" in case.flags:
            record = json.loads((VECTORS / case.id / "case.json").read_text(encoding="utf-8"))
            arrays = (record["inputs"] | record["outputs"]).values()
            small = [entry for entry in arrays if entry["dtype"] == "<f8" and math.prod(entry["shape"]) <= 24]
            assert all("hex" in entry for entry in small), case.id


# the generator

def test_numbers_are_the_same_everywhere_and_exact_in_float32():
    assert Numbers("here").uniform(-1, 1, 3).tolist() == [-0.352294921875, -0.06787109375, -0.08203125]
    assert Numbers("here").normal(0, 1, 3).tolist() == [-0.457275390625, -1.013916015625, 0.9619140625]
    for draft in all_drafts():
        for name, array in draft.inputs.items():
            # time constants and pixels, which are rounded by whoever takes them, come at level 0 only
            if array.dtype == float and OPERATIONS[draft.op].level and "Float64Only" not in draft.flags and not draft.error:
                np.testing.assert_array_equal(array.astype(np.float32).astype(float), array, err_msg=f"{draft.id}: {name}")


def run_of(weight, flags=()):
    """A draft of a free run of one neuron, which is at `weight` in units of its threshold at t = 1."""
    return Draft("forward-999", "", {"x": column(1, 0, 0), "W0": np.array([[weight]]), "W1": np.array([[1.0]])}, layers(2), flags)


def test_a_run_too_near_to_a_threshold_is_refused():
    build(run_of(0.5), MEASURED)
    with pytest.raises(RangeError, match=r"forward-999: the threshold margin is 6.1e-05; it must be at least 0.0001"):
        build(run_of(1 + 2.0**-14), MEASURED)


def test_a_tie_needs_its_flag():
    build(run_of(1.0, ("TieAtThreshold",)), MEASURED)
    with pytest.raises(RangeError, match="1 membranes are exactly at the threshold"):
        build(run_of(1.0), MEASURED)


def test_a_tie_that_is_no_short_binary_fraction_is_refused():
    draft = run_of(0.1, ("TieAtThreshold",))
    with pytest.raises(RangeError, match="no multiple of 2"):
        build(replace(draft, params={**draft.params, "threshold": [0.1, 1.0]}), MEASURED)


def test_two_samples_that_are_nearly_the_largest_are_refused():
    base = next(draft for draft in all_drafts() if draft.id == "loss_and_gradient-003")
    noise = np.zeros_like(base.inputs["noise"])
    noise[3], noise[5] = 50, 50
    with pytest.raises(RangeError, match="nearly the largest in time"):
        weak = {name: array / 4096 for name, array in base.inputs.items() if name == "W1"}
        build(replace(base, inputs=base.inputs | weak | {"noise": noise}), MEASURED)


def test_a_chip_whose_spike_depends_on_a_ten_thousandth_of_its_threshold_is_refused():
    base = next(draft for draft in all_drafts() if draft.id == "chip_run-001")
    low, high = 0.25, 1.5                                   # silent, spiking: the weight in between at which it begins to spike
    for _ in range(20):
        middle = (low + high) / 2
        spikes = Reference().call("chip_run", base.inputs | {"W0": np.array([[middle]])}, base.params, {})["S0"].any()
        low, high = (low, middle) if spikes else (middle, high)
    with pytest.raises(RangeError, match="S0 depends on less than 0.0001 theta"):
        build(replace(base, inputs=base.inputs | {"W0": np.array([[high]])}), MEASURED)


def test_a_case_on_which_an_oracle_disagrees_is_refused(monkeypatch):
    def off(draft, answered):
        return {name: array + 1e-12 for name, array in answered.items()}

    draft = next(draft for draft in all_drafts() if draft.id == "li_step-002")
    monkeypatch.setattr(oracles_module, "ORACLES", (replace(ORACLES[0], answer=off),))
    with pytest.raises(RangeError, match="li_step-002: plain Python loops disagrees on I_next by"):
        examine(draft, build(draft, MEASURED))


def test_a_case_without_two_oracles_is_refused(monkeypatch):
    for few in (ORACLES[:1], [oracle for oracle in ORACLES if not oracle.independent]):
        monkeypatch.setattr(collection_module, "ORACLES", few)
        with pytest.raises(RangeError, match="it needs two, one of them independent"):
            build(run_of(0.5), MEASURED)


def test_a_draft_that_must_fail_and_does_not_is_refused():
    base = next(draft for draft in all_drafts() if draft.id == "forward-201")
    ones = base.inputs | {"x": np.ones_like(base.inputs["x"])}
    harmless = replace(base, inputs=ones, fault=lambda a, p: min(v for t in a["x"] for b in t for v in b) == 1)
    with pytest.raises(RangeError, match="forward-201: it is not refused"):
        examine(harmless, None)
    with pytest.raises(RangeError, match="refused with RangeError, not ShapeError"):
        examine(replace(base, error="ShapeError"), None)
    with pytest.raises(RangeError, match="does not tell it from the same without it"):
        examine(replace(base, fault=lambda a, p: True), None)


def test_an_id_is_used_once(monkeypatch):
    monkeypatch.setattr(collection_module, "all_drafts", lambda: (run_of(0.5), run_of(0.5)))
    with pytest.raises(RangeError, match="the ids forward-999 are used twice"):
        examined()
    monkeypatch.setattr(collection_module, "all_drafts", lambda: (run_of(0.5),))
    monkeypatch.setattr(collection_module, "RETIRED", {"forward-999": "was wrong"})
    with pytest.raises(RangeError, match="or are retired"):
        examined()


# errors and bounds

@pytest.mark.parametrize(("kind", "got", "reference", "expected"), [
    ("exact", [1.0, 2.0], [1.0, 2.0], 0.0),
    ("exact", [1.0, -0.0], [1.0, 0.0], 0.0),
    ("exact", [1.0, 2.0], [1.0, 2.5], math.inf),
    ("scaled", [1.0, 2.0], [1.0, 4.0], 0.5),
    ("scaled", [1e-30], [0.0], math.inf),
    ("ulp", [1 + 2.0**-52, 4.0], [1.0, 4.0], 1.0),
    ("scaled", [math.inf, 1.0], [math.inf, 1.0], 0.0),
    ("scaled", [1.0, 1.0], [math.inf, 1.0], math.inf),
    ("scaled", [math.nan], [1.0], math.inf),
    ("scaled", [1.0, 1.0], [1.0], math.inf),
])
def test_an_error_is_what_its_kind_says(kind, got, reference, expected):
    assert error(kind, np.array(got), np.array(reference)) == expected


def test_an_ulp_is_that_of_the_subjects_dtype():
    assert error("ulp", np.array([1 + 2.0**-22]), np.array([1.0]), "float32") == 2


def test_a_bound_is_eight_times_the_worst_rounded_up():
    assert bound("scaled", "float64", 1.01e-14) == 8.1e-14
    assert bound("scaled", "float64", 0.0) == 1.8e-15                                 # 8 times 2.2e-16 = 1.78e-15
    assert bound("ulp", "float32", 0.0) == 4.0 and bound("exact", "float64", 0.0) == 0.0


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_reference_is_within_every_bound(dtype):
    # an eighth of it, in float32 too, unless this machine has kernels that were not measured
    for case in ANSWERED:
        if all(own[dtype] is not None for own in case.tolerance.values()):
            found = Reference(dtype).call(case.op, cast(case.inputs, dtype), case.params, case.conventions)
            for name, own in case.tolerance.items():
                assert error(own["kind"], found[name], case.outputs[name], dtype) <= own[dtype], (case.id, name)


@pytest.mark.long
def test_this_machine_measures_nothing_beyond_the_bounds():
    here, worst = measure([]), MEASURED["worst"]
    for op, outputs in here["worst"].items():
        for name, found in outputs.items():
            kind = kind_of(op, name, np.dtype(float))
            for dtype in ("float64", "float32"):
                assert found[dtype]["error"] <= bound(kind, dtype, worst[op][name][dtype]["error"]), (op, name, found)


def failures(conventions):
    """The ids of must-cases on which a subject with other conventions is wrong."""
    found = []
    for case in ANSWERED:
        if case.status == "must" and conventions_for(case.op, conventions).others():
            answered = Reference().call(case.op, case.inputs, case.params, conventions)
            if any(error(own["kind"], answered[name], case.outputs[name]) > own["float64"] for name, own in case.tolerance.items()):
                found.append(case.id)
    return found


# a membrane can only be recorded after its reset where that comes in the same step
OTHERS = [{switch.name: value} | ({"reset_time": "same_step"} if value == "after_reset" else {})
          for switch in SWITCHES for value in switch.values[1:]]


@pytest.mark.parametrize("conventions", OTHERS, ids=str)
def test_a_subject_with_any_other_convention_is_caught(conventions):
    assert failures(conventions)


def test_the_reference_is_not():
    assert failures({}) == []
