"""Check any implementation against the reference: `refsnn conformance --adapter mypkg.adapter:adapter`.

What an adapter is, and every operation, is in refsnn.verify.operations; the README's section "Checking your implementation" is the way in.

    byhand.py      cases written by hand: ties, boundaries, first ones for paper
    cases.py       a case, its bounds; sources of cases, the golden vectors among them
    compare.py     error / bound, and the first difference
    wire.py        arrays as JSON
    subject.py     the program over stdio that is checked, and a call that keeps the rules
    serve.py       such a program of an adapter in Python
    search.py      the smallest problem on which something fails
    properties.py  what holds without a reference
    guesses.py     known mistakes, as changes of the question or the answer; rules.py has those that are neither
    diagnosis.py   which convention or mistake explains a failure
    sizes.py       from which size on a mistake is made that only the large case shows
    runner.py      level after level
    report.py      terminal, JSON, Markdown; saved problems
    command.py     the verb
    mutants.py     adapters wrong on purpose: the proof that all this finds something; wrongdoing.py has the longer of their ways
    examples/      adapters to start from
"""
