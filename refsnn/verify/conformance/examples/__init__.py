"""Adapters to start from.

    minimal.py          two operations in 30 lines: the README's walk-through
    torch_autograd.py   a network in PyTorch, its gradient by autograd
    harness.js          a program over stdio, for node

None of them imports refsnn.
"""
