"""Experiments: which runs, and what table and figure are made of them. Training is refsnn.training's, one run and its folder refsnn.runs's.

    table1.py           chip, software and a ReLU network, without and with dropout and rotation
    sparsity.py         accuracy against hidden spikes
    latency.py          accuracy of early decisions
    selfcalibration.py  training in the loop on decalibrated chips, against loaded software weights
    robustness.py       silenced hidden units
    ablation.py         the price of each of the chip's imperfections alone, and of all together
    surrogate.py        the published surrogate and the spike-aware one on the chip and on the ideal model, and why they differ
    deeper.py           two hidden layers; networks larger than one chip
    speech.py           recurrence, on spoken digits

    spoken.py           training on recordings that are spikes already, for speech.py
    sweep.py            many runs, each in its own folder; what is done is not done again
    executors.py        where they are done: here, in several processes, on a Dask cluster
    evaluation.py       finished networks run again on the test images
    figures.py, table.py   what the figures and the tables share
    reproduce.py        one experiment from its name to its table, its file of results and its figure

An experiment is a module with
    FULL, QUICK              settings in which its base differs from the default Recipe, in full and for some minutes on the sample
    CHOOSES                  settings that it chooses itself, besides those that every experiment does
    jobs(base)               {label: Recipe}
    report(runs, base)       (rows of the table, further results)
    SIZE, draw(figure, results)      the figure, in inches, from the file of results
and where it needs them
    RUNS_OF                  the experiment whose runs it reads, making only those that are missing; else it has its own
    later(base)              {label: Recipe} of runs that start from finished ones
    measure(recipe, network, data)   what else is found out of every trained network
"""
