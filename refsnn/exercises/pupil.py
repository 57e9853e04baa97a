"""A student's file as the subject of a check: the library, with the student's functions in place of its own.

The operation is then done by the library (refsnn.verify.operations.Reference), which calls the student's function where it would have called
its own. What such a function is given and what it returns is looked at on the way, and whatever is wrong is said in plain words: PupilError.
"""

import contextlib
import inspect
import sys
import types
from dataclasses import fields, is_dataclass, replace

import numpy as np

from refsnn.exercises.catalogue.bugs import steps
from refsnn.spec import Layer, Trace
from refsnn.verify.operations import OPERATIONS, Reference
from refsnn.verify.reference import neuron_of, surrogate_of

QUESTION = "question"                      # the name of the call that is no operation of conformance
NOT_WRITTEN, WRONG_FORM = "not written yet", "wrong form"      # how the sentences of PupilError begin that are about no crash


class PupilError(Exception):
    """What is wrong with a student's file, or with what a function of it does: a sentence."""


def wrong_form(sentence):
    """The PupilError where functions are missing, or what they return is not what was asked for."""
    return PupilError(f"{WRONG_FORM}: {sentence}")


class Pupil:
    """The adapter of a student's file: the text, its name for messages, and the Exercise that it is for. call raises PupilError."""

    name, version, dtype = "the student", "", "float64"

    def __init__(self, text, exercise, path="your file"):
        self.text, self.exercise, self.path, self.answers = text, exercise, path, None

    def capabilities(self):
        """The operations of the exercise."""
        return {"ops": list(self.exercise.ops), "conventions": {}, "skip": {}}

    def call(self, op, inputs, params, conventions):
        """Do an operation with the student's functions; or, for QUESTION, call the student's function with inputs and params by name."""
        if self.answers is None:
            self.answers = self.loaded()
        if op == QUESTION:
            return self.question({**inputs, **params})
        if op in BRIDGES:
            return BRIDGES[op](self.answers, inputs, params)
        # what the student's NaN do to the library is no news
        with replacing({original: self.answers[name] for name, original in self.exercise.originals.items()}), np.errstate(all="ignore"):
            return Reference().call(op, inputs, params, conventions)

    def question(self, arguments):
        """The answer of the exercise's function as arrays."""
        (name, original), = self.exercise.originals.items()
        if "step" in arguments:
            step = steps()[arguments["step"]]
            arguments["step"] = lambda *given: step(*(np.asarray(value, float) for value in given))       # plain numbers are as good
        if "V" in arguments:
            arguments = on_a_trace(arguments)
        result = self.answers[name](*(arguments[own] for own in inspect.signature(original).parameters))
        if not isinstance(result, (dict, tuple)):
            return {"result": as_array(result)}
        named = result if isinstance(result, dict) else dict(zip(self.exercise.results, result))
        return {own: as_array(value) for own, value in named.items()}

    def loaded(self):
        """The student's functions, each guarded: {name: function}."""
        names = {"__name__": "exercise"}   # so that what stands under `if __name__ == "__main__"` is not run
        with plain_words(self.path):
            exec(compile(self.text, self.path, "exec"), names)
        answers = {}
        for name, original in self.exercise.originals.items():
            function = names.get(name)
            if not callable(function):
                others = [other for other in self.exercise.originals if other != name]
                raise wrong_form(f"there is no function {name} in it" + (f"; it is asked for beside {' and '.join(others)}" if others else ""))
            parameters = inspect.signature(original).parameters
            try:
                inspect.signature(function).bind(*parameters)
            except TypeError:
                raise wrong_form(f"{name} must take ({', '.join(parameters)}), but takes {inspect.signature(function)}") from None
            answers[name] = guarded(name, function, original, self.path)
        return answers


def adjoint_step(answers, inputs, params):
    """The operation adjoint_step: sigma and the constants are the library's, the step is the student's."""
    V, S = inputs["V"], inputs["S"]
    alpha, beta, theta = neuron_of(params, V.shape[1]).constants(V.dtype)
    sigma = surrogate_of(params).derivative(V, S, theta)
    given = (inputs[name] for name in ("lam_S", "lam_V_next", "lam_I_next"))
    return dict(zip(("lam_V", "lam_I"), answers["adjoint_step"](inputs["gV"], sigma, *given, inputs.get("R"), alpha, beta)))


def on_a_trace(given):
    """The arguments of spiking_adjoint: gV, lam_S (T, B, N) as they are, and what is made of V, S (T, B, N) and the parameters of one neuron."""
    layer = Layer(np.ones((1, given["V"].shape[2])), neuron=neuron_of(given, given["V"].shape[2]))
    return {"layer": layer, "trace": Trace(given["V"], given["S"]), "gV": given["gV"], "lam_S": given["lam_S"], "surrogate": surrogate_of(given)}


# operations of functions that the library has not in this form
BRIDGES = {"adjoint_step": adjoint_step, "decay": lambda answers, inputs, params: {"alpha": answers["decay"](inputs["tau"], params["dt"])}}
assert set(BRIDGES) <= set(OPERATIONS)


@contextlib.contextmanager
def replacing(answers):
    """Within this context the library calls others in place of some of its functions: {function: other}. The exercises keep the right ones."""
    modules = [vars(module) for name, module in list(sys.modules.items()) if name.startswith("refsnn.") and not name.startswith("refsnn.exercises")]
    places = [(names, name, value) for names in modules for name, value in list(names.items())
              if isinstance(value, types.FunctionType) and value in answers]
    try:
        for names, name, value in places:
            names[name] = answers[value]
        yield
    finally:
        for names, name, value in places:
            names[name] = value


def guarded(name, function, original, path):
    """The student's function, held to the form of the library's: same kind of result, arguments left as they are, errors in plain words."""
    def answer(*arguments, **named):
        before = [array.copy() for array in arrays_of(arguments)]
        wanted = original(*arguments, **named)
        with plain_words(path, name), np.errstate(all="ignore"):
            got = function(*arguments, **named)
        if any(array.tobytes() != copy.tobytes() for array, copy in zip(arrays_of(arguments), before)):
            raise wrong_form(f"{name} changes one of the arrays that it is given (as += does): make a new one, for the caller still needs the old "
                             "one")
        if got is None and wanted is not None:
            raise wrong_form(f"what {name} returns is None: is there a return at the end of the function?")
        return conformed(f"what {name} returns", got, wanted)
    return answer


@contextlib.contextmanager
def plain_words(path, name=None):
    """Turn whatever foreign code raises into a PupilError that says where."""
    try:
        yield
    except PupilError:
        raise
    except NotImplementedError:
        raise PupilError(f"{NOT_WRITTEN}: {name or path}") from None
    except SyntaxError as error:
        raise PupilError(f"line {error.lineno} is no Python: {error.msg}") from None
    except (Exception, SystemExit) as error:              # foreign code: whatever it raises is the finding
        lines = [frame.tb_lineno for frame in frames(error.__traceback__) if frame.tb_frame.f_code.co_filename == path]
        where = f"line {lines[-1]}: " if lines else ""
        raise PupilError(f"{where}{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")) from None


def frames(traceback):
    """The entries of a traceback, the innermost last."""
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def arrays_of(value):
    """All arrays in arguments, also within tuples and dataclasses such as Trace."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, (list, tuple)):
        for own in value:
            yield from arrays_of(own)
    elif is_dataclass(value):
        for field in fields(value):
            yield from arrays_of(getattr(value, field.name))


def conformed(what, got, wanted):
    """A result of the student in the form of the library's: lists as arrays, booleans as 0.0 and 1.0. Raises PupilError where it cannot be."""
    if wanted is None or got is None:
        if got is wanted:
            return None
        raise wrong_form(f"{what} is None; it must be numbers here" if got is None else f"{what} must be None here")
    if isinstance(wanted, dict):
        if not isinstance(got, dict) or set(got) != set(wanted):
            missing = [name for name in wanted if name not in got] if isinstance(got, dict) else []
            raise wrong_form(f"{what} must be a dict with {', '.join(wanted)}" + (f"; there is no {', '.join(missing)}" if missing else ""))
        return {name: conformed(f"{name} in {what}", got[name], value) for name, value in wanted.items()}
    if isinstance(wanted, tuple):
        if not isinstance(got, (tuple, list, np.ndarray)) or len(got) != len(wanted):
            raise wrong_form(f"{what} must be {len(wanted)} things, as in `return {', '.join('abcdefgh'[:len(wanted)])}`; it is {said(got)}")
        return tuple(conformed(f"result {number} of {what}", own, value) for number, (own, value) in enumerate(zip(got, wanted), 1))
    if is_dataclass(wanted):
        if type(got) is not type(wanted):
            raise wrong_form(f"{what} must be a {type(wanted).__name__}; it is {said(got)}")
        return replace(got, **{own.name: conformed(f"{own.name} of {what}", getattr(got, own.name), getattr(wanted, own.name))
                               for own in fields(wanted)})
    return numbers(what, got, wanted)


def numbers(what, got, wanted):
    """An array or number of the student with shape and dtype of the library's; a fraction where a whole number is wanted stays one."""
    wanted = np.asarray(wanted)
    try:
        array = np.asarray(got)
    except ValueError:                                    # rows of different lengths
        array = None
    if wanted.dtype.kind == "b" and (array is None or array.dtype.kind not in "biuf"):
        raise wrong_form(f"{what} must be True or False; it is {said(got)}")
    if array is None or array.dtype.kind not in "biuf":
        raise wrong_form(f"{what} must be numbers, in rows of equal length; it is {said(got)}")
    if array.shape != wanted.shape:
        turned = ": is it transposed?" if array.ndim > 1 and array.shape == wanted.shape[::-1] else ""
        raise wrong_form(f"{what} has shape {array.shape} where {wanted.shape} is expected{turned}")
    whole = wanted.dtype.kind not in "biu" or (np.isfinite(array) & (array == np.rint(array))).all()
    return array.astype(wanted.dtype if whole else float)


def said(value):
    """What a result is, in a few words."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    return f"a {type(value).__name__}" + (f" of {len(value)}" if isinstance(value, (tuple, list)) else "")


def as_array(value):
    """A number or an array as float64 or int64."""
    value = np.asarray(value)
    return value.astype(float if value.dtype.kind == "f" else np.int64)
