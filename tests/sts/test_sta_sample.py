from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from joy311.sts import sta_sample
from joy311.sts.carrier import insert_class
from tests.sts import reference_sta

BLOCKS = st.integers(0, (1 << 64) - 1)
TABLES = (reference_sta.SAMPLE_1, reference_sta.SAMPLE_2, reference_sta.SAMPLE_PERMUTATION)


def test_the_example_that_the_standard_prints() -> None:
    encrypted = sta_sample.encrypt(0x0ABC12DEF3456789, 0x0B19EB230100C207)
    assert insert_class(0, encrypted).value == 0x2C45ED1618406DF95


@given(BLOCKS, BLOCKS)
def test_it_is_the_plain_cipher_with_other_tables(key: int, block: int) -> None:
    encrypted = sta_sample.encrypt(key, block)
    assert encrypted == reference_sta.encrypt(key, block, *TABLES)
    assert sta_sample.decrypt(key, encrypted) == block
