"""A pickle read as data: nothing in the file is ever imported, called or executed.

This is an interpreter of its own for the opcodes that EG3D's checkpoints use. Names of classes and functions
stay names; the few that stand for data (tensors, tables, numpy scalars) are rebuilt here by our own code,
module source is dropped, and everything else is refused.

Source: EG3D, ``torch_utils/persistence.py`` (the record layout); Python's ``pickletools`` (the opcodes).
"""

from __future__ import annotations

import mmap
import pickletools
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from inversion_core.errors import CheckpointRefused

LONGEST_PROGRAM = 2_000_000
"""Opcodes; official files have some tens of thousands."""
LARGE = 4096
"""Byte strings above this stay in the file and are remembered by their place."""


@dataclass(frozen=True)
class Name:
    """A class or function that the file mentions."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"[:80]


@dataclass(frozen=True)
class Span:
    """A byte string in the file."""

    start: int
    length: int


@dataclass(eq=False)
class Record:
    """An object of the file: its class's name and its attributes, both only data."""

    name: str
    attributes: dict = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class StoredTensor:
    """A tensor that has not been read yet: a view of an embedded storage."""

    storage: Span
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(eq=False)
class _Dtype:
    """A numpy type, such as "f8"."""

    code: str
    order: str = "<"


class _Mark:
    """Where a group of stack items starts."""


_PERSISTENT = Name("torch_utils.persistence", "_reconstruct_persistent_obj")
_STORAGE = Name("torch.storage", "_load_from_bytes")
_DICTIONARIES = {
    Name("collections", "OrderedDict"),
    Name("dnnlib.util", "EasyDict"),
    Name("dnnlib", "EasyDict"),
}
_SETS = {Name(module, name) for module in ("builtins", "__builtin__") for name in ("set", "frozenset")}
_TENSORS = {Name("torch._utils", "_rebuild_tensor_v2"), Name("torch._utils", "_rebuild_tensor")}
_PARAMETER = Name("torch._utils", "_rebuild_parameter")
_DTYPE = Name("numpy", "dtype")
_SCALARS = {Name("numpy.core.multiarray", "scalar"), Name("numpy._core.multiarray", "scalar")}
_KNOWN = _DICTIONARIES | _SETS | _TENSORS | _SCALARS | {_PERSISTENT, _STORAGE, _PARAMETER, _DTYPE}
# Classes under these names become inert records, whatever they are called.
_INERT = re.compile(r"(training|torch\.nn\.modules)(\.[A-Za-z_]\w*)+\Z")
_CLASS = re.compile(r"[A-Za-z_]\w{0,80}\Z")

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_PLAIN = {
    *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"),
    *("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
}
_BYTES = {"SHORT_BINBYTES", "BINBYTES", "BINBYTES8"}
_EMPTY = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": set}
_FIXED_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_KEYS = (str, int, float, bool, bytes, type(None))


def read_records(path: Path) -> object:
    """What the pickle in the file holds: plain values, :class:`Record` and :class:`StoredTensor`.

    Raises:
        CheckpointRefused: unreadable, damaged, or it asks for something that no checkpoint needs.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return Machine(content).run()
    except CheckpointRefused as refusal:
        raise CheckpointRefused(f"{path.name}: {refusal.what}", refusal.hint) from None
    except OSError as error:
        raise CheckpointRefused(f"{path} cannot be read ({error.strerror}).", "Check the path.") from error
    except (
        *(ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError),
        *(MemoryError, RecursionError, struct.error),
    ) as error:
        raise CheckpointRefused(
            f"{path.name} is damaged, cut short, or no checkpoint.",
            "Download it again from its official source.",
        ) from error


class Machine:
    """Walks through a pickle's instructions and keeps what they make, as data."""

    def __init__(self, content: mmap.mmap | BinaryIO) -> None:
        self.content = content
        self.stack: list = []
        self.memo: dict[int, object] = {}

    def run(self) -> object:
        """What the pickle holds, up to its end."""
        for count, (opcode, argument, position) in enumerate(pickletools.genops(self.content)):
            if count > LONGEST_PROGRAM:
                raise refused("it has far more instructions than any checkpoint")
            if opcode.name == "STOP":
                return self.stack.pop()
            self.step(opcode.name, argument, position)
        raise ValueError("no end")

    def step(self, code: str, argument, position: int) -> None:
        """Carries out one instruction."""
        stack = self.stack
        if code in _CONSTANTS:
            stack.append(_CONSTANTS[code])
        elif code in _PLAIN:
            stack.append(argument)
        elif code in _BYTES:
            stack.append(argument if len(argument) <= LARGE else Span(self._after(argument), len(argument)))
        elif code in _EMPTY:
            stack.append(_EMPTY[code]())
        elif code in _FIXED_TUPLES:
            count = _FIXED_TUPLES[code]
            items = tuple(self.pop() for _ in range(count))
            stack.append(items[::-1])
        elif code in ("MEMOIZE", "BINPUT", "LONG_BINPUT"):
            self.memo[len(self.memo) if code == "MEMOIZE" else argument] = self._top()
        elif code in ("BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        elif code == "MARK":
            stack.append(_Mark)
        elif code in ("PROTO", "FRAME"):
            pass
        elif code in ("TUPLE", "APPENDS", "SETITEMS", "ADDITEMS", "FROZENSET"):
            self._group(code)
        elif code in ("APPEND", "SETITEM"):
            items = [self.pop() for _ in range(1 if code == "APPEND" else 2)]
            self._extend(code + "S", items[::-1])
        elif code == "GLOBAL":
            stack.append(self.allowed(*argument.split(" ", 1)))
        elif code == "STACK_GLOBAL":
            name, module = self.pop(), self.pop()
            stack.append(self.allowed(module, name))
        elif code == "REDUCE":
            arguments, name = self.pop(), self.pop()
            stack.append(self.rebuilt(name, arguments))
        elif code == "NEWOBJ":
            arguments, name = self.pop(), self.pop()
            stack.append(_new(name, arguments))
        elif code == "BUILD":
            state = self.pop()
            self.build(self._top(), state)
        else:
            raise refused(f"it uses the instruction {code}, which no checkpoint needs")

    def allowed(self, module: object, name: object) -> Name:
        """The name of a class or function, if the file may mention it."""
        return _allowed(module, name)

    def rebuilt(self, name: object, arguments: object) -> object:
        """What calling the name would have given."""
        return _rebuilt(name, arguments)

    def build(self, target: object, state: object) -> None:
        """Gives the target its attributes."""
        _build(target, state)

    def pop(self):
        """The top of the stack, taken off; never a mark."""
        item = self.stack.pop()
        if item is _Mark:
            raise ValueError("misplaced mark")
        return item

    def _top(self):
        if self.stack[-1] is _Mark:
            raise ValueError("misplaced mark")
        return self.stack[-1]

    def _after(self, argument: bytes) -> int:
        """Where the byte string that was just read starts in the file."""
        return self.content.tell() - len(argument)

    def _group(self, code: str) -> None:
        at = len(self.stack) - 1
        while self.stack[at] is not _Mark:
            at -= 1
            if at < 0:
                raise ValueError("no mark")
        items = self.stack[at + 1 :]
        del self.stack[at:]
        if code == "TUPLE":
            self.stack.append(tuple(items))
        elif code == "FROZENSET":
            self.stack.append(frozenset(_hashable(items)))
        else:
            self._extend(code, items)

    def _extend(self, code: str, items: list) -> None:
        target = self._top()
        if code == "APPENDS" and type(target) is list:
            target.extend(items)
        elif code == "SETITEMS" and type(target) is dict and len(items) % 2 == 0:
            target.update(zip(_hashable(items[::2]), items[1::2], strict=True))
        elif code == "ADDITEMS" and type(target) is set:
            target.update(_hashable(items))
        else:
            raise ValueError("items for something that takes none")


def refused(why: str) -> CheckpointRefused:
    """The error that says why the file is not read any further."""
    return CheckpointRefused(
        f"{why}.", "Nothing in it was executed. Use only checkpoints from their official source."
    )


def _hashable(items: Iterable) -> list:
    """The items, all of them plain: hashing a nest of tuples a million deep would overflow the C stack."""
    items = list(items)
    if not all(type(item) in _KEYS for item in items):
        raise ValueError("a key that is no plain value")
    return items


def _allowed(module: object, name: object) -> Name:
    if type(module) is not str or type(name) is not str:
        raise ValueError("a name that is no text")
    found = Name(module, name)
    if found in _KNOWN or (_INERT.match(module) and _CLASS.match(name)):
        return found
    raise refused(f"it asks for {str(found)!r}, which no checkpoint needs")


def _new(name: object, arguments: object) -> object:
    if type(name) is not Name or arguments != ():
        raise ValueError("not a class without arguments")
    if name in _DICTIONARIES:
        return {}
    if name in _SETS:
        return set()
    if _INERT.match(name.module):
        return Record(name.name)
    raise refused(f"it makes an object of {str(name)!r}")


def _build(target: object, state: object) -> None:
    if type(target) is _Dtype:
        target.order = {">": ">"}.get(state[1], "<")
    elif type(target) is Record and type(state) is dict:
        target.attributes.update(state)
    else:
        raise refused("it sets attributes of something that has none")


def _rebuilt(name: object, arguments: object) -> object:
    """What calling ``name`` would have given, made by our own code."""
    if type(name) is not Name or type(arguments) is not tuple:
        raise ValueError("a call of something that is no function")
    if name == _PERSISTENT:
        return _persistent(*arguments)
    if name == _STORAGE:
        (content,) = arguments
        if type(content) not in (Span, bytes):
            raise ValueError("a storage that is no byte string")
        return content
    if name in _TENSORS:
        return _tensor(*arguments[:4])
    if name == _PARAMETER:
        return arguments[0]
    if name in _DICTIONARIES:
        pairs = arguments[0] if arguments else []
        return dict(zip(_hashable(key for key, _ in pairs), (value for _, value in pairs), strict=True))
    if name in _SETS:
        return set(_hashable(arguments[0] if arguments else []))
    if name == _DTYPE:
        if type(arguments[0]) is not str or not re.fullmatch(r"[fiub][1248]", arguments[0]):
            raise refused("it holds a number of a kind that no checkpoint needs")
        return _Dtype(arguments[0])
    if name in _SCALARS:
        return _scalar(*arguments)
    raise refused(f"it calls {str(name)!r}")


def _persistent(meta: object) -> Record:
    if type(meta) is not dict or meta.get("type") != "class" or type(meta.get("state")) is not dict:
        raise ValueError("a persistence record of another layout")
    if type(meta.get("class_name")) is not str:
        raise ValueError("a class name that is no text")
    return Record(meta["class_name"][:80], meta["state"])


def _tensor(storage: object, offset: object, size: object, stride: object) -> StoredTensor:
    if type(storage) not in (Span, bytes):
        raise ValueError("a tensor without a storage")
    if type(size) is not tuple or type(stride) is not tuple or len(size) != len(stride) or len(size) > 8:
        raise ValueError("a tensor of another layout")
    if not all(type(n) is int and 0 <= n < 1 << 40 for n in (offset, *size, *stride)):
        raise ValueError("a tensor with impossible sizes")
    return StoredTensor(storage, offset, size, stride)


def _scalar(dtype: object, content: object) -> int | float | bool:
    formats = {"f2": "e", "f4": "f", "f8": "d", "i1": "b", "i2": "h", "i4": "i", "i8": "q"}
    formats |= {"u1": "B", "u2": "H", "u4": "I", "u8": "Q", "b1": "?"}
    if type(dtype) is not _Dtype or type(content) is not bytes:
        raise ValueError("a scalar of another layout")
    return struct.unpack(dtype.order + formats[dtype.code], content)[0]
