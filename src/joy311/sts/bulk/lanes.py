"""Vector registers as values inside numba kernels.

numba vectorises a loop when it can prove that it may, which a few more gates or one more array can undo. Here
a vector is a type of its own: `load` gives one, ``& | ^ ~ + << >>`` work on all its lanes at once, `store`
puts it back, and LLVM has nothing to prove. It splits what is wider than the machine's registers.

Nothing here is for ordinary Python: these functions have a meaning only inside a compiled kernel.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
from numba.core import cgutils, types
from numba.extending import models, overload, register_model
from numba.np import arrayobj

# ruff: noqa: ARG001 - what numba calls has the parameters that numba gives.

F = TypeVar("F", bound=Callable[..., Any])

# llvmlite is numba's own package, and whichever numba uses is the right one.
ir: Any = cgutils.ir  # type: ignore[attr-defined, unused-ignore]

_njit: Any = numba.njit
_make_array: Any = arrayobj.make_array

# Inside a kernel these take fewer arguments than they are written with, so they are of any type.
_intrinsic = cast(Callable[[Callable[..., Any]], Any], numba.extending.intrinsic)


def kernel(function: F) -> F:
    """Return `function` compiled on first call, kept on disk, and run without the interpreter's lock.

    Where nothing can be kept, neither beside this file nor in the user's cache directory, every process
    compiles anew.
    """
    try:
        return cast(F, _njit(cache=True, nogil=True)(function))
    except RuntimeError:
        return cast(F, _njit(nogil=True)(function))


def part(function: F) -> F:
    """Return `function` compiled as a part of the kernels that call it."""
    return cast(F, _njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)(function))


def inlined(function: F) -> F:
    """Return `function` compiled into every place that calls it."""
    return cast(F, _njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True)(function))


def _host_has(feature: str) -> bool:
    # numba's own answer, so that NUMBA_CPU_FEATURES holds for the width as well as for the code.
    features: str = numba.core.registry.cpu_target.target_context.codegen().magic_tuple()[2]
    return f"+{feature}" in features.split(",")


REGISTER_BITS = 512 if _host_has("avx512f") else 256
"""How wide a vector is."""


class Lanes(types.Type):
    """The numba type of a vector of `count` unsigned integers of `bits`."""

    def __init__(self, bits: int) -> None:
        self.bits = bits
        self.count = REGISTER_BITS // bits
        super().__init__(name=f"Lanes({bits} x {self.count})")


LANES_BY_ITEM = {types.uint64: Lanes(64), types.uint32: Lanes(32)}
LANES_64 = REGISTER_BITS // 64
LANES_32 = REGISTER_BITS // 32


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, lanes: Lanes) -> None:
        vector = ir.VectorType(ir.IntType(lanes.bits), lanes.count)
        super().__init__(manager, lanes, vector)  # type: ignore[no-untyped-call]


def _address(context: Any, builder: Any, signature: Any, arguments: Any) -> tuple[Any, int]:
    """Return the address of the element that the first two arguments name, and the element's alignment."""
    array = _make_array(signature.args[0])(context, builder, arguments[0])
    item = signature.args[0].dtype
    vector = context.get_value_type(LANES_BY_ITEM[item]).as_pointer()
    return builder.bitcast(builder.gep(array.data, [arguments[1]]), vector), item.bitwidth // 8


@_intrinsic
def load(typing: Any, array: Any, index: Any) -> Any:
    """Return the vector of the elements of `array` from `index` on."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, alignment = _address(context, builder, signature, arguments)
        vector = builder.load(address)
        vector.align = alignment
        return vector

    return LANES_BY_ITEM[array.dtype](array, types.int64), code


@_intrinsic
def store(typing: Any, array: Any, index: Any, vector: Any) -> Any:
    """Put `vector` into the elements of `array` from `index` on."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, alignment = _address(context, builder, signature, arguments)
        builder.store(arguments[2], address).align = alignment
        return context.get_dummy_value()

    return types.void(array, types.int64, vector), code


def _splat(builder: Any, scalar: Any, count: int) -> Any:
    vector = ir.VectorType(scalar.type, count)
    nothing = ir.Constant(vector, ir.Undefined)
    index = ir.IntType(32)
    first = builder.insert_element(nothing, scalar, ir.Constant(index, 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(index, count), [0] * count))


@_intrinsic
def splat(typing: Any, value: Any) -> Any:
    """Return the vector whose lanes all hold `value`, an unsigned integer of 64 or 32 bits."""
    lanes = LANES_BY_ITEM[value]

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _splat(builder, arguments[0], lanes.count)

    return lanes(value), code


def _define_operator(symbol: Callable[..., Any], instruction: str) -> None:
    @_intrinsic
    def of_vectors(typing: Any, first: Any, second: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, instruction)(*arguments)

        return first(first, second), code

    @overload(symbol)
    def choose(first: Any, second: Any) -> Any:
        if isinstance(first, Lanes) and first == second:

            def both(first: Any, second: Any) -> Any:
                return of_vectors(first, second)

            return both
        return None


def _define_shift(symbol: Callable[..., Any], instruction: str) -> None:
    @_intrinsic
    def by_number(typing: Any, vector: Any, bits: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            amount = arguments[1]
            width = ir.IntType(vector.bits)
            if amount.type.width != vector.bits:
                amount = builder.trunc(amount, width)
            return getattr(builder, instruction)(arguments[0], _splat(builder, amount, vector.count))

        return vector(vector, types.int64), code

    @overload(symbol)
    def choose(vector: Any, bits: Any) -> Any:
        if isinstance(vector, Lanes) and isinstance(bits, types.Integer):

            def each(vector: Any, bits: Any) -> Any:
                return by_number(vector, bits)

            return each
        return None


@_intrinsic
def _complement(typing: Any, vector: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.not_(arguments[0])

    return vector(vector), code


@overload(operator.invert)
def _invert(vector: Any) -> Any:
    if isinstance(vector, Lanes):

        def each(vector: Any) -> Any:
            return _complement(vector)

        return each
    return None


for _symbol, _instruction in (
    (operator.and_, "and_"),
    (operator.or_, "or_"),
    (operator.xor, "xor"),
    (operator.add, "add"),
):
    _define_operator(_symbol, _instruction)
_define_shift(operator.lshift, "shl")
_define_shift(operator.rshift, "lshr")
