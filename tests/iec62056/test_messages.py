"""Characters, messages and the framer between them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.errors import InvalidInput
from joy311.iec62056.characters import block_check, with_even_parity, without_parity
from joy311.iec62056.framing import LONGEST_COMMAND, Framer
from joy311.iec62056.messages import (
    Command,
    Data,
    DataSet,
    Identification,
    Item,
    Message,
    OptionSelect,
    Request,
    Signal,
    parse_data_sets,
)


@pytest.mark.parametrize(
    ("message", "check"),
    [
        (Command("B0"), "q"),
        (Command("P0", "()"), "`"),
        (Command("P1", "(00000000)"), "a"),
        (Command("R5", "0.9.2()"), "\\"),
        (Data("0.9.2(130103)"), "9"),
        (Command("R5", "0.9.1()"), "_"),
        (Data("0.9.1(101415)"), ":"),
        (Command("R1", "1.8.0(1)"), "k"),
        (Command("W1", "C.1.0(99999999)"), "$"),
    ],
)
def test_a_published_message_has_its_published_check(message: Command | Data, check: str) -> None:
    assert message.to_bytes()[-1:] == check.encode()


@given(st.binary(max_size=300))
def test_the_folded_check_is_the_plain_one(characters: bytes) -> None:
    plain = 0
    for character in characters:
        plain ^= character
    assert block_check(characters) == plain & 0x7F


def test_even_parity_is_even_and_comes_off_again() -> None:
    characters = bytes(range(128))
    dressed = with_even_parity(characters)
    assert all(byte.bit_count() % 2 == 0 for byte in dressed)
    assert without_parity(dressed) == characters


def framed(data: bytes, *, option_awaited: bool = False, longest: int = LONGEST_COMMAND) -> list[Message]:
    framer = Framer(longest)
    framer.feed(data)
    found = []
    while (message := framer.next(option_awaited=option_awaited)) is not None:
        found.append(message)
    return found


MESSAGES: list[Request | Identification | Command | Data] = [
    Request(),
    Request("0123456789"),
    Identification("JOy", "5", "JOY311-3P"),
    Identification("ABC", "5", "7.1a", "\\2"),
    Command("R1", "1.8.0()"),
    Command("B0"),
    Data("1.8.0(000123.456*kWh)"),
    Data("P.01()", partial=True),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: repr(message)[:40])
def test_a_message_survives_the_line_in_any_pieces(
    message: Request | Identification | Command | Data,
) -> None:
    wire = message.to_bytes()
    for cut in range(len(wire) + 1):
        framer = Framer(LONGEST_COMMAND)
        framer.feed(with_even_parity(wire[:cut]))
        early = framer.next()
        framer.feed(wire[cut:])
        assert (early or framer.next()) == message
        assert not framer.begun


def test_noise_and_nulls_before_a_message_are_skipped() -> None:
    assert framed(b"\x00" * 40 + b"abc!\r\n(" + Request("7").to_bytes()) == [Request("7")]
    assert framed(b"/JOY/?7!\r\n") == [Request("7")]
    assert framed(b"\x01R1\x02half" + Command("B0").to_bytes()) == [Command("B0")]


def test_ack_begins_an_option_only_where_one_is_awaited() -> None:
    assert framed(b"\x06051\r\n", option_awaited=True) == [OptionSelect("0", "5", "1")]
    assert framed(b"\x06051\r\n") == [Signal.ACKNOWLEDGE]
    assert framed(b"\x06\x06", option_awaited=True) == [Signal.GARBLED]


def test_one_wrong_bit_anywhere_in_a_command_never_makes_another_command() -> None:
    wire = Command("W1", "0.9.1(121500)").to_bytes()
    for position in range(len(wire)):
        for bit in range(7):
            spoilt = bytearray(wire)
            spoilt[position] ^= 1 << bit
            assert not any(isinstance(message, Command) for message in framed(bytes(spoilt)))


def test_a_message_that_never_ends_is_damaged_and_forgotten() -> None:
    framer = Framer(LONGEST_COMMAND)
    heard = []
    for _ in range(100):
        framer.feed(b"\x01" + b"x" * 100 if not framer.begun else b"x" * 100)
        heard.append(framer.next())
    assert Signal.GARBLED in heard
    assert Signal.GARBLED not in heard[: LONGEST_COMMAND // 100]


@given(st.lists(st.binary(max_size=40), max_size=20), st.booleans())
def test_no_bytes_break_the_framer_and_it_holds_no_more_than_it_may(
    pieces: list[bytes], awaited: bool
) -> None:
    framer = Framer(64)
    for piece in pieces:
        framer.feed(piece)
        while framer.next(option_awaited=awaited) is not None:
            pass
        assert len(framer._buffer) <= 66


@pytest.mark.parametrize(
    ("asked", "own", "answers"),
    [
        ("", "0123", True),
        ("0123", "0123", True),
        ("123", "0123", True),
        ("000123", "123", True),
        ("0000", "0", True),
        ("12", "0123", False),
        ("0123", "", False),
        ("ab", "AB", False),
        ("0", "10", False),
    ],
)
def test_an_address_calls_whom_the_standard_says(asked: str, own: str, answers: bool) -> None:
    assert Request(asked).calls(own) is answers


@pytest.mark.parametrize("address", ["a" * 33, "12-34", "é", "1!2"])
def test_an_address_that_cannot_be_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput, match="address"):
        Request(address)


@pytest.mark.parametrize(
    ("manufacturer", "text"), [("JO", "x"), ("joy", "x"), ("JOY", "a/b"), ("JOY", "x" * 17)]
)
def test_an_identification_that_would_not_be_read_again_is_refused(manufacturer: str, text: str) -> None:
    with pytest.raises(InvalidInput):
        Identification(manufacturer, "5", text)


def test_data_sets_are_read_with_units_further_values_and_neighbours() -> None:
    assert parse_data_sets("1.6.0(03.21*kW)(2611221215)F.F(00)") == (
        DataSet("1.6.0", (Item("03.21", "kW"), Item("2611221215"))),
        DataSet("F.F", (Item("00"),)),
    )
    assert parse_data_sets("(1)(2)") == (DataSet("", (Item("1"), Item("2"))),)


@pytest.mark.parametrize(
    "line",
    [
        "1.8.0",
        "1.8.0(",
        "1.8.0(1",
        "((1))",
        "a(b)c",
        "1.8.0(" + "9" * 129 + ")",
        "x" * 17 + "(1)",
        "a(1*2*3)",
    ],
)
def test_what_is_no_data_set_is_refused(line: str) -> None:
    with pytest.raises(InvalidInput):
        parse_data_sets(line)


codes = st.text("0123456789.CFP", max_size=16)
values = st.text("0123456789.- abcXYZ", max_size=32)


@given(codes, st.lists(st.builds(Item, values, st.sampled_from(["", "kWh", "V"])), min_size=1, max_size=5))
def test_a_data_set_is_read_as_it_was_written(code: str, items: list[Item]) -> None:
    data_set = DataSet(code, tuple(items))
    assert parse_data_sets(str(data_set)) == (data_set,)


def test_a_command_shows_no_password() -> None:
    assert "73915246" not in repr(Command("P1", "(73915246)"))
