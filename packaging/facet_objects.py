"""Machine code in ELF object files, brought into the running process: what a linker and a loader would do for them.

For objects of x86-64 in the large code model, as numba's compiler writes them.
"""

from __future__ import annotations

import ctypes
import mmap
import struct
from collections.abc import Callable, Mapping
from typing import NamedTuple

WRITTEN, ALLOCATED, EXECUTED = 1, 2, 4
"""Flags of a section."""
NO_BITS, RELOCATIONS = 8, 4
"""Kinds of sections."""
UNDEFINED, ABSOLUTE, COMMON = 0, 0xFFF1, 0xFFF2
"""Section numbers of symbols that lie in no section."""


class _Section(NamedTuple):
    name: int
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry: int


class Code:
    """An object file's sections in memory."""

    def __init__(self, content: bytes, address_of: Callable[[str], int]) -> None:
        """Place the sections, resolve what they mention, and let them run.

        Args:
            address_of: address of a symbol that the object does not hold itself.

        Raises:
            ValueError: no object file for x86-64, or one that mentions things in ways not foreseen.
        """
        if content[:6] != b"\x7fELF\x02\x01" or struct.unpack_from("<HH", content, 16) != (1, 62):
            raise ValueError("This is no object file for x86-64.")
        start, count = *struct.unpack_from("<Q", content, 40), *struct.unpack_from("<H", content, 60)
        self._sections = [
            _Section(*struct.unpack_from("<IIQQQQIIQQ", content, start + 64 * n)) for n in range(count)
        ]
        table = next(section for section in self._sections if section.kind == 2)
        names = self._sections[table.link].offset
        rows = list(struct.iter_unpack("<IBBHQQ", content[table.offset : table.offset + table.size]))
        named = [content[names + row[0] : content.index(0, names + row[0])].decode() for row in rows]

        places, common = self._arrange(rows)
        base = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        addresses = []
        for n, (name, row) in enumerate(zip(named, rows, strict=True)):
            if row[3] == UNDEFINED:
                addresses.append(address_of(name) if name else 0)
            elif row[3] == COMMON:
                addresses.append(base + common[n])
            elif row[3] == ABSOLUTE:
                addresses.append(row[4])
            else:
                addresses.append(base + places.get(row[3], 0) + row[4])
        self._addresses: Mapping[str, int] = {
            name: address
            for name, row, address in zip(named, rows, addresses, strict=True)
            if row[3] != UNDEFINED and name
        }
        for number, place in places.items():
            section = self._sections[number]
            if section.kind != NO_BITS:
                self._memory[place : place + section.size] = content[
                    section.offset : section.offset + section.size
                ]
        for section in self._sections:
            if section.kind == RELOCATIONS and section.info in places:
                self._relocate(content, section, places[section.info], base, addresses)
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        protect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        if self._executed and protect(base, self._executed, mmap.PROT_READ | mmap.PROT_EXEC) != 0:
            raise OSError(ctypes.get_errno(), "This system does not let compiled loops run.")

    def address(self, name: str) -> int:
        """Where a symbol of the object lies.

        Raises:
            KeyError: it holds none of this name.
        """
        return self._addresses[name]

    def _arrange(self, rows: list[tuple]) -> tuple[dict[int, int], dict[int, int]]:
        """Offsets of sections, and of symbols that want room of their own; code lies first, on pages of its own."""
        wanted = [
            number
            for number, section in enumerate(self._sections)
            # Tables for unwinding would serve exceptions of C++, which loops do not throw.
            if section.flags & ALLOCATED and section.size and section.kind != 0x70000001
        ]
        places, common, end = {}, {}, 0
        for code in (True, False):
            for number in wanted:
                section = self._sections[number]
                if bool(section.flags & EXECUTED) == code:
                    places[number] = _aligned(end, section.alignment)
                    end = places[number] + section.size
            if code:
                end = self._executed = _aligned(end, mmap.PAGESIZE)
        for n, row in enumerate(rows):
            if row[3] == COMMON:
                common[n] = _aligned(end, row[4])
                end = common[n] + row[5]
        self._memory = mmap.mmap(-1, _aligned(end + 1, mmap.PAGESIZE))
        return places, common

    def _relocate(
        self, content: bytes, section: _Section, place: int, base: int, addresses: list[int]
    ) -> None:
        for offset, info, addend in struct.iter_unpack(
            "<QQq", content[section.offset : section.offset + section.size]
        ):
            value, at = addresses[info >> 32] + addend, place + offset
            match info & 0xFFFFFFFF:
                case 1:  # R_X86_64_64
                    struct.pack_into("<Q", self._memory, at, value % 2**64)
                case 24:  # R_X86_64_PC64
                    struct.pack_into("<q", self._memory, at, value - base - at)
                case 2 | 4 if abs(value - base - at) < 2**31:  # R_X86_64_PC32, R_X86_64_PLT32
                    struct.pack_into("<i", self._memory, at, value - base - at)
                case kind:
                    raise ValueError(f"An object file asks for a relocation of kind {kind}.")


def _aligned(offset: int, alignment: int) -> int:
    return -(-offset // max(alignment, 1)) * max(alignment, 1)
