"""A look at the pickles inside torch's own files, before torch reads them.

``torch.load(weights_only=True)`` executes nothing, but it trusts the file's shape: a nest of tuples some hundred
thousand deep, used as a key, overflows the C stack and ends the process. So the instructions are walked through
here first, as data, and torch only sees files that stay within what tensors need.
"""

from __future__ import annotations

import struct
import tarfile
from typing import BinaryIO

from inversion_core.checkpoints.pickle_records import Machine, Name, Record, refused

LEGACY_PICKLES = 5
"""In a file of the legacy format: magic number, protocol, system, object, storage keys."""

_CALLS = {
    Name("torch._utils", "_rebuild_tensor_v2"),
    Name("torch._utils", "_rebuild_tensor"),
    Name("torch._utils", "_rebuild_parameter"),
}
_DICTIONARY = Name("collections", "OrderedDict")
_STORAGES = {
    Name("torch", f"{kind}Storage")
    for kind in (
        *("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool"),
        *("ComplexFloat", "ComplexDouble"),
    )
} | {Name("torch.storage", "UntypedStorage"), Name("torch.storage", "TypedStorage")}


def screen(stream: BinaryIO) -> None:
    """Nothing, if the next pickle of the stream holds only what tensors need.

    Raises:
        CheckpointRefused: it asks for more.
        ValueError: it is damaged.
    """
    try:
        _TorchMachine(stream).run()
    except (TypeError, IndexError, KeyError, AttributeError, OverflowError, struct.error) as error:
        raise ValueError("damaged") from error


def screen_legacy(stream: BinaryIO) -> None:
    """The same for a file of the legacy format, which is several pickles and then raw data.

    Raises:
        CheckpointRefused: it asks for more, or is also a tar archive, which torch would look at first.
        ValueError: it is damaged.
    """
    stream.seek(0)
    if tarfile.is_tarfile(stream):
        raise refused("it is a tar archive, which current weights are not")
    stream.seek(0)
    for _ in range(LEGACY_PICKLES):
        screen(stream)


class _TorchMachine(Machine):
    def step(self, code: str, argument, position: int) -> None:
        if code == "BINPERSID":
            self.pop()
            self.stack.append(Record("storage"))
        else:
            super().step(code, argument, position)

    def allowed(self, module: object, name: object) -> Name:
        found = Name(module, name) if type(module) is str and type(name) is str else None
        if found == _DICTIONARY or found in _CALLS or found in _STORAGES:
            return found
        raise refused(f"it asks for {str(found)!r}, which no weights need")

    def rebuilt(self, name: object, arguments: object) -> object:
        if name in _CALLS:
            return Record("tensor")
        if name == _DICTIONARY and arguments in ((), ([],)):
            return {}
        raise refused("it calls something that no weights need")

    def build(self, target: object, state: object) -> None:
        # A module's state_dict carries its versions as an attribute.
        if type(target) is not dict or type(state) is not dict:
            raise refused("it sets attributes of something that has none")
