from __future__ import annotations

import pytest

from joy311.errors import InvalidInput
from joy311.sts import METER_TESTS, InitiateMeterTest, Token20, decode, encode, meter_test


def test_the_printed_tokens() -> None:
    assert encode(meter_test(0, control_bits=36), None).grouped() == "5649 3153 7254 5031 3471"
    assert encode(meter_test(0, control_bits=28), None).grouped() == "0230 5843 0050 5295 1967"
    assert encode(meter_test(3, control_bits=36), None).digits == "00000000000201328896"
    assert encode(meter_test(18, control_bits=28), None).digits == "01153484454694514832"


@pytest.mark.parametrize("control_bits", [28, 36])
def test_a_test_says_its_number(control_bits: int) -> None:
    for number in range(1, control_bits + 1):
        token = meter_test(number, control_bits=control_bits)
        assert token.tests == (number,)
        assert token.control_bits == control_bits
        assert not token.is_all_tests
    everything = meter_test(0, control_bits=control_bits)
    assert everything.is_all_tests
    assert everything.tests == tuple(range(1, control_bits + 1))


def test_two_tests_in_one_token() -> None:
    said = decode(encode(InitiateMeterTest(0, 3), None), None)
    assert isinstance(said, InitiateMeterTest)
    assert said.tests == (1, 2)


def test_the_formats_of_manufacturers_have_their_widths() -> None:
    widths = {subclass: InitiateMeterTest(subclass, 0).control_bits for subclass in (0, 1, *range(6, 16))}
    assert [subclass for subclass, width in widths.items() if width == 28] == [1, 6, 7, 8, 9, 10]


@pytest.mark.parametrize(("number", "control_bits"), [(-1, 36), (37, 36), (29, 28), (1, 0), (1, 64)])
def test_a_test_outside_its_format_is_refused(number: int, control_bits: int) -> None:
    with pytest.raises(InvalidInput):
        meter_test(number, control_bits=control_bits)


def test_the_table_of_tests_is_whole() -> None:
    assert list(METER_TESTS) == list(range(1, 19))
    assert Token20.parse("00000002199157475960") == encode(meter_test(18, control_bits=36), None)
