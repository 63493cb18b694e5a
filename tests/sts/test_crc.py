from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from joy311.sts.crc import block_crc, crc

BLOCKS = st.integers(0, (1 << 64) - 1)
CLASSES = st.integers(0, 3)


def bit_by_bit(data: bytes) -> int:
    register = 0xFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0xA001 if register & 1 else 0)
    return int.from_bytes(register.to_bytes(2, "little"), "big")


def test_published_checksums() -> None:
    assert crc(b"123456789") == 0x374B
    assert crc(bytes.fromhex("00004A2D900FF2")) == 0x0FFA
    assert crc(bytes.fromhex("000B19EB230100")) == 0xC207
    assert block_crc(0, 0x0B19EB230100C207, currency=False) == 0xC207
    assert block_crc(0, 0x05599863000119E6, currency=False) == 0x19E6


@given(st.binary(max_size=40))
def test_tables_agree_with_bits(data: bytes) -> None:
    assert crc(data) == bit_by_bit(data)


@given(CLASSES, BLOCKS)
def test_a_block_is_summed_as_its_seven_bytes(token_class: int, block: int) -> None:
    covered = (token_class << 48 | block >> 16).to_bytes(7, "big")
    assert block_crc(token_class, block, currency=False) == bit_by_bit(covered)
    assert block_crc(token_class, block, currency=True) == bit_by_bit(covered + b"\x01")


@given(CLASSES, BLOCKS)
def test_currency_never_passes_for_credit(token_class: int, block: int) -> None:
    assert block_crc(token_class, block, currency=True) != block_crc(token_class, block, currency=False)


@given(CLASSES, BLOCKS, st.integers(16, 63))
def test_every_bit_above_the_field_counts(token_class: int, block: int, bit: int) -> None:
    changed = block ^ 1 << bit
    assert block_crc(token_class, changed, currency=False) != block_crc(token_class, block, currency=False)


@given(CLASSES, BLOCKS, st.integers(0, 0xFFFF))
def test_what_stands_in_the_field_does_not_count(token_class: int, block: int, field: int) -> None:
    changed = block >> 16 << 16 | field
    assert block_crc(token_class, changed, currency=False) == block_crc(token_class, block, currency=False)
