"""Meters as a process: each lives in a directory of its own, in real time or faster, behind shared ports."""

from __future__ import annotations

import json
import math
import os
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from joy311.device.ciu_application import MeterEnd, serve_ciu
from joy311.device.load import PhaseLoad
from joy311.device.memory import FileMemory, MeterMemory
from joy311.device.meter_journal import JournalWriter
from joy311.device.optical_application import AccessSecrets, MeterApplication
from joy311.device.optical_port import OpticalPort, serve, steady_clock
from joy311.device.pages import BLANK_PAGE, CHIP_PAGES, PAGE_BYTES, RamPages
from joy311.device.relay import LatchingRelay
from joy311.device.virtual_meter import VirtualMeter
from joy311.errors import InvalidInput, StorageError
from joy311.iec62056 import Application, PortSettings
from joy311.instant import HOUR_NS, MILLISECOND_NS, SECOND_NS
from joy311.meter import Checkpoint, Configuration, FactoryData, MeterRecord
from joy311.meter.load_profile import IntervalRow

MEMORY_NAME = "meter.memory"
ACCESS_NAME = "access.json"
BOARD_NAME = "board.json"
FORMAT = 1

TURN_NS = 250 * MILLISECOND_NS
"""How long a process sleeps at most before its meters live on [ns]."""

SLICE_NS = 6 * HOUR_NS
"""How much of a meter's life passes at most before a port may have its turn [ns]."""

HIGHEST_SPEED = 10_000_000.0
MOST_METERS = 32
"""Meters of one process, as many as one optical bus has room for."""

MOST_WATTS = 150_000.0
"""Largest power of one phase of a load [W]."""

MOST_VOLTS = 500.0
_SIDE_BYTES = 5

Watts = tuple[float, float, float]


class Load(Protocol):
    """What wants power, told in watts at the nominal voltage."""

    def at(self, now: int) -> tuple[Watts, int | None]:
        """Return the powers of the phases at `now` [ns], and until when they hold, None for ever [W, ns]."""


@dataclass(frozen=True, slots=True)
class ConstantLoad:
    """The same power all the time.

    Parameters
    ----------
    watts : tuple of float
        Power of each phase [W].

    Raises
    ------
    InvalidInput
        If a power is not a number of 0 to `MOST_WATTS`.
    """

    watts: Watts

    def __post_init__(self) -> None:
        """Refuse what no line carries."""
        for power in self.watts:
            if not 0.0 <= power <= MOST_WATTS:
                raise InvalidInput(f"a load of {power:g} W is outside 0 to {MOST_WATTS:g} W", field="load")

    def at(self, now: int) -> tuple[Watts, int | None]:  # noqa: ARG002 - the shape of Load
        """Return the powers, which hold for ever."""
        return self.watts, None


@dataclass(frozen=True, slots=True)
class RecordedLoad:
    """A recording that begins anew when it is over, its power shared by the three phases.

    Parameters
    ----------
    start_ns, interval_ns : int
        Beginning of the first interval and length of each [ns].
    energies_wh : sequence of int
        Energy of each interval [Wh].
    """

    start_ns: int
    interval_ns: int
    energies_wh: Sequence[int] = field(repr=False)

    def at(self, now: int) -> tuple[Watts, int | None]:
        """Return the mean powers of the interval at `now`, and its end."""
        number = (now - self.start_ns) // self.interval_ns
        energy_wh = self.energies_wh[number % len(self.energies_wh)]
        power = energy_wh * HOUR_NS / self.interval_ns / 3
        return (power, power, power), self.start_ns + (number + 1) * self.interval_ns


@dataclass(slots=True)
class Mains:
    """The supply in front of the meter and what else is connected wrongly; a person may change it.

    Parameters
    ----------
    volts : tuple of float
        RMS voltages of the phases [V].
    frequency_hz : float
        Mains frequency [Hz].
    on : bool
        Whether there is any supply.
    neutral : bool
        Whether the neutral is connected.
    swapped : bool
        Whether two phases are swapped.
    reversed_phases : frozenset of int
        Phases, 1 to 3, whose current flows the wrong way round.
    bypass_a : float
        Current past the meter [A].
    """

    volts: Watts
    frequency_hz: float
    on: bool = True
    neutral: bool = True
    swapped: bool = False
    reversed_phases: frozenset[int] = frozenset()
    bypass_a: float = 0.0


class MeterHome:
    """The directory of one meter: its memory, the secrets of its port, and where its relay stands.

    Parameters
    ----------
    directory : Path
        Made, for its owner only, where it does not exist.

    Raises
    ------
    StorageError
        If the directory or the memory cannot be used, or another process has it.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{directory} cannot be made: {error.strerror}") from error
        self.memory = FileMemory(directory / MEMORY_NAME)

    @property
    def commissioned(self) -> bool:
        """Whether a meter lives here."""
        try:
            return self.memory.read() is not None
        except StorageError:
            return True

    def commission(self, factory: FactoryData, configuration: Configuration | None, now: int) -> None:
        """Make a new meter's home: its record is written last, so that half a home is made anew.

        Raises
        ------
        StorageError
            If a meter lives here already, or its memory cannot be written.
        """
        if self.commissioned:
            raise StorageError(f"a meter lives in {self.directory}; it is not overwritten")
        if not (self.directory / ACCESS_NAME).exists():
            made = {
                "format": FORMAT,
                "reader": AccessSecrets().reader,
                "utility": f"{secrets.randbelow(10**8):08}",
                "factory_key": secrets.token_hex(16),
            }
            _write_private(self.directory / ACCESS_NAME, json.dumps(made, indent=1).encode() + b"\n")
        if configuration is not None:
            self.memory.configure(configuration.to_bytes())
        self.memory.commit(MeterRecord(factory, committed_at_ns=now).to_bytes())

    def access(self) -> AccessSecrets:
        """Return what opens the levels of the port; without the file, the reader's level alone.

        Raises
        ------
        StorageError
            If the file is damaged.
        """
        path = self.directory / ACCESS_NAME
        if not path.exists():
            return AccessSecrets()
        try:
            document = json.loads(path.read_bytes())
            key = document["factory_key"]
            return AccessSecrets(
                str(document["reader"]), str(document["utility"]), bytes.fromhex(key) if key else None
            )
        except (OSError, ValueError, KeyError, TypeError):
            # The cause would quote the file, so it stays out of the error.
            raise StorageError(f"{path} is not a file of passwords") from None

    def relay_closed(self) -> bool:
        """Return where the relay was left; the meter hears the truth of its contacts at power-up."""
        try:
            return json.loads((self.directory / BOARD_NAME).read_bytes())["closed"] is True
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def keep_board(self, *, closed: bool, lived_to_ns: int) -> None:
        """Remember where the relay stands and up to when the meter lived.

        Raises
        ------
        StorageError
            If it cannot be written.
        """
        content = json.dumps({"format": FORMAT, "closed": closed, "lived_to_ns": lived_to_ns})
        _write_private(self.directory / BOARD_NAME, content.encode() + b"\n")

    def lived_to_ns(self) -> int:
        """Return the last instant that anything here tells of, 0 for none: time never runs backwards [ns]."""
        told = [0]
        with suppress(OSError, ValueError, KeyError, TypeError):
            told.append(int(json.loads((self.directory / BOARD_NAME).read_bytes())["lived_to_ns"]))
        with suppress(StorageError):
            content, checkpoint = self.memory.read(), self.memory.read_checkpoint()
            if content is not None:
                record = MeterRecord.from_bytes(content)
                if checkpoint is not None:
                    record = record.with_checkpoint(Checkpoint.from_bytes(checkpoint))
                told.append(record.committed_at_ns)
                rows = self.memory.profile()
                if rows:
                    told.append(IntervalRow.from_bytes(rows[-1]).ended_ns - record.clock_offset_ns)
        return max(told)

    def close(self) -> None:
        """Give the memory back."""
        self.memory.close()


class LivingMeter:
    """One meter with its load and its mains, living up to any instant that it is told.

    Parameters
    ----------
    home : MeterHome
        Where it lives; commissioned.
    load : Load
        What is connected behind it.
    now : int
        The instant [ns]; a meter that lived beyond it goes on where it was.
    watched : bool
        Whether somebody looks at the display.
    configuration : Configuration, optional
        What the utility wants from now on; the meter keeps its own by default.
    journal : Path, optional
        Where to write its life down.

    Raises
    ------
    InvalidInput
        If the journal is there already.
    StorageError
        If no meter can be started from the memory.
    """

    def __init__(
        self,
        home: MeterHome,
        load: Load,
        now: int,
        *,
        watched: bool = False,
        configuration: Configuration | None = None,
        journal: Path | None = None,
    ) -> None:
        self.home = home
        self.load = load
        begin_ns = max(now, home.lived_to_ns())
        memory = home.memory
        self._journal: JournalWriter | None = None
        if journal is not None:
            self._journal = JournalWriter(journal, memory, secrets.token_bytes(16))
        relay = LatchingRelay(home.relay_closed())
        wanted = configuration.to_bytes() if configuration is not None else None
        if wanted is not None and wanted != _configuration_of(memory):
            # As a service tool does it: the meter writes and logs it, and begins anew with it.
            old = VirtualMeter.power_up(memory, begin_ns, relay=relay, listener=self._journal)
            assert configuration is not None
            old.write_configuration(configuration)
            old.fail_power()
        self.meter = VirtualMeter.power_up(
            memory, begin_ns, relay=relay, watched=watched, listener=self._journal
        )
        variant = (configuration or _stored_configuration(memory)).variant
        volts = float(variant.nominal_voltage_v)
        self._nominal_v = volts
        self.mains = Mains((volts, volts, volts), float(variant.frequency_hz))
        self._closed: bool | None = None

    def live(self, until_ns: int) -> None:
        """Live up to `until_ns` [ns], at most `SLICE_NS` at once."""
        meter = self.meter
        until_ns = min(until_ns, meter.now + SLICE_NS)
        while meter.now < until_ns:
            watts, ends_ns = self.load.at(meter.now)
            load = _connected(watts, self._nominal_v, *self._line())
            meter.advance(load, until_ns if ends_ns is None else min(until_ns, ends_ns))
        with suppress(StorageError):
            # A chip that takes nothing has told the meter so already.
            meter.memory.flush_profile()
        if meter.supply_on is not self._closed:
            self._closed = meter.supply_on
            self.home.keep_board(closed=meter.supply_on, lived_to_ns=meter.now)

    def reconnect(self) -> None:
        """Let a change of load or mains act at once."""
        watts, _ = self.load.at(self.meter.now)
        load = _connected(watts, self._nominal_v, *self._line())
        self.meter.advance(load, self.meter.now + MILLISECOND_NS)

    def stop(self) -> None:
        """Announce a power failure, so that nothing is lost, and give everything back."""
        meter = self.meter
        if meter.running:
            meter.fail_power()
        self.home.keep_board(closed=meter.supply_on, lived_to_ns=meter.now)
        meter.close()
        if self._journal is not None:
            self._journal.close()

    def _line(self) -> tuple[Watts, float, bool, bool, frozenset[int], float]:
        mains = self.mains
        volts = mains.volts if mains.on else (0.0, 0.0, 0.0)
        return (
            volts,
            mains.frequency_hz,
            mains.neutral,
            mains.swapped,
            mains.reversed_phases,
            mains.bypass_a,
        )


class MeterProcess:
    """Lets meters live at one pace, and serves them at ports that they share.

    Parameters
    ----------
    meters : sequence of LivingMeter
        The meters.
    speed : float
        How much faster than real time they live.

    Raises
    ------
    InvalidInput
        If there is no meter, or too many, or the speed is not above 0 and at most `HIGHEST_SPEED`.
    """

    def __init__(self, meters: Sequence[LivingMeter], *, speed: float = 1.0) -> None:
        if not 1 <= len(meters) <= MOST_METERS:
            raise InvalidInput(f"{len(meters)} meters; one process has 1 to {MOST_METERS}", field="state")
        self.check_speed(speed)
        self.meters = tuple(meters)
        self.lock = threading.RLock()
        """Held while a meter is touched."""
        self._speed = speed
        self._ports: list[OpticalPort] = []
        self._links = ExitStack()
        self.ciu_ends: dict[int, MeterEnd] = {}
        """Ends of the links to customer interface units, by the meter's place."""
        self._stopped = False
        self._woken = threading.Event()
        self._anchor_ns = time.monotonic_ns()
        self._began_ns = [living.meter.now for living in meters]

    def serve(self, url: str, settings: PortSettings, *, manufacturer: str = "JOY", **options: bool) -> str:
        """Open a port and return the URL at which readers find it.

        Parameters
        ----------
        url : str
            ``tcp://HOST:PORT``, ``pty://PATH`` or the path of a serial port.
        settings : PortSettings
            How the port is set up.
        manufacturer : str
            Three letters of the identification.
        **options
            ``several``, ``strict_baud`` and ``software_7e1`` of `joy311.device.optical_port.serve`.

        Raises
        ------
        InvalidInput
            If the URL is of no known form, or two meters have the same address.
        StorageError
            If the line cannot be had, or a meter's passwords are damaged.
        """
        clock = steady_clock()
        applications = [
            MeterApplication(
                living.meter, living.home.access(), clock, self._catching_up(place), manufacturer=manufacturer
            )
            for place, living in enumerate(self.meters)
        ]
        port = serve(applications, url, settings, lock=self.lock, now=clock, is_dark=_is_dark, **options)
        self._ports.append(port)
        return port.where

    def serve_ciu(self, url: str, place: int = 0) -> str:
        """Put a meter's end of the link on a port and return the URL for its customer interface unit.

        Parameters
        ----------
        url : str
            Whatever `joy311.device.link_port.open_link` takes.
        place : int
            Which of the meters.

        Raises
        ------
        InvalidInput
            If the URL is none.
        PortError
            If the port cannot be opened.
        """
        serving = serve_ciu(self.meters[place].meter, url, lock=self.lock, catch_up=self._catching_up(place))
        self.ciu_ends[place], where = self._links.enter_context(serving)
        return where

    def publish(self, url: str, tell: Callable[[str], None] | None = None) -> None:
        """Publish every meter by MQTT until the process is closed.

        Parameters
        ----------
        url : str
            ``mqtt://[USER[:PASSWORD]@]HOST[:PORT][/BASE]``; ``mqtts://`` by TLS.
        tell : callable, optional
            Told, in a thread of its own, when the broker is reached and when it is lost.

        Raises
        ------
        InvalidInput
            If the URL is none, or the extra ``mqtt`` is not installed.
        StorageError
            If a meter's record is lost.
        """
        from joy311.device.mqtt_publisher import mqtt_publishing

        for place, living in enumerate(self.meters):
            catch_up = self._catching_up(place)
            publishing = mqtt_publishing(living.meter, url, lock=self.lock, catch_up=catch_up, tell=tell)
            self._links.enter_context(publishing)

    def run(self, each_turn: Callable[[], bool] | None = None) -> None:
        """Live until `stop` is called, or `each_turn` returns true; the meters are not stopped yet then.

        Parameters
        ----------
        each_turn : callable, optional
            Called after each turn, the lock held.
        """
        while not self._stopped:
            self._woken.clear()
            late = self.turn()
            if each_turn is not None:
                with self.lock:
                    if each_turn():
                        return
            if not late and not self._stopped:
                self._woken.wait(self._wait_s())

    def turn(self) -> bool:
        """Let every meter live until now, a slice at most, and return whether one is still behind."""
        late = False
        for place, living in enumerate(self.meters):
            with self.lock:
                living.live(self._now(place))
                behind_ns = self._now(place) - living.meter.now
            late = late or behind_ns > SECOND_NS * self._speed
        if late:
            # What cannot keep the pace lives as fast as it can, and does not run after what is lost.
            with self.lock:
                self._anchor_ns = time.monotonic_ns()
                self._began_ns = [living.meter.now for living in self.meters]
        return late

    def stop(self) -> None:
        """Let `run` return soon; a signal's handler may call it."""
        self._stopped = True
        self._woken.set()

    def wake(self) -> None:
        """Let the next turn begin at once."""
        self._woken.set()

    @staticmethod
    def check_speed(speed: float) -> None:
        """Refuse a speed that is not above 0 and at most `HIGHEST_SPEED`.

        Raises
        ------
        InvalidInput
            If it is not.
        """
        if not (math.isfinite(speed) and 0.0 < speed <= HIGHEST_SPEED):
            raise InvalidInput(
                f"a speed of {speed:g} is not above 0 and at most {HIGHEST_SPEED:g}", field="speed"
            )

    def close(self) -> None:
        """Close the ports and stop the meters, announcing the power failure to each."""
        self._links.close()
        for port in self._ports:
            port.close()
        with self.lock:
            for living in self.meters:
                living.stop()

    def _now(self, place: int) -> int:
        elapsed_ns = time.monotonic_ns() - self._anchor_ns
        return self._began_ns[place] + int(elapsed_ns * self._speed)

    def _catching_up(self, place: int) -> Callable[[], None]:
        return lambda: self.meters[place].live(self._now(place))

    def _wait_s(self) -> float:
        """Return how long nothing is due [s]."""
        wait_ns = float(TURN_NS)
        with self.lock:
            for place, living in enumerate(self.meters):
                with suppress(StorageError):
                    meter = living.meter
                    due_ns = meter.meter.next_deadline(watched=meter.watched)
                    if due_ns is not None:
                        wait_ns = min(wait_ns, (due_ns - self._now(place)) / self._speed)
        # At a high speed something is always due; the turns stay few enough for the ports.
        return max(wait_ns, 5 * MILLISECOND_NS) / SECOND_NS


def snapshot(directory: Path) -> MeterMemory:
    """Return a copy of the memory in a directory, which the meter's own process may be using.

    Nothing is written.

    Raises
    ------
    StorageError
        If there is no memory, or it is not one of a meter.
    """
    path = directory / MEMORY_NAME
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}") from error
    side_at = CHIP_PAGES * PAGE_BYTES
    if len(content) != side_at + CHIP_PAGES * _SIDE_BYTES:
        raise StorageError(f"{path} has {len(content)} bytes and is no memory of this meter")
    pages = RamPages()
    for page in range(CHIP_PAGES):
        data = content[page * PAGE_BYTES : (page + 1) * PAGE_BYTES]
        if data != BLANK_PAGE:
            pages.write(page, data)
        at = side_at + page * _SIDE_BYTES
        cycles = int.from_bytes(content[at : at + 4], "little")
        if cycles:
            pages.age(page, cycles)
    return MeterMemory(pages)


def _is_dark(application: Application) -> bool:
    return isinstance(application, MeterApplication) and not application.powered


def _configuration_of(memory: MeterMemory) -> bytes | None:
    try:
        return memory.read_configuration()
    except StorageError:
        return None


def _stored_configuration(memory: MeterMemory) -> Configuration:
    content = _configuration_of(memory)
    return Configuration.from_bytes(content) if content else Configuration()


@lru_cache(maxsize=256)
def _connected(
    watts: Watts,
    nominal_v: float,
    volts: Watts,
    frequency_hz: float,
    neutral: bool,
    swapped: bool,
    reversed_phases: frozenset[int],
    bypass_a: float,
) -> PhaseLoad:
    """Return what flows, as through heaters: half the voltage, half the current."""
    a, b, c = (power * voltage / (nominal_v * nominal_v) for power, voltage in zip(watts, volts, strict=True))
    x, y, z = (-1.0 if phase in reversed_phases else 1.0 for phase in (1, 2, 3))
    return PhaseLoad(volts, (a, b, c), (x, y, z), frequency_hz, bypass_a, swapped, neutral)


def _write_private(path: Path, content: bytes) -> None:
    """Replace the file at `path` durably, whole or not at all, open to its owner only."""
    draft = path.with_name(f"{path.name}.new")
    try:
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}") from error
