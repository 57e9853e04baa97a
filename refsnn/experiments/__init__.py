"""Experiments: which runs, and what table is made of them. Training is refsnn.training's, one run and its folder refsnn.runs's.

    sweep.py       many runs, each in its own folder; what is done is not done again
    ablation.py    the price of each of the chip's imperfections alone, and of all together
    surrogate.py   the published surrogate and the spike-aware one on the chip and on the ideal model, and why they differ

An experiment is a module with the two functions jobs(base) -> {label: Recipe} and report(runs, base) -> (rows of the table, further results).
"""
