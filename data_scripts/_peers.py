"""The same loss and gradient in other frameworks, for benchmark.py: free run of the ideal model, published surrogate and objective.

Each entry of PEERS makes, from the weights (M, N) and (N, K), input x (T, B, M) and labels (B,), a function without arguments that returns
(loss, dW_hidden, dW_output) as numpy arrays; it raises ImportError where the framework is missing. Each is written as users of the framework write
it: one matrix product for the input of all time steps, the time loop, the framework's own differentiation.
"""

import numpy as np

ALPHA = BETA = float(np.exp(-1.7 / 6))
SLOPE, READOUT_SCALE, BURST, WEIGHT = 50.0, 10.0, 5e-4, 0.1


def torch_eager(W_hidden, W_output, x, labels):
    """PyTorch, eager mode."""
    return torch_step(torch_forward, W_hidden, W_output, x, labels)


def torch_compiled(W_hidden, W_output, x, labels):
    """PyTorch with torch.compile."""
    import torch

    return torch_step(torch_forward, W_hidden, W_output, x, labels, torch.compile)


def snntorch_eager(W_hidden, W_output, x, labels):
    """snnTorch: two of its Synaptic neurons, whose subtractive reset is one step late, as the paper's."""
    import snntorch

    def forward(spike, drive, W_output, batch):
        # thresholds that are never reached make the second one a readout
        hidden = snntorch.Synaptic(ALPHA, BETA, threshold=1.0, spike_grad=spike, reset_mechanism="subtract")
        readout = snntorch.Synaptic(ALPHA, BETA, threshold=1e9, spike_grad=spike, reset_mechanism="none")
        I, V = hidden.reset_mem()
        J, U = readout.reset_mem()
        outputs, spikes = [], []
        for drive_t in drive[:-1]:
            _, J, U = readout((spikes[-1] if spikes else drive_t.new_zeros(batch, W_output.shape[0])) @ W_output, J, U)
            outputs.append(U)
            S, I, V = hidden(drive_t, I, V)
            spikes.append(S)
        return outputs, sum(spikes)

    return torch_step(forward, W_hidden, W_output, x, labels)


def norse_eager(W_hidden, W_output, x, labels):
    """Norse: its leaky integrator, twice. Its spiking neurons reset to a value and its SuperSpike has slope 1, so reset and spike are ours."""
    import torch
    from norse.torch.functional.leaky_integrator import LIParameters, LIState, li_feed_forward_step

    # its integrator is Euler's: rates for which the decays are these, and weights that make up for its factor (1 - beta)
    parameters = LIParameters(torch.tensor(1 - ALPHA), torch.tensor(1 - BETA), torch.tensor(0.0))

    def forward(spike, drive, W_output, batch):
        hidden = readout = LIState(torch.zeros(()), torch.zeros(()))
        S = count = drive.new_zeros(drive[0].shape)
        drive, W_output, outputs = drive / (1 - BETA), W_output / (1 - BETA), []
        for drive_t in drive[:-1]:
            U, readout = li_feed_forward_step(S @ W_output, readout, parameters, dt=1.0)
            outputs.append(U)
            V, hidden = li_feed_forward_step(drive_t, hidden, parameters, dt=1.0)
            V = V - S.detach()
            hidden = LIState(V, hidden.i)
            S = spike(V - 1)
            count = count + S
        return outputs, count

    return torch_step(forward, W_hidden, W_output, x, labels)


def torch_step(forward, W_hidden, W_output, x, labels, transform=lambda function: function):
    """A contestant on PyTorch: forward(spike, drive (T, B, N), W_output, batch) -> readout membranes, a list of (B, K), and spike counts (B, N)."""
    import torch

    class Spike(torch.autograd.Function):
        @staticmethod
        def forward(ctx, V):
            ctx.save_for_backward(V)
            return (V > 0).to(V.dtype)

        @staticmethod
        def backward(ctx, gradient):
            V, = ctx.saved_tensors
            return gradient / (SLOPE * V.abs() + 1) ** 2

    def loss(W_hidden, W_output, x, labels):
        outputs, count = forward(Spike.apply, x @ W_hidden, W_output, x.shape[1])
        best = torch.relu(torch.stack(outputs).max(dim=0).values)    # the membrane is 0 at t = 0, and a tie takes the first
        data = torch.nn.functional.cross_entropy(READOUT_SCALE * best, labels)
        return data + BURST * (count**2).mean() + WEIGHT * (W_hidden**2).mean()

    loss = transform(loss)
    x, labels = torch.from_numpy(x), torch.from_numpy(labels.astype(np.int64))
    weights = [torch.from_numpy(W.copy()).requires_grad_() for W in (W_hidden, W_output)]

    def run():
        value = loss(*weights, x, labels)
        gradient = torch.autograd.grad(value, weights)
        return value.item(), *(entry.numpy() for entry in gradient)
    return run


def torch_forward(spike, drive, W_output, batch):
    """The time loop in PyTorch alone; as torch_step wants it."""
    I = V = S = count = drive.new_zeros(drive[0].shape)
    J = U = drive.new_zeros(batch, W_output.shape[1])
    outputs = []
    for t in range(len(drive) - 1):
        J = ALPHA * J + S @ W_output
        U = BETA * U + J
        outputs.append(U)
        I = ALPHA * I + drive[t]
        V = BETA * V + I - S.detach()
        S = spike(V - 1)
        count = count + S
    return outputs, count


def jax_jit(W_hidden, W_output, x, labels):
    """JAX under jit, the time loop a scan."""
    import jax
    import jax.numpy as jnp

    @jax.custom_jvp
    def spike(V):
        return (V > 0).astype(V.dtype)

    @spike.defjvp
    def derivative(primals, tangents):
        V, = primals
        return spike(V), tangents[0] / (SLOPE * jnp.abs(V) + 1) ** 2

    def loss(weights, x, labels):
        W_hidden, W_output = weights
        drive = x @ W_hidden

        def step(state, drive_t):
            I, V, S, J, U, count = state
            J = ALPHA * J + S @ W_output
            U = BETA * U + J
            I = ALPHA * I + drive_t
            V = BETA * V + I - jax.lax.stop_gradient(S)
            S = spike(V - 1)
            return (I, V, S, J, U, count + S), U

        zeros, out = jnp.zeros_like(drive[0]), jnp.zeros((x.shape[1], W_output.shape[1]), x.dtype)
        state, outputs = jax.lax.scan(step, (zeros, zeros, zeros, out, out, zeros), drive[:-1])
        scores = READOUT_SCALE * jax.nn.relu(outputs.max(axis=0))    # the membrane is 0 at t = 0, and a tie takes the first
        data = -jnp.take_along_axis(jax.nn.log_softmax(scores), labels[:, None], axis=1).mean()
        return data + BURST * (state[-1] ** 2).mean() + WEIGHT * (W_hidden**2).mean()

    step = jax.jit(jax.value_and_grad(loss))
    weights, x, labels = (jnp.asarray(W_hidden), jnp.asarray(W_output)), jnp.asarray(x), jnp.asarray(labels)

    def run():
        value, gradient = step(weights, x, labels)
        return float(value), *(np.asarray(entry) for entry in gradient)
    return run


PEERS = {"PyTorch eager": torch_eager, "torch.compile": torch_compiled, "JAX jit": jax_jit, "snnTorch": snntorch_eager, "Norse": norse_eager}
