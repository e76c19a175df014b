"""Native chatter is swallowed, and only for as long as asked."""

import os

import pytest

from inversion_core.quiet import native_stderr_silenced


def test_silence_ends_with_the_block(capfd):
    with native_stderr_silenced():
        os.write(2, b"chatter")
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


def test_silence_ends_with_an_exception_too(capfd):
    with pytest.raises(ValueError, match="inside"), native_stderr_silenced():
        raise ValueError("inside")
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"
