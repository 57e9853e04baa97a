"""The contract of the operations: the reference keeps it, plain Python agrees with the reference, and who breaks it is told how."""

import ast
from pathlib import Path

import numpy as np
import pytest

import refsnn.verify.scalar
from refsnn.errors import DtypeError, RangeError, RefsnnError, ShapeError
from refsnn.verify import reference
from refsnn.verify.conventions import SWITCHES, Conventions
from refsnn.verify.conformance.subject import check_adapter
from refsnn.verify.operations import OPERATIONS, Reference, checked_call, expected
from refsnn.verify.problems import problem
from refsnn.verify.scalar import ScalarLoops

PROBLEMS = 8
# times are found by halving an interval, to some roundings; the chip, free runs and training have spikes, which are equal or not at all
EXACT = {"uint8", "int64"}


def problems(op, dtype="float64", count=PROBLEMS):
    """Some problems for an operation; the same in every run."""
    return [problem(op, np.random.default_rng([seed, *op.encode()]), dtype) for seed in range(count)]


def assert_equal(own, other, bound=1e-12):
    """1e-12 of the largest value: sums of up to 40 terms in another order differ by 1e-15 of it, carried through 13 time steps."""
    assert own.keys() == other.keys()
    for name in own:
        assert own[name].shape == other[name].shape, name
        if own[name].dtype.name in EXACT:
            np.testing.assert_array_equal(own[name], other[name], err_msg=name)
        elif own[name].size:
            finite = np.isfinite(own[name])
            np.testing.assert_array_equal(finite, np.isfinite(other[name]), err_msg=name)
            largest = np.abs(own[name][finite]).max(initial=0)
            assert np.abs(own[name][finite] - other[name][finite]).max(initial=0) <= bound * largest, name


@pytest.mark.parametrize("op", OPERATIONS)
def test_plain_python_agrees_with_the_reference(op):
    for inputs, params in problems(op):
        own = checked_call(Reference(), op, inputs, params, {})
        assert_equal(own, checked_call(ScalarLoops(), op, inputs, params, {}))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("op", OPERATIONS)
def test_the_reference_keeps_the_contract_and_its_hands_off_the_inputs(op, dtype):
    for inputs, params in problems(op, dtype, count=3):
        for array in inputs.values():
            array.flags.writeable = False
        first = checked_call(Reference(dtype), op, inputs, params, {})
        assert all(array.flags.writeable and array.flags.owndata for array in first.values())
        again = checked_call(Reference(dtype), op, inputs, params, {})
        assert all(array.tobytes() == again[name].tobytes() for name, array in first.items())


def test_operations_come_after_what_they_require():
    names = list(OPERATIONS)
    for place, (name, operation) in enumerate(OPERATIONS.items()):
        for required in operation.requires:
            assert required in names
            assert OPERATIONS[required].level <= operation.level or operation.status == "may", (name, required)
        assert operation.level >= OPERATIONS[names[max(place - 1, 0)]].level


@pytest.mark.parametrize("op", [op for op, operation in OPERATIONS.items() if operation.switches])
def test_the_general_form_gives_the_specifications_bits(op):
    # a switch that the operation does not obey sends it through the general form all the same
    other = {"weight_rounding": "zero"} if op != "load_weights" else {"axes": "batch_first"}
    for inputs, params in problems(op):
        specification, general = (getattr(reference, op)(inputs, params, conventions) for conventions in (Conventions(), Conventions(**other)))
        for name, array in specification.items():
            np.testing.assert_array_equal(array, general[name])


# what a switch needs beside it to show: a reset that is subtracted and carries no gradient shows in no gradient
COMPANIONS = {"recorded_membrane": {"reset_time": "same_step"}, "reset_time": {"reset_gradient": "flow"}, "reset": {"reset_time": "same_step"}}
UNSEEN = {("backward", "reset", "none"), ("loss_and_gradient_of_trace", "reset", "none")}        # as a subtractive reset without a gradient
SHOWN = [(op, switch.name, value) for op, operation in OPERATIONS.items() for switch in SWITCHES if switch.name in operation.switches
         for value in switch.values[1:] if (op, switch.name, value) not in UNSEEN]


@pytest.mark.parametrize(("op", "switch", "value"), SHOWN)
def test_every_switch_that_an_operation_names_changes_it(op, switch, value):
    if switch == "tie":
        cases = [with_a_tie(op)]
    elif op == "load_weights":
        cases = [({"W": np.array([[0.5, 0.7]]) / 240}, {"layer": "spiking", "levels": 63})]
    else:
        cases = problems(op, count=30)
    if (op, switch) == ("train", "time_maximum"):
        cases = [(inputs | {"noise": 0 * inputs["noise"]}, params) for inputs, params in cases]            # noise breaks every tie
    companions = {name: chosen for name, chosen in COMPANIONS.get(switch, {}).items() if name in OPERATIONS[op].switches}
    for inputs, params in cases:
        plain, changed = (Reference().call(op, inputs, params, {**companions, **choice}) for choice in ({}, {switch: value}))
        if any(not np.array_equal(array, changed[name]) for name, array in plain.items()):
            return
    pytest.fail("no problem shows it")


def with_a_tie(op):
    """A problem in which a membrane is exactly at its threshold: V = W = theta after one step."""
    inputs, params = problems("loss_and_gradient", count=1)[0] if op == "loss_and_gradient" else problem(op, np.random.default_rng(0))
    if op == "lif_step":
        inputs = {name: np.zeros((1, 1)) for name in inputs} | {"drive": np.ones((1, 1))}
        return inputs, {"tau_mem": 6e-6, "tau_syn": 6e-6, "threshold": 1.0, "dt": 1.7e-6}
    steps = (2,) if op == "train" else ()
    inputs = {"W0": np.ones((1, 1)), "W1": np.array([[0.3, -0.2]]), "x": np.zeros((*steps, 6, 1, 1))}
    inputs["x"][..., 0, 0, 0] = 1
    if op != "forward":
        inputs["labels"] = np.zeros((*steps, 1), int)
    if op == "train":
        inputs["noise"] = np.zeros((2, 6, 1, 2))
    return inputs, params | {name: [given, given] for name, given in (("tau_mem", 6e-6), ("tau_syn", 6e-6), ("threshold", 1.0))}


def test_layers_are_written_out_and_the_readout_has_no_spikes():
    assert expected(OPERATIONS["forward"].outputs, 2) == {"V0": ("float", ["T", "B", "N0"], False), "V1": ("float", ["T", "B", "K"], False),
                                                          "S0": ("float", ["T", "B", "N0"], False)}


class Broken:
    """An adapter whose outputs of weight_decay are not what the contract says."""

    name, version, dtype = "broken", "1", "float64"

    def __init__(self, **changes):
        self.changes = changes

    def call(self, op, inputs, params, conventions):
        outputs = Reference().call(op, inputs, params, conventions) | self.changes
        return {name: array for name, array in outputs.items() if array is not None}


@pytest.mark.parametrize(("changes", "error", "message"), [
    ({"dW": None}, RangeError, "weight_decay: the outputs lack dW"),
    ({"dV": np.zeros(1)}, RangeError, "weight_decay: the outputs must not hold dV"),
    ({"dW": np.zeros((4, 5), np.float32)}, DtypeError, "dW has dtype float32; it must be float64"),
    ({"dW": np.zeros((5, 4))}, ShapeError, r"dW has shape \(5, 4\); it must be \(M, N\), and M is 4"),
    ({"value": np.zeros(1)}, ShapeError, r"value has shape \(1,\); it must be \(\)"),
    ({"value": 0.5}, DtypeError, "value is float 0.5; it must be a ndarray"),
])
def test_an_adapter_that_breaks_the_contract_is_told_how(changes, error, message):
    inputs, params = problem("weight_decay", np.random.default_rng(0))
    with pytest.raises(error, match=message):
        checked_call(Broken(**changes), "weight_decay", inputs, params, {})


def saying(**changes):
    """The reference, but for what it says of itself."""
    adapter = Reference()
    adapter.capabilities = lambda: Reference().capabilities() | changes
    return adapter


def test_both_adapters_are_adapters():
    check_adapter(Reference("float32"))
    check_adapter(ScalarLoops())
    check_adapter(saying(conventions={"tie": "spike"}))


@pytest.mark.parametrize(("adapter", "error", "message"), [
    (object(), DtypeError, "the adapter has no name"),
    (saying(ops=["fly"]), RangeError, "an operation of the capabilities is 'fly'"),
    (saying(more=1), RangeError, "the capabilities must not hold more"),
    (saying(conventions={"tie": "maybe"}), RangeError, "tie is 'maybe'"),
    (saying(conventions={"ties": "spike"}), RangeError, "must not hold ties"),
])
def test_what_is_no_adapter_is_told_why(adapter, error, message):
    with pytest.raises(error, match=message):
        check_adapter(adapter)


def broken_call(op, drop=(), conventions={}, params={}, **arrays):
    """Reference().call of a problem with some things changed."""
    inputs, given = problem(op, np.random.default_rng(1))
    inputs = {name: array for name, array in (inputs | arrays).items() if name not in drop}
    return Reference().call(op, inputs, given | params, conventions)


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda: Reference().call("fly", {}, {}, {}), RangeError, "op is 'fly'; it must be one of decay"),
    (lambda: Reference("float16"), RangeError, "dtype is 'float16'"),
    (lambda: broken_call("lif_step", drop=("V",)), RangeError, "lif_step: the inputs lack V"),
    (lambda: broken_call("lif_step", W=np.zeros(1)), RangeError, "lif_step: the inputs must not hold W"),
    (lambda: broken_call("lif_step", V=[[1.0]]), DtypeError, "lif_step: V is list"),
    (lambda: broken_call("lif_step", V=np.zeros(3)), ShapeError, r"lif_step: V has shape \(3,\); it must be \(B, N\)"),
    (lambda: broken_call("lif_step", params={"tau": 1.0}), RangeError, "lif_step: the params must not hold tau"),
    (lambda: broken_call("lif_step", params={"dt": "1.7 us"}), DtypeError, "param dt is str '1.7 us'; it must be number"),
    (lambda: broken_call("lif_step", params={"dt": True}), DtypeError, "param dt is bool True"),
    (lambda: broken_call("lif_step", params={"tau_mem": ["6 us"]}), DtypeError, "a number, or a list of numbers"),
    (lambda: broken_call("lif_step", params={"tau_mem": -1.0}), RangeError, "tau_mem is -1.0; it must be at least 1e-300"),
    (lambda: broken_call("lif_step", params={"tau_mem": [1e-6] * 9}), ShapeError, "tau_mem has shape"),
    (lambda: broken_call("adjoint_step", params={"spike_aware": 1}), DtypeError, "spike_aware is int 1; it must be boolean"),
    (lambda: broken_call("scores", params={"reduce": "mean"}), RangeError, "reduce is 'mean'; it must be one of max, sum"),
    (lambda: broken_call("adam_step", params={"step": 1.5}), DtypeError, "step is float 1.5; it must be integer"),
    (lambda: broken_call("forward", params={"tau_mem": 6e-6}), DtypeError, "tau_mem is float 6e-06; it must be a list with one entry a layer"),
    (lambda: broken_call("forward", W0=np.zeros((9, 9))), ShapeError, r"forward: .* it must be"),
    (lambda: broken_call("cross_entropy", labels=np.zeros(3)), DtypeError, "labels has dtype float64; it must be int64"),
    (lambda: broken_call("forward", conventions={"ties": "spike"}), RangeError, "the conventions must not hold ties"),
    (lambda: broken_call("forward", conventions={"tie": 1}), RangeError, "tie is 1; it must be one of silent, spike, half"),
    (lambda: problem("fly", np.random.default_rng(0)), RangeError, "op is 'fly'"),
])
def test_a_call_that_breaks_the_contract_is_refused(call, error, message):
    assert issubclass(error, RefsnnError)
    with pytest.raises(error, match=message):
        call()


def test_plain_python_follows_the_papers_conventions_only():
    inputs, params = problem("decay", np.random.default_rng(0))
    with pytest.raises(ValueError, match="euler"):
        ScalarLoops().call("decay", inputs, params, {"integrator": "euler"})
    said = ScalarLoops().capabilities()
    assert said["ops"] == list(refsnn.verify.scalar.OPERATIONS) and set(said["ops"]) == set(OPERATIONS) and said["conventions"] == {}
    assert set(refsnn.verify.scalar.OPERATIONS) == set(OPERATIONS)


def test_plain_python_imports_nothing_but_the_standard_library_and_numpy_at_its_edge():
    for path in Path(refsnn.verify.scalar.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert {alias.name for alias in node.names} <= ({"numpy"} if path.stem == "__init__" else {"math"}), path
            elif isinstance(node, ast.ImportFrom):
                assert node.module.startswith("refsnn.verify.scalar"), path
