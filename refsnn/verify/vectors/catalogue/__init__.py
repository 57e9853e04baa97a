"""All drafts, by level. An id is never used again: a case that turns out to be wrong goes to RETIRED, and its successor gets a new number."""

from functools import cache

from refsnn.verify.vectors.catalogue import analog, conventions, forward, functions, gradient, objective, refused, update

RETIRED: dict = {}                            # id: why


@cache
def all_drafts():
    """All drafts, in the order of the manifest."""
    return tuple(draft for room in (functions, forward, analog, gradient, objective, update, conventions, refused) for draft in room.drafts())
