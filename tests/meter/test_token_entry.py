from __future__ import annotations

import pytest
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from joy311.errors import InvalidInput
from joy311.instant import MILLISECOND_NS, SECOND_NS
from joy311.meter.token_entry import (
    DOUBLE_BACKSPACE_NS,
    ENTRY_TIMEOUT_NS,
    STUCK_GAP_NS,
    STUCK_PRESSES,
    CodeEntered,
    EmptyEntered,
    EntryChanged,
    EntryParameters,
    Ignored,
    KeyOutcome,
    TokenEntered,
    TokenEntry,
)
from joy311.panel import Key

START = 1_000 * SECOND_NS
TOKEN = "12345678901234567890"


def type_keys(entry: TokenEntry, keys: str, now: int = START) -> KeyOutcome:
    outcome: KeyOutcome = EntryChanged()
    for key in keys:
        outcome = entry.press(Key(key), now)
    return outcome


def test_the_twentieth_digit_hands_the_token_over_at_once() -> None:
    entry = TokenEntry()
    assert type_keys(entry, TOKEN[:-1]) == EntryChanged()
    assert entry.digits == TOKEN[:-1]
    assert entry.press(Key(TOKEN[-1]), START) == TokenEntered(TOKEN)
    assert entry.digits == ""
    assert entry.deadline_ns is None


@pytest.mark.parametrize("length", range(20))
def test_enter_makes_a_short_code_of_up_to_eleven_digits_and_a_bad_token_of_more(length: int) -> None:
    entry = TokenEntry()
    typed = TOKEN[:length]
    type_keys(entry, typed)
    wanted: KeyOutcome = (
        EmptyEntered() if not typed else CodeEntered(typed) if length <= 11 else TokenEntered(typed)
    )
    assert entry.press(Key.ENTER, START) == wanted
    assert entry.digits == ""


def test_a_token_typed_does_not_show_in_a_log() -> None:
    assert TOKEN not in repr(TokenEntered(TOKEN))


def test_backspace_takes_one_digit_and_twice_quickly_all() -> None:
    entry = TokenEntry()
    type_keys(entry, "12345")
    entry.press(Key.BACKSPACE, START)
    assert entry.digits == "1234"
    entry.press(Key.BACKSPACE, START + DOUBLE_BACKSPACE_NS + 1)
    assert entry.digits == "123"
    entry.press(Key.BACKSPACE, START + 2 * DOUBLE_BACKSPACE_NS + 1)
    assert entry.digits == ""


def test_a_digit_between_two_backspaces_keeps_them_apart() -> None:
    entry = TokenEntry()
    type_keys(entry, "12345")
    entry.press(Key.BACKSPACE, START)
    entry.press(Key.DIGIT_9, START)
    entry.press(Key.BACKSPACE, START)
    assert entry.digits == "1234"


def test_twenty_seconds_without_a_key_drop_the_entry() -> None:
    entry = TokenEntry()
    type_keys(entry, "123")
    assert entry.deadline_ns == START + ENTRY_TIMEOUT_NS
    assert not entry.expire(START + ENTRY_TIMEOUT_NS - 1)
    assert entry.expire(START + ENTRY_TIMEOUT_NS)
    assert not entry.expire(START + ENTRY_TIMEOUT_NS)
    assert entry.digits == ""


def test_a_key_after_the_time_begins_a_new_entry_even_if_nobody_asked_in_between() -> None:
    entry = TokenEntry(EntryParameters(timeout_s=5))
    type_keys(entry, "123")
    entry.press(Key.DIGIT_4, START + 5 * SECOND_NS)
    assert entry.digits == "4"


def test_the_keyboard_is_locked_while_a_token_is_processed() -> None:
    entry = TokenEntry()
    entry.lock(START + SECOND_NS)
    assert entry.deadline_ns == START + SECOND_NS
    assert type_keys(entry, "12", START) == Ignored()
    assert entry.press(Key.ENTER, START + SECOND_NS - 1) == Ignored()
    assert entry.digits == ""
    assert type_keys(entry, "12", START + SECOND_NS) == EntryChanged()
    assert entry.digits == "12"


def test_a_key_held_down_is_stuck_until_it_is_released() -> None:
    entry = TokenEntry()
    now = START
    outcomes = []
    for _ in range(40):
        outcomes.append(entry.press(Key.DIGIT_7, now))
        now += 100 * MILLISECOND_NS
    assert entry.stuck
    # At ten presses a second the twentieth makes one wrong token, and then the key is known to be stuck.
    assert sum(isinstance(outcome, TokenEntered) for outcome in outcomes) == 1
    assert outcomes[-1] == Ignored()
    assert entry.digits == ""
    last = now - 100 * MILLISECOND_NS
    assert entry.deadline_ns == last + STUCK_GAP_NS + 1
    entry.expire(last + STUCK_GAP_NS + 1)
    assert not entry.stuck
    assert entry.press(Key.DIGIT_7, last + SECOND_NS) == EntryChanged()


def test_another_key_shows_that_the_first_is_not_stuck_any_more() -> None:
    entry = TokenEntry(EntryParameters(stuck_s=1))
    for place in range(STUCK_PRESSES):
        entry.press(Key.ENTER, START + place * 100 * MILLISECOND_NS)
    assert entry.stuck
    now = START + STUCK_PRESSES * 100 * MILLISECOND_NS
    assert entry.press(Key.DIGIT_1, now) == EntryChanged()
    assert not entry.stuck
    assert entry.digits == "1"


def test_twenty_equal_digits_at_any_speed_are_an_entry_and_no_stuck_key() -> None:
    for gap_ns in (0, 50 * MILLISECOND_NS, 400 * MILLISECOND_NS, 3 * SECOND_NS):
        entry = TokenEntry()
        outcomes = [entry.press(Key.DIGIT_0, START + place * gap_ns) for place in range(20)]
        assert outcomes[-1] == TokenEntered("0" * 20)


@pytest.mark.parametrize(
    ("field", "value"),
    [("timeout_s", 4), ("timeout_s", 121), ("double_backspace_ms", 99), ("stuck_s", 0), ("stuck_s", 121)],
)
def test_parameters_outside_their_range_are_refused(field: str, value: int) -> None:
    with pytest.raises(InvalidInput, match=str(value)) as caught:
        EntryParameters(**{field: value})
    assert caught.value.field == field


class Typing(RuleBasedStateMachine):
    """The entry beside a list of digits with the times of its keys."""

    @initialize()
    def begin(self) -> None:
        self.now = START
        self.entry = TokenEntry()
        self.digits: list[str] = []
        self.last_ns = START
        self.last_backspace_ns: int | None = None
        self.locked_until_ns = 0

    @rule(gap_ms=st.sampled_from([0, 1, 300, 400, 401, 1_000, 19_999, 20_000, 60_000]))
    def wait(self, gap_ms: int) -> None:
        self.now += gap_ms * MILLISECOND_NS

    @rule(length_ms=st.sampled_from([0, 1, 500, 2_000]))
    def lock(self, length_ms: int) -> None:
        self.entry.lock(self.now + length_ms * MILLISECOND_NS)
        self.locked_until_ns = self.now + length_ms * MILLISECOND_NS

    @rule(keys=st.lists(st.sampled_from(Key), min_size=1, max_size=25))
    def press(self, keys: list[Key]) -> None:
        for key in keys:
            outcome = self.entry.press(key, self.now)
            assume(not self.entry.stuck)
            assert outcome == self.ideal(key)

    def ideal(self, key: Key) -> KeyOutcome:
        if self.now >= self.last_ns + ENTRY_TIMEOUT_NS and self.digits:
            self.digits.clear()
            self.last_backspace_ns = None
        if self.now < self.locked_until_ns:
            return Ignored()
        if key is Key.ENTER:
            typed = "".join(self.digits)
            self.digits.clear()
            self.last_backspace_ns = self.last_backspace_ns if not typed else None
            return (
                EmptyEntered()
                if not typed
                else CodeEntered(typed)
                if len(typed) < 12
                else TokenEntered(typed)
            )
        self.last_ns = self.now
        if key is Key.BACKSPACE:
            twice = self.last_backspace_ns is not None and self.now - self.last_backspace_ns <= 400_000_000
            del self.digits[0 if twice else -1 :]
            self.last_backspace_ns = self.now
            return EntryChanged()
        self.last_backspace_ns = None
        self.digits.append(key.value)
        if len(self.digits) == 20:
            typed = "".join(self.digits)
            self.digits.clear()
            return TokenEntered(typed)
        return EntryChanged()

    @invariant()
    def never_twenty_digits(self) -> None:
        if hasattr(self, "entry"):
            assert len(self.entry.digits) < 20
            self.entry.expire(self.now)
            expected = "" if self.now >= self.last_ns + ENTRY_TIMEOUT_NS else "".join(self.digits)
            assert self.entry.digits == expected
            assert self.entry.deadline_ns is None or self.entry.deadline_ns > self.now


TestTyping = Typing.TestCase
