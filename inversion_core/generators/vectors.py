"""Three steps of compiled loops, written out in the processor's vectors: products of matrices and fixed sums of rows.

A compiler that is given plain loops keeps their sums in memory; these keep them in registers, and reach the speed of
the libraries for matrices on blocks that are too small to hand over to one. Arrays are float32, flat, and ``at`` is the
place where a matrix starts, ``step`` the way from one row to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

try:
    from llvmlite import binding, ir
    from numba.core import cgutils, config, types
    from numba.extending import intrinsic
except ImportError:
    # A built program brings its loops as machine code and has no compiler.
    intrinsic = None

if intrinsic is not None:

    class _Half(ir.Type):
        """LLVM's bfloat, which llvmlite does not name."""

        def _to_string(self):
            return "bfloat"

        def __eq__(self, other):
            return isinstance(other, _Half)

        def __hash__(self):
            return hash(_Half)


ROWS = 6
"""Rows that :func:`product` takes at once."""


def _compiles_for(feature: str) -> bool:
    if intrinsic is None:
        return False
    named = config.CPU_FEATURES
    return (
        f"+{feature}" in named if named is not None else binding.get_host_cpu_features().get(feature, False)
    )


LANES = 16 if _compiles_for("avx512f") else 8
"""Numbers in a vector: as many as loops are compiled for."""
HALVES = LANES == 16 and _compiles_for("avx512bf16")
"""Whether loops multiply bfloat16 in one instruction; elsewhere it takes longer than float32."""
PANEL = 64 if LANES == 16 else 16
"""Columns of a product whose sums, for all rows at once, just fit the registers."""


def product(columns: int, halves: bool = False) -> Callable[..., None]:
    """A step ``(a, a_at, a_step, b, b_at, c, c_at, c_step, depth)``: c (ROWS, columns) = a (ROWS, depth) b.

    b (depth, columns) lies without gaps; ``columns`` is a multiple of 16.

    Args:
        halves: a and b are uint32, each the bfloat16 of two numbers that follow each other along ``depth``, the
            first in the lower bits; ``depth`` counts these pairs. Sums are float32.
    """
    if intrinsic is None:
        return _plain_half_product(columns) if halves else _plain_product(columns)
    added, spread, loaded = (
        (_added_pairs, _spread_pair, _loaded_pairs) if halves else (_added, _spread, _loaded)
    )

    @intrinsic
    def multiply(typing, a, a_at, a_step, b, b_at, c, c_at, c_step, depth):
        signature = types.void(a, *[types.int64] * 2, b, types.int64, c, *[types.int64] * 3)

        def written(context, builder, signature, arguments):
            vector, count = _vector(), columns // LANES
            a_step, c_step, depth = arguments[2], arguments[7], arguments[8]
            left, right, out = (_start(context, builder, signature, arguments, n) for n in (0, 3, 5))
            nothing = ir.Constant(vector, [0.0] * LANES)
            sums = [[cgutils.alloca_once_value(builder, nothing) for _ in range(count)] for _ in range(ROWS)]
            for place in (place for line in sums for place in line):
                builder.store(nothing, place)
            with cgutils.for_range(builder, depth, intp=_index()) as loop:
                row = builder.gep(right, [builder.mul(loop.index, _index()(columns))])
                factors = [loaded(builder, builder.gep(row, [_index()(n * LANES)])) for n in range(count)]
                for r, line in enumerate(sums):
                    place = builder.add(loop.index, builder.mul(a_step, _index()(r)))
                    value = spread(builder, builder.load(builder.gep(left, [place])))
                    for factor, total in zip(factors, line, strict=True):
                        builder.store(added(builder, value, factor, builder.load(total)), total)
            for r, line in enumerate(sums):
                for n, total in enumerate(line):
                    place = builder.add(builder.mul(c_step, _index()(r)), _index()(n * LANES))
                    _stored(builder, builder.load(total), builder.gep(out, [place]))
            return context.get_dummy_value()

        return signature, written

    return multiply


def combination(matrix: Sequence[Sequence[float]]) -> Callable[..., None]:
    """A step ``(a, a_at, a_step, c, c_at, c_step, count)``: c = matrix · a, rows of ``count`` numbers.

    ``count`` is a multiple of 16; c may be a itself where the rows lie the same way.
    """
    if intrinsic is None:
        return _plain_combination(matrix)

    @intrinsic
    def combine(typing, a, a_at, a_step, c, c_at, c_step, count):
        signature = types.void(a, *[types.int64] * 2, c, *[types.int64] * 3)

        def written(context, builder, signature, arguments):
            a_step, c_step, count = arguments[2], arguments[5], arguments[6]
            given, out = (_start(context, builder, signature, arguments, n) for n in (0, 3))
            lanes = _index()(LANES)
            with cgutils.for_range_slice(builder, _index()(0), count, lanes, intp=_index()) as (column, _):

                def place(pointer, row, step):
                    return builder.gep(pointer, [builder.add(column, builder.mul(step, _index()(row)))])

                rows = [_loaded(builder, place(given, row, a_step)) for row in range(len(matrix[0]))]
                for n, line in enumerate(matrix):
                    total = ir.Constant(_vector(), [0.0] * LANES)
                    for factor, row in zip(line, rows, strict=True):
                        if factor:
                            total = _added(builder, row, ir.Constant(_vector(), [factor] * LANES), total)
                    _stored(builder, total, place(out, n, c_step))
            return context.get_dummy_value()

        return signature, written

    return combine


def blend(terms: int) -> Callable[..., None]:
    """A step ``(a, places, shares, c, c_at, count)``: c = the sum of shares times rows of a at ``places``.

    ``count`` is a multiple of 16; places are int64, shares float32, ``terms`` of each.
    """
    if intrinsic is None:
        return _plain_blend

    @intrinsic
    def add_up(typing, a, places, shares, c, c_at, count):
        signature = types.void(a, places, shares, c, *[types.int64] * 2)

        def written(context, builder, signature, arguments):
            array, places, shares = (
                context.make_array(signature.args[n])(context, builder, arguments[n]).data for n in range(3)
            )
            out, count = _start(context, builder, signature, arguments, 3), arguments[5]
            rows = [
                builder.gep(array, [builder.load(builder.gep(places, [_index()(n)]))]) for n in range(terms)
            ]
            factors = [
                _spread(builder, builder.load(builder.gep(shares, [_index()(n)]))) for n in range(terms)
            ]
            lanes = _index()(LANES)
            with cgutils.for_range_slice(builder, _index()(0), count, lanes, intp=_index()) as (column, _):
                total = ir.Constant(_vector(), [0.0] * LANES)
                for row, factor in zip(rows, factors, strict=True):
                    total = _added(builder, factor, _loaded(builder, builder.gep(row, [column])), total)
                _stored(builder, total, builder.gep(out, [column]))
            return context.get_dummy_value()

        return signature, written

    return add_up


def _vector():
    return ir.VectorType(ir.FloatType(), LANES)


def _index():
    return ir.IntType(64)


def _start(context, builder, signature, arguments, n):
    """Where the matrix starts whose array is argument ``n`` and whose place follows it."""
    data = context.make_array(signature.args[n])(context, builder, arguments[n]).data
    return builder.gep(data, [arguments[n + 1]])


def _loaded(builder, place, kind=None):
    found = builder.load(builder.bitcast(place, (kind or _vector()).as_pointer()))
    found.align = 4
    return found


def _pairs():
    return ir.VectorType(ir.IntType(32), LANES)


def _loaded_pairs(builder, place):
    return _loaded(builder, place, _pairs())


def _stored(builder, value, place):
    builder.store(value, builder.bitcast(place, _vector().as_pointer())).align = 4


def _spread(builder, value, kind=None):
    anything, number = ir.Constant(kind or _vector(), ir.Undefined), ir.IntType(32)
    first = builder.insert_element(anything, value, number(0))
    return builder.shuffle_vector(first, anything, ir.Constant(_pairs(), [0] * LANES))


def _spread_pair(builder, value):
    return _spread(builder, value, _pairs())


def _added(builder, one, other, total):
    kind = ir.FunctionType(_vector(), [_vector()] * 3)
    name = f"llvm.fmuladd.v{LANES}f32"
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [one, other, total])


def _added_pairs(builder, one, other, total):
    """``total`` and both products of each pair; one instruction where the processor has it."""
    if HALVES:
        kind = ir.VectorType(_Half(), 2 * LANES)
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(_vector(), [_vector(), kind, kind]),
            "llvm.x86.avx512bf16.dpbf16ps.512",
        )
        return builder.call(function, [total, builder.bitcast(one, kind), builder.bitcast(other, kind)])
    shift = ir.Constant(_pairs(), [16] * LANES)
    upper = ir.Constant(_pairs(), [0xFFFF0000] * LANES)
    for narrow in (lambda x: builder.shl(x, shift), lambda x: builder.and_(x, upper)):
        factors = (builder.bitcast(narrow(x), _vector()) for x in (one, other))
        total = _added(builder, *factors, total)
    return total


def _rows_of(array, at, step, rows, columns):
    return np.lib.stride_tricks.as_strided(array[at:], (rows, columns), (4 * step, 4))


def _plain_product(columns):
    def multiply(a, a_at, a_step, b, b_at, c, c_at, c_step, depth):
        left, right = (
            _rows_of(a, a_at, a_step, ROWS, depth),
            _rows_of(b, b_at, columns, depth, columns),
        )
        _rows_of(c, c_at, c_step, ROWS, columns)[:] = left @ right

    return multiply


def _plain_half_product(columns):
    def multiply(a, a_at, a_step, b, b_at, c, c_at, c_step, depth):
        left, right = _rows_of(a, a_at, a_step, ROWS, depth), _rows_of(b, b_at, columns, depth, columns)
        low = (left << np.uint32(16)).view(np.float32) @ (right << np.uint32(16)).view(np.float32)
        upper = np.uint32(0xFFFF0000)
        _rows_of(c, c_at, c_step, ROWS, columns)[:] = low + (left & upper).view(np.float32) @ (
            right & upper
        ).view(np.float32)

    return multiply


def _plain_combination(matrix):
    factors = np.array(matrix, np.float32)

    def combine(a, a_at, a_step, c, c_at, c_step, count):
        found = factors @ _rows_of(a, a_at, a_step, factors.shape[1], count)
        _rows_of(c, c_at, c_step, factors.shape[0], count)[:] = found

    return combine


def _plain_blend(a, places, shares, c, c_at, count):
    c[c_at : c_at + count] = sum(
        share * a[place : place + count] for place, share in zip(places, shares, strict=True)
    )
