"""Networks as graphs of NIR, the Neuromorphic Intermediate Representation, and back. Needs the package nir (extra nir).

    Input -> Linear -> CubaLIF -> .. -> Linear -> CubaLI -> Output            a readout is a CubaLI
                       [CubaLIF -> Linear -> CubaLIF]                         recurrence: a subgraph, with a Linear back to where it came from

    symbol    NIR           unit     shape     meaning
    W, R      weight        1        (N,M)     W and R transposed: NIR has [to, from]
    tau_mem   tau_mem       s        (N,)
    tau_syn   tau_syn       s        (N,)
    theta     v_threshold   1        (N,)
    -         r, w_in       see gain (N,)      R_m and w_in of NIR's equations
    kappa     -             1/s      (N,)      as in refsnn.chip.dynamics: with it the continuous membrane is E1, E2 at every k dt
    -         v_leak, v_reset  1     (N,)      0

NIR says what a network is in continuous time:

    tau_syn dI/dt = -I + w_in S        tau_mem dv/dt = v_leak - v + r I        v > v_threshold: a spike, and v is v_reset

and says neither which steps a simulator takes nor what S is: a series of delta functions, or 1 for a whole time step. Both are in use, and the
factor between them is 1/dt. So a graph alone is not a program. A Reading says the rest; to_nir writes it into the metadata of the graph:

    spikes = "delta"    r w_in = kappa tau_mem tau_syn: solved exactly, v is the membrane of E1, E2 at every k dt while nothing spikes
    spikes = "step"     r w_in = tau_mem tau_syn / dt^2: a step of Euler is E1, E2 with 1 - dt/tau in place of exp(-dt/tau)

NIR's reset is to v_reset, at once, and it has no refractory time. This library's reset, subtractive and a step late, is said in the metadata
only: whoever reads the graph without them gets other spikes.

Source: the nodes of the package nir, 1.0.
"""

import io
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

import refsnn
from refsnn.chip.dynamics import transfer
from refsnn.errors import (DataError, DtypeError, RangeError, RefsnnError, ShapeError, check_choice, check_float_array, check_number, check_type,
                           describe)
from refsnn.files import bytes_of_hdf5, damage_is_data_error, refuse_special, write_atomically
from refsnn.spec import Layer, NeuronParameters
from refsnn.verify.conventions import Conventions

SPIKES = ("delta", "step")
SECONDS = 60                 # that a file may take to be read
READ, REFUSED, UNABLE = 90, 91, 1     # exit codes of the process that reads a file first: it could, it got an error, it cannot import what it needs
READER = """
import sys
sys.path[:] = {places!a}
import h5py, nir
from refsnn.exchange.nir import read_here
try:
    read_here(sys.argv[1])
except Exception:
    sys.exit({refused})
sys.exit({read})
"""
ROUNDING = 1e-6              # relative: frameworks keep parameters in float32, and a gain within it is the nominal one


@dataclass(frozen=True)
class Reading:
    """What a graph does not say: the time step in seconds, what a spike is, and the conventions of the steps. Raises DtypeError, RangeError."""

    dt: float
    spikes: str = "delta"
    conventions: Conventions = Conventions()

    def __post_init__(self):
        object.__setattr__(self, "dt", check_number("dt", self.dt, low=0, strict=True))
        check_choice("spikes", self.spikes, SPIKES)
        check_type("conventions", self.conventions, Conventions)


# a snnTorch graph holds 1 - dt/tau for its decays; dt is fixed in its code (snntorch/import_nir.py of version 1.0). Its graph does not say how
# the neurons reset: these are the conventions of reset_mechanism="zero" with reset_delay=False, which are also what its import makes
SNNTORCH = Reading(1e-4, "step", Conventions(integrator="euler", reset="to_value", reset_time="same_step", input_delay="none"))


def gain(tau_mem, tau_syn, dt, spikes):
    """(r, w_in) with which a weight of 1 means what it means here; tau_mem, tau_syn (N,) in seconds.

    >>> [value.tolist() for value in gain(np.array([4.0]), np.array([6.0]), 2.0, "step")]
    [[2.0], [3.0]]
    """
    if spikes == "step":
        return tau_mem / dt, tau_syn / dt
    return tau_mem / transfer(dt, tau_mem, tau_syn), tau_syn                      # kappa = 1 / transfer(dt)


def to_nir(layers: tuple[Layer, ...], spikes: str = "delta", conventions: Conventions = Conventions()):
    """The NIR graph of some layers: of network.layers, or, for programs that know no CubaLI, of the spiking ones, network.layers[:-1].

    spikes: see the head of this file; conventions: what the metadata declare. Weights keep their dtype. Raises ShapeError where layers do not fit
    each other, DtypeError, RangeError where their dt differ, or dt is above a time constant for a step of Euler.
    """
    nir = package()
    if not isinstance(layers, (list, tuple)) or not layers:
        raise DtypeError(f"layers is {describe(layers)}; it must be a tuple of Layer, as network.layers")
    for index, layer in enumerate(layers):
        check_type(f"layers[{index}]", layer, Layer)
    reading = Reading(layers[0].neuron.dt, spikes, conventions)
    check_layers(layers, reading)
    # in alphabetical order: a file gives the nodes back in it, and snnTorch runs a recurrent graph only if weights come before their neurons
    digits = len(str(len(layers) - 1))
    names, nodes = [f"{0:0{digits}}_input"], [nir.Input(np.array([layers[0].W.shape[0]]))]
    for index, layer in enumerate(layers):
        names += [f"{index:0{digits}}_linear", f"{index:0{digits}}_neurons"]
        nodes += [nir.Linear(np.ascontiguousarray(layer.W.T)), neuron_node(nir, layer, spikes)]
    names, nodes = [*names, "output"], [*nodes, nir.Output(np.array([layers[-1].W.shape[1]]))]
    return nir.NIRGraph(dict(zip(names, nodes)), list(zip(names, names[1:])), metadata={"refsnn": asdict(reading)})


def check_layers(layers, reading):
    """Raise unless the layers fit each other and the reading."""
    for index, layer in enumerate(layers):
        if layer.neuron.dt != reading.dt:
            raise RangeError(f"layers[{index}] has dt {layer.neuron.dt} but layers[0] has {reading.dt}; a graph has one time step")
        shortest = min(np.min(layer.neuron.tau_mem), np.min(layer.neuron.tau_syn))
        if reading.conventions.integrator == "euler" and reading.dt > shortest:
            raise RangeError(f"layers[{index}] has a time constant of {shortest:g} s, shorter than dt {reading.dt:g} s: by Euler it would not decay")
        if index and layer.W.shape[0] != layers[index - 1].W.shape[1]:
            raise ShapeError(f"layers[{index}].W has shape {layer.W.shape} but layers[{index - 1}].W has shape {layers[index - 1].W.shape}: "
                             f"{layers[index - 1].W.shape[1]} neurons do not fit {layer.W.shape[0]} inputs")
        if not layer.spiking and index < len(layers) - 1:
            raise ShapeError(f"layers[{index}] of {len(layers)} does not spike (a CubaLI); only the last one may be a readout")


def neuron_node(nir, layer, spikes):
    """The CubaLIF or CubaLI of a layer, all parameters (N,); of a recurrent one the subgraph, which frameworks read where a flat cycle fails."""
    N, neuron = layer.W.shape[1], layer.neuron
    tau_mem, tau_syn, threshold = (np.full(N, value, float) for value in (neuron.tau_mem, neuron.tau_syn, neuron.threshold))       # (N,)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        r, w_in = gain(tau_mem, tau_syn, neuron.dt, spikes)                       # (N,)
    if not (np.isfinite(r).all() and np.isfinite(w_in).all()):
        raise RangeError(f"with dt {neuron.dt:g} s and time constants up to {max(tau_mem.max(), tau_syn.max()):g} s the factors of a graph are no numbers")
    shared = {"tau_mem": tau_mem, "tau_syn": tau_syn, "r": r, "w_in": w_in, "v_leak": np.zeros(N)}
    if not layer.spiking:
        return nir.CubaLI(**shared)
    spiking = nir.CubaLIF(**shared, v_threshold=threshold, v_reset=np.zeros(N))
    if layer.R is None:
        return spiking
    nodes = {"input": nir.Input(np.array([N])), "neurons": spiking, "recurrence": nir.Linear(np.ascontiguousarray(layer.R.T)),
             "output": nir.Output(np.array([N]))}
    return nir.NIRGraph(nodes, [("input", "neurons"), ("neurons", "recurrence"), ("recurrence", "neurons"), ("neurons", "output")])


def from_nir(graph, reading: Reading | None = None) -> tuple[tuple[Layer, ...], Reading]:
    """(layers, reading) of a NIR graph: a tuple of Layer, and the Reading under which its spikes are those of the program that made it.

    reading: None for a graph that to_nir made, whose metadata have it. Where the last layer is a readout, Network(layers) is a network;
    refsnn.verify.general.forward(layers, x, reading.conventions) runs layers of any kind. The gain goes into the weights. Raises
    DataError for a graph that is no such chain, ShapeError for nodes that do not fit each other, DtypeError for parameters that are no numbers,
    RangeError for what has no meaning here: a leak or a reset that is not at 0, a bias, dt above a time constant for a step of Euler.
    """
    nir = package()
    check_type("graph", graph, nir.NIRGraph)
    reading = declared(graph) if reading is None else reading
    check_type("reading", reading, Reading)
    nodes, edges = flattened(nir, graph)
    layers = tuple(layer_of(nir, names, nodes, reading) for names in chain(nir, nodes, edges))
    check_layers(layers, reading)
    for kind, size in ((nir.Input, layers[0].W.shape[0]), (nir.Output, layers[-1].W.shape[1])):
        name, port = next((name, node) for name, node in nodes.items() if isinstance(node, kind))
        shape = np.ravel(port.input_type["input"]).tolist()
        if shape != [size]:
            raise ShapeError(f"node {name} has shape {shape}, but the weights of the layers have {size} there")
    return layers, reading


def declared(graph):
    """The Reading in the metadata of a graph."""
    said = graph.metadata.get("refsnn") if isinstance(graph.metadata, dict) else None
    if said is None:
        raise DataError("the graph has no metadata of refsnn, so it does not say its time step nor its conventions: give a Reading")
    if not isinstance(said, dict):
        raise DataError(f"the graph's metadata of refsnn are {describe(said)}; they must be a dict with dt, spikes and conventions")
    try:
        return Reading(float(said["dt"]), said["spikes"], Conventions(**said["conventions"]))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        if isinstance(error, RefsnnError):
            raise
        raise DataError(f"the graph's metadata of refsnn are no Reading: {type(error).__name__}: {error}") from error


def flattened(nir, graph):
    """(nodes, edges) of a graph without its subgraphs: their nodes are named outer.inner, what comes in and goes out goes to them directly."""
    nodes, edges = dict(graph.nodes), list(dict.fromkeys(map(tuple, graph.edges)))
    for edge in edges:
        if len(edge) != 2 or not set(edge) <= set(nodes):
            raise DataError(f"the graph has an edge {edge}; it must lead from one of its nodes to another: {', '.join(map(str, nodes))}")
    for name, node in graph.nodes.items():
        if not isinstance(node, nir.NIRGraph):
            continue
        try:
            inner_nodes, inner_edges = flattened(nir, node)
        except RecursionError:
            raise DataError(f"subgraph {name} holds itself, or too many in each other") from None
        del nodes[name]
        nodes |= {f"{name}.{inner}": own for inner, own in inner_nodes.items()}
        inner_edges = [(f"{name}.{a}", f"{name}.{b}") for a, b in inner_edges]
        ports = {kind: [inner for inner, own in nodes.items() if inner.startswith(f"{name}.") and isinstance(own, kind)]
                 for kind in (nir.Input, nir.Output)}
        edges = [(a, inner) if b == name else (a, b) for a, b in edges for inner in (ports[nir.Input] if b == name else [b])]
        edges = [(inner, b) if a == name else (a, b) for a, b in edges for inner in (ports[nir.Output] if a == name else [a])] + inner_edges
        for port in (*ports[nir.Input], *ports[nir.Output]):
            del nodes[port]
            through = [(a, d) for a, b in edges if b == port for c, d in edges if c == port]
            edges = [edge for edge in edges if port not in edge] + through
    return nodes, edges


def chain(nir, nodes, edges):
    """The names (weights, neurons, recurrence or None) of every layer from the input up. Raises DataError where the graph is no such chain."""
    following = {name: [b for a, b in edges if a == name] for name in nodes}
    linear = {name for name, node in nodes.items() if isinstance(node, (nir.Linear, nir.Affine))}
    neurons = {name for name, node in nodes.items() if isinstance(node, (nir.CubaLIF, nir.CubaLI))}
    inputs = [name for name, node in nodes.items() if isinstance(node, nir.Input)]
    for name, node in nodes.items():
        if name not in linear | neurons and not isinstance(node, (nir.Input, nir.Output)):
            raise DataError(f"node {name} is a {type(node).__name__}; a network is made of Linear, CubaLIF and a CubaLI at its end")
    layers, at, seen = [], only("the graph", inputs, "input"), set()
    while True:
        recurrence = [name for name in following[at] if name in linear and following[name] == [at]] if at in neurons else []
        if layers and recurrence:
            layers[-1] = (*layers[-1][:2], only(f"node {at}", recurrence, "recurrence"))
        seen |= {at, *recurrence}
        after = only(f"node {at}", [name for name in following[at] if name not in recurrence], "way on")
        if isinstance(nodes[after], nir.Output):
            break
        if after in seen:
            raise DataError(f"the graph leads from node {at} back to node {after}; only a layer's own recurrence may lead back")
        at = only(f"node {after}", following[after], "way on")
        if after not in linear or at not in neurons:
            raise DataError(f"node {after} ({type(nodes[after]).__name__}) leads to node {at} ({type(nodes[at]).__name__}); a layer is a Linear and "
                            "then a CubaLIF or a CubaLI")
        layers.append((after, at, None))
        seen.add(after)
    left = set(nodes) - seen - {after}
    if left or not layers:
        raise DataError(f"node {min(left)} is not on the way from the input to the output" if left else "the graph has no layer")
    return layers


def only(owner, names, what):
    """The one name of a list that must have one. Raises DataError."""
    if len(names) != 1:
        raise DataError(f"{owner} has {len(names)} {what}s ({', '.join(map(str, names))}); it must have one")
    return names[0]


def layer_of(nir, names, nodes, reading):
    """The Layer of the nodes (weights, neurons, recurrence or None)."""
    node, spiking = nodes[names[1]], isinstance(nodes[names[1]], nir.CubaLIF)
    for field in ("v_leak", "v_reset") if spiking else ("v_leak",):
        zero(f"{field} of node {names[1]}", getattr(node, field), "leak and reset are at 0 here")
    W, R = (None if name is None else weights(nir, name, nodes[name]) for name in (names[0], names[2]))
    fields = ("tau_mem", "tau_syn", "r", "w_in", *(["v_threshold"] if spiking else []))
    tau_mem, tau_syn, own_r, own_w_in, *threshold = (per_neuron(f"{field} of node {names[1]}", getattr(node, field), W.shape[1])
                                                     for field in fields)                                                        # (N,)
    if R is not None and R.shape != (W.shape[1], W.shape[1]):
        raise ShapeError(f"the weight of node {names[2]} has shape {R.T.shape}; from {W.shape[1]} neurons to themselves it must be square")
    neuron = NeuronParameters(one(tau_mem), one(tau_syn), one(*threshold) if spiking else 1.0, reading.dt)
    # what overflows is infinite, and a Layer refuses it
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        r, w_in = gain(tau_mem, tau_syn, reading.dt, reading.spikes)
        factor = own_r * own_w_in / (r * w_in)                                    # (N,)
        factor = np.where(np.abs(factor - 1) < ROUNDING, 1.0, factor)
        W, R = (None if array is None else np.ascontiguousarray(array * factor.astype(array.dtype)) for array in (W, R))
    return Layer(W, R, neuron, spiking)


def weights(nir, name, node):
    """The weights [from, to] of a Linear, or of an Affine whose bias is 0."""
    if isinstance(node, nir.Affine):
        zero(f"the bias of node {name}", node.bias, "a bias has no meaning here: a synapse carries spikes")
    weight = array_of(f"the weight of node {name}", node.weight)
    check_float_array(f"the weight of node {name}", weight, 2)
    return weight.T                                                               # (M, N)


def array_of(name, values):
    """The parameter of a node as an array. Raises DtypeError for lists of lists that are none."""
    try:
        return np.asarray(values)
    except ValueError:
        raise DtypeError(f"{name} is {describe(values)}; it must be an array") from None


def numbers(name, values):
    """The parameter of a node in float64. Raises DtypeError, RangeError."""
    array = array_of(name, values)
    if array.dtype.kind not in "iuf":
        raise DtypeError(f"{name} has dtype {array.dtype}; it must hold numbers")
    if not np.isfinite(array).all():
        raise RangeError(f"{name} holds {np.count_nonzero(~np.isfinite(array))} values that are NaN or infinite")
    return array.astype(float)


def per_neuron(name, values, N):
    """The parameter of a node, (N,) or one for all. Raises ShapeError, DtypeError, RangeError."""
    array = numbers(name, values)
    if array.shape not in ((), (1,), (N,)):
        raise ShapeError(f"{name} has shape {array.shape}, but the weights before it have {N} outputs")
    return np.full(N, array)


def zero(name, values, reason):
    """Raise RangeError unless all values are 0."""
    largest = np.abs(numbers(name, values)).max(initial=0)
    if largest:
        raise RangeError(f"{name} is up to {largest:g}; it must be 0: {reason}")


def one(values):
    """A number where all of (N,) are the same, else the array."""
    return float(np.ravel(values)[0]) if np.ptp(values) == 0 else values


def read(path):
    """The NIR graph of a file (HDF5), which must hold all of it.

    On a damaged file the library of HDF5 may run for ever, or end the process. So a process of its own reads it first, within SECONDS. Raises
    DataError where the file is none, or that process does not come back; OSError where there is none; DtypeError and RangeError for what is no path;
    RefsnnError where that process cannot import what this one did.
    """
    package()
    refuse_special(path)
    with open(path, "rb"):
        pass
    # what it imports is where this process found it, and not in the folder that happens to be the current one
    root = str(Path(refsnn.__file__).absolute().parents[1])
    places = [str(place) for place in sys.path if isinstance(place, str) and os.path.isabs(place)]
    if root not in places:
        places.insert(0, root)
    program = [sys.executable, "-I", "-c", READER.format(places=places, read=READ, refused=REFUSED), os.fspath(path)]
    try:
        code = subprocess.run(program, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=SECONDS).returncode
    except subprocess.TimeoutExpired:
        raise DataError(f"{path}: HDF5 came to no end with it within {SECONDS} s; it may be damaged") from None
    if code == UNABLE:
        raise RefsnnError(f"{path}: the process that is to read it first cannot import refsnn, nir and h5py from {', '.join(places)}")
    if code not in (READ, REFUSED):
        raise DataError(f"{path}: the process that read it ended with {f'signal {-code}' if code < 0 else f'exit code {code}'}; it may be damaged")
    return read_here(path)                            # or its error, in words


def read_here(path):
    """read, in this process."""
    nir = package()
    import h5py  # which nir needs

    with damage_is_data_error(path):
        try:
            with h5py.File(path, "r") as file:
                bytes_of_hdf5(file)
            return nir.read(path)
        except AssertionError as error:               # how nir says that the parameters of a node do not fit each other
            raise DataError(str(error) or "a node is not well formed") from error


def write(path, graph):
    """Write a NIR graph to a file (HDF5), whole or not at all."""
    content = io.BytesIO()
    package().write(content, graph)
    write_atomically(path, content.getvalue())


def package():
    """The package nir. Raises RefsnnError where it is missing or too old."""
    try:
        import nir
    except ImportError:
        raise RefsnnError("NIR graphs need the extra nir: pip install 'refsnn[nir]'") from None
    if "v_reset" not in nir.CubaLIF.__dataclass_fields__:
        raise RefsnnError(f"nir {version('nir')} is too old: its CubaLIF has no v_reset. 1.0.7 or a later one is needed: pip install 'refsnn[nir]'")
    return nir
