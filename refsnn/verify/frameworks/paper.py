"""refsnn itself under the paper's conventions: the column with which the others are compared."""

from refsnn.verify.operations import Reference

PACKAGES = ("numpy==2.4.6",)


class Paper(Reference):
    """The reference; of its operations, those that the survey is about."""

    name = "the paper's code, `refsnn`"

    def capabilities(self):
        """The paper's conventions."""
        return {"ops": ["surrogate", "forward", "loss_and_gradient"], "conventions": {}, "skip": {}}


adapter = Paper()

DOCUMENTS = ()
