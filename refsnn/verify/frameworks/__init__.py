"""Real frameworks as subjects of the conformance kit, and a survey of where each of them stands among the conventions.

    paper.py                          refsnn itself, with which the others are compared
    torch_network.py, simulated.py    what adapters share
    *_*.py                            one adapter a framework, by its own modules and its own autograd, with the versions it was run with
                                      (PACKAGES, PYTHON), claims of its docstrings with a check of each (DOCUMENTS), and what else
                                      is measured of it (FURTHER)
    survey.py                         conventions found by diagnosis, spikes, gradient, cases: one framework, JSON
    table.py                          the README's table, from the JSON of all

An adapter is an example of the protocol, too: `refsnn conformance --adapter refsnn.verify.frameworks.norse_lif:adapter`. Importing one needs its
framework. `python data_scripts/frameworks.py --envs DIR` makes an environment for each, and runs them all.
"""
