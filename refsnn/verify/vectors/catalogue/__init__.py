"""All drafts, by level. An id is never used again: a case that turns out to be wrong goes to RETIRED, and its successor gets a new number."""

from refsnn.verify.vectors.catalogue import analog, conventions, forward, functions, gradient, objective, refused, update

DRAFTS = (*functions.drafts(), *forward.drafts(), *analog.drafts(), *gradient.drafts(), *objective.drafts(), *update.drafts(),
          *conventions.drafts(), *refused.drafts())
RETIRED = {}                               # id: why
