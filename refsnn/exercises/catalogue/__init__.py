"""All exercises, in the order in which they build on each other: EXERCISES[n - 1] is exercise n.

    forward.py     the neuron, the code, the surrogate
    objective.py   scores, loss, burst regulariser
    backward.py    Jacobian, adjoints, gradient, injection
    chip.py        weights of 6 bits, straight-through, the analog step
    bugs.py        wrong functions and wrong steps for craft.py
    craft.py       find the bug; write a property
"""

from refsnn.exercises.catalogue.backward import BACKWARD
from refsnn.exercises.catalogue.chip import CHIP
from refsnn.exercises.catalogue.craft import CRAFT
from refsnn.exercises.catalogue.forward import FORWARD
from refsnn.exercises.catalogue.objective import OBJECTIVE

EXERCISES = (*FORWARD, *OBJECTIVE, *BACKWARD, *CHIP, *CRAFT)
