"""Public identifiers: how volts, amperes and kilowatt-hours stand on the line."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.device.link_campaign import LedgerMeter
from joy311.link import PUBLIC_DATA, Readings
from joy311.link.public_data import BLOCKS, bcd, from_bcd, read_public

READINGS = LedgerMeter().readings(0)
ADDRESS = "012345678903"


@pytest.mark.parametrize(
    ("identifier", "reading_order"),
    [
        (0x00000000, "00123456"),
        (0x00010000, "00123000"),
        (0x00160000, "00000000"),
        (0x003E0000, "00000456"),
        (0x02010100, "2301"),
        (0x02010200, "2298"),
        (0x02020100, "004350"),
        (0x02030000, "007500"),
        (0x02030300, "802500"),
        (0x02060300, "8900"),
        (0x02800002, "5001"),
        (0x04000401, "012345678903"),
        (0x0201FF00, "231422982301"),
    ],
)
def test_a_value_is_written_in_decimals_least_significant_first(identifier: int, reading_order: str) -> None:
    value = read_public(identifier, READINGS, ADDRESS)
    assert value is not None
    assert value[::-1].hex() == reading_order


def test_nothing_is_kept_under_other_identifiers() -> None:
    assert read_public(0x02010400, READINGS, ADDRESS) is None
    assert read_public(0x4A010001, READINGS, ADDRESS) is None


def test_every_member_of_a_block_is_kept() -> None:
    assert {member for members in BLOCKS.values() for member in members} <= PUBLIC_DATA.keys()


@given(st.integers(-(2**40), 2**40))
def test_what_is_too_large_is_written_as_the_most_that_fits(power_w: int) -> None:
    quantities = replace(READINGS.quantities, power_w=(power_w, 0, 0))
    readings: Readings = replace(READINGS, quantities=quantities)
    value = read_public(0x02030100, readings, ADDRESS)
    assert value is not None
    sign, digits = value[-1] >> 7, from_bcd(bytes([*value[:-1], value[-1] & 0x7F]))
    assert sign == (power_w < 0)
    assert digits == min(abs(power_w) * 10, 799_999)


@given(st.integers(0, 10**8 - 1))
def test_decimals_come_back(value: int) -> None:
    assert from_bcd(bcd(value, 4)) == value


def test_what_is_no_decimal_is_none() -> None:
    assert from_bcd(b"\x0a") is None
