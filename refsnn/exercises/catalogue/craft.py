"""Exercises 18 and 19: find the bug; write a property that finds it."""

from refsnn.exercises.catalogue.bugs import LIF, RIGHT, numbered
from refsnn.exercises.exercise import Exercise, Mistake, Question

ENOUGH = 5

CRAFT = (
    Exercise(
        "find_the_bug", "which line is wrong", "adjoint", ("exercises.tasks.buggy_lines",),
        "One line of each function below is wrong. Find it by thinking, not by comparing: say what the line should do, and what it does.",
        ("For every product of two arrays, say from which quantity to which it leads, and at which t each of them is.",
         "A is a backward pass: what it multiplies with has to be the transpose of what the forward pass multiplies with. B has a time index that "
         "is off. C pairs two series. D has a value and its derivative.",
         "A: look at the recurrent term. B: when does a neighbour's spike arrive? C: E1 says at which t a spike enters the current. D: "
         "differentiate the value by hand and compare the factors. Lines are those of the listings, from 1."),
        (Mistake("A: the symptom", (('"A": 10', '"A": 11'),),
                 "A: this line only passes on what the line before it got wrong. Ask for each line: given right inputs, is its output right?"),
         Mistake("B: the symptom", (('"B": 10', '"B": 11'),),
                 "B: the step itself is called as it should be; the drive that it is given is wrong."),
         Mistake("from zero", (('"A": 10, "B": 10, "C": 3, "D": 3', '"A": 9, "B": 9, "C": 2, "D": 2'),),
                 "All are too small by one: lines are counted from 1, as in the listing."),
         Mistake("D: the value", (('"D": 3', '"D": 2'),),
                 "D: the number of spikes is right. Compare the value with its derivative.")),
        questions=(Question("lines", {}, "one line number for each listing"),), appendix=numbered(), secret=True),
    Exercise(
        "property", "a property that finds mistakes", "neuron", ("exercises.tasks.step_property",),
        f"A test without a second implementation: write what must hold for every right step. It has to accept the right one, also written "
        f"otherwise, and to reject at least {ENOUGH} of the "
        f"{len(LIF.mistakes)} wrong ones of exercise 3 (a tie that spikes, another reset, ..).",
        ("Choose states in which nearly everything is 0: what must come out then?",
         "One question at a time: how does a current alone go on, a membrane alone, an input, a spike? And what happens just at the threshold, and "
         "above and below it?",
         "Use alpha different from beta and a theta different from 1, or mistakes hide; compare with a tolerance, for a right step may sum in "
         "another order. A spike given in S, with all else 0, shows the reset."),
        (Mistake("accepts all", (("    return bool(decays & leaks & arrives & resets) and spikes", "    return True"),),
                 "It accepts everything: a property that cannot fail says nothing."),
         Mistake("rejects all", (("    return bool(decays & leaks & arrives & resets) and spikes", "    return False"),),
                 "It rejects the right step, too."),
         Mistake("nothing about spikes", (("bool(decays & leaks & arrives & resets) and spikes", "bool(decays & leaks & arrives)"),),
                 "Steps that go wrong only with a spike are not found: ask what a spike does to the membrane, and when there is one."),
         Mistake("only spikes", (("    return bool(decays & leaks & arrives & resets) and spikes", "    return spikes"),),
                 "It looks at the spikes alone. What current and membrane do without a spike, and what a spike does to the membrane, is not asked.")),
        questions=(*(Question(name, {"step": name}, "a right step: True") for name in RIGHT),
                   *(Question(own.name, {"step": own.name}, "a wrong step: False", must=False, expected=0) for own in LIF.mistakes)),
        enough=ENOUGH, truth=True),
)
