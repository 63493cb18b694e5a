"""From a substitution table to a list of gates: the one generator behind `joy311.sts.bulk.substitutions`.

A table is written as sums of products of its input bits (algebraic normal form). A greedy search then takes
out what occurs more than once: products of two, and sums of two behind a common factor. What remains is
printed as an ordinary Python function of ``&``, ``^`` and ``~``, which runs on whatever has these operators.

The search meets ties, and which of them it takes decides a few gates. A seed decides them, so that the text
is the same everywhere; the seeds in `BOXES` are the best of some hundreds.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from joy311.sts import des, misty1, sta

Product = frozenset[int]
"""The wires whose bits are multiplied; the empty product is the constant one."""

Sum = set[Product]
"""The products that are added, each once."""


@dataclass(frozen=True, slots=True)
class Box:
    """One substitution that becomes a function of gates.

    Parameters
    ----------
    name : str
        The name of the function.
    title : str
        What it computes, the first line of its docstring.
    inputs : tuple of str
        The names of the input bits, the least significant first.
    table : tuple of int
        The output for each value of the inputs.
    outputs : int
        How many bits it has.
    seed : int
        Decides ties in the search.
    """

    name: str
    title: str
    inputs: tuple[str, ...]
    table: tuple[int, ...]
    outputs: int
    seed: int


def _bits(count: int) -> tuple[str, ...]:
    return tuple(f"x{bit}" for bit in range(count))


def _invert(table: Sequence[int]) -> tuple[int, ...]:
    return tuple(table.index(value) for value in range(len(table)))


def _des_table(rows: Sequence[str]) -> tuple[int, ...]:
    """Return the 64 outputs of a box whose outer two of six input bits select one of four `rows`."""
    return tuple(int(rows[six >> 4 & 2 | six & 1][six >> 1 & 15], 16) for six in range(64))


BOXES: tuple[Box, ...] = (
    Box(
        "sta_encryption",
        "Return a nibble of STA substituted for encryption; `k` is the key's bit, not complemented.",
        (*_bits(4), "k"),
        # The round's key is the complement of the decoder key: the second table goes with a zero.
        sta.SUBSTITUTION_2 + sta.SUBSTITUTION_1,
        4,
        39,
    ),
    Box(
        "sta_decryption",
        "Return a nibble of STA substituted for decryption; `k` is the key's bit.",
        (*_bits(4), "k"),
        _invert(sta.SUBSTITUTION_2) + _invert(sta.SUBSTITUTION_1),
        4,
        60,
    ),
    Box("misty1_s7", "Return seven bits through MISTY1's S7.", _bits(7), misty1.S7, 7, 186),
    Box("misty1_s9", "Return nine bits through MISTY1's S9.", _bits(9), misty1.S9, 9, 18),
    *(
        Box(
            f"des_s{number}",
            f"Return six bits through DES box S{number}.",
            _bits(6),
            _des_table(rows),
            4,
            seed,
        )
        for number, (rows, seed) in enumerate(
            zip(des.BOXES, (1, 8, 77, 96, 95, 113, 20, 126), strict=True), 1
        )
    ),
)


def algebraic_normal_form(table: Sequence[int], output: int) -> Sum:
    """Return bit `output` of `table` as a sum of products of the table's input bits."""
    coefficients = [value >> output & 1 for value in table]
    width = 1
    while width < len(coefficients):
        for start in range(0, len(coefficients), 2 * width):
            for low in range(start, start + width):
                coefficients[low + width] ^= coefficients[low]
        width *= 2
    return {
        frozenset(bit for bit in range(index.bit_length()) if index >> bit & 1)
        for index, coefficient in enumerate(coefficients)
        if coefficient
    }


@dataclass(slots=True)
class _Network:
    """Sums that refer to input bits, to products of two wires and to each other.

    Wires are numbered: the inputs first, then everything taken out. A wire is either an input, a product
    (`products`) or a sum (`sums`); the outputs are sums of their own.
    """

    wires: int
    outputs: list[Sum]
    products: dict[int, tuple[int, int]]
    sums: dict[int, Sum]

    def rows(self) -> list[Sum]:
        """Return all sums."""
        return [*self.outputs, *self.sums.values()]


def minimise(table: Sequence[int], outputs: int, seed: int) -> _Network:
    """Return gates for `table`; `seed` decides between steps that look equally good."""
    inputs = (len(table) - 1).bit_length()
    network = _Network(inputs, [algebraic_normal_form(table, bit) for bit in range(outputs)], {}, {})
    state = seed
    while candidates := _best_steps(network):
        # A multiplicative generator of our own: the text must not hang on a library's.
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        step = candidates[(state >> 33) % len(candidates)] if seed else candidates[0]
        if isinstance(step, tuple):
            _take_product(network, *step)
        else:
            _take_sum(network, step)
    return network


def gate_count(network: _Network) -> int:
    """Return how many operations `network` takes."""
    monomials = {product for row in network.rows() for product in row if len(product) > 1}
    return (
        len(network.products)
        + sum(len(product) - 1 for product in monomials)
        + sum(max(len(row) - 1, 0) + (not row) for row in network.rows())
    )


def _best_steps(network: _Network) -> list[tuple[int, int] | frozenset[Product]]:
    """Return all steps that save the most gates, in a fixed order; none if none saves any."""
    rows = network.rows()
    uses = Counter(product for row in rows for product in row if len(product) > 1)
    gains: dict[tuple[int, int] | frozenset[Product], int] = {}
    pairs: Counter[tuple[int, int]] = Counter()
    for product in uses:
        pairs.update(combinations(sorted(product), 2))
    for pair, count in pairs.items():
        if count > 1:
            gains[pair] = count - 1
    occurrences: defaultdict[frozenset[Product], list[tuple[Product, Product, Product]]] = defaultdict(list)
    for row in rows:
        for first, second in combinations(row, 2):
            factor = first & second
            divisor = frozenset((first - factor, second - factor))
            occurrences[divisor].append((factor, first, second))
    for divisor, found in occurrences.items():
        factors = {factor for factor, _, _ in found}
        if len(found) < 2 and not any(factors):
            continue
        gain = _gain(divisor, found, factors, uses)
        if gain > 0:
            gains[divisor] = gain
    if not gains:
        return []
    best = max(gains.values())
    return sorted((step for step, gain in gains.items() if gain == best), key=_order)


def _gain(
    divisor: frozenset[Product],
    found: list[tuple[Product, Product, Product]],
    factors: set[Product],
    uses: Counter[Product],
) -> int:
    """Return how many gates go when `divisor` becomes a wire of its own."""
    # Where the sum stands alone, two terms of a row become one; a whole row that is this sum becomes a wire.
    gain = len(found) - 1
    gone: Counter[Product] = Counter()
    for _, first, second in found:
        gone[first] += 1
        gone[second] += 1
    gain += sum(len(product) - 1 for product, count in gone.items() if count >= uses[product] > 0)
    gain -= sum(len(factor) for factor in factors)
    # The sum's own products are gates too, unless something else needs them.
    gain -= sum(
        len(product) - 1
        for product in divisor
        if len(product) > 1 and (product not in uses or gone[product] >= uses[product])
    )
    if frozenset() in divisor:
        # A sum with the constant is an inversion, and those are better left at the end.
        gain -= 1
    return gain


def _order(step: tuple[int, int] | frozenset[Product]) -> tuple[int, list[list[int]]]:
    if isinstance(step, tuple):
        return 0, [list(step)]
    return 1, sorted(sorted(product) for product in step)


def _take_product(network: _Network, first: int, second: int) -> None:
    wire = network.wires
    network.wires += 1
    network.products[wire] = first, second
    pair = frozenset((first, second))
    for row in network.rows():
        for product in [product for product in row if pair <= product]:
            row ^= {product, product - pair | {wire}}


def _take_sum(network: _Network, divisor: frozenset[Product]) -> None:
    wire = network.wires
    network.wires += 1
    one, other = sorted(divisor, key=sorted)
    for row in network.rows():
        for product in sorted(row, key=sorted):
            factor = product - one
            partner = factor | other
            if one <= product and not factor & other and {product, partner} <= row and product != partner:
                row -= {product, partner}
                row ^= {factor | {wire}}
    network.sums[wire] = set(divisor)


def write_function(box: Box) -> str:
    """Return `box` as the text of a Python function, one gate a line."""
    network = minimise(box.table, box.outputs, box.seed)
    lines: list[str] = []
    names: dict[int | Product, str] = dict(enumerate(box.inputs))

    def emit(expression: str) -> str:
        name = f"t{len(lines)}"
        lines.append(f"    {name} = {expression}")
        return name

    def wire(number: int) -> str:
        if number not in names:
            if number in network.products:
                one, other = network.products[number]
                names[number] = emit(f"{wire(one)} & {wire(other)}")
            else:
                names[number] = add(network.sums[number])
        return names[number]

    def multiply(product: Product) -> str:
        if len(product) == 1:
            return wire(min(product))
        if product not in names:
            first, *others = sorted(product)
            name = wire(first)
            for other in others:
                name = emit(f"{name} & {wire(other)}")
            names[product] = name
        return names[product]

    def add(row: Iterable[Product]) -> str:
        first, *others = sorted((product for product in row if product), key=sorted)
        name = multiply(first)
        for other in others:
            name = emit(f"{name} ^ {multiply(other)}")
        return emit(f"~{name}") if frozenset() in row else name

    results = [add(row) for row in network.outputs]
    parameters = ", ".join(f"{name}: B" for name in box.inputs)
    return "\n".join(
        [
            f"def {box.name}({parameters}) -> tuple[B, ...]:",
            f'    """{box.title}"""',
            *lines,
            f"    return {', '.join(results)}",
        ]
    )


HEADER = '''"""The substitutions of STA, MISTY1 and DES as gates: `joy311.sts.bulk.gates` writes them.

Each function takes and returns single bits, the least significant first. What a bit is made of is the
caller's choice: a long integer, a NumPy array or a vector register holds that bit of many blocks at once.
"""

from __future__ import annotations

from typing import Any, TypeAlias

B: TypeAlias = Any
"""Whatever has ``&``, ``^`` and ``~``."""
'''


def write_module() -> str:
    """Return the text of the module `joy311.sts.bulk.substitutions`, which holds every box as gates.

    Examples
    --------
    To write the module anew::

        python -c "from joy311.sts.bulk.gates import write_module; print(write_module(), end='')" > new.py
    """
    return "\n\n\n".join([HEADER.rstrip(), *map(write_function, BOXES)]) + "\n"
