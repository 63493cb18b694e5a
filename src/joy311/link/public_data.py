"""The public identifiers of DL/T 645-2007 that any master may read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from joy311.quantities import LineQuantities, Triple

_PHASES = "ABC"
_VOLTS, _AMPERES, _KILOWATTS, _FACTOR = (2, 1), (3, 3), (3, 4), (2, 3)
"""Bytes and decimals on the line."""


@dataclass(frozen=True, slots=True)
class Readings:
    """What a meter lets any master read.

    Parameters
    ----------
    quantities : LineQuantities
        What the three phases do now.
    total_wh : int
        The register that debits credit [Wh].
    imported_wh, exported_wh : tuple of int
        Energy per phase L1..L3, from and to the supply [Wh].
    """

    quantities: LineQuantities
    total_wh: int
    imported_wh: Triple
    exported_wh: Triple


@dataclass(frozen=True, slots=True)
class PublicDatum:
    """A public identifier and how its value is written.

    Parameters
    ----------
    identifier : int
        DI3 to DI0, DI3 most significant.
    name : str
        What it is.
    unit : str
        Unit of the value.
    size : int
        Bytes of binary coded decimals.
    decimals : int
        Digits behind the point.
    numerator, denominator : int
        What the meter's integer is multiplied with and divided by; the quotient is cut towards zero.
    signed : bool
        Whether the highest bit of the value is its sign.
    value : Callable
        Takes the meter's integer out of its `Readings`.
    """

    identifier: int
    name: str
    unit: str
    size: int
    decimals: int
    numerator: int
    denominator: int
    signed: bool
    value: Callable[[Readings], int]

    def to_bytes(self, readings: Readings) -> bytes:
        """Return the value as it stands on the line, least significant byte first.

        What the places do not hold is written as the most that they do.
        """
        value = self.value(readings)
        digits = abs(value) * self.numerator // self.denominator
        # The sign takes the highest bit, and the digit beside it is then at most seven.
        most = (8 if self.signed else 10) * 10 ** (2 * self.size - 1) - 1
        coded = bytearray(bcd(min(digits, most), self.size))
        if self.signed and value < 0:
            coded[-1] |= 0x80
        return bytes(coded)


def bcd(value: int, size: int) -> bytes:
    """Return `value` as `size` bytes of two decimals each, least significant first."""
    return bytes.fromhex(f"{value:0{2 * size}d}")[::-1]


def from_bcd(data: bytes) -> int | None:
    """Return the number in `data`, None if a half byte is no decimal."""
    text = data[::-1].hex()
    return int(text) if text.isdigit() else None


def _energy(identifier: int, name: str, value: Callable[[Readings], int]) -> PublicDatum:
    return PublicDatum(identifier, name, "kWh", 4, 2, 1, 10, False, value)


def _of_phases(
    identifier: int,
    name: str,
    unit: str,
    places: tuple[int, int],
    scale: tuple[int, int],
    value: Callable[[LineQuantities], Triple],
    *,
    signed: bool = True,
) -> list[PublicDatum]:
    return [
        PublicDatum(
            identifier | (phase + 1) << 8,
            f"{name}, phase {letter}",
            unit,
            *places,
            *scale,
            signed,
            lambda readings, phase=phase: value(readings.quantities)[phase],  # type: ignore[misc]
        )
        for phase, letter in enumerate(_PHASES)
    ]


PUBLIC_DATA: dict[int, PublicDatum] = {
    datum.identifier: datum
    for datum in (
        # What a prepayment meter debits is what its combined register holds.
        _energy(0x00000000, "combined active energy", lambda r: r.total_wh),
        _energy(0x00010000, "active energy from the supply", lambda r: sum(r.imported_wh)),
        _energy(0x00020000, "active energy to the supply", lambda r: sum(r.exported_wh)),
        _energy(0x00150000, "active energy from the supply, phase A", lambda r: r.imported_wh[0]),
        _energy(0x00160000, "active energy to the supply, phase A", lambda r: r.exported_wh[0]),
        _energy(0x00290000, "active energy from the supply, phase B", lambda r: r.imported_wh[1]),
        _energy(0x002A0000, "active energy to the supply, phase B", lambda r: r.exported_wh[1]),
        _energy(0x003D0000, "active energy from the supply, phase C", lambda r: r.imported_wh[2]),
        _energy(0x003E0000, "active energy to the supply, phase C", lambda r: r.exported_wh[2]),
        *_of_phases(0x02010000, "voltage", "V", _VOLTS, (1, 100), lambda q: q.voltage_mv, signed=False),
        *_of_phases(0x02020000, "current", "A", _AMPERES, (1, 1), lambda q: q.current_ma),
        PublicDatum(
            0x02030000,
            "active power",
            "kW",
            *_KILOWATTS,
            10,
            1,
            True,
            lambda r: sum(r.quantities.power_w),
        ),
        *_of_phases(0x02030000, "active power", "kW", _KILOWATTS, (10, 1), lambda q: q.power_w),
        *_of_phases(0x02060000, "power factor", "1", _FACTOR, (1, 1), lambda q: q.power_factor_permil),
        PublicDatum(
            0x02800001, "current in the neutral", "A", 3, 3, 1, 1, True, lambda r: r.quantities.neutral_ma
        ),
        PublicDatum(
            0x02800002, "mains frequency", "Hz", 2, 2, 1, 10, False, lambda r: r.quantities.frequency_mhz
        ),
    )
}
"""Every public identifier by its number."""

BLOCKS: dict[int, tuple[int, ...]] = {
    group | 0xFF00: tuple(group | phase << 8 for phase in phases)
    for group, phases in (
        (0x02010000, (1, 2, 3)),
        (0x02020000, (1, 2, 3)),
        (0x02030000, (0, 1, 2, 3)),
        (0x02060000, (1, 2, 3)),
    )
}
"""Identifiers that stand for several, one behind the other."""

ADDRESS_IDENTIFIERS = (0x04000401, 0x04000402)
"""The meter's address and its number, both six bytes of decimals."""


def read_public(identifier: int, readings: Readings, address: str) -> bytes | None:
    """Return the value of `identifier` as it stands on the line, None where nothing is kept under it."""
    if identifier in ADDRESS_IDENTIFIERS:
        return bytes.fromhex(address)[::-1]
    members = BLOCKS.get(identifier, (identifier,))
    if not all(member in PUBLIC_DATA for member in members):
        return None
    return b"".join(PUBLIC_DATA[member].to_bytes(readings) for member in members)
