"""The bench: one meter, one shop, some appliances, and a clock that may run faster than the world's.

Nothing here knows a page or a server. Real time comes in as spans (`Rig.advance`), so that a test is as
exact as a person is patient.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Protocol

from joy311.device import PhaseLoad, VirtualMeter
from joy311.device.sensors import COVERS
from joy311.device.upsets import DISTURBANCES, Upset
from joy311.energy import QUANTA_PER_WH
from joy311.errors import InvalidInput, Refused, StorageError
from joy311.instant import HOUR_NS, MILLISECOND_NS, MINUTE_NS, SECOND_NS
from joy311.meter import Fault, Readout, TamperKind
from joy311.meter.load_switch import REASON_TEXTS
from joy311.meter.tamper import TAMPER_TEXTS
from joy311.panel import Key, Led, Light, Sound
from joy311.sts import TokenResult
from joy311.workbench.appliances import added, together
from joy311.workbench.clock_file import ClockFile
from joy311.workbench.history import History, Point
from joy311.workbench.wiring import Wiring, feed

SPEEDS = (1, 10, 60, 600, 3600)
"""How many times faster than the world's the bench's clock may run."""

KEY_INTERVAL_NS = 80 * MILLISECOND_NS
"""Real time between two keys of a token that is typed by itself [ns]."""

TYPING_HOLD_NS = 20 * SECOND_NS
"""Real time for which the bench runs at x1 after a key, so that no slow finger's entry times out [ns]."""

ANSWER_HOLD_NS = 5 * SECOND_NS
"""Real time for which the bench runs at x1 after a token, so that a person can read the answer [ns]."""

FASTEST_SCROLL = 10
"""Speed up to which an eye follows the display's own scroll; beyond it nobody watches."""

MAGNET_AT, FIELD_MT = 1_000.0, 5.0
"""The bench's magnets: a strong one [At], and a coil on alternating current [mT]."""

MAGNETS = (TamperKind.MAGNET_DC, TamperKind.MAGNET_AC)
"""What the bench can hold to the meter."""

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
        ``accepted``, ``refused``, ``supply on``, ``supply off``, ``warning``, ``sold``, ``tamper``,
        ``fault``, ``mains on`` or ``mains off``.
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
    chance : random.Random, optional
        Decides what a disturbance does.
    """

    def __init__(
        self,
        meter: VirtualMeter,
        clock: ClockFile,
        recording: Recording | None = None,
        chance: Random | None = None,
    ) -> None:
        self.meter = meter
        self.recording = recording
        self.wiring = Wiring()
        """The mains side of the bench."""
        self._chance = chance or Random()
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
        self._covers_open: frozenset[TamperKind] = frozenset()
        self._magnets: frozenset[TamperKind] = frozenset()
        self._told_load = self._fed_load = self._appliances
        self._fed_wiring = self.wiring
        self._happenings: deque[Happening] = deque(maxlen=LOG_ENTRIES)
        self._pressed: deque[tuple[int, Key]] = deque(maxlen=LOG_ENTRIES)
        self._sounded: deque[tuple[int, Sound]] = deque(maxlen=LOG_ENTRIES)
        self._numbers = {"happening": 0, "key": 0, "sound": 0}
        # A bench is set up with everything closed, and no magnet near.
        for kind in (*COVERS, *MAGNETS):
            meter.sense(kind, False)
        self._running_was = meter.running
        self._supply_was_on = meter.supply_on
        self._warning_was = meter.lights[Led.CREDIT]
        self._tampers_were = self._faults_were = 0
        self._credit_wh = self._accepted_wh = 0
        readout = self.readout()
        if readout is not None:
            self._tampers_were, self._faults_were = readout.tampers, _fault_bits(readout)
            self._credit_wh, self._accepted_wh = readout.credit_wh, readout.accepted_wh

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
    def running(self) -> bool:
        """Whether the meter has a supply; without one it is dark and answers nothing."""
        return self.meter.running

    @property
    def covers_open(self) -> frozenset[TamperKind]:
        """The covers that are open."""
        return self._covers_open

    @property
    def magnets(self) -> frozenset[TamperKind]:
        """The magnets that are held to the meter."""
        return self._magnets

    @property
    def credit_wh(self) -> int:
        """Credit left, as far as it was last known [Wh]."""
        return self._credit_wh

    def readout(self) -> Readout | None:
        """Return what a reader sees, None of a meter whose record is lost."""
        try:
            return self.meter.readout()
        except StorageError:
            return None

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
        readout = self.readout()
        return readout.power_w if readout is not None and self.running and self.meter.supply_on else 0

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

    def rewire(self, **changes: Any) -> None:
        """Change the mains side of the bench at once; `changes` are fields of `Wiring`.

        Raises
        ------
        InvalidInput
            If a value is outside its range.
        """
        self.wiring = replace(self.wiring, **changes)

    def open_cover(self, kind: TamperKind, opened: bool) -> None:
        """Open or close a cover of the meter.

        Raises
        ------
        InvalidInput
            If there is no such cover.
        """
        self.meter.open_cover(kind, opened)
        self._covers_open = self._covers_open | {kind} if opened else self._covers_open - {kind}

    def hold_magnet(self, kind: TamperKind, held: bool) -> None:
        """Hold one of `MAGNETS` to the meter, or take it away.

        Raises
        ------
        InvalidInput
            If there is no such magnet.
        """
        if kind not in MAGNETS:
            raise InvalidInput(f"the bench has no magnet {kind!r}", field="kind")
        self._magnets = self._magnets | {kind} if held else self._magnets - {kind}
        surroundings = replace(
            self.meter.surroundings,
            magnet_at=MAGNET_AT if TamperKind.MAGNET_DC in self._magnets else 0.0,
            field_mt=FIELD_MT if TamperKind.MAGNET_AC in self._magnets else 0.0,
        )
        self.meter.surround(surroundings)

    def strike(self, name: str) -> Upset:
        """Let the disturbance called `name` hit the meter once, and return what it did.

        Raises
        ------
        InvalidInput
            If there is none of this name.
        Refused
            ``NoSupply`` while the meter is dark.
        """
        if name not in DISTURBANCES:
            raise InvalidInput(
                f"no disturbance is called {name!r}; there are {', '.join(DISTURBANCES)}", field="name"
            )
        self._refuse_in_the_dark()
        upset = self.meter.strike(DISTURBANCES[name], self._chance)
        self._entry_open = True
        self._listen()
        return upset

    def reset(self) -> None:
        """Reset the meter's processor.

        Raises
        ------
        Refused
            ``NoSupply`` while the meter is dark.
        """
        self._refuse_in_the_dark()
        self.meter.reset()
        self._entry_open = False
        self._listen()

    def press(self, key: Key) -> None:
        """Press a key of the meter now; one that is dark does not notice."""
        self._note_key(key)
        if not self.running:
            return
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

        Raises
        ------
        Refused
            ``NoSupply`` while the meter is dark.
        """
        self._refuse_in_the_dark()
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
        if self.running:
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
            real_ns -= span_ns

    def _reserve(self, until_ns: int) -> None:
        if until_ns > self._reserved_until_ns:
            self._reserved_until_ns = until_ns + RESERVE_NS * self.speed
            self._write_clock()

    def _write_clock(self) -> None:
        self._clock.write(self._reserved_until_ns, self.meter.supply_on, self._switched_on)

    def _run(self, until_ns: int) -> None:
        self.meter.watched = self.speed_now <= FASTEST_SCROLL
        while self.now_ns < until_ns:
            start_ns = self.now_ns
            load, holds_until_ns = self._load_at(start_ns)
            self.meter.advance(self._fed(load), min(until_ns, holds_until_ns, start_ns + MINUTE_NS))
            self._look(start_ns)

    def _look(self, start_ns: int) -> None:
        """Take note of what the meter did since `start_ns`."""
        end_ns, meter = self.now_ns, self.meter
        metered_wh = meter.take_energy().metered_quanta / QUANTA_PER_WH
        mean_w = metered_wh * HOUR_NS / (end_ns - start_ns)
        self._listen()
        self.history.add(start_ns, Point(end_ns, mean_w, self._credit_wh, meter.supply_on and self.running))

    def _listen(self) -> None:
        meter = self.meter
        for _, sound in meter.take_sounds():
            self._numbers["sound"] += 1
            self._sounded.append((self._numbers["sound"], sound))
        if meter.running != self._running_was:
            self._running_was = meter.running
            if meter.running:
                self._note("mains on", "The meter is back")
            else:
                self._note("mains off", "The meter is dark: no supply")
        readout = self.readout()
        if readout is not None:
            self._credit_wh = readout.credit_wh
        if meter.supply_on != self._supply_was_on:
            self._supply_was_on = meter.supply_on
            if meter.supply_on:
                self._note("supply on", "Supply on")
            else:
                self._note("supply off", f"Supply off: {_why(readout)}")
        warning = meter.lights[Led.CREDIT]
        if warning is not self._warning_was:
            if warning in (Light.SLOW_BLINK, Light.FAST_BLINK):
                level = "Low" if warning is Light.SLOW_BLINK else "Very low"
                self._note("warning", f"{level} credit: {self._credit_wh / 1000:.2f} kWh left")
            self._warning_was = warning
        if readout is not None:
            self._watch_conditions(readout)

    def _watch_conditions(self, readout: Readout) -> None:
        """Take note of what the meter found, and of what it found to be over."""
        new, gone = readout.tampers & ~self._tampers_were, self._tampers_were & ~readout.tampers
        self._tampers_were = readout.tampers
        for kind, text in TAMPER_TEXTS.items():
            if new & kind:
                self._note("tamper", f"Tamper: {text.title}")
        if gone:
            self._note("accepted", "Tamper cleared")
        present = _fault_bits(readout)
        for fault in Fault:
            if (present ^ self._faults_were) & fault.bit:
                over = "" if present & fault.bit else ", over"
                self._note("fault", f"{fault.text}: {fault.title}{over}")
        self._faults_were = present

    def _fed(self, load: PhaseLoad) -> PhaseLoad:
        """Return `load` through the bench's wiring; the same object as long as neither changes."""
        if load is not self._told_load or self._fed_wiring is not self.wiring:
            self._told_load, self._fed_wiring = load, self.wiring
            self._fed_load = feed(load, self.wiring)
        return self._fed_load

    def _refuse_in_the_dark(self) -> None:
        if not self.running:
            raise Refused("NoSupply", "the meter has no supply: switch the mains on first")

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
            added_wh = self.meter.readout().accepted_wh - self._accepted_wh
            self._accepted_wh += added_wh
            more = f": {added_wh / 1000:.1f} kWh added" if added_wh else ""
            self._note("accepted", f"Token accepted{more}")
        elif result in (TokenResult.FIRST_KCT, TokenResult.SECOND_KCT):
            self._note("accepted", "Token accepted: a part of a change of key")
        else:
            self._note("refused", f"Token refused: {result.standard_name}, display {self.meter.screen.text}")

    def _note_key(self, key: Key) -> None:
        self._numbers["key"] += 1
        self._pressed.append((self._numbers["key"], key))

    def _note(self, kind: str, text: str) -> None:
        self._numbers["happening"] += 1
        self._happenings.append(Happening(self._numbers["happening"], self.now_ns, kind, text))


def _why(readout: Readout | None) -> str:
    """Return why the supply is off, in words."""
    if readout is None:
        return Fault.RECORD_LOST.title
    reasons = [text.title for reason, text in REASON_TEXTS.items() if readout.open_reasons & reason]
    return "; ".join(reasons) or "the load switch is being tested"


def _fault_bits(readout: Readout) -> int:
    return sum(Fault(code).bit for code in readout.fault_codes)
