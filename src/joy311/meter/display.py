"""What the display says: entry, messages, items, notices, the automatic scroll, and how long each stays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import NamedTuple

from joy311.errors import InvalidInput
from joy311.instant import MILLISECOND_NS, SECOND_NS
from joy311.meter.display_items import (
    CREDIT,
    ITEMS,
    LAST_CREDIT,
    RESULT_TEXT,
    TEST_ITEMS,
    TOTAL,
    Figures,
    NoticeTexts,
    fault_text,
    kwh_text,
    register_text,
    shown_text,
    units_text,
)
from joy311.panel import ALL_SEGMENTS, Icon, Screen
from joy311.sts import FormatReason, TokenResult

RESULT_NS = 5 * SECOND_NS
"""How long a token's result stays on the display [ns]."""

AMOUNT_NS = 5 * SECOND_NS
"""How long the amount of an accepted credit token, and then the balance, stay after its result [ns]."""

ITEM_NS = 10 * SECOND_NS
"""How long an item that was asked for stays [ns]."""

PAGE_NS = 2500 * MILLISECOND_NS
"""How long each page of an item of several pages stays [ns]."""

SEGMENT_TEST_NS = 2500 * MILLISECOND_NS
"""How long the segment test lights everything [ns]."""

HOME_NS = 4 * SECOND_NS
"""How long the credit stays between two rounds of notices [ns]."""

NOTICE_NS = 2 * SECOND_NS
"""How long a notice stays [ns]."""

STAGED_TEXT = {1: "1St Ct", 2: "2nd Ct", 3: "3rd Ct", 4: "4th Ct"}
"""Text of each section of a key change that was kept."""

_NO_ICONS: frozenset[Icon] = frozenset()
_DAY_HOURS = 24
_LONGEST_COUNTDOWN_S = 99 * 60 + 59


class ResultProfile(StrEnum):
    """How the result of a token is written."""

    TEXT = "text"
    NUMERIC = "numeric"


@dataclass(frozen=True, slots=True)
class DisplayParameters:
    """What the display shows by itself, and for how long.

    Parameters
    ----------
    result_profile : ResultProfile
        Whether results are written as words or as the numbers of the standard.
    paged_items : tuple of int
        Items that the Enter key pages through after the one shown at rest.
    scrolled_items : tuple of int
        Items of the automatic scroll; empty for none.
    scroll_after_s : int
        Time without a key after which the automatic scroll begins, 1 to 3600 [s].
    scroll_s : int
        How long each item of the scroll stays, 5 to 10 [s].
    backlight_s : int
        How long the back-light stays after a key, 0 (never) to 600 [s].
    backlight_by_day : bool
        Whether a key turns the back-light on by day too.
    night_from_hour, night_to_hour : int
        Hours of the local time between which it is night; equal for a night without a day.

    Raises
    ------
    InvalidInput
        If a value is outside its range, or an item does not exist.
    """

    result_profile: ResultProfile = ResultProfile.TEXT
    paged_items: tuple[int, ...] = tuple(item.number for item in ITEMS.values() if item.paged)
    scrolled_items: tuple[int, ...] = tuple(item.number for item in ITEMS.values() if item.scrolled)
    scroll_after_s: int = 60
    scroll_s: int = 8
    backlight_s: int = 20
    backlight_by_day: bool = True
    night_from_hour: int = 18
    night_to_hour: int = 7

    def __post_init__(self) -> None:
        """Refuse items that do not exist and times that nobody could read or wait for."""
        for name in ("paged_items", "scrolled_items"):
            for number in getattr(self, name):
                if number not in ITEMS:
                    raise InvalidInput(f"the display has no item {number}; they are 0 to 99", field=name)
        for name, least, most, unit in (
            ("scroll_after_s", 1, 3600, " s"),
            ("scroll_s", 5, 10, " s"),
            ("backlight_s", 0, 600, " s"),
            ("night_from_hour", 0, _DAY_HOURS - 1, ""),
            ("night_to_hour", 0, _DAY_HOURS - 1, ""),
        ):
            value = getattr(self, name)
            if not least <= value <= most:
                raise InvalidInput(f"{name} of {value} is outside {least} to {most}{unit}", field=name)

    def is_night(self, hour: int) -> bool:
        """Return whether `hour` of the local time belongs to the night."""
        begin, end = self.night_from_hour, self.night_to_hour
        return begin <= hour < end if begin < end else hour >= begin or hour < end


class Message(NamedTuple):
    """A text that stands for a while.

    Parameters
    ----------
    text, index_text : str
        What the eight and the two digits show.
    icons : frozenset of Icon
        Symbols lit with it.
    duration_ns : int
        How long it stays [ns].
    """

    text: str
    index_text: str
    icons: frozenset[Icon]
    duration_ns: int


def result_text(
    result: TokenResult,
    reason: FormatReason | None,
    digits_seen: int,
    profile: ResultProfile = ResultProfile.TEXT,
) -> str:
    """Return the text of a result; in words, a format error says which it is.

    Parameters
    ----------
    result : TokenResult
        The standard's result.
    reason : FormatReason or None
        What was wrong with the format, if that is the result.
    digits_seen : int
        How many digits there were.
    profile : ResultProfile
        Words or numbers.
    """
    if profile is ResultProfile.NUMERIC:
        return f"{'tGood' if result in _PROGRESS else 'tErr'} {result:02d}"
    if result is TokenResult.FORMAT_ERROR:
        match reason:
            case FormatReason.LENGTH:
                return f"LEn {min(digits_seen, 999)}"
            case FormatReason.DIGITS:
                return "LEttEr"
            case _:
                pass
    return RESULT_TEXT[result]


_PROGRESS = frozenset({TokenResult.ACCEPT, TokenResult.FIRST_KCT, TokenResult.SECOND_KCT})


def entry_text(digits: str) -> str:
    """Return the last eight digits of an entry, a point behind every fourth digit typed."""
    pointed = [
        digit + ("." if place % 4 == 0 and place < len(digits) else "")
        for place, digit in enumerate(digits, 1)
    ]
    return "".join(pointed[-8:])


def countdown_text(remaining_ns: int) -> str:
    """Return a lock-out's remaining time as minutes and seconds, a begun second counted whole."""
    remaining_s = min(-(-remaining_ns // SECOND_NS), _LONGEST_COUNTDOWN_S)
    return f"Loc {remaining_s // 60:02d}.{remaining_s % 60:02d}"


class Display:
    """Holds what was asked to be shown and until when; the rest follows from the meter's figures.

    What comes first hides what comes after it: the entry, messages and items that were asked for, the
    countdown of a lock-out, the notices in turn with the item of rest, the automatic scroll, the item of
    rest. That item is the credit, and the total energy in post-payment.

    Parameters
    ----------
    parameters : DisplayParameters
        What is shown by itself.
    notices : NoticeTexts
        Texts of the reasons to be open and of the tamper conditions.

    Attributes
    ----------
    until_ns : int or None
        When what was asked for gives way, and `expire` is due [ns].
    turn_ns : int or None
        When the last screen changes by itself, if nothing else happens; a shell that nobody watches may
        ignore it, for every screen follows from its own instant alone [ns].
    """

    __slots__ = (
        "_backlight_until_ns",
        "_home_icons",
        "_home_lit",
        "_home_screen",
        "_home_shown",
        "_idle_ns",
        "_item_key",
        "_item_screen",
        "_notice_key",
        "_notice_texts",
        "_noticed_ns",
        "_notices",
        "_pages_from",
        "_parameters",
        "_queue",
        "_rest_item",
        "_shown",
        "_shown_item",
        "_since_ns",
        "turn_ns",
        "until_ns",
    )

    def __init__(
        self,
        parameters: DisplayParameters = DisplayParameters(),
        notices: NoticeTexts | None = None,
    ) -> None:
        self._parameters = parameters
        self._notices = notices or NoticeTexts()
        self._shown: Message | int | None = None
        self._queue: list[Message | int] = []
        self._since_ns = 0
        self._idle_ns: int | None = None
        self._rest_item = CREDIT
        self._pages_from = CREDIT
        self._shown_item: int | None = CREDIT
        self._notice_key: tuple[int, int, tuple[int, ...]] | None = None
        self._notice_texts: tuple[tuple[str, str, frozenset[Icon]], ...] = ()
        self._noticed_ns = 0
        self._home_shown: int | None = None
        self._home_icons = _NO_ICONS
        self._home_lit = ITEMS[CREDIT].icons
        self._home_screen = Screen()
        self._item_key: tuple[int, str, frozenset[Icon]] | None = None
        self._item_screen = Screen()
        self._backlight_until_ns: int | None = None
        self.until_ns: int | None = None
        self.turn_ns: int | None = None

    @property
    def at_home(self) -> bool:
        """Whether nothing that was asked for is shown."""
        return self._shown is None

    @property
    def shows_quantities(self) -> bool:
        """Whether the last screen followed the line quantities."""
        return self._shown_item is not None and ITEMS[self._shown_item].live

    @property
    def deadline_ns(self) -> int | None:
        """When the display must be asked again, if somebody watches it, None for never [ns]."""
        deadlines = [at for at in (self.until_ns, self.turn_ns, self._backlight_until_ns) if at is not None]
        return min(deadlines) if deadlines else None

    def power_up(self, now: int) -> None:
        """Light every segment and icon for a moment, as after the supply returned."""
        self.test(now)

    def test(self, now: int) -> None:
        """Light every segment and icon for a moment."""
        self.say([Message(ALL_SEGMENTS.text, ALL_SEGMENTS.index, ALL_SEGMENTS.icons, SEGMENT_TEST_NS)], now)

    def say(self, messages: Iterable[tuple[str, str, frozenset[Icon], int]], now: int) -> None:
        """Show `messages` one after the other: text, index, icons and how long [ns]."""
        self._queue = [Message(*message) for message in messages]
        self._advance(now)

    def say_result(
        self, result: TokenResult, now: int, reason: FormatReason | None = None, digits_seen: int = 20
    ) -> None:
        """Show the result of a token that brought no credit, or of a wrong short code."""
        self.say([self._result(result, reason, digits_seen)], now)

    def say_credit(self, units: int, balance_wh: int, now: int) -> None:
        """Show that a credit token was accepted, what it brought [0.1 kWh] and the credit after it [Wh]."""
        money = frozenset({Icon.ACCEPTED}) | ITEMS[CREDIT].icons
        self.say(
            [
                self._result(TokenResult.ACCEPT, None, 20),
                Message(units_text(units), f"{LAST_CREDIT:02d}", money, AMOUNT_NS),
                Message(kwh_text(balance_wh), f"{CREDIT:02d}", money, AMOUNT_NS),
            ],
            now,
        )

    def say_staged(self, section: int, missing: Sequence[int], now: int) -> None:
        """Show that a section of a key change was kept, and then which are `missing`.

        Parameters
        ----------
        section : int
            The section that was kept, 1 to 4.
        missing : sequence of int
            The sections still to be typed, as far as they are known.
        now : int
            The instant [ns].
        """
        kept = frozenset({Icon.ACCEPTED})
        text = (
            STAGED_TEXT[section]
            if self._parameters.result_profile is ResultProfile.TEXT
            else f"tGood {section + 1:02d}"
        )
        messages = [Message(text, f"{section + 1:02d}", kept, RESULT_NS)]
        if missing:
            wanted = "".join(str(number) for number in sorted(missing))
            messages.append(Message(f"nEEd {wanted}", f"{section + 1:02d}", _NO_ICONS, AMOUNT_NS))
        self.say(messages, now)

    def say_value(self, text: str, index: int, now: int) -> None:
        """Show a value that no item has, such as an extended control, with `index` 0 to 99."""
        self.say([Message(shown_text(text), f"{index:02d}", _NO_ICONS, ITEM_NS)], now)

    def show_items(self, numbers: Iterable[int], now: int) -> None:
        """Show the items `numbers` one after the other."""
        self._queue = [number for number in numbers if number in ITEMS]
        self._advance(now)

    def show_tests(self, tests: Iterable[int], now: int, *, after_result: bool = True) -> None:
        """Show what class 1 meter tests ask for, after the acceptance of their token.

        Parameters
        ----------
        tests : iterable of int
            Numbers of meter tests; test 2 lights every segment, and those that show nothing are left out.
        now : int
            The instant [ns].
        after_result : bool
            Whether the acceptance is shown before.
        """
        shown: list[Message | int] = (
            [self._result(TokenResult.ACCEPT, None, 20)._replace(duration_ns=PAGE_NS)] if after_result else []
        )
        for test in tests:
            if test == _DISPLAY_TEST:
                shown.append(
                    Message(ALL_SEGMENTS.text, ALL_SEGMENTS.index, ALL_SEGMENTS.icons, SEGMENT_TEST_NS)
                )
            elif test in TEST_ITEMS:
                shown.append(TEST_ITEMS[test])
        self._queue = shown
        self._advance(now)

    def cycle(self, now: int) -> None:
        """Show every item that the Enter key pages through, one after the other."""
        self.show_items(self._parameters.paged_items, now)

    def page(self, now: int) -> None:
        """Go to the next item that the Enter key pages through; a message only ends."""
        paging = [self._pages_from, *(n for n in self._parameters.paged_items if n != self._pages_from)]
        shown = self._shown
        if isinstance(shown, Message):
            self.home(now)
            return
        place = paging.index(shown) if shown in paging else 0
        following = paging[(place + 1) % len(paging)]
        if following == self._pages_from:
            self.home(now)
        else:
            self.show_items([following], now)

    def home(self, now: int) -> None:
        """Drop whatever was asked for and return to the item of rest."""
        self._queue.clear()
        self._shown = None
        self.until_ns = None
        self._idle_ns = now

    def expire(self, now: int) -> None:
        """Go on to what follows when the time of what is shown has passed."""
        while self.until_ns is not None and now >= self.until_ns:
            self._advance(self.until_ns)
        if self._backlight_until_ns is not None and now >= self._backlight_until_ns:
            self._backlight_until_ns = None

    def touch(self, now: int) -> None:
        """Take note that somebody touched a key: the back-light comes on, and the scroll waits."""
        if self._parameters.backlight_s:
            self._backlight_until_ns = now + self._parameters.backlight_s * SECOND_NS
        self._idle_ns = now

    def backlight(self, figures: Figures, now: int) -> bool:
        """Return whether the back-light is on at `now` [ns]."""
        until_ns = self._backlight_until_ns
        if until_ns is None or now >= until_ns:
            return False
        return self._parameters.backlight_by_day or self._parameters.is_night(figures.clock[3])

    def screen(self, entry: str, figures: Figures, icons: frozenset[Icon], now: int) -> Screen:
        """Return the screen at `now` for an `entry` under way, else for what comes first of the rest.

        Parameters
        ----------
        entry : str
            The digits typed so far.
        figures : Figures
            The meter's figures; only those that are shown are read.
        icons : frozenset of Icon
            The symbols of the meter's state.
        now : int
            The instant [ns].
        """
        self.turn_ns = None
        # Known before it is shown, because paging goes on from it whether or not anybody saw it.
        self._pages_from = TOTAL if figures.payment_mode else CREDIT
        if self.until_ns is not None and now >= self.until_ns:
            self.expire(now)
        lockout_ns = figures.lockout_ns
        key = (figures.open_reasons, figures.tampers, figures.fault_codes)
        if key != self._notice_key:
            self._notice(key, now)
        if lockout_ns > 0 or key[1] or key[2]:
            icons |= _condition_icons(lockout_ns > 0, bool(key[1]), bool(key[2]))
        if entry:
            self._shown_item = None
            return Screen(entry_text(entry), f"{len(entry):02d}", icons)
        if self._idle_ns is None:
            self._idle_ns = now
        shown = self._shown
        if shown is not None:
            if isinstance(shown, int):
                return self._item(shown, self._since_ns, figures, icons, now)
            self._shown_item = None
            return Screen(shown.text, shown.index_text, icons | shown.icons)
        if lockout_ns > 0:
            self._shown_item = None
            # The last digit changes when a whole second remains.
            self.turn_ns = now + ((lockout_ns - 1) % SECOND_NS + 1)
            return Screen(countdown_text(lockout_ns), f"{TokenResult.LOCKOUT:02d}", icons)
        if self._notice_texts:
            since_ns = max(self._noticed_ns, self._idle_ns)
            place_ns = max(0, now - since_ns) % (HOME_NS + len(self._notice_texts) * NOTICE_NS)
            if place_ns < HOME_NS:
                self.turn_ns = now + HOME_NS - place_ns
                return self._home(figures, icons)
            number, into_ns = divmod(place_ns - HOME_NS, NOTICE_NS)
            self.turn_ns = now + NOTICE_NS - into_ns
            self._shown_item = None
            text, index, extra = self._notice_texts[number]
            return Screen(text, index, icons | extra)
        parameters = self._parameters
        if parameters.scrolled_items:
            begin_ns = self._idle_ns + parameters.scroll_after_s * SECOND_NS
            if now < begin_ns:
                self.turn_ns = begin_ns
            else:
                step_ns = parameters.scroll_s * SECOND_NS
                number, into_ns = divmod(now - begin_ns, step_ns)
                item = parameters.scrolled_items[number % len(parameters.scrolled_items)]
                screen = self._item(item, now - into_ns, figures, icons, now)
                change_ns = now + step_ns - into_ns
                self.turn_ns = change_ns if self.turn_ns is None else min(self.turn_ns, change_ns)
                return screen
        return self._home(figures, icons)

    def _home(self, figures: Figures, icons: frozenset[Icon]) -> Screen:
        # Asked for at nearly every watt-hour of a simulated life, so an unchanged screen is not made again.
        item = TOTAL if figures.payment_mode else CREDIT
        energy_wh = figures.credit_wh if item == CREDIT else figures.total_wh
        shown = energy_wh // 10
        same_icons = item == self._rest_item and icons == self._home_icons
        if not same_icons:
            self._rest_item = item
            self._home_icons = icons
            self._home_lit = icons | ITEMS[item].icons
        if not same_icons or shown != self._home_shown:
            self._home_shown = shown
            text = kwh_text(energy_wh) if item == CREDIT else register_text(energy_wh)
            self._home_screen = Screen(text, f"{item:02d}", self._home_lit)
        self._shown_item = item
        return self._home_screen

    def _item(self, number: int, since_ns: int, figures: Figures, icons: frozenset[Icon], now: int) -> Screen:
        item = ITEMS[number]
        self._shown_item = number
        pages = item.pages(figures, self._notices)
        page, into_ns = divmod(max(0, now - since_ns), PAGE_NS)
        if len(pages) > 1:
            self.turn_ns = now + PAGE_NS - into_ns
        elif number == _TIME_ITEM:
            # A clock that stands would look broken.
            self.turn_ns = now + SECOND_NS
        text = pages[page % len(pages)]
        # Most of what is asked for again has not changed.
        if (number, text, icons) != self._item_key:
            self._item_key = (number, text, icons)
            self._item_screen = Screen(text, f"{number:02d}", icons | item.icons)
        return self._item_screen

    def _result(self, result: TokenResult, reason: FormatReason | None, digits_seen: int) -> Message:
        text = result_text(result, reason, digits_seen, self._parameters.result_profile)
        face = Icon.ACCEPTED if result in _PROGRESS else Icon.REJECTED
        return Message(text, f"{result:02d}", frozenset({face}), RESULT_NS)

    def _notice(self, key: tuple[int, int, tuple[int, ...]], now: int) -> None:
        reasons, tampers, faults = self._notice_key = key
        self._noticed_ns = now
        self._notice_texts = (
            *((fault_text(code), "FA", frozenset({Icon.FAULT})) for code in faults),
            *((text, "OF", _NO_ICONS) for text in self._notices.open_reason_texts(reasons)),
            *((text, "tA", frozenset({Icon.TAMPER})) for text in self._notices.tamper_texts(tampers)),
        )

    def _advance(self, now: int) -> None:
        if not self._queue:
            self.home(now)
            return
        self._shown = self._queue.pop(0)
        self._since_ns = now
        self.until_ns = now + (self._shown.duration_ns if isinstance(self._shown, Message) else ITEM_NS)


_DISPLAY_TEST = 2
_TIME_ITEM = 6


@cache
def _condition_icons(locked: bool, tampered: bool, faulty: bool) -> frozenset[Icon]:
    lit = {Icon.LOCKED: locked, Icon.TAMPER: tampered, Icon.FAULT: faulty}
    return frozenset(icon for icon, on in lit.items() if on)
