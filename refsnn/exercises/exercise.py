"""What an exercise is, and the files made of it: the stub, the solution, the wrong answers. All of them are the library's own source.

A stub is the source of a function with its body taken away. A wrong answer is that source with an edit, the mistake. So there is one copy of every
function, the one that the library runs, and an exercise cannot differ from it.
"""

import ast
import doctest
import importlib
import inspect
import textwrap
import types
from dataclasses import dataclass

from refsnn.errors import RangeError

WIDTH = 100
NOT_WRITTEN = "    raise NotImplementedError"


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that students give: its name, the edits ((old, new), ..) that make it of the solution, and what to tell who gives it."""

    name: str
    edits: tuple
    hint: str


@dataclass(frozen=True, eq=False)
class Question:
    """A question of an exercise that is no operation of conformance: arguments of the function, in words what is asked.

    must: whether it has to be right; of the others `enough` of the Exercise have to be. expected: the right answer, where the library's function may
    give another.
    """

    id: str
    arguments: dict
    comment: str
    must: bool = True
    expected: int | None = None


@dataclass(frozen=True, eq=False)
class Exercise:
    """One exercise. name is also that of its file; title and task are what the student reads; topic is a page of refsnn.exercises.derivation.

    functions: what is to be written, as places ("spec.neuron.lif_step"). ops: the operations of refsnn.verify.operations in which the student's
    functions take the place of the library's, and which must then pass. questions: to the function itself, where no operation fits, or none sees all.
    results: names of what the function returns, where it returns a tuple. hints: three, each saying more than the one before, none the solution.
    appendix: more for the head of the file. secret: whether the expected answer is not to be shown, for it is the whole of it.
    truth: whether the answer is True or False.
    exact: whether the last digits are what it is about, so that those of single precision will not do. withheld: what is left out of the
    docstrings in the stub, for it is the answer.
    """

    name: str
    title: str
    topic: str
    functions: tuple
    task: str
    hints: tuple
    mistakes: tuple
    ops: tuple = ()
    questions: tuple = ()
    enough: int = 0
    results: tuple = ()
    secret: bool = False
    truth: bool = False
    exact: bool = False
    withheld: tuple = ()
    appendix: str = ""

    @property
    def originals(self):
        """The library's functions: {name: function}."""
        return {place.rsplit(".", 1)[1]: original(place) for place in self.functions}

    def file_name(self, number):
        """The name of its file."""
        return f"{number:02}_{self.name}.py"

    def stub(self, number):
        """The text of the file that the student starts from."""
        text = self.file(number, [stub_of(function) for function in self.originals.values()])
        for piece in self.withheld:
            text = replaced_once(text, piece, "", self.name)
        return text

    def solution(self, number):
        """The text of the file with the library's own functions."""
        return self.file(number, [source_of(function) for function in self.originals.values()])

    def wrong_answer(self, number, mistake):
        """The text of the file with a mistake."""
        text = self.solution(number)
        for old, new in mistake.edits:
            text = replaced_once(text, old, new, f"{self.name}, {mistake.name}")
        return text

    def file(self, number, sources):
        """A file of this exercise: its head, what the functions need, and the functions."""
        task = textwrap.fill(self.task, WIDTH)
        head = [f"Exercise {number}, {self.name}: {self.title}", task, *([self.appendix] if self.appendix else []),
                f"Check it:    refsnn exercises check {self.file_name(number)}"]
        top = '"""' + "\n\n".join(head) + '\n"""\n\n' + "\n".join(imports_of(self.originals.values()))
        return "\n\n\n".join([top, *sources]) + "\n"


def replaced_once(text, old, new, where):
    """The text with `new` for `old`, which must be there once. Raises RangeError."""
    if text.count(old) != 1:
        raise RangeError(f"{where}: {old!r} is {text.count(old)} times in the text; an edit needs it once")
    return text.replace(old, new)


def original(place):
    """The function at a place such as spec.neuron.lif_step."""
    module, name = place.rsplit(".", 1)
    return getattr(importlib.import_module(f"refsnn.{module}"), name)


def source_of(function):
    """The source of a function, without the empty lines around it."""
    return inspect.getsource(function).strip()


def stub_of(function):
    """The source of a function with signature and docstring, and no body.

    >>> print(stub_of(Exercise.solution).splitlines()[-1].strip())
    raise NotImplementedError
    """
    source = inspect.getsource(function)
    lines, definition = source.splitlines(), ast.parse(textwrap.dedent(source)).body[0]
    return "\n".join([*lines[:definition.body[0].end_lineno], NOT_WRITTEN])


def imports_of(functions):
    """The import lines for what the functions and the examples in their docstrings use of their modules, but for themselves."""
    functions, names = tuple(functions), {}
    for function in functions:
        examples = "".join(example.source for example in doctest.DocTestParser().get_examples(function.__doc__))
        used = [node.id for node in ast.walk(ast.parse(examples)) if isinstance(node, ast.Name)]
        for name in dict.fromkeys((*function.__code__.co_names, *used)):
            value = function.__globals__.get(name)
            if value is None or any(value is own for own in functions):
                continue
            if not isinstance(value, types.ModuleType):
                names.setdefault(getattr(value, "__module__", function.__module__), set()).add(name)
    return ["import numpy as np", *(f"from {module} import {', '.join(sorted(own))}" for module, own in sorted(names.items()))]
