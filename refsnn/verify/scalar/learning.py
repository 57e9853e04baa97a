"""From a trace to new weights, in plain Python (levels 3 to 5 of refsnn.verify.operations).

a are the inputs of an operation, p its params. Loops run over t, b, i (neurons), j (those below) and k (classes).
"""

import math

from refsnn.verify.scalar.network import gradient, layers_of, run_network, zeros


# the objective

def scores(a, p):
    """m and the decision, the first class with the largest score. E11, E12."""
    V = a["V"]
    T, B, K = len(V), len(V[0]), len(V[0][0])
    m, decision = zeros(B, K), [0] * B
    for b in range(B):
        for k in range(K):
            course = [V[t][b][k] for t in range(T)]
            m[b][k] = p["readout_scale"] * (max(course) if p["reduce"] == "max" else sum(course))
            if m[b][k] > m[b][decision[b]]:
                decision[b] = k
    return {"m": m, "decision": decision}


def scores_adjoint(a, p):
    """gV of the readout: all of dm at the first of the largest samples, or at every sample. E11, E12."""
    V, dm = a["V"], a["dm"]
    T, B, K = len(V), len(V[0]), len(V[0][0])
    gV = zeros(T, B, K)
    for b in range(B):
        for k in range(K):
            first = 0
            for t in range(T):
                if V[t][b][k] > V[first][b][k]:
                    first = t
            for t in range(T):
                if p["reduce"] == "sum" or t == first:
                    gV[t][b][k] = p["readout_scale"] * dm[b][k]
    return {"gV": gV}


def cross_entropy(a, p):
    """The mean of log sum exp m - m[label], and (softmax - onehot) / B. E11."""
    m, labels = a["m"], a["labels"]
    B, K = len(m), len(m[0])
    loss, dm = 0.0, zeros(B, K)
    for b in range(B):
        largest = max(m[b])
        total = sum(math.exp(score - largest) for score in m[b])
        loss += (math.log(total) + largest - m[b][labels[b]]) / B
        for k in range(K):
            dm[b][k] = (math.exp(m[b][k] - largest) / total - (k == labels[b])) / B
    return {"loss": loss, "dm": dm}


def burst(a, p):
    """rho mean n^2, n the spikes of a neuron in a sample; its derivative is the same at every t. E13."""
    S = a["S"]
    T, B, N = len(S), len(S[0]), len(S[0][0])
    n = [[sum(S[t][b][i] for t in range(T)) for i in range(N)] for b in range(B)]
    value = p["rho"] * sum(count * count for row in n for count in row) / (B * N)
    return {"value": value, "gS": [[[2 * p["rho"] * n[b][i] / (B * N) for i in range(N)] for b in range(B)] for _ in range(T)]}


def mean_square(rows, rho):
    """rho times the mean of the squares of a matrix, and its derivative by every entry."""
    size = len(rows) * len(rows[0])
    return rho * sum(x * x for row in rows for x in row) / size, [[2 * rho * x / size for x in row] for row in rows]


def readout_amplitude(a, p):
    """rho mean m^2. E14."""
    return dict(zip(("value", "dm"), mean_square(a["m"], p["rho"])))


def weight_decay(a, p):
    """rho mean W^2. E15."""
    return dict(zip(("value", "dW"), mean_square(a["W"], p["rho"])))


def rate_bound(a, p):
    """rho mean over the batch of max(0, n - limit)^2, n the spikes of the layer in a sample. E16."""
    S = a["S"]
    T, B, N = len(S), len(S[0]), len(S[0][0])
    excess = [max(0.0, sum(S[t][b][i] for t in range(T) for i in range(N)) - p["limit"]) for b in range(B)]
    return {"value": p["rho"] * sum(e * e for e in excess) / B,
            "gS": [[[2 * p["rho"] * excess[b] / B for _ in range(N)] for b in range(B)] for _ in range(T)]}


def add(left, right):
    """The sum of two nested lists of one shape."""
    return [add(x, y) for x, y in zip(left, right)] if isinstance(left, list) else left + right


def learn(layers, x, labels, traces, p):
    """(loss, gradient) of the whole objective on a trace: the cross-entropy and every regulariser. E5-E16."""
    readout = traces[-1][0]
    m = scores({"V": readout}, p)["m"]
    entropy, amplitude = cross_entropy({"m": m, "labels": labels}, p), readout_amplitude({"m": m}, {"rho": p["readout"]})
    loss = entropy["loss"] + amplitude["value"]
    gV, gS, decays = [], [], {}
    for l, (V, S) in enumerate(traces[:-1]):
        bursts = burst({"S": S}, {"rho": p["burst"]})
        bound = rate_bound({"S": S}, {"rho": p["rate"], "limit": p["rate_limit"]})
        decay = weight_decay({"W": layers[l].W}, {"rho": p["weight"]})
        loss += bursts["value"] + bound["value"] + decay["value"]
        gV.append(zeros(len(V), len(V[0]), len(V[0][0])))
        gS.append(add(bursts["gS"], bound["gS"]))
        decays[f"dW{l}"] = decay["dW"]
    gV.append(scores_adjoint({"V": readout, "dm": add(entropy["dm"], amplitude["dm"])}, p)["gV"])
    found = gradient(layers, x, traces, gV, [*gS, None], p)
    return loss, {name: add(array, decays[name]) if name in decays else array for name, array in found.items()}


def loss_and_gradient_of_trace(a, p):
    """On a given trace. E5-E16."""
    layers = layers_of(a, p)
    loss, found = learn(layers, a["x"], a["labels"], [(a[f"V{l}"], a.get(f"S{l}")) for l in range(len(layers))], p)
    return {"loss": loss, **found}


def loss_and_gradient(a, p):
    """On a free run. E1-E16."""
    layers = layers_of(a, p)
    loss, found = learn(layers, a["x"], a["labels"], run_network(layers, a["x"], a.get("noise")), p)
    return {"loss": loss, **found}


# the update

def adam_step(a, p):
    """One step of Adam, entry by entry."""
    M, N, step = len(a["W"]), len(a["W"][0]), p["step"] + 1
    W, mu, nu = zeros(M, N), zeros(M, N), zeros(M, N)
    for j in range(M):
        for i in range(N):
            g = a["dW"][j][i]
            mu[j][i] = p["decay_first"] * a["mu"][j][i] + (1 - p["decay_first"]) * g
            nu[j][i] = p["decay_second"] * a["nu"][j][i] + (1 - p["decay_second"]) * g * g
            first, second = mu[j][i] / (1 - p["decay_first"] ** step), nu[j][i] / (1 - p["decay_second"] ** step)
            W[j][i] = a["W"][j][i] - p["rate"] * first / (math.sqrt(second) + p["epsilon"])
    return {"W_next": W, "mu_next": mu, "nu_next": nu}


def clip_weights(a, p):
    """Every weight within +-limit."""
    return {"W_next": [[min(max(w, -p["limit"]), p["limit"]) for w in row] for row in a["W"]]}


def load_weights(a, p):
    """Whole numbers for the chip, ties to the even one (as round of Python does), and their scale. C1."""
    largest, levels = max(abs(w) for row in a["W"] for w in row), p["levels"]
    scale = 240.0
    if p["layer"] == "readout":
        scale = 250.0 if largest * 250 <= levels else levels / largest
    return {"codes": [[min(max(round(scale * w), -levels), levels) for w in row] for row in a["W"]], "scale": scale}


def learning_rate(a, p):
    """The rate of each epoch."""
    if p["schedule"] == "exponential":
        return {"rates": [p["rate"] * p["factor"] ** epoch for epoch in a["epoch"]]}
    return {"rates": [p["rate"] * (1 + math.cos(math.pi * epoch / p["epochs"])) / 2 for epoch in a["epoch"]]}


def train(a, p):
    """Some steps: free run, gradient, Adam on every matrix, clip of those of spiking layers. E1-E16."""
    weights = {name: array for name, array in a.items() if name[0] in "WR"}
    means = {name: (zeros(len(array), len(array[0])), zeros(len(array), len(array[0]))) for name, array in weights.items()}
    readout, losses = f"W{len(p['tau_mem']) - 1}", []
    for step, (x, labels, noise) in enumerate(zip(a["x"], a["labels"], a["noise"])):
        layers = layers_of(weights, p)
        loss, found = learn(layers, x, labels, run_network(layers, x, noise), p)
        losses.append(loss)
        for name, (mu, nu) in means.items():
            after = adam_step({"W": weights[name], "dW": found["d" + name], "mu": mu, "nu": nu},
                              {"step": step, "rate": p["learning_rate"], "decay_first": 0.9, "decay_second": 0.999, "epsilon": 1e-8})
            means[name] = after["mu_next"], after["nu_next"]
            weights[name] = after["W_next"] if name == readout else clip_weights({"W": after["W_next"]}, {"limit": 63 / 240})["W_next"]
    return {"loss": losses, **{f"{name}_next": array for name, array in weights.items()}}
