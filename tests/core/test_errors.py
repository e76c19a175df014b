"""The error family: a fact, a next step, an exit code."""

import pytest

from inversion_core import errors

FAMILY = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, errors.FacetError)]


@pytest.mark.parametrize("kind", FAMILY, ids=lambda kind: kind.__name__)
def test_every_error_says_what_and_what_next(kind):
    error = kind("The file is torn.", "Fetch it again.")
    assert (error.what, error.hint) == ("The file is torn.", "Fetch it again.")
    assert str(error) == "The file is torn. Fetch it again."
    assert str(kind("Torn.")) == "Torn."


def test_exit_codes_are_the_documented_ones():
    codes = {kind.__name__: kind.exit_code for kind in FAMILY}
    assert codes.pop("FacetError") == 1
    assert codes.pop("UsageError") == 2
    assert codes.pop("MissingResource") == 4
    assert codes.pop("Cancelled") == 5
    assert set(codes.values()) == {3}
    assert {"BadInput", "NoFace", "ImageUnreadable", "ProjectUnreadable", "OutputUnwritable"} <= set(codes)
