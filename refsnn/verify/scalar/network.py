"""From pixels to a gradient, in plain Python (levels 0 to 2 of refsnn.verify.operations).

a are the inputs of an operation, p its params. Loops run over t, b, i (a layer's own neurons), j (those below) and k (those above).
"""

import math


def zeros(*shape):
    """Nested lists of zeros."""
    return [zeros(*shape[1:]) for _ in range(shape[0])] if shape else 0.0


def each(value, N):
    """One value a neuron, from a number or a list."""
    return value if isinstance(value, list) else [value] * N


def constants(params, N):
    """(alpha, beta, theta), a list of N each."""
    dt = params["dt"]
    return ([math.exp(-dt / tau) for tau in each(params["tau_syn"], N)], [math.exp(-dt / tau) for tau in each(params["tau_mem"], N)],
            each(params.get("threshold", 1.0), N))


class Layer:
    """Layer l of a network among inputs and params: sizes M, N; W; R or None; alpha, beta, theta; spiking."""

    def __init__(self, inputs, params, l):
        self.W, self.R = inputs[f"W{l}"], inputs.get(f"R{l}")
        self.M, self.N = len(self.W), len(self.W[0])
        self.alpha, self.beta, self.theta = constants({name: params[name] if name == "dt" else params[name][l]
                                                       for name in ("tau_mem", "tau_syn", "threshold", "dt")}, self.N)
        self.spiking = l < len(params["tau_mem"]) - 1


def layers_of(inputs, params):
    """All layers."""
    return [Layer(inputs, params, l) for l in range(len(params["tau_mem"]))]


# L0

def decay(a, p):
    """What is left after a step. E1, E2."""
    return {"alpha": [math.exp(-p["dt"] / tau) for tau in a["tau"]]}


def latency_of(x, tau_in):
    """The time of a pixel's spike, inf for a dark one. E18."""
    return tau_in * math.log(x / (x - 0.2)) if x > 0.2 else math.inf


def latency(a, p):
    """The times of pixels. E18."""
    return {"time": [latency_of(x, p["tau_in"]) for x in a["intensity"]]}


def encode(a, p):
    """Images to spikes (T, B, H H2). E18."""
    images, steps = a["images"], p["steps"]
    H, H2 = len(images[0]), len(images[0][0])
    x = zeros(steps, len(images), H * H2)
    white = latency_of(1.0, p["tau_in"])
    for b, image in enumerate(images):
        for row in range(H):
            for column in range(H2):
                late = latency_of(image[row][column] / 255, p["tau_in"]) - white
                if late / p["dt"] < steps:
                    x[math.floor(late / p["dt"])][b][row * H2 + column] = 1.0
    return {"x": x}


def spline_coefficients(samples):
    """c with (c[k-1] + 4 c[k] + c[k+1]) / 6 = samples[k], mirrored at both ends; by elimination. E17."""
    n = len(samples)
    diagonal, right = [4.0] * n, [6.0 * value for value in samples]
    for k in range(1, n):
        left, above = 2.0 if k == n - 1 else 1.0, 2.0 if k == 1 else 1.0            # the mirror doubles the only neighbour of an end
        diagonal[k] -= left * above / diagonal[k - 1]
        right[k] -= left * right[k - 1] / diagonal[k - 1]
    c = [0.0] * n
    for k in range(n - 1, -1, -1):
        c[k] = (right[k] - ((2.0 if k == 0 else 1.0) * c[k + 1] if k < n - 1 else 0.0)) / diagonal[k]
    return c


def resample(samples, size):
    """The cubic spline through the samples at `size` points from end to end. E17."""
    n, c, out = len(samples), spline_coefficients(samples), []
    for o in range(size):
        at = o * (n - 1) / (size - 1)
        total = 0.0
        for knot in range(math.floor(at) - 1, math.floor(at) + 3):
            d = abs(at - knot)
            weight = 2 / 3 - d * d + d ** 3 / 2 if d < 1 else max(0.0, 2 - d) ** 3 / 6
            k = abs(knot) if abs(knot) < n else 2 * (n - 1) - abs(knot)
            total += weight * c[k]
        out.append(total)
    return out


def downscale(a, p):
    """Images to size x size: the spline along the rows, then along the columns. E17."""
    crop, size, small = p["crop"], p["size"], []
    for image in a["images"]:
        n = len(image) - 2 * crop
        rows = [resample(row[crop:crop + n], size) for row in image[crop:crop + n]]               # n rows of `size`
        columns = [resample([row[o] for row in rows], size) for o in range(size)]                 # `size` columns of `size`
        small.append([[min(max(math.floor(columns[o2][o] + 0.5), 0), 255) for o2 in range(size)] for o in range(size)])
    return {"small": small}


def peak(V, theta, slope):
    """sigma'. E5."""
    return 1 / (slope * abs(V - theta) + 1) ** 2


def surrogate(a, p):
    """Its value at every V. E5."""
    return {"sigma": [peak(V, p["threshold"], p["slope"]) for V in a["V"]]}


def surrogate_primitive(a, p):
    """Its integral. E5."""
    return {"phi": [(V - p["threshold"]) / (1 + p["slope"] * abs(V - p["threshold"])) for V in a["V"]]}


# L1

def lif_step(a, p):
    """A step of a spiking layer. E1-E3."""
    B, N = len(a["V"]), len(a["V"][0])
    alpha, beta, theta = constants(p, N)
    I, V, S = zeros(B, N), zeros(B, N), zeros(B, N)
    for b in range(B):
        for i in range(N):
            I[b][i] = alpha[i] * a["I"][b][i] + a["drive"][b][i]                                  # E1
            V[b][i] = beta[i] * a["V"][b][i] + I[b][i] - theta[i] * a["S"][b][i]                  # E2
            S[b][i] = 1.0 if V[b][i] > theta[i] else 0.0                                          # E3
    return {"I_next": I, "V_next": V, "S_next": S}


def li_step(a, p):
    """A step of a readout: as of a layer that has not spiked. E4."""
    B, N = len(a["V"]), len(a["V"][0])
    after = lif_step({**a, "S": zeros(B, N)}, p)
    return {"I_next": after["I_next"], "V_next": after["V_next"]}


def run(layer, x):
    """(V, S) of one layer, (T, B, N) each. E1-E4."""
    T, B = len(x), len(x[0])
    V, S = zeros(T, B, layer.N), zeros(T, B, layer.N)
    for b in range(B):
        I = [0.0] * layer.N
        for t in range(T - 1):
            for i in range(layer.N):
                drive = sum(x[t][b][j] * layer.W[j][i] for j in range(layer.M))
                if layer.R is not None:
                    drive += sum(S[t][b][j] * layer.R[j][i] for j in range(layer.N))
                I[i] = layer.alpha[i] * I[i] + drive
                V[t + 1][b][i] = layer.beta[i] * V[t][b][i] + I[i] - layer.theta[i] * S[t][b][i]
                S[t + 1][b][i] = 1.0 if layer.spiking and V[t + 1][b][i] > layer.theta[i] else 0.0
    return V, S


def run_network(layers, x, noise):
    """One (V, S) a layer, the noise added to the last V."""
    traces = []
    for layer in layers:
        traces.append(run(layer, traces[-1][1] if traces else x))
    if noise is not None:
        V = traces[-1][0]
        traces[-1] = [[[V[t][b][k] + noise[t][b][k] for k in range(len(V[t][b]))] for b in range(len(V[t]))] for t in range(len(V))], None
    return traces


def forward(a, p):
    """A free run. E1-E4."""
    layers = layers_of(a, p)
    traces = run_network(layers, a["x"], a.get("noise"))
    return {f"{letter}{l}": array for l, pair in enumerate(traces) for letter, array in zip("VS", pair) if letter == "V" or layers[l].spiking}


# L2

def adjoint_step(a, p):
    """One step backwards. E7-E9."""
    V, R = a["V"], a.get("R")
    B, N = len(V), len(V[0])
    alpha, beta, theta = constants(p, N)
    lam_V, lam_I = zeros(B, N), zeros(B, N)
    for b in range(B):
        for i in range(N):
            lam_S = a["lam_S"][b][i] + (sum(a["lam_I_next"][b][k] * R[i][k] for k in range(N)) if R else 0.0)                # E7
            at = theta[i] if p["spike_aware"] and a["S"][b][i] > 0 else V[b][i]
            lam_V[b][i] = a["gV"][b][i] + peak(at, theta[i], p["slope"]) * lam_S + beta[i] * a["lam_V_next"][b][i]           # E8
            lam_I[b][i] = lam_V[b][i] + alpha[i] * a["lam_I_next"][b][i]                                                     # E9
    return {"lam_V": lam_V, "lam_I": lam_I}


def adjoints(layer, V, S, gV, lam_S, p):
    """lamI of one layer, (T + 1, B, N) with zeros at both ends; lam_S without its own recurrence; V, S its trace. E7-E9."""
    T, B, N = len(gV), len(gV[0]), layer.N
    lam_I, lam_V = zeros(T + 1, B, N), zeros(T + 1, B, N)
    for t in range(T - 1, 0, -1):
        for b in range(B):
            for i in range(N):
                into_V = gV[t][b][i]
                if layer.spiking:
                    spike = lam_S[t][b][i]
                    if layer.R is not None:
                        spike += sum(lam_I[t + 1][b][k] * layer.R[i][k] for k in range(N))
                    at = layer.theta[i] if p["spike_aware"] and S[t][b][i] > 0 else V[t][b][i]
                    into_V += peak(at, layer.theta[i], p["slope"]) * spike
                lam_V[t][b][i] = into_V + layer.beta[i] * lam_V[t + 1][b][i]
                lam_I[t][b][i] = lam_V[t][b][i] + layer.alpha[i] * lam_I[t + 1][b][i]
    return lam_I


def correlate(S, lam_I):
    """The sum over t = 0 .. T-2 and b of S[t] lamI[t+1]. E10."""
    T, B, M, N = len(S), len(S[0]), len(S[0][0]), len(lam_I[0][0])
    return [[sum(S[t][b][j] * lam_I[t + 1][b][i] for t in range(T - 1) for b in range(B)) for i in range(N)] for j in range(M)]


def gradient(layers, x, traces, gV, gS, p):
    """{dW0, dR0, ..} from the direct derivatives gV, gS of a loss. E5-E10."""
    T, B, found, lam_I = len(x), len(x[0]), {}, None
    for l in range(len(layers) - 1, -1, -1):
        layer, (V, S), lam_S = layers[l], traces[l], None
        if layer.spiking:
            above, lam_S = layers[l + 1], zeros(T, B, layer.N)
            for t in range(T):
                for b in range(B):
                    for i in range(layer.N):
                        lam_S[t][b][i] = gS[l][t][b][i] + sum(lam_I[t + 1][b][k] * above.W[i][k] for k in range(above.N))
        lam_I = adjoints(layer, V, S, gV[l], lam_S, p)
        found[f"dW{l}"] = correlate(traces[l - 1][1] if l else x, lam_I)
        if layer.R is not None:
            found[f"dR{l}"] = correlate(S, lam_I)
    return found


def backward(a, p):
    """The gradient on a given trace. E5-E10."""
    layers = layers_of(a, p)
    traces = [(a[f"V{l}"], a.get(f"S{l}")) for l in range(len(layers))]
    return gradient(layers, a["x"], traces, [a[f"gV{l}"] for l in range(len(layers))], [a.get(f"gS{l}") for l in range(len(layers))], p)
