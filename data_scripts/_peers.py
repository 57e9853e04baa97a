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
    import torch

    step = torch_step(torch, W_hidden, W_output, x, labels)
    return step(torch_loss(torch))


def torch_compiled(W_hidden, W_output, x, labels):
    """PyTorch with torch.compile."""
    import torch

    step = torch_step(torch, W_hidden, W_output, x, labels)
    return step(torch.compile(torch_loss(torch)))


def torch_step(torch, W_hidden, W_output, x, labels):
    """From a loss function of tensors: the function that evaluates it and its gradient."""
    x, labels = torch.from_numpy(x), torch.from_numpy(labels.astype(np.int64))
    weights = [torch.from_numpy(W.copy()).requires_grad_() for W in (W_hidden, W_output)]

    def bound(loss):
        def run():
            value = loss(*weights, x, labels)
            gradient = torch.autograd.grad(value, weights)
            return value.item(), *(entry.numpy() for entry in gradient)
        return run
    return bound


def torch_loss(torch):
    """The loss as a function of tensors."""
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
        drive = x @ W_hidden
        I = V = S = torch.zeros_like(drive[0])
        J = U = torch.zeros(x.shape[1], W_output.shape[1])
        count, outputs = torch.zeros_like(I), []
        for t in range(len(x) - 1):
            J = ALPHA * J + S @ W_output
            U = BETA * U + J
            outputs.append(U)
            I = ALPHA * I + drive[t]
            V = BETA * V + I - S.detach()
            S = Spike.apply(V - 1)
            count = count + S
        best = torch.relu(torch.stack(outputs).max(dim=0).values)    # the membrane is 0 at t = 0, and a tie takes the first
        data = torch.nn.functional.cross_entropy(READOUT_SCALE * best, labels)
        return data + BURST * (count**2).mean() + WEIGHT * (W_hidden**2).mean()
    return loss


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


PEERS = {"PyTorch eager": torch_eager, "torch.compile": torch_compiled, "JAX jit": jax_jit}
