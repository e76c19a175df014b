"""Smaller libraries for the bundle on Linux x86-64: what several packages bring is shared, what nobody calls goes.

Wheels bring libraries whole: three copies of OpenBLAS, two of FFmpeg with an encoder for every format, the names of all
the world's languages. A library that others are linked to cannot simply be left out, so one of the same name takes its
place whose functions lead on to the copy that stays, or end the program with a sentence.
"""

from __future__ import annotations

import re
import struct
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

SHARED = (
    # OpenCV's matrices are solved by SciPy's OpenBLAS, which counts in 32 bits as OpenCV does; NumPy's counts in 64.
    ("opencv*.libs/libopenblas-*", "scipy.libs/libscipy_openblas-*", "scipy_"),
)
"""Libraries that lead on to another: which, to which, and what its names begin with."""

UNCALLED = (
    # Facet only writes videos, by PyAV, as H.264 in MP4.
    *(f"opencv*.libs/{name}-*" for name in ("libavcodec", "libavformat", "libavutil", "libswscale")),
    *(
        "av.libs/libx265-*",
        "av.libs/libSvtAv1Enc-*",
        "av.libs/libvpx-*",
        "av.libs/libdav1d-*",
        "av.libs/libvpl-*",
    ),
    *("av.libs/libasound-*", "av.libs/libmp3lame-*", "av.libs/libopus-*", "av.libs/libopencore-*"),
    *("av.libs/libgnutls-*", "av.libs/libavfilter-*"),
    # What the screen shows is Qt's affair.
    "pillow.libs/libxcb-*",
)
"""Libraries that stay linked and are never called."""
ASKED_AT_IMPORT = {
    **dict.fromkeys(("gnutls_global_init", "gnutls_global_deinit", "av_filter_iterate"), "xor %eax, %eax"),
    **dict.fromkeys(
        ("avfilter_version", "vpx_codec_get_caps", "vpx_codec_vp9_cx", "x265_api_get"), "xor %eax, %eax"
    ),
    **dict.fromkeys(("avfilter_configuration", "avfilter_license"), "lea nothing(%rip), %rax"),
}
"""Functions of theirs that are called as PyAV is imported and lists codecs, and what they give: 0, or an empty text.

x265 adds its version to its names.
"""

LANGUAGES = re.compile(
    r"(coll|brkitr|rbnf|translit|curr|lang|region|unit|zone)/(?!root|res_index|pool|supplementalData|keyTypeData|ucadata|\w+\.brk)"
    r"|^[a-z]{2,3}(_\w+)?\.res$|\.(cnv|dict|lstm|cfu|spp)$|^(translit/root\.res|unames\.icu|ubidi)"
)
"""Parts of ICU's data that Qt can do without: it knows the languages' own numbers and dates itself."""


class Symbol(NamedTuple):
    """A name that one library offers another."""

    name: str
    version: str
    is_data: bool
    size: int


def slim(bundle: Path) -> None:
    """Replace what can be smaller in an unpacked bundle."""
    inside = bundle / "_internal"
    libraries = _libraries(inside)
    for pattern, target, prefix in SHARED:
        for library in inside.glob(pattern):
            other = next(inside.glob(target))
            _replace(library, _asked(library, libraries), _leading_to(prefix), other)
    for pattern in UNCALLED:
        for library in inside.glob(pattern):
            _replace(library, _asked(library, libraries), _ending(library.name), None)
    for library in inside.glob("PySide6/Qt/lib/libicudata.so.*"):
        _without_languages(library)
    drop_unneeded(inside)


def drop_unneeded(inside: Path) -> None:
    """Delete libraries of wheels' own folders that no longer serve any other."""
    while True:
        libraries = _libraries(inside)
        wanted = {name for path in libraries for name in needed(path)}
        idle = [path for path in libraries if path.parent.name.endswith(".libs") and path.name not in wanted]
        if not idle:
            return
        for path in idle:
            path.unlink()


def _libraries(inside: Path) -> list[Path]:
    return [path for path in inside.rglob("*.so*") if path.is_file() and not path.is_symlink()]


def needed(library: Path) -> list[str]:
    """Names of the libraries that one is linked to."""
    return re.findall(r"\(NEEDED\).*\[(.*)\]", _readelf("-d", library))


def symbols(library: Path, defined: bool) -> list[Symbol]:
    """What a library offers, or what it asks of others."""
    found = []
    for line in _readelf("--dyn-syms", library).splitlines():
        row = line.split()
        # The names of versions themselves stand in the table too, as absolute.
        if len(row) < 8 or not row[0][:-1].isdigit() or row[4] == "LOCAL" or row[6] == "ABS":
            continue
        if (row[6] != "UND") == defined:
            name, _, version = row[7].replace("@@", "@").partition("@")
            found.append(Symbol(name, version, row[3] == "OBJECT", int(row[2], 0)))
    return found


def _asked(library: Path, libraries: list[Path]) -> list[Symbol]:
    """What any library of the bundle asks of one."""
    asking = [path for path in libraries if path != library and library.name in needed(path)]
    asked = {(symbol.name, symbol.version) for path in asking for symbol in symbols(path, False)}
    return [symbol for symbol in symbols(library, True) if (symbol.name, symbol.version) in asked]


def _leading_to(prefix: str) -> tuple[str, str]:
    return f"jmp {prefix}{{name}}@PLT", ""


def _ending(name: str) -> tuple[str, str]:
    said = f"Facet was built without {re.split('[-.]', name)[0]}.\\n"
    length = len(said) - 1
    return "jmp ended", (
        f"ended: mov $1, %eax\n mov $2, %edi\n lea said(%rip), %rsi\n mov ${length}, %edx\n syscall\n ud2\n"
        f'.section .rodata\nsaid: .ascii "{said}"\nnothing: .byte 0\n'
    )


def _replace(library: Path, asked: list[Symbol], how: tuple[str, str], other: Path | None) -> None:
    lines, versions = [".text"], defaultdict(list)
    for symbol in asked:
        versions[symbol.version].append(symbol.name)
        kind = "object" if symbol.is_data else "function"
        lines += [f".globl {symbol.name}", f".type {symbol.name}, @{kind}"]
        if symbol.is_data:
            lines += [
                f".size {symbol.name}, {symbol.size}",
                f".bss\n.balign 32\n{symbol.name}: .zero {symbol.size}\n.text",
            ]
        else:
            given = ASKED_AT_IMPORT.get(re.sub(r"_\d+$", "", symbol.name))
            does = f"{given}\n ret" if given else how[0].format(name=symbol.name)
            lines.append(f"{symbol.name}: {does}")
    options = []
    if other is not None:
        options = ["--no-as-needed", str(other), "-rpath", f"$ORIGIN/../{other.parent.name}"]
    _link(library, "\n".join([*lines, how[1], ""]), versions, options)


def _without_languages(library: Path) -> None:
    """Take the languages out of ICU's data, whose table of contents ICU's ``ucmndata.h`` describes."""
    content = library.read_bytes()
    offered = [symbol for symbol in symbols(library, True) if symbol.name.startswith("icudt")]
    row = re.search(rf": *([0-9a-f]+) +\S+ OBJECT .* {offered[0].name}", _readelf("--dyn-syms", library))
    data = content[int(row[1], 16) :]
    header = struct.unpack_from("<H", data)[0]
    if data[2:4] != b"\xda\x27" or data[12:16] != b"CmnD":
        raise ValueError(f"{library.name} holds no data of ICU's common format.")
    count = struct.unpack_from("<I", data, header)[0]
    rows = [struct.unpack_from("<II", data, header + 4 + 8 * n) for n in range(count)]
    ends = [start for _, start in rows[1:]] + [offered[0].size - header]
    parts = []
    for (name, start), end in zip(rows, ends, strict=True):
        word = data[header + name : data.index(0, header + name)].decode("ascii")
        if not LANGUAGES.search(word.partition("/")[2]):
            parts.append((word, data[header + start : header + end]))
    names, places = b"", []
    table = 4 + 8 * len(parts)
    for word, _ in parts:
        places.append(table + len(names))
        names += word.encode("ascii") + b"\0"
    body, contents = b"", b""
    place = -(-(table + len(names)) // 16) * 16
    for at, (_, part) in zip(places, parts, strict=True):
        contents += struct.pack("<II", at, place + len(body))
        body += part + bytes(-len(part) % 16)
    made = (struct.pack("<I", len(parts)) + contents + names).ljust(place, b"\0") + body
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "data").write_bytes(data[:header] + made)
        name = offered[0].name
        text = f'.section .rodata\n.balign 4096\n.globl {name}\n.type {name}, @object\n{name}: .incbin "{folder}/data"\n'
        text += f".size {name}, {header + len(made)}\n"
        _link(library, text, {"": [name]}, [])


def _link(library: Path, text: str, versions: dict[str, list[str]], options: list[str]) -> None:
    """A library of the given one's name in its place."""
    script = "".join(
        f"{version} {{ {' '.join(f'{name};' for name in names)} }};\n"
        for version, names in versions.items()
        if version
    )
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "made.s").write_text(text + '.section .note.GNU-stack,"",@progbits\n', encoding="ascii")
        (place / "versions").write_text(script, encoding="ascii")
        subprocess.run(["as", "-o", str(place / "made.o"), str(place / "made.s")], check=True)
        words = [
            "ld",
            "-shared",
            "-soname",
            library.name,
            "-o",
            str(place / "made.so"),
            str(place / "made.o"),
        ]
        if script:
            words.append(f"--version-script={place / 'versions'}")
        subprocess.run([*words, *options], check=True)
        made = (place / "made.so").read_bytes()
    library.unlink()
    library.write_bytes(made)
    library.chmod(0o755)


def _readelf(what: str, library: Path) -> str:
    return subprocess.run(
        ["readelf", "-W", what, str(library)], capture_output=True, text=True, check=True
    ).stdout
