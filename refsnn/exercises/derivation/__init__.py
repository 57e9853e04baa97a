"""The derivation: from the differential equations to E1-E16, each step with its reason. One source for the terminal and for a page with formulas.

    formula.py     a formula as a Python expression: as text, as MathML, and for a test to evaluate
    topic.py       what a page is made of; where each equation is in code, tests and golden vectors
    forward.py     pages ode, neuron, code
    learning.py    pages surrogate, loss
    backward.py    pages injection, adjoint, jacobian
    analog.py      page chip
    page.py        pages as text and as HTML; which page a name belongs to
"""

from refsnn.exercises.derivation.analog import CHIP
from refsnn.exercises.derivation.backward import ADJOINT, INJECTION, JACOBIAN
from refsnn.exercises.derivation.forward import CODE, NEURON, ODE
from refsnn.exercises.derivation.learning import LOSS, SURROGATE

TOPICS = (ODE, NEURON, CODE, SURROGATE, LOSS, INJECTION, ADJOINT, JACOBIAN, CHIP)
