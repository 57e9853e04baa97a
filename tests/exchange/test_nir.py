"""NIR: out and in again to the bit, refusals that say why, and the same spikes in snnTorch and norse under the conventions that are declared."""

import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest

from refsnn import DataError, DtypeError, Layer, Network, NeuronParameters, RangeError, RefsnnError, ShapeError, forward
from refsnn.exchange import nir as room
from refsnn.exchange.nir import SNNTORCH, SPIKES, Reading, from_nir, gain, read, to_nir, write
from refsnn.files import bytes_of_hdf5
from refsnn.verify import general
from refsnn.verify.conventions import Conventions

nir = pytest.importorskip("nir")
if "v_reset" not in nir.CubaLIF.__dataclass_fields__:
    pytest.skip("nir is older than 1.0.7, which refsnn refuses", allow_module_level=True)

FOREIGN = pytest.mark.filterwarnings("ignore::DeprecationWarning")         # what the frameworks call of nirtorch and torch is deprecated
SLOW = NeuronParameters(tau_mem=2e-3, tau_syn=1e-3, dt=1e-4)               # the time step that snnTorch's import has in its code


def network(neuron=NeuronParameters(), recurrent=True, dtype=np.float64, sizes=(4, 6, 5, 3)):
    return Network.initialise(np.random.default_rng(0), sizes, recurrent, neuron, dtype)


def spiking(seed=1, neuron=SLOW, recurrent=False):
    """Two spiking layers of weights that make spikes, float32 as the frameworks' parameters are, and input."""
    rng = np.random.default_rng(seed)
    weights = [rng.normal(0.06, 0.1, shape).astype(np.float32) for shape in ((5, 8), (8, 4))]
    R = rng.normal(0, 0.1, (8, 8)).astype(np.float32) if recurrent else None
    x = (rng.random((60, 3, 5)) < 0.3).astype(np.float32)
    return (Layer(weights[0], R, neuron), Layer(weights[1], None, neuron)), x


def torch_and(name):
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("nirtorch")
        return torch, pytest.importorskip(name)


@pytest.mark.parametrize("spikes", SPIKES)
@pytest.mark.parametrize("dtype", (np.float32, np.float64))
def test_a_network_goes_out_to_a_file_and_comes_back_to_the_bit(tmp_path, spikes, dtype):
    rng = np.random.default_rng(1)
    net = network(dtype=dtype)
    uneven = NeuronParameters(rng.uniform(4e-6, 8e-6, 6), rng.uniform(4e-6, 8e-6, 6), rng.uniform(0.5, 2, 6))
    net = Network((replace(net.layers[0], neuron=uneven), *net.layers[1:]))
    write(tmp_path / "graph.nir", to_nir(net.layers, spikes, Conventions(tie="spike")))
    layers, reading = from_nir(read(tmp_path / "graph.nir"))
    assert reading == Reading(net.layers[0].neuron.dt, spikes, Conventions(tie="spike"))
    for own, back in zip(net.layers, layers, strict=True):
        assert back.W.dtype == dtype and (back.W == own.W).all() and back.spiking == own.spiking
        assert (back.R is None) == (own.R is None) and (own.R is None or (back.R == own.R).all())
        for name in ("tau_mem", "tau_syn", "threshold", "dt"):
            assert np.array_equal(getattr(back.neuron, name), getattr(own.neuron, name))
    x = (rng.random((20, 2, 4)) < 0.3).astype(dtype)
    for own, back in zip(forward(net, x), forward(Network(layers), x)):
        assert (own.membrane == back.membrane).all()


def test_a_graph_has_the_nodes_that_nir_has_for_it():
    graph = to_nir(network().layers)
    kinds = [type(graph.nodes[name]).__name__ for name in graph.nodes]
    assert kinds == ["Input", "Linear", "NIRGraph", "Linear", "NIRGraph", "Linear", "CubaLI", "Output"]
    assert graph.nodes["0_linear"].weight.shape == (6, 4)                 # (out, in)
    inner = graph.nodes["0_neurons"]
    assert {"CubaLIF", "Linear"} < {type(node).__name__ for node in inner.nodes.values()} and ("recurrence", "neurons") in inner.edges


def test_recurrence_in_a_flat_graph_is_read_as_in_a_subgraph():
    graph = to_nir(network(sizes=(4, 6, 3)).layers)
    inner = graph.nodes.pop("0_neurons")
    graph.nodes |= {"0_neurons": inner.nodes["neurons"], "recurrence": inner.nodes["recurrence"]}
    graph.edges += [("0_neurons", "recurrence"), ("recurrence", "0_neurons")]
    assert (from_nir(graph)[0][0].R == network(sizes=(4, 6, 3)).layers[0].R).all()


def test_the_exact_solution_of_nirs_equations_is_the_membrane_of_the_model_at_every_step():
    net = network(NeuronParameters(tau_mem=10e-6, tau_syn=4e-6, threshold=1e9), recurrent=False, sizes=(4, 3, 2))
    node, W, dt = to_nir(net.layers).nodes["0_neurons"], net.layers[0].W, net.layers[0].neuron.dt
    x = (np.random.default_rng(2).random((20, 1, 4)) < 0.4).astype(float)
    expected = forward(net, x)[0].membrane[:, 0]
    t = np.arange(20) * dt
    for k in range(20):
        # a spike at t_j adds w_in W / tau_syn to I: v is the sum of the responses r I(0) (difference of exponentials)
        ages = t[k] - t[:k]                                                # (k,)
        response = node.r * node.w_in / (node.tau_syn - node.tau_mem) * (
            np.exp(-ages[:, None] / node.tau_syn) - np.exp(-ages[:, None] / node.tau_mem))                 # (k, N)
        np.testing.assert_allclose((response * (x[:k, 0] @ W)).sum(axis=0), expected[k], rtol=0, atol=1e-14)        # order of sums


def test_a_step_of_euler_of_nirs_equations_is_the_model_with_other_decays():
    tau_mem, tau_syn, dt = np.array([2e-3]), np.array([1e-3]), 1e-4
    r, w_in = gain(tau_mem, tau_syn, dt, "step")
    I = dt / tau_syn * w_in * 1                                            # from rest, S = 1, W = 1
    V = dt / tau_mem * r * I
    assert abs(I[0] - 1) < 1e-15 and abs(V[0] - 1) < 1e-15                 # E1, E2: I = 1, V = 1


def spikes_as_declared(torch, module, layers, x, conventions):
    """A framework's module, run step by step, spikes as the layers do under the conventions."""
    counted, state = [], None
    with torch.no_grad():
        for x_t in torch.tensor(x):
            out, state = module(x_t, state)
            counted.append(out.numpy())
    expected = general.forward(layers, x, conventions)[-1].spikes
    assert expected.sum() > 20
    assert (np.stack(counted) == expected).all()


@FOREIGN
@pytest.mark.parametrize("recurrent", (False, True))
@pytest.mark.parametrize("from_file", (False, True))
def test_snntorch_runs_a_graph_of_ours_with_the_spikes_that_are_declared(recurrent, from_file, tmp_path, capsys):
    torch, _ = torch_and("snntorch")
    from snntorch.import_nir import import_from_nir

    layers, x = spiking(recurrent=recurrent)
    graph = to_nir(layers, "step", SNNTORCH.conventions)
    if from_file:                                                          # with the nodes in alphabetical order
        write(tmp_path / "graph.nir", graph)
        graph = read(tmp_path / "graph.nir")
    module = import_from_nir(graph)
    spikes_as_declared(torch, module, layers, x, SNNTORCH.conventions)


@FOREIGN
def test_norse_runs_a_graph_of_ours_with_the_spikes_that_are_declared():
    torch, norse = torch_and("norse")
    layers, x = spiking()
    module = norse.torch.from_nir(to_nir(layers, "step"), dt=1e-4)
    spikes_as_declared(torch, module, layers, x, SNNTORCH.conventions)


@FOREIGN
def test_spikingjelly_runs_a_graph_of_ours_with_the_spikes_that_are_declared():
    torch, _ = torch_and("spikingjelly.activation_based.nir_exchange")
    from spikingjelly.activation_based.nir_exchange import import_from_nir

    layers, x = spiking()
    module = import_from_nir(to_nir(layers, "step"), dt=1e-4)
    spikes_as_declared(torch, module, layers, x, replace(SNNTORCH.conventions, tie="spike"))


@FOREIGN
def test_a_graph_of_snntorchs_has_its_spikes_here():
    torch, snntorch = torch_and("snntorch")
    from snntorch.export_nir import export_to_nir

    torch.manual_seed(0)
    own = {"reset_mechanism": "zero", "reset_delay": False, "init_hidden": True}
    first, second = (snntorch.Synaptic(torch.full((N,), 0.9), torch.full((N,), 0.95), threshold=torch.ones(N), **own) for N in (8, 4))
    module = torch.nn.Sequential(torch.nn.Linear(5, 8, bias=False), first, torch.nn.Linear(8, 4, bias=False), second)
    x = (torch.rand(60, 3, 5) < 0.3).float()
    graph = export_to_nir(module, x[0, 0])
    first.reset_mem(), second.reset_mem()
    with torch.no_grad():
        counted = np.stack([module(x_t).numpy() for x_t in x])
    layers, reading = from_nir(graph, SNNTORCH)
    recorded = general.forward(layers, x.numpy(), reading.conventions)
    assert counted.sum() > 20 and (recorded[-1].spikes == counted).all()


def refused(changes, error, message):
    """A graph with some nodes replaced is refused."""
    graph = to_nir(network(recurrent=False).layers)
    for name, change in changes.items():
        graph.nodes[name] = change(graph.nodes[name])
    with pytest.raises(error, match=message):
        from_nir(graph)


def changed(**values):
    def change(node):
        for name, value in values.items():
            setattr(node, name, np.full_like(getattr(node, name), value))
        return node
    return change


def test_what_has_no_meaning_here_is_refused_with_its_name_and_the_numbers():
    refused({"0_neurons": changed(v_leak=0.25)}, RangeError, "v_leak of node 0_neurons is up to 0.25")
    refused({"0_neurons": changed(v_reset=-1.0)}, RangeError, "v_reset of node 0_neurons is up to 1")
    refused({"0_linear": lambda node: nir.Affine(node.weight, np.ones(6))}, RangeError, "the bias of node 0_linear is up to 1")
    refused({"0_neurons": lambda node: nir.LIF(node.tau_mem, node.r, node.v_leak, node.v_threshold)}, DataError, "node 0_neurons is a LIF")
    refused({"1_linear": lambda node: nir.Scale(np.ones(6))}, DataError, "node 1_linear is a Scale")


def test_a_graph_that_is_no_chain_is_refused():
    graph = to_nir(network(recurrent=False).layers)
    graph.edges.append(("1_neurons", "0_linear"))
    with pytest.raises(DataError, match="node 1_neurons has 2 way ons"):
        from_nir(graph)


def test_the_names_of_the_nodes_of_any_depth_are_in_alphabetical_order():
    layers = network(recurrent=False, sizes=(3,) * 13).layers
    names = list(to_nir(layers).nodes)
    assert names == sorted(names) and len(names) == 26


def graph_with(edges=(), metadata=None):
    """A graph with more edges, or with other metadata."""
    graph = to_nir(network(recurrent=False).layers)
    graph.edges += edges
    graph.metadata = graph.metadata if metadata is None else metadata
    return graph


@pytest.mark.parametrize("edge", [("2_neurons", "nowhere"), ("nowhere", "0_neurons"), ("0_linear",), (1, 2)])
def test_an_edge_between_nodes_that_are_not_there_is_refused_with_its_names(edge):
    with pytest.raises(DataError, match=f"an edge .*{edge[0]}"):
        from_nir(graph_with(edges=[edge]))


@pytest.mark.parametrize(("metadata", "message"), [
    (dict, "give a Reading"),                                              # nir's own default is the class
    ([], "give a Reading"),
    ({"refsnn": 3}, "they must be a dict"),
    ({"refsnn": np.float64(3)}, "they must be a dict"),
    ({"refsnn": {"dt": 1e-6}}, "KeyError: 'spikes'"),
    ({"refsnn": {"dt": "soon", "spikes": "delta", "conventions": {}}}, "ValueError"),
    ({"refsnn": {"dt": 1e-6, "spikes": "delta", "conventions": 3}}, "TypeError"),
    ({"refsnn": {"dt": 10**400, "spikes": "delta", "conventions": {}}}, "OverflowError"),
])
def test_metadata_that_are_no_reading_are_a_data_error(metadata, message):
    with pytest.raises(DataError, match=message):
        from_nir(graph_with(metadata=metadata))


def test_layers_that_do_not_fit_each_other_do_not_become_a_graph():
    first, last = network(recurrent=False, sizes=(4, 6, 3)).layers
    for layers, error, message in (
            ((first, replace(last, neuron=NeuronParameters(dt=1e-6))), RangeError, r"layers\[1\] has dt 1e-06 but layers\[0\] has 1.7e-06"),
            ((first, first), ShapeError, "6 neurons do not fit 4 inputs"),
            ((last, Layer(np.ones((3, 2)))), ShapeError, r"layers\[0\] of 2 does not spike")):
        with pytest.raises(error, match=message):
            to_nir(layers)
    with pytest.raises(RangeError, match="shorter than dt 1e-05 s: by Euler"):
        to_nir((Layer(np.ones((3, 2)), None, NeuronParameters(dt=1e-5)),), "step", Conventions(integrator="euler"))


def test_nodes_that_do_not_fit_each_other_are_refused_with_their_names_and_shapes():
    refused({"0_linear": lambda node: nir.Linear(np.ones((6, 4, 1)))}, ShapeError, "the weight of node 0_linear has shape .* 2 axes")
    refused({"0_linear": lambda node: nir.Linear(np.ones((7, 4)))}, ShapeError, r"node 0_neurons has shape \(6,\), .* 7 outputs")
    refused({"0_linear": lambda node: nir.Linear(np.ones((6, 4), int))}, DtypeError, "the weight of node 0_linear has dtype int64")
    refused({"1_linear": lambda node: nir.Linear(np.ones((5, 7)))}, ShapeError, "6 neurons do not fit 7 inputs")
    refused({"0_input": lambda node: nir.Input(np.array([5]))}, ShapeError, r"node 0_input has shape \[5\], .* have 4")
    refused({"output": lambda node: nir.Output(np.array([3, 1]))}, ShapeError, r"node output has shape \[3, 1\], .* have 3")
    refused({"1_neurons": lambda node: nir.CubaLI(node.tau_mem, node.tau_syn, node.r, node.v_leak, node.w_in)}, ShapeError,
            r"layers\[1\] of 3 does not spike \(a CubaLI\)")


def test_a_gain_that_no_float_can_hold_is_refused_without_a_warning():
    graph = to_nir(network(recurrent=False).layers, "step")
    graph.nodes["0_neurons"].tau_mem = graph.nodes["0_neurons"].tau_syn = np.full(6, 1e-299)                  # the nominal r is tau_mem / dt
    with pytest.raises(RangeError, match="W holds 24 values that are NaN or infinite"):
        from_nir(graph)


def uneven(node):
    """The Linear with a list of lists that is no array."""
    node.weight = [[1.0], [1.0, 2.0]]
    return node


def test_parameters_that_are_no_finite_numbers_are_refused_with_their_names():
    def with_field(field, value):
        def change(node):
            setattr(node, field, np.full(6, value))
            return node
        return {"0_neurons": change}

    refused(with_field("tau_mem", "slow"), DtypeError, "tau_mem of node 0_neurons has dtype <U4")
    refused(with_field("v_leak", "none"), DtypeError, "v_leak of node 0_neurons has dtype <U4")
    refused(with_field("r", np.inf), RangeError, "r of node 0_neurons holds 6 values that are NaN or infinite")
    refused(with_field("w_in", 1e308), RangeError, "W holds")              # the gain overflows
    refused({"0_linear": lambda node: uneven(node)}, DtypeError, "the weight of node 0_linear is .* must be an array")


def test_recurrent_weights_that_are_not_square_are_refused():
    graph = to_nir(network().layers)
    graph.nodes["0_neurons"].nodes["recurrence"].weight = np.ones((5, 6))
    with pytest.raises(ShapeError, match=r"node 0_neurons.recurrence has shape \(5, 6\); from 6 neurons"):
        from_nir(graph)


def test_a_graph_is_read_by_euler_only_where_it_decays():
    with pytest.raises(RangeError, match="a time constant of 6e-06 s, shorter than dt 0.0001 s: by Euler"):
        from_nir(to_nir(network(recurrent=False).layers), SNNTORCH)


def test_a_graph_without_metadata_needs_a_reading():
    graph = to_nir(network().layers)
    graph.metadata = {}
    with pytest.raises(DataError, match="give a Reading"):
        from_nir(graph)
    layers, _ = from_nir(graph, Reading(1.7e-6))
    assert (layers[0].W == network().layers[0].W).all()


def test_a_gain_that_is_not_the_nominal_one_goes_into_the_weights():
    graph = to_nir(network().layers)
    node = graph.nodes["0_neurons"].nodes["neurons"]
    node.r = 3 * node.r
    layers, _ = from_nir(graph)
    np.testing.assert_allclose(layers[0].W, 3 * network().layers[0].W, rtol=1e-15)
    np.testing.assert_allclose(layers[0].R, 3 * network().layers[0].R, rtol=1e-15)


def test_a_file_that_is_no_graph_is_a_data_error(tmp_path):
    (tmp_path / "graph.nir").write_bytes(b"no HDF5")
    with pytest.raises(DataError, match="graph.nir"):
        read(tmp_path / "graph.nir")


def test_a_graph_whose_parameters_do_not_fit_is_a_data_error(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "graph.nir"
    write(path, to_nir(network(recurrent=False).layers))
    with h5py.File(path, "r+") as file:
        node = file["node/nodes/0_neurons"]
        del node["tau_mem"]
        node["tau_mem"] = np.ones(2)
    with pytest.raises(DataError, match="graph.nir"):
        read(path)


def file_with(path, weight):
    """A file with a graph, in which weight(file, name) makes the weights of the first layer."""
    h5py = pytest.importorskip("h5py")
    write(path, to_nir(network(recurrent=False).layers))
    with h5py.File(path, "r+") as file:
        name = "node/nodes/0_linear/weight"
        del file[name]
        weight(h5py, file, name)


def virtual(h5py, file, name):
    """Make a data set of what another file holds."""
    layout = h5py.VirtualLayout((2, 2), "f8")
    layout[:] = h5py.VirtualSource("other.h5", "w", (2, 2))
    file.create_virtual_dataset(name, layout)


@pytest.mark.parametrize(("weight", "message"), [
    (lambda h5py, file, name: file.create_dataset(name, (2, 2), "f8", external=[("other.bin", 0, h5py.h5f.UNLIMITED)]), "lies in another file"),
    (lambda h5py, file, name: file.update({name: h5py.ExternalLink("other.h5", "w")}), "is a link"),
    (lambda h5py, file, name: file.update({name: h5py.SoftLink("/node/nodes")}), "is a link"),
    (virtual, "lies in another file"),
    (lambda h5py, file, name: file.create_dataset(name, (10**5, 10**5), "f8", chunks=(1000, 1000), compression="gzip"), "claim 80,000,0"),
])
def test_a_file_that_holds_not_all_of_itself_or_too_much_is_refused(weight, message, tmp_path):
    file_with(tmp_path / "graph.nir", weight)
    with pytest.raises(DataError, match=f"graph.nir: .*{message}"):
        read(tmp_path / "graph.nir")


@pytest.mark.parametrize(("program", "seconds", "message"), [
    ("import time; time.sleep(60)", 1, "no end with it within 1 s"),
    ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", 60, "ended with signal 11"),
    ("import sys; sys.exit(0)", 60, "ended with exit code 0"),                       # and did not say that it could read
])
def test_a_file_on_which_hdf5_hangs_or_crashes_is_a_data_error(program, seconds, message, tmp_path, monkeypatch):
    run = subprocess.run
    write(tmp_path / "graph.nir", to_nir(network(recurrent=False).layers))
    monkeypatch.setattr(room, "SECONDS", seconds)
    monkeypatch.setattr(subprocess, "run", lambda command, **named: run([command[0], "-I", "-c", program], **named))
    with pytest.raises(DataError, match=f"graph.nir: .*{message}"):
        read(tmp_path / "graph.nir")


def test_a_process_that_cannot_import_what_this_one_did_says_nothing_of_the_file(tmp_path, monkeypatch):
    write(tmp_path / "graph.nir", to_nir(network(recurrent=False).layers))
    monkeypatch.setattr("sys.path", [])
    with pytest.raises(RefsnnError, match="cannot import refsnn, nir and h5py from") as caught:
        read(tmp_path / "graph.nir")
    assert not isinstance(caught.value, DataError)


def test_the_process_that_reads_first_says_whether_it_could_and_runs_nothing_of_the_current_folder(tmp_path, monkeypatch):
    codes, run = [], subprocess.run

    def noted(*arguments, **named):
        done = run(*arguments, **named)
        codes.append(done.returncode)
        return done

    write(tmp_path / "graph.nir", to_nir(network(recurrent=False).layers))
    (tmp_path / "none.nir").write_bytes(b"no graph")
    for module in ("refsnn", "nir", "h5py", "numpy", "linecache"):
        (tmp_path / f"{module}.py").write_text("raise SystemExit(7)")
    monkeypatch.setattr(subprocess, "run", noted)
    monkeypatch.setattr("sys.path", ["", ".", *sys.path])
    monkeypatch.chdir(tmp_path)
    assert len(read("graph.nir").nodes) > 3
    with pytest.raises(DataError, match="none.nir"):
        read("none.nir")
    assert codes == [room.READ, room.REFUSED]


@pytest.mark.parametrize("levels", [10, 60])
def test_a_group_counts_once_for_each_of_its_names(levels, tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "many.h5", "w") as file:
        group = file.create_group("outermost").create_group("innermost")
        group["numbers"] = np.zeros(10)
        for level in range(levels):                                                # 2^60 ways to the innermost one, which are not walked
            outer = h5py.Group(h5py.h5g.create(file.id, None))
            outer["one"] = outer["other"] = group
            group = outer
        file["outermost/all"] = group
        if levels == 10:
            assert bytes_of_hdf5(file) == 80 + 80 * 2**10
        else:
            with pytest.raises(DataError, match="at most 2,147,483,648 are read"):
                bytes_of_hdf5(file)


def test_a_group_that_is_part_of_itself_is_refused(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "itself.h5", "w") as file:
        file["group/inner/outer"] = file.create_group("group")
        with pytest.raises(DataError, match="is part of itself"):
            bytes_of_hdf5(file)


def test_a_graph_that_holds_itself_is_refused():
    graph = to_nir(network(recurrent=False).layers)
    graph.nodes["self"] = graph
    with pytest.raises(DataError, match="holds itself"):
        from_nir(graph)


def test_time_constants_that_are_none_are_refused():
    refused({"0_neurons": changed(tau_mem=0.0)}, RangeError, "tau_mem")


def test_a_package_that_is_too_old_is_told_which_one_is_needed(monkeypatch):
    monkeypatch.delitem(nir.CubaLIF.__dataclass_fields__, "v_reset")       # as in nir 1.0.4
    with pytest.raises(RefsnnError, match="is too old: .* 1.0.7 or a later one is needed"):
        to_nir(network().layers)


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "nir", None)
    with pytest.raises(RefsnnError, match=r"refsnn\[nir\]"):
        to_nir(network().layers)
