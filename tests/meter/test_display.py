from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from joy311.errors import InvalidInput
from joy311.instant import SECOND_NS
from joy311.meter.display import (
    AMOUNT_NS,
    HOME_NS,
    ITEM_NS,
    NOTICE_NS,
    PAGE_NS,
    RESULT_NS,
    SEGMENT_TEST_NS,
    Display,
    DisplayParameters,
    ResultProfile,
    countdown_text,
    entry_text,
    result_text,
)
from joy311.meter.display_items import (
    CREDIT,
    ITEMS,
    POWER,
    RESULT_TEXT,
    TEST_ITEMS,
    TOTAL,
    NoticeTexts,
    WrittenFigures,
    decimal_text,
    fault_text,
    kwh_text,
    number_pages,
    shown_text,
)
from joy311.meter.faults import Fault
from joy311.meter.load_switch import REASON_TEXTS
from joy311.panel import ALL_SEGMENTS, UNITS, Icon, Screen, fits
from joy311.sts import METER_TESTS, FormatReason, TokenResult

START = 1_000 * SECOND_NS
NONE: frozenset[Icon] = frozenset()
QUIET = DisplayParameters(scrolled_items=())
FIGURES = WrittenFigures(
    credit_wh=123_456, total_wh=987_654, power_w=-1_500, last_units=50, drn="12345678903"
)


def text(display: Display, figures: WrittenFigures, now: int, entry: str = "") -> tuple[str, str]:
    screen = display.screen(entry, figures, NONE, now)
    return screen.index, screen.text


def item_texts(number: int, figures: WrittenFigures, notices: NoticeTexts | None = None) -> tuple[str, ...]:
    return ITEMS[number].pages(figures, notices or NoticeTexts())


@pytest.mark.parametrize(
    ("number", "figures", "pages"),
    [
        (0, replace(FIGURES, error_register=0xAB00_000F), ("AB00000F",)),
        (CREDIT, FIGURES, ("123.45",)),
        (CREDIT, replace(FIGURES, credit_wh=-1), ("-0.01",)),
        (TOTAL, replace(FIGURES, total_wh=10**9 + 10), ("0.01",)),
        (POWER, FIGURES, ("-1500",)),
        (4, FIGURES, ("5.0",)),
        (5, replace(FIGURES, clock=(2026, 11, 2, 9, 5, 0)), ("2026.11.02",)),
        (6, replace(FIGURES, clock=(2026, 11, 2, 9, 5, 0)), ("09-05-00",)),
        (7, FIGURES, ("1234567-", "8903")),
        (9, replace(FIGURES, payment_mode=1), ("POSt PAy",)),
        (10, FIGURES, ("nonE",)),
        (12, replace(FIGURES, voltage_mv=(1, 229_960, 3)), ("229.9",)),
        (16, replace(FIGURES, current_ma=(1, 2, 99_999)), ("99.99",)),
        (17, replace(FIGURES, phase_power_w=(-7, 2, 3)), ("-7",)),
        (20, replace(FIGURES, frequency_mhz=49_987), ("49.98",)),
        (22, replace(FIGURES, past_month_wh=(1_000, 2, 3, 4, 5, 6)), ("1.00",)),
        (32, replace(FIGURES, power_factor_permil=(1000, -998, 0)), ("1.000", "-0.998", "0.000")),
        (35, FIGURES, ("nonE",)),
        (36, replace(FIGURES, unbalance_limit_w=500), ("500",)),
        (41, replace(FIGURES, key_revision=3, key_type=2), ("3-2",)),
        (45, replace(FIGURES, last_result=TokenResult.USED_ERROR), ("USEd", "10")),
        (49, replace(FIGURES, software_version="1.2.0rc1"), ("1.2.0rc1",)),
        (50, replace(FIGURES, token_ids=(3, 5, 16_777_215)), ("16777215",)),
        (52, replace(FIGURES, token_ids=(3, 5, 16_777_215)), ("3",)),
        (53, replace(FIGURES, token_ids=(3, 5, 16_777_215)), ("nonE",)),
    ],
)
def test_an_item_shows_its_figure(number: int, figures: WrittenFigures, pages: tuple[str, ...]) -> None:
    assert item_texts(number, figures) == pages
    assert all(map(fits, pages))


def test_the_items_fill_the_two_index_digits_without_a_gap_and_have_a_unit_at_most() -> None:
    assert sorted(ITEMS) == list(range(100))
    assert all(item.number == number and item.title for number, item in ITEMS.items())
    assert all(len(item.icons & UNITS) <= 1 for item in ITEMS.values())


def test_no_two_items_share_a_title_or_a_short_code() -> None:
    items = list(ITEMS.values())
    codes = [code for item in items for code in (*item.codes, *item.aliases)]
    assert len({item.title for item in items}) == len(items)
    assert len(set(codes)) == len(codes)
    assert all(item.codes or item.aliases for item in items)


def test_every_meter_test_that_shows_something_has_an_item() -> None:
    without = {1: "load switch", 2: "information display devices", 6: "token reader or keypad"}
    reserved = {12, 13}
    assert set(TEST_ITEMS) == set(METER_TESTS) - set(without) - reserved


INTEGERS = st.integers(-(2**63), 2**63 - 1)
TRIPLES = st.tuples(INTEGERS, INTEGERS, INTEGERS)
BITS = st.integers(0, 2**40)
WILD_FIGURES = st.builds(
    WrittenFigures,
    credit_wh=INTEGERS,
    emergency_wh=INTEGERS,
    low_credit_wh=st.tuples(INTEGERS, INTEGERS),
    last_units=INTEGERS,
    payment_mode=st.integers(0, 1),
    total_wh=INTEGERS,
    imported_wh=TRIPLES,
    export_total_wh=INTEGERS,
    month_wh=INTEGERS,
    past_month_wh=st.lists(INTEGERS, max_size=8).map(tuple),
    power_w=INTEGERS,
    phase_power_w=TRIPLES,
    voltage_mv=TRIPLES,
    current_ma=TRIPLES,
    power_factor_permil=TRIPLES,
    frequency_mhz=INTEGERS,
    power_limit_w=INTEGERS,
    unbalance_limit_w=INTEGERS,
    drn=st.from_regex(r"\A(\d{11}|\d{13})\Z").filter(str.isascii),
    key_expiry=st.integers(0, 255),
    last_token_id=st.integers(0, 2**24 - 1),
    token_ids=st.lists(st.integers(0, 2**24 - 1), max_size=50).map(tuple),
    last_result=st.none() | st.sampled_from(TokenResult),
    tokens_accepted=INTEGERS,
    tokens_refused=INTEGERS,
    clock=st.tuples(*(st.integers(low, high) for low, high in (
        (1970, 2106), (1, 12), (1, 31), (0, 23), (0, 59), (0, 59)))),
    open_reasons=BITS,
    tampers=BITS,
    fault_codes=st.lists(st.integers(0, 10**6), max_size=9).map(tuple),
    error_register=INTEGERS,
    lockout_ns=st.integers(0, 2**63 - 1),
    switch_operations=INTEGERS,
    power_failures=INTEGERS,
    software_version=st.text(max_size=30),
)  # fmt: skip


@given(WILD_FIGURES)
def test_seven_segments_can_show_every_item_whatever_its_figure(figures: WrittenFigures) -> None:
    for item in ITEMS.values():
        pages = item.pages(figures, NoticeTexts())
        assert pages
        for page in pages:
            assert fits(page), (item.title, page)


@given(INTEGERS, st.integers(0, 3))
def test_a_decimal_is_the_value_or_the_nearest_that_the_glass_holds(value: int, decimals: int) -> None:
    shown = decimal_text(value, decimals)
    assert fits(shown)
    assert int(shown.replace(".", "")) == max(-9_999_999, min(value, 99_999_999))


@given(st.integers(-99_999_990, 999_999_999))
def test_kwh_are_cut_downwards_to_ten_watt_hours(energy_wh: int) -> None:
    assert int(kwh_text(energy_wh).replace(".", "")) == energy_wh // 10


@pytest.mark.parametrize(
    ("number", "pages"),
    [("12345678", ("12345678",)), ("0031100001234", ("0031100-", "001234"))],
)
def test_a_long_number_goes_on_after_a_hyphen(number: str, pages: tuple[str, ...]) -> None:
    assert number_pages(number) == pages


def test_what_has_no_glyph_becomes_a_hyphen() -> None:
    assert shown_text("0.5.0.dev1+abc") == "0.5.0.de-1-"


@pytest.mark.parametrize(
    ("remaining_ns", "shown"),
    [
        (1, "Loc 00.01"),
        (SECOND_NS, "Loc 00.01"),
        (10 * SECOND_NS, "Loc 00.10"),
        (1280 * SECOND_NS, "Loc 21.20"),
        (10**15, "Loc 99.59"),
    ],
)
def test_a_lockout_counts_down_in_minutes_and_seconds(remaining_ns: int, shown: str) -> None:
    assert countdown_text(remaining_ns) == shown
    assert fits(shown)


def test_each_result_has_a_text_of_its_own_in_both_profiles() -> None:
    words = {result: result_text(result, None, 20) for result in TokenResult}
    numbers = {result: result_text(result, None, 20, ResultProfile.NUMERIC) for result in TokenResult}
    assert words == RESULT_TEXT
    for texts in (words, numbers):
        assert len(set(texts.values())) == len(TokenResult)
        assert all(map(fits, texts.values()))
    assert numbers[TokenResult.USED_ERROR] == "tErr 10"
    assert numbers[TokenResult.ACCEPT] == "tGood 01"


def test_a_format_error_in_words_says_which() -> None:
    assert result_text(TokenResult.FORMAT_ERROR, FormatReason.LENGTH, 19) == "LEn 19"
    assert result_text(TokenResult.FORMAT_ERROR, FormatReason.DIGITS, 20) == "LEttEr"
    assert fits(result_text(TokenResult.FORMAT_ERROR, FormatReason.LENGTH, 10**9))
    numeric = result_text(TokenResult.FORMAT_ERROR, FormatReason.LENGTH, 19, ResultProfile.NUMERIC)
    assert numeric == "tErr 06"


def test_no_result_can_be_taken_for_a_fault() -> None:
    faults = {fault_text(code) for code in range(100)}
    for profile in ResultProfile:
        assert faults.isdisjoint(result_text(result, None, 20, profile) for result in TokenResult)


def test_every_reason_to_be_open_and_every_fault_has_a_text_that_the_glass_can_show() -> None:
    notices = NoticeTexts({int(reason): told.text for reason, told in REASON_TEXTS.items()})
    every = sum(notices.open_reasons)
    assert notices.open_reason_texts(every) == tuple(told.text for told in REASON_TEXTS.values())
    assert [fault_text(fault) for fault in Fault] == [fault.text for fault in Fault]


def test_the_power_up_lights_everything_for_two_and_a_half_seconds() -> None:
    display = Display(QUIET)
    display.power_up(START)
    assert display.screen("", FIGURES, NONE, START) == ALL_SEGMENTS
    assert display.until_ns == START + SEGMENT_TEST_NS
    assert 2 * SECOND_NS <= SEGMENT_TEST_NS <= 3 * SECOND_NS
    assert text(display, FIGURES, START + SEGMENT_TEST_NS) == ("01", "123.45")


def test_at_rest_stands_the_credit_and_in_postpayment_the_total() -> None:
    display = Display(QUIET)
    shown = display.screen("", FIGURES, frozenset({Icon.PREPAYMENT}), START)
    assert shown == Screen("123.45", "01", frozenset({Icon.PREPAYMENT, Icon.CREDIT, Icon.KWH}))
    assert text(display, replace(FIGURES, payment_mode=1), START) == ("02", "987.65")
    assert text(display, FIGURES, START) == ("01", "123.45")
    assert display.turn_ns is None
    assert display.deadline_ns is None


def test_a_screen_at_rest_is_made_again_only_when_it_differs() -> None:
    display = Display(QUIET)
    first = display.screen("", FIGURES, NONE, START)
    assert display.screen("", replace(FIGURES, credit_wh=123_450), frozenset(), START + 1) is first
    other = display.screen("", FIGURES, frozenset({Icon.PHASE_L1}), START)
    assert other == replace(first, icons=first.icons | {Icon.PHASE_L1})


def test_an_entry_hides_everything() -> None:
    display = Display(QUIET)
    display.say_result(TokenResult.CRC_ERROR, START)
    busy = replace(FIGURES, lockout_ns=SECOND_NS, open_reasons=1, fault_codes=(3,))
    assert text(display, busy, START, "12345") == ("05", "1234.5")


def test_an_entry_scrolls_in_groups_of_four() -> None:
    assert entry_text("1234") == "1234"
    assert entry_text("12345678") == "1234.5678"
    assert entry_text("1234567890123456789") == "2.3456.789"
    assert all(fits(entry_text("8" * length)) for length in range(20))


def test_an_accepted_credit_shows_result_amount_and_new_balance() -> None:
    display = Display(QUIET)
    display.say_credit(191, 25_000, START)
    assert text(display, FIGURES, START) == ("01", "AccEPt")
    assert text(display, FIGURES, START + RESULT_NS) == ("04", "19.1")
    assert text(display, FIGURES, START + RESULT_NS + AMOUNT_NS) == ("01", "25.00")
    assert not display.at_home
    assert text(display, FIGURES, START + RESULT_NS + 2 * AMOUNT_NS) == ("01", "123.45")
    assert display.at_home


@pytest.mark.parametrize(
    ("section", "missing", "texts"),
    [
        (1, (2,), ["1St Ct", "nEEd 2"]),
        (2, (1, 3, 4), ["2nd Ct", "nEEd 134"]),
        (3, (), ["3rd Ct"]),
        (4, (2,), ["4th Ct", "nEEd 2"]),
    ],
)
def test_a_kept_section_says_which_and_what_is_missing(
    section: int, missing: tuple[int, ...], texts: list[str]
) -> None:
    display = Display(QUIET)
    display.say_staged(section, missing, START)
    shown = []
    now = START
    while not display.at_home:
        shown.append(text(display, FIGURES, now)[1])
        assert display.until_ns is not None
        now = display.until_ns
        display.expire(now)
    assert shown == texts


def test_results_in_numbers_where_the_profile_says_so() -> None:
    display = Display(DisplayParameters(result_profile=ResultProfile.NUMERIC))
    display.say_result(TokenResult.OLD_ERROR, START)
    assert text(display, FIGURES, START) == ("09", "tErr 09")
    display.say_staged(3, (4,), START)
    assert text(display, FIGURES, START)[1] == "tGood 04"


def test_a_result_shows_a_face_that_smiles_or_not() -> None:
    display = Display(QUIET)
    for result, face, other in (
        (TokenResult.ACCEPT, Icon.ACCEPTED, Icon.REJECTED),
        (TokenResult.FIRST_KCT, Icon.ACCEPTED, Icon.REJECTED),
        (TokenResult.LOCKOUT, Icon.REJECTED, Icon.ACCEPTED),
    ):
        display.say_result(result, START)
        icons = display.screen("", FIGURES, NONE, START).icons
        assert face in icons
        assert other not in icons


def test_a_lockout_counts_down_until_tokens_are_taken_again() -> None:
    display = Display(QUIET)
    display.say_result(TokenResult.CRC_ERROR, START)
    locked = replace(FIGURES, lockout_ns=9_300_000_000)
    assert text(display, locked, START) == ("13", "rEJEct")
    now = START + RESULT_NS
    screen = display.screen("", locked, NONE, now)
    assert (screen.index, screen.text) == ("15", "Loc 00.10")
    assert Icon.LOCKED in screen.icons
    assert display.turn_ns == now + 300_000_000
    assert text(display, replace(locked, lockout_ns=9_000_000_000), now + 300_000_000)[1] == "Loc 00.09"
    assert text(display, FIGURES, now + 10**10) == ("01", "123.45")


def test_an_item_that_was_asked_for_is_shown_under_a_lockout_and_over_notices() -> None:
    display = Display(QUIET)
    display.show_items([35], START)
    busy = replace(FIGURES, lockout_ns=60 * SECOND_NS, open_reasons=1, power_limit_w=5000)
    assert text(display, busy, START) == ("35", "5000")
    assert text(display, busy, START + ITEM_NS)[1] == "Loc 01.00"


def test_notices_take_turns_with_the_credit() -> None:
    display = Display(QUIET, NoticeTexts({1: "no Cr", 2: "OUEr Po"}, {4: "Good"}))
    off = replace(FIGURES, open_reasons=3, tampers=4 | 8, fault_codes=(7,))
    shown = []
    now = START
    for _ in range(7):
        shown.append((now - START, *text(display, off, now)))
        assert display.turn_ns is not None
        now = display.turn_ns
    expected = [
        ("01", "123.45"), ("FA", "Err 07"), ("OF", "no Cr"), ("OF", "OUEr Po"), ("tA", "Good"),
        ("tA", "tAnnP 04"), ("01", "123.45"),
    ]  # fmt: skip
    starts = [0, *(HOME_NS + number * NOTICE_NS for number in range(6))]
    assert shown == [(at, *what) for at, what in zip(starts, expected, strict=True)]


def test_tamper_and_fault_light_their_icons_on_every_screen() -> None:
    display = Display(QUIET)
    bad = replace(FIGURES, tampers=1, fault_codes=(1,))
    assert {Icon.TAMPER, Icon.FAULT} <= display.screen("", bad, NONE, START).icons
    assert {Icon.TAMPER, Icon.FAULT} <= display.screen("12", bad, NONE, START).icons


def test_a_notice_text_that_cannot_be_shown_is_refused() -> None:
    with pytest.raises(InvalidInput, match="MAX"):
        NoticeTexts({1: "MAX"})
    with pytest.raises(InvalidInput, match="123456789") as caught:
        NoticeTexts(tampers={1: "123456789"})
    assert caught.value.field == "tampers"


def test_after_a_minute_without_a_key_the_items_scroll() -> None:
    parameters = DisplayParameters(scrolled_items=(1, 2, 7), scroll_after_s=60, scroll_s=8)
    display = Display(parameters)
    display.touch(START)
    assert text(display, FIGURES, START) == ("01", "123.45")
    assert display.turn_ns == START + 60 * SECOND_NS
    begin = START + 60 * SECOND_NS
    assert text(display, FIGURES, begin + 8 * SECOND_NS) == ("02", "987.65")
    assert text(display, FIGURES, begin + 16 * SECOND_NS) == ("07", "1234567-")
    assert display.turn_ns == begin + 16 * SECOND_NS + PAGE_NS
    assert text(display, FIGURES, begin + 16 * SECOND_NS + PAGE_NS) == ("07", "8903")
    assert text(display, FIGURES, begin + 24 * SECOND_NS) == ("01", "123.45")
    display.touch(begin + 30 * SECOND_NS)
    assert text(display, FIGURES, begin + 35 * SECOND_NS) == ("01", "123.45")


def test_enter_pages_from_rest_to_rest() -> None:
    display = Display(DisplayParameters(paged_items=(1, 2, 3)))
    figures = replace(FIGURES, payment_mode=1)
    text(display, figures, START)
    seen = []
    for _ in range(3):
        display.page(START)
        seen.append(text(display, figures, START)[0])
    assert seen == ["01", "03", "02"]
    assert display.at_home


def test_enter_ends_a_message_and_goes_on_from_a_short_code_s_item() -> None:
    display = Display(QUIET)
    display.say_result(TokenResult.OLD_ERROR, START)
    display.page(START)
    assert display.at_home
    display.show_items([47], START)
    display.page(START)
    assert text(display, FIGURES, START)[0] == "02"


def test_meter_tests_show_what_they_ask_for_one_after_the_other() -> None:
    display = Display(QUIET)
    display.show_tests([1, 2, 3, 18], START)
    seen = []
    now = START
    while not display.at_home:
        seen.append(text(display, FIGURES, now)[1])
        assert display.until_ns is not None
        now = display.until_ns
        display.expire(now)
    assert seen == ["AccEPt", ALL_SEGMENTS.text, "987.65", "1234567-"]


def test_a_value_without_an_item_is_shown_with_a_number() -> None:
    display = Display(QUIET)
    display.say_value("1023", 3, START)
    assert text(display, FIGURES, START) == ("03", "1023")


def test_only_items_of_the_line_follow_the_line() -> None:
    display = Display(QUIET)
    text(display, FIGURES, START)
    assert not display.shows_quantities
    display.show_items([11], START)
    text(display, FIGURES, START)
    assert display.shows_quantities
    text(display, FIGURES, START, "1")
    assert not display.shows_quantities


def test_a_key_lights_the_display_and_by_night_only_if_so_wanted() -> None:
    display = Display(DisplayParameters(backlight_by_day=False, backlight_s=20))
    night = replace(FIGURES, clock=(2026, 11, 22, 6, 59, 59))
    day = replace(FIGURES, clock=(2026, 11, 22, 7, 0, 0))
    assert not display.backlight(night, START)
    display.touch(START)
    assert display.backlight(night, START + 20 * SECOND_NS - 1)
    assert not display.backlight(day, START)
    assert not display.backlight(night, START + 20 * SECOND_NS)
    display.expire(START + 20 * SECOND_NS)
    assert display.deadline_ns is None


@pytest.mark.parametrize(
    ("begin", "end", "night"),
    [(18, 7, {*range(18, 24), *range(7)}), (1, 4, {1, 2, 3}), (5, 5, set(range(24)))],
)
def test_the_night_may_last_past_midnight(begin: int, end: int, night: set[int]) -> None:
    parameters = DisplayParameters(night_from_hour=begin, night_to_hour=end)
    assert {hour for hour in range(24) if parameters.is_night(hour)} == night


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("paged_items", (1, 100)),
        ("scrolled_items", (-1,)),
        ("scroll_after_s", 0),
        ("scroll_s", 4),
        ("scroll_s", 11),
        ("backlight_s", 601),
        ("night_from_hour", 24),
        ("night_to_hour", -1),
    ],
)
def test_parameters_outside_their_range_are_refused(field: str, value: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        DisplayParameters(**{field: value})  # type: ignore[arg-type]
    assert caught.value.field == field


def test_the_written_figures_have_every_figure_of_the_protocol() -> None:
    from joy311.meter.display_items import Figures

    wanted = {name for name in vars(Figures) if not name.startswith("_")}
    assert {part.name for part in fields(WrittenFigures)} == wanted


class FaceOfAMeter(RuleBasedStateMachine):
    """Whatever is asked for at whatever time, there is a screen, and it knows when it ends."""

    @initialize(parameters=st.sampled_from([QUIET, DisplayParameters()]))
    def wake(self, parameters: DisplayParameters) -> None:
        self.now = START
        self.display = Display(parameters)
        self.watched = Display(parameters)
        self.figures = WrittenFigures()
        self.entry = ""

    def both(self) -> tuple[Display, Display]:
        return self.display, self.watched

    @rule(figures=WILD_FIGURES)
    def change(self, figures: WrittenFigures) -> None:
        self.figures = figures

    @rule(calm=st.booleans())
    def calm(self, calm: bool) -> None:
        self.figures = WrittenFigures(payment_mode=int(calm))

    @rule(entry=st.text("0123456789", max_size=19))
    def type(self, entry: str) -> None:
        self.entry = entry
        for display in self.both():
            display.touch(self.now)

    @rule()
    def page(self) -> None:
        for display in self.both():
            display.page(self.now)

    @rule(result=st.sampled_from(TokenResult))
    def judge(self, result: TokenResult) -> None:
        for display in self.both():
            display.say_result(result, self.now)

    @rule(numbers=st.lists(st.integers(-2, 101), max_size=3))
    def show(self, numbers: list[int]) -> None:
        for display in self.both():
            display.show_items(numbers, self.now)

    @rule(tests=st.lists(st.integers(0, 36), max_size=3))
    def test_meter(self, tests: list[int]) -> None:
        for display in self.both():
            display.show_tests(tests, self.now)

    @rule(elapsed_ns=st.integers(0, 200 * SECOND_NS))
    def wait(self, elapsed_ns: int) -> None:
        """Ask one display at every deadline of its own, and the other never."""
        until = self.now + elapsed_ns
        for _ in range(1000):
            deadline = self.watched.deadline_ns
            if deadline is None or deadline > until:
                break
            assert deadline > self.now or deadline == self.watched.until_ns
            self.now = max(self.now, deadline)
            self.watched.expire(self.now)
            self.watched.screen(self.entry, self.figures, NONE, self.now)
        self.now = until

    @invariant()
    def both_show_the_same(self) -> None:
        if not hasattr(self, "display"):
            return
        screens = [display.screen(self.entry, self.figures, NONE, self.now) for display in self.both()]
        assert screens[0] == screens[1]
        assert self.display.turn_ns is None or self.display.turn_ns > self.now


TestFaceOfAMeter = FaceOfAMeter.TestCase
