"""The table of registers, and how values stand on the line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.errors import InvalidInput
from joy311.iec62056 import REGISTERS, Code, Item, Level, Peak, TimeStyle, parse_written, render
from joy311.iec62056.messages import LONGEST_CODE, LONGEST_READOUT_VALUE, LONGEST_UNIT
from joy311.iec62056.registers import Hexadecimal, Number, PeakOf, Special, Text, Value
from joy311.instant import from_iso
from tests.iec62056.meter_in_memory import START

STYLE = TimeStyle()


def shown(code: str, value: Value) -> str:
    return "".join(map(str, render(REGISTERS[code], value, STYLE)))


@pytest.mark.parametrize(
    ("code", "value", "text"),
    [
        ("1.8.0", 123_456, "(000123.456*kWh)"),
        ("1.8.0", 1_000_000_000 + 5, "(000000.005*kWh)"),
        ("1.7.0", 1_234, "(01.234*kW)"),
        ("1.7.0", 123_456, "(123.456*kW)"),
        ("31.7.0", 5_125, "(005.13*A)"),
        ("32.7.0", 230_149, "(230.1*V)"),
        ("33.7.0", 982, "(0.982)"),
        ("33.7.0", -982, "(-0.982)"),
        ("81.7.1", 239_500, "(240*deg)"),
        ("14.7.0", 50_014, "(50.01*Hz)"),
        ("1.6.0", Peak(3_214, START), "(03.21*kW)(0261122121500)"),
        ("C.7.1", 12, "(0012)"),
        ("C.51.2", START, "(0261122121500)"),
        ("C.51.2", "", "()"),
        ("F.F", 0x80, "(00000080)"),
        ("19.0.0", -1, "(-000000.001*kWh)"),
        ("19.40.0", 13, "(13)"),
        ("96.3.10", 1, "(1)"),
        ("0.9.1", START, "(12:15:00)"),
        ("0.9.2", START, "(26-11-22)"),
        ("0.0.1", "A/1 (b) é!*?", "(A-1 -b- ----)"),
        ("0.0.2", "201457", "(201457)"),
        ("0.8.4", 15, "(15*min)"),
    ],
)
def test_a_value_stands_on_the_line_as_its_register_says(code: str, value: Value, text: str) -> None:
    assert shown(code, value) == text


@pytest.mark.parametrize(
    ("code", "value"), [("1.8.0", "x"), ("0.0.1", 1), ("F.F", -1), ("1.6.0", 3), ("P.01", 1)]
)
def test_a_value_of_another_form_is_refused(code: str, value: Value) -> None:
    with pytest.raises(InvalidInput, match=code):
        shown(code, value)


@given(st.integers(-(10**9) + 1, 10**9 - 1))
def test_a_number_reads_as_it_was_written(value: int) -> None:
    number = Number("kWh", 6, 3, 3)
    assert number.parse(Item(number.text(value), "kWh")) == value
    assert number.parse(Item(number.text(value))) == value


def test_a_counter_never_shows_more_than_was_counted() -> None:
    assert Number("", 3, 1, 3, counts=True).text(1_999) == "001.9"
    assert Number("", 3, 1, 3).text(1_999) == "002.0"


@pytest.mark.parametrize("code", REGISTERS)
def test_every_row_keeps_to_what_readers_can_take(code: str) -> None:
    register = REGISTERS[code]
    assert register.code == code == Code.parse(code).reduced
    assert len(code) <= LONGEST_CODE
    assert code[0] in "0123456789CFP"
    assert len(register.unit) <= LONGEST_UNIT
    assert not set(register.unit) & set("()/!*?")
    assert register.read is Level.OPEN or not register.in_readout
    assert register.write is None or register.write > Level.OPEN
    if isinstance(register.form, Text):
        assert register.form.longest <= LONGEST_READOUT_VALUE
    if isinstance(register.form, Number):
        assert register.form.decimals <= register.form.places


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1.8.0", Code("1.8.0")),
        ("1-0:1.8.0", Code("1.8.0")),
        ("0-0:96.14.0", Code("96.14.0")),
        ("1-0:1.8.0*255", Code("1.8.0")),
        ("1.8.0*01", Code("1.8.0", 1)),
        ("1.8.0*99", Code("1.8.0", 99)),
        ("F.F", Code("F.F")),
        ("C.51.13", Code("C.51.13")),
        ("P.01", Code("P.01")),
    ],
)
def test_a_code_reads_reduced_and_in_full(text: str, code: Code) -> None:
    assert Code.parse(text) == code


@pytest.mark.parametrize(
    "text", ["", "1", "1.8.0*100", "1.8.0*", "7-0:1.8.0", "1.8.0.0.0", "a.b", "1.8.0 ", "١.٨.٠"]
)
def test_a_code_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        Code.parse(text)


@given(st.sampled_from(sorted(REGISTERS)), st.text(max_size=40), st.sampled_from(["", "kWh", "min", "X"]))
def test_whatever_is_written_either_fits_or_is_refused(code: str, text: str, unit: str) -> None:
    register = REGISTERS[code]
    try:
        value = parse_written(register, Item(text, unit), START, STYLE)
    except InvalidInput:
        return
    match register.form:
        case PeakOf() | Special.PROFILE | Special.LOG:
            raise AssertionError(f"{code} took {text!r}")
        case Text() | Special.TOKEN:
            assert value == text
        case Number() | Hexadecimal() | Special():
            assert isinstance(value, int)


def test_the_refusal_of_a_token_shows_none_of_its_digits() -> None:
    with pytest.raises(InvalidInput, match="19 characters") as refusal:
        parse_written(REGISTERS["19.40.0"], Item("1234567890123456789"), START, STYLE)
    assert "1234567" not in str(refusal.value)


def test_what_is_written_to_a_clock_is_an_instant() -> None:
    assert parse_written(REGISTERS["0.9.4"], Item("260301135500"), START, STYLE) == from_iso(
        "2026-03-01T13:55:00Z"
    )
    assert parse_written(REGISTERS["F.F"], Item("0000008a"), START, STYLE) == 0x8A
