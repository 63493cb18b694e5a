from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.errors import InvalidInput
from joy311.sts import MeterPAN
from joy311.sts.check_digit import check_digit, is_decimal


def test_a_drn_of_either_length_has_its_pan() -> None:
    short = MeterPAN.parse("12345678903")
    assert (short.iin, short.drn, short.manufacturer_code, short.serial_number) == (
        "600727",
        "12345678903",
        "12",
        "34567890",
    )
    assert len(short.digits) == 18
    long = MeterPAN.parse("8149574170152")
    assert str(long) == long.digits == "000081495741701522"
    assert (long.iin, long.manufacturer_code, long.serial_number) == ("0000", "8149", "57417015")


def test_spaces_and_hyphens_do_not_matter() -> None:
    assert MeterPAN.parse(" 1234 5678-903 ") == MeterPAN.parse("12345678903")


def test_the_wrong_check_digit_is_named_with_the_right_one() -> None:
    with pytest.raises(InvalidInput, match="DRN 12345678904 ends in check digit 4, but 3"):
        MeterPAN.parse("12345678904")
    right = MeterPAN.parse("12345678903").digits
    wrong = right[:-1] + str((int(right[-1]) + 1) % 10)
    with pytest.raises(
        InvalidInput, match=f"MeterPAN {wrong} ends in check digit {wrong[-1]}, but {right[-1]}"
    ):
        MeterPAN.parse(wrong)


@pytest.mark.parametrize("digits", ["600727000000000009", "000001000000000082", "600727111111111153"])
def test_compliance_numbers_are_pans_whatever_their_drn(digits: str) -> None:
    assert MeterPAN(digits).digits == digits


def test_people_may_not_type_a_pan_whose_drn_is_wrong() -> None:
    payload = "60072712345678904"
    pan = MeterPAN(f"{payload}{check_digit(payload)}")
    with pytest.raises(InvalidInput, match=f"DRN {pan.drn}"):
        MeterPAN.parse(pan.digits)


@pytest.mark.parametrize("digits", ["", "1", "6007270000000000091", "60072700000000000x", "٦" * 18])
def test_what_is_not_eighteen_digits_is_no_pan(digits: str) -> None:
    with pytest.raises(InvalidInput, match="18 decimal digits"):
        MeterPAN(digits)


def test_an_unknown_issuer_is_refused() -> None:
    payload = "12345600000000000"
    with pytest.raises(InvalidInput, match="600727"):
        MeterPAN(payload + str(check_digit(payload)))


@given(st.text(max_size=40) | st.text("0123456789 -", max_size=40))
def test_any_text_is_a_pan_or_refused(text: str) -> None:
    try:
        pan = MeterPAN.parse(text)
    except InvalidInput:
        return
    assert MeterPAN.parse(pan.digits) == pan
    assert MeterPAN.parse(pan.drn) == pan


@given(st.text("0123456789", min_size=1, max_size=30), st.data())
def test_the_check_digit_finds_every_wrong_digit(payload: str, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(payload) - 1))
    other = data.draw(st.sampled_from("0123456789"))
    changed = payload[:position] + other + payload[position + 1 :]
    assert (check_digit(changed) == check_digit(payload)) == (changed == payload)


def test_only_ascii_digits_are_decimal() -> None:
    assert is_decimal("0123456789")
    for text in ("", "1 2", "²", "٣", "-1", "1.0"):
        assert not is_decimal(text)
