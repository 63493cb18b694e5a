"""The bench: one meter, one shop, some appliances, and a clock that may run faster than the world's.

Nothing here knows a page or a server. Real time comes in as spans (`Rig.advance`), so that a test is as
exact as a person is patient.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Protocol

from joy311.device import PhaseLoad, VirtualMeter
from joy311.energy import QUANTA_PER_WH
from joy311.errors import InvalidInput
from joy311.instant import HOUR_NS, MILLISECOND_NS, MINUTE_NS, SECOND_NS
from joy311.panel import Key, Led, Light, Sound
from joy311.sts import TokenResult
from joy311.workbench.appliances import added, together
from joy311.workbench.clock_file import ClockFile
from joy311.workbench.history import History, Point

SPEEDS = (1, 10, 60, 600, 3600)
"""How many times faster than the world's the bench's clock may run."""

KEY_INTERVAL_NS = 80 * MILLISECOND_NS
"""Real time between two keys of a token that is typed by itself [ns]."""

TYPING_HOLD_NS = 20 * SECOND_NS
"""Real time for which the bench runs at x1 after a key, so that no slow finger's entry times out [ns]."""

ANSWER_HOLD_NS = 5 * SECOND_NS
"""Real time for which the bench runs at x1 after a token, so that a person can read the answer [ns]."""

BACKLIGHT_NS = 15 * SECOND_NS
"""Real time for which a key lights the display [ns]."""

LONGEST_TICK_NS = SECOND_NS
"""Real time that one `Rig.advance` makes up for at most: a computer that slept does not catch up [ns]."""

RESERVE_NS = 2 * SECOND_NS
"""Real time ahead of which the clock is written down before it gets there [ns]."""

LOG_ENTRIES = 200
"""Happenings, pressed keys and sounds that are remembered, each."""


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that a person on the bench would tell another.

    Parameters
    ----------
    number : int
        Its place in the order of happenings, from 1.
    now_ns : int
        When it happened on the bench's clock [ns since 1970 UTC].
    kind : str
        ``accepted``, ``refused``, ``supply on``, ``supply off``, ``warning`` or ``sold``.
    text : str
        One line.
    """

    number: int
    now_ns: int
    kind: str
    text: str


class Recording(Protocol):
    """A recorded household that may be plugged in beside the appliances."""

    def load_at(self, now_ns: int) -> tuple[PhaseLoad, int]:
        """Return what it draws at `now_ns`, and the instant until which that holds [ns since 1970 UTC]."""


class Rig:
    """The meter on the bench with its load, its clock and what has been seen of it.

    Parameters
    ----------
    meter : VirtualMeter
        The meter, powered at the instant from which the bench goes on.
    clock : ClockFile
        Where the bench's time is written down before it comes.
    recording : Recording or None
        The recorded household, if there is one.
    """

    def __init__(self, meter: VirtualMeter, clock: ClockFile, recording: Recording | None = None) -> None:
        self.meter = meter
        self.recording = recording
        self.history = History()
        self._paused = False
        self.speed = SPEEDS[0]
        self._clock = clock
        self._switched_on = clock.switched_on
        self._household_on = False
        # A load is made once and kept: the meter looks at the line again only when it is another one.
        self._appliances = together(sorted(self._switched_on))
        self._household: tuple[PhaseLoad, int] | None = None
        self._reserved_until_ns = meter.now
        self._typing: deque[Key] = deque()
        self._next_key_ns = 0
        self._entry_open = False
        self._held_ns = 0
        self._backlight_ns = 0
        self._happenings: deque[Happening] = deque(maxlen=LOG_ENTRIES)
        self._pressed: deque[tuple[int, Key]] = deque(maxlen=LOG_ENTRIES)
        self._sounded: deque[tuple[int, Sound]] = deque(maxlen=LOG_ENTRIES)
        self._numbers = {"happening": 0, "key": 0, "sound": 0}
        self._supply_was_on = meter.supply_on
        self._warning_was = meter.lights[Led.CREDIT]

    @property
    def now_ns(self) -> int:
        """The bench's clock [ns since 1970 UTC]."""
        return self.meter.now

    @property
    def held(self) -> bool:
        """Whether a key was pressed so lately that the bench runs at x1 for it, even in a pause."""
        return self._held_ns > 0 and (self.paused or self.speed > 1)

    @property
    def paused(self) -> bool:
        """Whether the clock stands while nobody uses the keys."""
        return self._paused

    @property
    def speed_now(self) -> int:
        """How many times faster than the world's the clock runs now, 0 while it stands."""
        if self.held:
            return 1
        return 0 if self.paused else self.speed

    @property
    def backlit(self) -> bool:
        """Whether a key was pressed so lately that the display is lit."""
        return self._backlight_ns > 0

    @property
    def typing(self) -> bool:
        """Whether keys wait to be pressed by themselves."""
        return bool(self._typing)

    @property
    def switched_on(self) -> frozenset[str]:
        """Names of the appliances that are on."""
        return self._switched_on

    def is_on(self, name: str) -> bool:
        """Return whether the appliance called `name` is on."""
        return name in self._switched_on

    @property
    def household_on(self) -> bool:
        """Whether the recorded household is plugged in."""
        return self._household_on

    @property
    def happenings(self) -> tuple[Happening, ...]:
        """The latest happenings, oldest first."""
        return tuple(self._happenings)

    @property
    def power_w(self) -> int:
        """Power that flows through the meter now [W]."""
        return self.meter.readout().power_w

    @property
    def pulses_hz(self) -> float:
        """Rate of the pulse light as the world sees it, one pulse a watt-hour [Hz]."""
        return self.power_w * self.speed_now / 3600

    def set_speed(self, speed: int) -> None:
        """Let the clock run `speed` times as fast as the world's, at once.

        Raises
        ------
        InvalidInput
            If `speed` is not one of `SPEEDS`.
        """
        if speed not in SPEEDS:
            offered = ", ".join(str(each) for each in SPEEDS)
            raise InvalidInput(
                f"the bench runs at {offered} times the world's speed, not {speed}", field="speed"
            )
        self.speed = speed
        self._held_ns = 0

    def pause(self, on: bool) -> None:
        """Stop the clock at once, or let it run again.

        A key that is pressed in a pause lets it run at x1 for a while: the meter tells a double backspace
        from two, and a forgotten entry from a new one, by the time between keys.
        """
        self._paused = on
        self._held_ns = 0

    def switch(self, name: str, on: bool) -> None:
        """Switch the appliance called `name`.

        Raises
        ------
        InvalidInput
            If there is none of this name.
        """
        together((name,))
        self._switched_on = self._switched_on | {name} if on else self._switched_on - {name}
        self._appliances = together(sorted(self._switched_on))
        self._household = None
        self._write_clock()

    def plug_household(self, on: bool) -> None:
        """Plug the recorded household in, or pull it out.

        Raises
        ------
        InvalidInput
            If there is no recording.
        """
        if on and self.recording is None:
            raise InvalidInput("this bench has no recorded household")
        self._household_on = on
        self._household = None

    def press(self, key: Key) -> None:
        """Press a key of the meter now."""
        self._note_key(key)
        self._backlight_ns = BACKLIGHT_NS
        result = self.meter.press(key)
        if key.is_digit:
            self._entry_open = True
        # A slow finger's entry must not time out, and an answer must stay until a person has read it.
        self._held_ns = TYPING_HOLD_NS if result is None else ANSWER_HOLD_NS
        if result is not None:
            self._answered(result)
        self._listen()

    def type_keys(self, digits: str, *, enter: bool = False) -> None:
        """Let the keys of `digits` be pressed one by one, `KEY_INTERVAL_NS` of real time apart.

        Parameters
        ----------
        digits : str
            Decimal digits; spaces and hyphens between them are skipped.
        enter : bool
            Whether Enter is pressed at the end; a twentieth digit needs none.

        Raises
        ------
        InvalidInput
            If there is anything else in it.
        """
        plain = digits.replace(" ", "").replace("-", "")
        if not (plain.isascii() and plain.isdigit()):
            raise InvalidInput(
                "the keypad has digits only, and this text holds something else", field="digits"
            )
        # What may be half typed is cleared as on the real keypad: backspace twice in quick succession.
        self._typing = deque([Key.BACKSPACE] * 2 if self._entry_open else [])
        self._typing += [Key(digit) for digit in plain]
        if enter:
            self._typing.append(Key.ENTER)
        self._next_key_ns = 0

    def enter_token(self, text: str) -> tuple[TokenResult, str]:
        """Give the meter a token through its other door, as whatever text was sent.

        Returns
        -------
        tuple of TokenResult and str
            The standard's result, and a sentence for a person.
        """
        self._backlight_ns = BACKLIGHT_NS
        result, detail = self.meter.enter_token(text)
        if not self.paused:
            self._held_ns = ANSWER_HOLD_NS
        self._answered(result)
        self._listen()
        return result, detail

    def note_sale(self, text: str) -> None:
        """Remember a sale among the happenings."""
        self._note("sold", text)

    def keys_since(self, number: int) -> tuple[int, list[Key]]:
        """Return the number of the latest key, and the keys pressed after number `number`."""
        return self._numbers["key"], [key for each, key in self._pressed if each > number]

    def sounds_since(self, number: int) -> tuple[int, list[Sound]]:
        """Return the number of the latest sound, and the sounds made after number `number`."""
        return self._numbers["sound"], [sound for each, sound in self._sounded if each > number]

    def advance(self, real_elapsed_ns: int) -> None:
        """Let `real_elapsed_ns` of the world's time pass [ns].

        Keys that are typed by themselves are pressed when due; the clock, the metering and the history go on
        at the bench's speed. At most `LONGEST_TICK_NS` is made up for.
        """
        elapsed_ns = min(max(0, real_elapsed_ns), LONGEST_TICK_NS)
        while self._typing and self._next_key_ns <= elapsed_ns:
            # The time before the key passes first, so that the meter sees the keys as far apart as they are.
            self._live(self._next_key_ns)
            elapsed_ns -= self._next_key_ns
            self._next_key_ns = KEY_INTERVAL_NS
            self.press(self._typing.popleft())
        self._next_key_ns = max(0, self._next_key_ns - elapsed_ns)
        self._live(elapsed_ns)

    def close(self) -> None:
        """Switch the meter off as a supply that fails and write the clock down exactly where it stands."""
        self.meter.fail_power()
        self._reserved_until_ns = self.now_ns
        self._write_clock()

    def _live(self, real_ns: int) -> None:
        """Let real time pass in which nobody touches anything."""
        while real_ns > 0:
            held = self.held
            span_ns = min(real_ns, self._held_ns) if held else real_ns
            until_ns = self.now_ns + span_ns * self.speed_now
            self._reserve(until_ns)
            self._run(until_ns)
            self._held_ns = max(0, self._held_ns - span_ns)
            self._backlight_ns = max(0, self._backlight_ns - span_ns)
            real_ns -= span_ns

    def _reserve(self, until_ns: int) -> None:
        if until_ns > self._reserved_until_ns:
            self._reserved_until_ns = until_ns + RESERVE_NS * self.speed
            self._write_clock()

    def _write_clock(self) -> None:
        self._clock.write(self._reserved_until_ns, self.meter.supply_on, self._switched_on)

    def _run(self, until_ns: int) -> None:
        while self.now_ns < until_ns:
            start_ns = self.now_ns
            load, holds_until_ns = self._load_at(start_ns)
            self.meter.advance(load, min(until_ns, holds_until_ns, start_ns + MINUTE_NS))
            self._look(start_ns)

    def _look(self, start_ns: int) -> None:
        """Take note of what the meter did since `start_ns`."""
        end_ns, meter = self.now_ns, self.meter
        metered_wh = meter.take_energy().metered_quanta / QUANTA_PER_WH
        mean_w = metered_wh * HOUR_NS / (end_ns - start_ns)
        self.history.add(start_ns, Point(end_ns, mean_w, meter.credit_wh, meter.supply_on))
        self._listen()

    def _listen(self) -> None:
        meter = self.meter
        for _, sound in meter.take_sounds():
            self._numbers["sound"] += 1
            self._sounded.append((self._numbers["sound"], sound))
        if meter.supply_on != self._supply_was_on:
            self._supply_was_on = meter.supply_on
            if meter.supply_on:
                self._note("supply on", "Supply on")
            else:
                self._note("supply off", "Supply off: credit has ended")
        warning = meter.lights[Led.CREDIT]
        if warning is not self._warning_was:
            if warning in (Light.SLOW_BLINK, Light.FAST_BLINK):
                level = "Low" if warning is Light.SLOW_BLINK else "Very low"
                self._note("warning", f"{level} credit: {meter.credit_wh / 1000:.2f} kWh left")
            self._warning_was = warning

    def _load_at(self, now_ns: int) -> tuple[PhaseLoad, int]:
        if not self._household_on or self.recording is None:
            return self._appliances, now_ns + MINUTE_NS
        if self._household is None or now_ns >= self._household[1]:
            household, until_ns = self.recording.load_at(now_ns)
            self._household = added(self._appliances, household), until_ns
        return self._household

    def _answered(self, result: TokenResult) -> None:
        """Take note of a token's result."""
        # Only an answer is sure to leave no digits: one backspace takes back one, and a time-out is silent.
        self._entry_open = False
        if result is TokenResult.ACCEPT:
            self._note("accepted", f"Token accepted: {self.meter.readout().last_units / 10:.1f} kWh added")
        else:
            self._note("refused", f"Token refused: {result.standard_name}, display {self.meter.screen.text}")

    def _note_key(self, key: Key) -> None:
        self._numbers["key"] += 1
        self._pressed.append((self._numbers["key"], key))

    def _note(self, kind: str, text: str) -> None:
        self._numbers["happening"] += 1
        self._happenings.append(Happening(self._numbers["happening"], self.now_ns, kind, text))
