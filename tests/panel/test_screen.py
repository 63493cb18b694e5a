from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.panel import ALL_SEGMENTS, SOUND_PATTERNS, UNITS, Icon, Key, Screen, Sound, fits
from joy311.panel.glyphs import SEGMENT_NAMES, SEGMENTS, showable
from joy311.panel.screen import POINT


def test_the_ten_digits_have_distinct_glyphs_of_a_real_display() -> None:
    assert len({SEGMENTS[d] for d in "0123456789"}) == 10
    assert SEGMENTS["8"] == 0b1111111
    assert SEGMENTS["1"] == sum(1 << SEGMENT_NAMES.index(s) for s in "bc")


def test_text_stands_at_the_right_and_a_point_takes_no_digit() -> None:
    cells = Screen("12.34").cells()
    assert len(cells) == 8
    assert cells[:4] == (0, 0, 0, 0)
    assert cells[4:] == (SEGMENTS["1"], SEGMENTS["2"] | POINT, SEGMENTS["3"], SEGMENTS["4"])


def test_a_letter_without_a_glyph_in_one_case_is_shown_in_the_other() -> None:
    assert showable("e") == "E"
    assert showable("D") == "d"


@pytest.mark.parametrize("letter", "KMVWXZ")
def test_letters_that_seven_segments_cannot_show_are_refused(letter: str) -> None:
    with pytest.raises(ValueError, match=letter):
        Screen(f"A{letter}")


def test_more_than_eight_digits_are_refused() -> None:
    Screen("12345678.", "12")
    with pytest.raises(ValueError, match="9 digits"):
        Screen("123456789")
    with pytest.raises(ValueError, match="3 digits"):
        Screen("1", "123")


def test_every_sound_has_a_pattern_and_every_key_a_name() -> None:
    assert set(SOUND_PATTERNS) == set(Sound)
    assert len(Key) == 12
    assert sum(key.is_digit for key in Key) == 10


def test_the_segment_test_leaves_nothing_dark() -> None:
    assert set(ALL_SEGMENTS.cells()) == {0b1111111 | POINT}
    assert set(ALL_SEGMENTS.index_cells()) == {0b1111111}
    assert ALL_SEGMENTS.icons == set(Icon)


@pytest.mark.parametrize(
    ("text", "width", "fit"),
    [("12345678.", 8, True), ("123456789", 8, False), ("1.2", 2, True), ("MAX", 8, False), ("", 2, True)],
)
def test_a_text_fits_or_does_not_before_it_is_shown(text: str, width: int, fit: bool) -> None:
    assert fits(text, width) is fit


@given(st.text(max_size=12))
def test_what_fits_makes_a_screen_and_nothing_else_does(text: str) -> None:
    if fits(text):
        assert len(Screen(text).cells()) == 8
    else:
        with pytest.raises(ValueError, match=r"segments|digits"):
            Screen(text)


def test_the_units_are_icons_of_their_own() -> None:
    assert {icon.value for icon in UNITS} == {"kWh", "W", "V", "A", "Hz"}
