"""A case as text: a C header, and an explanation for a reader."""

import math

import numpy as np

from refsnn.verify.operations import OPERATIONS
from refsnn.verify.vectors.flags import FLAGS

C_TYPES = {"float64": "double", "int64": "long long", "uint8": "unsigned char"}


def c_header(case):
    """A C99 header with everything that a test needs: arrays flat in C order, their shapes, params, bounds. Floats are hex floats, to the bit.

    Names: x and x_shape[] of an array x; x_float64 and x_float32, its bounds, NAN where there is none; params by their names, lists flat.
    """
    lines = [f"/* {case.id}: {c_comment(case.comment)}",
             f"   operation {case.op}, SPEC {OPERATIONS[case.op].spec}; written by refsnn vectors export */",
             "#include <math.h>", f'#define CASE_ID "{case.id}"']
    for name, value in case.params.items():
        lines += c_param(name, value)
    for name, array in (*case.inputs.items(), *case.outputs.items()):
        numbers = array.ravel().tolist() or [0]                                   # C has no array without entries
        lines.append(f"static const long {name}_shape[] = {{{', '.join(map(str, array.shape or (1,)))}}};")
        lines.append(f"static const {C_TYPES[array.dtype.name]} {name}[] = {{{', '.join(map(c_number, numbers))}}};")
        if name in case.tolerance:
            lines.append(f"/* {case.tolerance[name]['kind']}: {c_comment(case.tolerance[name]['why'])} */")
            lines += [f"static const double {name}_{dtype} = {c_number(case.tolerance[name][dtype])};" for dtype in ("float64", "float32")]
    return "\n".join(lines) + "\n"


def c_comment(text):
    """A text that ends no comment."""
    return text.replace("*/", "* /")


def c_number(value):
    """A number, or None, as C writes it."""
    if value is None or value != value:
        return "NAN"
    if isinstance(value, float) and math.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    return value.hex() if isinstance(value, float) else str(int(value))


def c_param(name, value):
    """The lines of one param: text is a macro, numbers are arrays, those that are one number too."""
    if isinstance(value, str):
        return [f'#define {name} "{value}"']
    numbers = np.concatenate([np.ravel(entry) for entry in value]) if isinstance(value, list) else np.ravel(value)
    return [f"static const double {name}[] = {{{', '.join(c_number(float(number)) for number in numbers)}}};"]


def explanation(case):
    """Lines that say what a case is about."""
    lines = [f"{case.id}   level {case.level}, {case.status}, SPEC {OPERATIONS[case.op].spec}: {OPERATIONS[case.op].meaning}", "", case.comment, ""]
    lines += [f"convention   {name} = {value}" for name, value in case.conventions.items()]
    lines += [f"flag         {flag}: {FLAGS[flag]}" for flag in case.flags]
    lines += [f"param        {name} = {value}   ({OPERATIONS[case.op].params[name]})" for name, value in case.params.items()]
    lines += [f"input        {name} {array.dtype} {array.shape}{numbers(array)}" for name, array in case.inputs.items()]
    for name, array in case.outputs.items():
        own = case.tolerance[name]
        bounds = "exact" if own["kind"] == "exact" else f"{own['kind']}, {own['float64']} in float64, {own['float32'] or 'none'} in float32"
        lines += [f"output       {name} {array.dtype} {array.shape}{numbers(array)}", f"             {bounds}: {own['why']}"]
    if case.error:
        lines.append(f"expected     {case.error}")
    if case.threshold_margin is not None:
        lines.append(f"margin       no membrane is nearer to its threshold than {case.threshold_margin}, but for {case.ties} exact ties")
    return lines + [f"agreed       {name}" for name in case.oracles]


def numbers(array):
    """The numbers of a small array, as text."""
    return f" = {array.tolist()}" if array.size <= 12 else ""
