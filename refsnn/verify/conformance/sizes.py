"""A mistake that only the large case shows: from which size on it is made, and the smallest problem that shows it.

Whatever is right for T = 20 and not for T = 21 (a buffer of fixed length, gradients cut off), or for 8 samples and not for 9, passes all small cases.
"""

from refsnn.errors import RefsnnError
from refsnn.verify.conformance.cases import STIR_LARGE, make_case, settled
from refsnn.verify.conformance.compare import letters_of
from refsnn.verify.conformance.diagnosis import Diagnosis, diagnose
from refsnn.verify.conformance.properties import along, size_of, taking
from refsnn.verify.conformance.subject import HarnessError


def narrowed(case, wrong):
    """(inputs, {letter: size}) of the smallest part of a case for which wrong(part) is true: of each axis in turn, as few as will do.

    wrong must be true of the case itself. Halving: what is wrong with some size is taken to be wrong with all larger ones.
    """
    inputs, sizes = case.inputs, {}
    for letter in dict.fromkeys(letter for letters in letters_of(case.op, "inputs", case.params).values() for letter in letters):
        right, least = 0, size_of(case.op, case.params, inputs, letter)
        while least - right > 1:
            middle = (right + least) // 2
            part = cut(case, inputs, letter, middle)
            if part_is_wrong(case, part, wrong):
                inputs, least = part, middle
            else:
                right = middle
        sizes[letter] = least
    return inputs, sizes


def cut(case, inputs, letter, size):
    """Inputs of a case with the first `size` entries of an axis, in all arrays that have it; labels of classes that are cut off are others."""
    part = along(case.op, "inputs", case.params, inputs, letter, taking(range(size)))
    return part | {name: array % size for name, array in part.items() if name == "labels" and letter == "K"}


def part_is_wrong(case, inputs, wrong):
    """Whether wrong(part) is true for a part of a case. What is no problem any more (one step), or hangs on the last digits, is not."""
    try:
        return settled(case.op, inputs, case.params, case.conventions, STIR_LARGE) and wrong(
            make_case(case.id, case.op, inputs, case.params, case.dtype, case.conventions))
    except (RefsnnError, HarnessError):
        return False


def diagnose_large(answer, put):
    """(Diagnosis, inputs) for a wrong Answer to the large case; put(case) asks the subject another one, and gives an Answer."""
    case, wrong_answers = answer.case, [answer]
    if answer.kind in ("dies", "mutates", "unsteady"):
        return diagnose(case.op, [answer], case.conventions), case.inputs

    def wrong(part):
        found = put(part)
        wrong_answers.extend([found] * bool(found.kind))
        return bool(found.kind)

    inputs, sizes = narrowed(case, wrong)
    message = wrong_answers[-1].message
    # what cures it where it alone is small; others are above it so that something is left to be seen
    causes = {letter: size for letter, size in sizes.items() if size > small(letter) and not part_is_wrong(
        case, cut(case, case.inputs, letter, small(letter)), wrong)}
    named = " and ".join(f"{letter} = {size}" for letter, size in (causes or sizes).items())
    return Diagnosis("size", f"right in all smaller cases, wrong from {named} on: {message}", {}), inputs


def small(letter):
    """The largest size of an axis that other cases have."""
    return {"T": 20, "B": 3}.get(letter, 16)
