"""The loop that gives the virtual hardware a mind: metrology, the meter's application, and what it moves."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from zlib import crc32

from joy311.device.crystal import BackedClock
from joy311.device.load import PhaseLoad
from joy311.device.memory import LAYOUT, FindingKind, MemoryFinding, MeterMemory, Region
from joy311.device.pages import Chip, PageCondition
from joy311.device.power_supply import START_WITHIN_NS, PowerSupply, SupplyChange, SupplyEvent, SupplyState
from joy311.device.pulse_led import PulseLed
from joy311.device.relay import LatchingRelay, RelayFault
from joy311.device.sensors import COVERS, BackupLatch, CoverSwitch, HallSensor, SensorEdge
from joy311.device.surroundings import REFERENCE, Surroundings
from joy311.device.upsets import Disturbance, Upset, flip_page_bits, flip_ram_bits, strike, written_pages
from joy311.errors import InvalidInput, StorageError
from joy311.instant import MILLISECOND_NS, SECOND_NS
from joy311.meter import (
    Action,
    AppendLog,
    AppendProfile,
    CiuLink,
    CiuLinkChanged,
    ClockDrifted,
    ClockSet,
    Commit,
    CommitFailed,
    Configuration,
    ConfigurationWritten,
    DeadlineReached,
    Door,
    EnergyMeasured,
    Event,
    Exchange,
    FactoryData,
    Fault,
    FaultReported,
    KeyPressed,
    LogEntry,
    Meter,
    MeterRecord,
    PlaySound,
    PoweredUp,
    PowerFailing,
    PowerReturned,
    QuantitiesMeasured,
    Readout,
    RelayReported,
    Report,
    SaveCheckpoint,
    SaveConfiguration,
    SensorChanged,
    SetBacklight,
    SetLight,
    Setting,
    Settings,
    SettingWritten,
    Show,
    SwitchLoad,
    TamperKind,
    TokenReceived,
)
from joy311.meter.lost_meter import LostMeter
from joy311.meter.record import CHECKPOINT_BYTES
from joy311.metrology import LinePhasors, PhasorMeter, Thresholds
from joy311.panel import Key, Led, Light, Screen, Sound
from joy311.sts import TokenResult

_FAULT_OF_FINDING = {
    (FindingKind.COPY_ROTTED, Region.RECORD): Fault.SLOT_DAMAGED,
    (FindingKind.COPIES_LOST, Region.CONFIGURATION): Fault.CONFIGURATION_LOST,
}
_FAULT_OF_KIND = {
    FindingKind.COPY_ROTTED: Fault.MEMORY_ROT,
    FindingKind.PAGE_ROTTED: Fault.MEMORY_ROT,
    FindingKind.PAGE_WORN: Fault.MEMORY_WORN,
    FindingKind.WRITE_FAILED: Fault.MEMORY_WORN,
}

_RELAY_FAULTS = {
    Fault.RELAY_WELDED: RelayFault.WELDED,
    Fault.RELAY_WILL_NOT_CLOSE: RelayFault.WILL_NOT_CLOSE,
    Fault.RELAY_WILL_NOT_OPEN: RelayFault.WILL_NOT_OPEN,
    Fault.COIL_OPEN: RelayFault.COIL_OPEN,
}
SELF_TESTED = frozenset(
    {
        Fault.FRONT_END_DEAD,
        Fault.FRONT_END_SATURATED,
        Fault.CALIBRATION_LOST,
        Fault.DISPLAY_FAILED,
        Fault.CIU_LINK,
    }
)
"""Faults that the board's own check finds the moment they are there."""

LINK_FAULTS = frozenset({CiuLink.LOST, CiuLink.SHORTED})
"""States of the way to the customer interface unit that are a fault."""

OF_THE_FACE = frozenset({Fault.KEYPAD_STUCK, Fault.DISPLAY_FAILED})
"""Faults of a keypad and a display, which a split meter does not have."""

SATURATION_A = 160.0
"""RMS current from which the converters are at the end of their range [A]."""

SPIKE_NS = MILLISECOND_NS // 8
"""How long a spike of one sample counts [ns]."""

NOMINAL_V = 230.0
"""Voltage at which the supply charged before the meter's life began [V]."""

RAM_BYTES = 32_768
"""Size of the processor's working memory [bytes]."""

RAM_COPIES_AT = (512, 24_576)
"""Where the two copies of the registers lie in it, far from each other."""

KEY_REPEAT_NS = 100 * MILLISECOND_NS
"""Time between two presses of a key that is held [ns]."""

MOST_SOUNDS = 64
"""Sounds kept for whoever listens; the oldest are forgotten."""


Listener = Callable[[Event, int, list[Action]], None]


@dataclass(frozen=True, slots=True)
class EnergyBalance:
    """Where the energy of the load went, exactly.

    Parameters
    ----------
    load_uw_ns : int
        Energy that the load drew while the supply was on [uW ns].
    below_threshold_uw_ns : int
        The part of it below the metering thresholds [uW ns].
    metered_quanta : int
        The part of it that went into the registers [2**-32 Wh]; what does not fill a quantum is still with
        metrology.
    pulses : int
        Pulses of the test output.
    supply_on_ns, supply_off_ns : int
        Time with the supply on and off [ns].
    """

    load_uw_ns: int
    below_threshold_uw_ns: int
    metered_quanta: int
    pulses: int
    supply_on_ns: int
    supply_off_ns: int


class VirtualMeter:
    """A whole JOY311 on a bench: front end, relay, memory, display, lights, buzzer and the application.

    Make one with `commission` (a new meter) or `power_up` (one whose memory holds a record).

    Parameters
    ----------
    memory : MeterMemory
        Non-volatile memory with a record.
    now : int
        The instant at which the application starts; the supply is full then [ns].
    relay : LatchingRelay, optional
        The relay as it was left; open by default.
    thresholds : Thresholds, optional
        Metering thresholds; those of the configured variant by default.
    watched : bool
        Whether somebody looks at the display, so that it scrolls by itself.
    clock : BackedClock, optional
        The clock as it was left; one without drift by default, set at `now`.
    latch : BackupLatch, optional
        What watched the covers while there was no supply.
    seed : str
        Seed of what is left to chance: how contacts bounce.
    listener : callable, optional
        Told every event, its instant and the actions, before the actions are done.

    Raises
    ------
    StorageError
        If the memory is empty, or its newest record is of another layout.
    """

    def __init__(
        self,
        memory: MeterMemory,
        now: int,
        *,
        relay: LatchingRelay | None = None,
        thresholds: Thresholds | None = None,
        watched: bool = False,
        clock: BackedClock | None = None,
        latch: BackupLatch | None = None,
        seed: str = "meter",
        listener: Listener | None = None,
    ) -> None:
        self._memory = memory
        self._listener = listener
        self._relay = relay or LatchingRelay()
        self._clock = clock
        self._drift_told_ns = clock.drift_ns if clock is not None else 0
        self._latch = latch or BackupLatch()
        self._covers = {kind: CoverSwitch(kind, Random(f"{seed}/{kind.name}")) for kind in COVERS}
        self._hall = HallSensor()
        self._surroundings = REFERENCE
        self._planted: set[Fault] = set()
        self._found: set[Fault] = set()
        self._write_failed = False
        self._findings_told = 0
        self._saturated = False
        self._held: tuple[Key, int, int] | None = None
        self._closed = False
        self._board_deadline_ns: int | None = None
        self._supply_deadline_ns: int | None = None
        self._sounds: deque[tuple[int, Sound]] = deque(maxlen=MOST_SOUNDS)
        self._load: PhaseLoad | None = None
        self._volts: tuple[float, float, float] | None = None
        self._load_uw_ns = self._metered_quanta = self._supply_on_ns = self._supply_off_ns = 0
        self._told = EnergyBalance(0, 0, 0, 0, 0, 0)
        self._ciu_link = CiuLink.ABSENT
        self.starts = 0
        """How often the application has started since this object was made."""
        self.watched = watched
        """Whether somebody looks at the display, so that it scrolls by itself."""
        self.now = now
        """The instant up to which the meter has lived [ns]."""
        self.pulses = 0
        """Pulses of the test output since power-up."""
        self.pulse_led = PulseLed()
        """The pulse LED."""
        self.screen = Screen()
        """What the display shows."""
        self.lights: dict[Led, Light] = dict.fromkeys(Led, Light.OFF)
        """What the lights do; the pulse light follows `pulses`."""
        self.backlight = False
        """Whether the display is lit from behind."""
        self._power = _full_supply(now)
        self._meter = self._restored()
        self._metrology = PhasorMeter(thresholds or self._thresholds())
        self._start(upset=False)

    @classmethod
    def commission(
        cls,
        memory: MeterMemory,
        factory: FactoryData,
        now: int,
        *,
        configuration: Configuration | None = None,
        relay: LatchingRelay | None = None,
        thresholds: Thresholds | None = None,
        watched: bool = False,
        clock: BackedClock | None = None,
        seed: str = "meter",
        listener: Listener | None = None,
    ) -> VirtualMeter:
        """Return a new meter, its factory data and configuration written to an empty `memory`.

        Raises
        ------
        StorageError
            If the memory already belongs to a meter.
        """
        if memory.read() is not None:
            raise StorageError("the memory already holds a meter's record; it is not overwritten")
        if configuration is not None:
            memory.configure(configuration.to_bytes())
        supply = (configuration or Configuration()).supply
        settings = Settings(
            low_credit_wh=factory.low_credit_wh,
            power_limit_w=supply.power_limit_w,
            unbalance_limit_w=supply.unbalance_limit_w,
        )
        memory.commit(MeterRecord(factory, settings, committed_at_ns=now).to_bytes())
        return cls(
            memory,
            now,
            relay=relay,
            thresholds=thresholds,
            watched=watched,
            clock=clock,
            seed=seed,
            listener=listener,
        )

    @classmethod
    def power_up(
        cls,
        memory: MeterMemory,
        now: int,
        *,
        relay: LatchingRelay | None = None,
        thresholds: Thresholds | None = None,
        watched: bool = False,
        clock: BackedClock | None = None,
        latch: BackupLatch | None = None,
        seed: str = "meter",
        listener: Listener | None = None,
    ) -> VirtualMeter:
        """Return the meter that `memory` describes, its application starting at `now` [ns].

        Raises
        ------
        StorageError
            If the memory is empty, or its newest record is of another layout.
        """
        return cls(
            memory,
            now,
            relay=relay,
            thresholds=thresholds,
            watched=watched,
            clock=clock,
            latch=latch,
            seed=seed,
            listener=listener,
        )

    def _restored(self, kept: bytes | None = None) -> Meter | LostMeter:
        """Return the application that the memory describes, or newer registers that a reset `kept`."""
        memory = self._memory
        try:
            record = memory.read()
        except StorageError:
            self._found.add(Fault.RECORD_LOST)
            return LostMeter()
        if record is None:
            raise StorageError("the meter's memory is empty: this meter was never commissioned")
        configuration: bytes | None = None
        # A configuration that is lost was found and is told as a fault; the data sheet's rules until then.
        with suppress(StorageError):
            configuration = memory.read_configuration()
        self._take_findings(memory.findings)
        self._findings_told = len(memory.findings)
        return Meter.restore(record, kept or memory.read_checkpoint(), configuration)

    def _start(self, *, upset: bool) -> None:
        """Start the application and let it hear what happened while it did not run."""
        self.starts += 1
        self._ciu_link = CiuLink.ABSENT
        clock_lost = False
        if self._clock is not None:
            self._clock.power_on(self.now)
            clock_lost = self._clock.lost
        found, self._found = self._found, set()
        # The start looks at everything again; what was known before it is not told twice.
        found |= {fault for fault in SELF_TESTED if self._board_finds(fault)}
        self._write_failed = self._saturated = False
        self._handle(
            PoweredUp(
                self._relay.feedback().auxiliary_closed,
                log_sequence=self._last_log_sequence(),
                clock_lost=clock_lost,
                opened_while_off=self._latch.power_on(self.now),
                faults=tuple(sorted(found)),
                upset=upset,
            )
        )
        for kind, cover in self._covers.items():
            self._handle(SensorChanged(kind, cover.open))
        for kind in (TamperKind.MAGNET_DC, TamperKind.MAGNET_AC):
            self._handle(SensorChanged(kind, kind in self._hall.present))
        self._report_relay()
        self._check_board()

    def _thresholds(self) -> Thresholds:
        variant = (self._meter.configuration if isinstance(self._meter, Meter) else Configuration()).variant
        return Thresholds.of(float(variant.nominal_voltage_v), float(variant.base_current_a))

    def _last_log_sequence(self) -> int:
        for entry in reversed(self._memory.log()):
            with suppress(StorageError):
                return LogEntry.from_bytes(entry).sequence
        return 0

    def _take_findings(self, findings: tuple[MemoryFinding, ...]) -> None:
        for finding in findings:
            fault = _FAULT_OF_FINDING.get((finding.kind, finding.region)) or _FAULT_OF_KIND.get(finding.kind)
            if fault is not None:
                self._found.add(fault)

    @property
    def supply_on(self) -> bool:
        """Whether the contacts are closed."""
        return self._relay.closed

    @property
    def relay(self) -> LatchingRelay:
        """The relay, which keeps its position through a power cut."""
        return self._relay

    @property
    def running(self) -> bool:
        """Whether the application runs: there is a supply, or its capacitor still lasts."""
        return not self._closed and self._power.state in (SupplyState.RUNNING, SupplyState.FAILING)

    @property
    def supply_state(self) -> SupplyState:
        """What the meter's own supply lets it do."""
        return self._power.state

    @property
    def memory(self) -> MeterMemory:
        """The non-volatile memory."""
        return self._memory

    @property
    def clock(self) -> BackedClock | None:
        """The clock with its crystal and its cell, None for a perfect one."""
        return self._clock

    @property
    def latch(self) -> BackupLatch:
        """What watches the covers without supply."""
        return self._latch

    @property
    def credit_wh(self) -> int:
        """Credit left [Wh]."""
        return self.meter.credit_wh

    @property
    def metered_rest(self) -> int:
        """Metered energy that does not fill a quantum yet and waits in metrology [2**-32 uW ns]."""
        return self._metrology.exact_uw_ns(0)[0]

    def readout(self) -> Readout:
        """Return the registers and states as a reader sees them."""
        return self.meter.readout(self.now)

    @property
    def split(self) -> bool:
        """Whether keypad and display are in a customer interface unit, and not in this case."""
        return isinstance(self._meter, Meter) and not self._meter.configuration.integrated_keypad

    def press(self, key: Key) -> TokenResult | None:
        """Press `key` now; return the result where it completed a token.

        Raises
        ------
        InvalidInput
            If the meter is split and has no keypad.
        """
        if self.split:
            raise InvalidInput("this meter has no keypad: it is in its customer interface unit", field="key")
        return self._handle(KeyPressed(key))

    def enter_token(
        self, text: str, door: Door = Door.NETWORK, exchange: Exchange | None = None
    ) -> tuple[TokenResult, str]:
        """Bring a token through a `door`, as whatever `text` was sent; return its result and a sentence."""
        report = self._run(self._meter_handle(TokenReceived(text, door, exchange)))
        if report is None:
            raise StorageError("the meter gave no answer to a token")
        return report.result, report.detail

    def link_changed(self, link: CiuLink) -> None:
        """Let the link's end say how the way to the customer interface unit is."""
        if link is not self._ciu_link:
            self._ciu_link = link
            self._handle(CiuLinkChanged(link))
            self._handle(FaultReported(Fault.CIU_LINK, self._board_finds(Fault.CIU_LINK)))

    @property
    def ciu_link(self) -> CiuLink:
        """What the meter knows of the way to its customer interface unit."""
        return self._ciu_link

    @property
    def meter(self) -> Meter:
        """The application, to be read.

        Raises
        ------
        StorageError
            If the record is lost: nothing is known of credit, registers and keys any more.
        """
        if isinstance(self._meter, LostMeter):
            raise StorageError("the record is lost: neither copy of it can be read")
        return self._meter

    def log(self) -> list[LogEntry]:
        """Return the event log, oldest entry first; what is damaged is left out."""
        entries = []
        for entry in self._memory.log():
            with suppress(StorageError):
                entries.append(LogEntry.from_bytes(entry))
        return entries

    def open_cover(self, kind: TamperKind, opened: bool) -> None:
        """Open or close a cover, whose switch bounces; without supply the backup's latch may see it.

        Raises
        ------
        InvalidInput
            If there is no such cover.
        """
        if kind not in self._covers:
            raise InvalidInput(f"the meter has no cover {kind!r}", field="kind")
        self._covers[kind].move(opened, self.now)
        self._plan_board()
        if opened and self.supply_state is not SupplyState.RUNNING:
            self._latch.opened(kind, self.now)

    def surround(self, surroundings: Surroundings) -> None:
        """Put the meter into other surroundings: a magnet is held to it, or taken away."""
        self._surroundings = surroundings
        if self._clock is not None:
            self._clock.warm(surroundings.temperature_c, self.now)
        self._take_edges(self._hall.observe(surroundings, self.now))

    @property
    def surroundings(self) -> Surroundings:
        """What acts on the meter from outside."""
        return self._surroundings

    def plant(self, fault: Fault) -> None:
        """Break a part of the meter; the meter finds out as a real one would.

        Raises
        ------
        InvalidInput
            If the fault cannot be planted in this meter.
        """
        pages = self._memory.pages
        if self.split and fault in OF_THE_FACE:
            raise InvalidInput(f"{fault.name} cannot be planted in a meter without a face", field="fault")
        if fault in _RELAY_FAULTS:
            self._relay.plant(_RELAY_FAULTS[fault])
            self._report_relay()
        elif fault in SELF_TESTED:
            self._planted.add(fault)
            self._check_board()
        elif fault is Fault.KEYPAD_STUCK:
            self.hold_key(Key.DIGIT_5, 3600 * SECOND_NS)
        elif fault is Fault.CLOCK_LOST:
            self.report_fault(fault, True)
        elif fault is Fault.UPSET:
            self.reset()
        elif not isinstance(pages, Chip):
            raise InvalidInput("nothing can be planted in this memory", field="fault")
        elif fault is Fault.MEMORY_WRITE_FAILED:
            for page in range(pages.page_count):
                pages.plant(page, PageCondition.REFUSES)
        elif fault is Fault.MEMORY_WORN:
            # The record wanders through its places; with every second one worn, the next commit finds one.
            span = LAYOUT[Region.RECORD]
            for page in range(span.first, span.first + span.pages, 2 * span.place_pages):
                pages.age(page, pages.endurance_cycles)
        elif fault in (Fault.SLOT_DAMAGED, Fault.RECORD_LOST, Fault.CONFIGURATION_LOST, Fault.MEMORY_ROT):
            self._rot(pages, fault)
        else:
            raise InvalidInput(f"{fault.name} cannot be planted", field="fault")

    def mend(self, fault: Fault) -> None:
        """Mend what `plant` broke, where a repair is possible."""
        pages = self._memory.pages
        if fault in _RELAY_FAULTS:
            self._relay.mend()
            self._report_relay()
        elif fault in SELF_TESTED:
            self._planted.discard(fault)
            self._check_board()
        elif fault is Fault.KEYPAD_STUCK:
            self._held = None
            self._plan_board()
        elif fault is Fault.MEMORY_WRITE_FAILED and isinstance(pages, Chip):
            for page in range(pages.page_count):
                pages.plant(page, PageCondition.SOUND)

    def hold_key(self, key: Key, duration_ns: int) -> None:
        """Hold `key` down from now on for `duration_ns` [ns]; it repeats itself."""
        self._held = (key, self.now, self.now + duration_ns)
        self._plan_board()

    def reset(self, flipped_bits: int = 0, chance: Random | None = None) -> None:
        """Let a disturbance reset the processor.

        What was only in its working memory is gone, but for the registers: two copies of them, each with its
        checksum, lie where a reset clears nothing. With both damaged the newest checkpoint counts.

        Parameters
        ----------
        flipped_bits : int
            Bits of the working memory that the disturbance flipped.
        chance : random.Random, optional
            Decides which; needed where bits flip.
        """
        image = bytearray(RAM_BYTES)
        if isinstance(self._meter, Meter):
            kept = self._meter.checkpoint(self.now).to_bytes()
            framed = crc32(kept).to_bytes(4, "little") + kept
            for at in RAM_COPIES_AT:
                image[at : at + len(framed)] = framed
        if flipped_bits and chance is not None:
            flip_ram_bits(image, flipped_bits, chance)
        self._memory = MeterMemory(self._memory.pages)
        self._meter = self._restored(_kept(image))
        self._start(upset=True)

    def strike(self, disturbance: Disturbance, chance: Random) -> Upset:
        """Let a disturbance hit the meter once, and return what it did.

        A flipped bit of the working memory is found by the watchdog's checksum and ends in a reset; a spike
        of samples is a moment of the converters' full scale; broken frames concern the ports alone.
        """
        upset = strike(disturbance, chance)
        pages = self._memory.pages
        if upset.page_bits and isinstance(pages, Chip):
            written = written_pages(pages)
            flip_page_bits(pages, chance.choice(written), upset.page_bits, chance)
        for key in upset.keys if not self.split else ():
            self.press(key)
        if upset.spikes and self._load is not None and self._relay.closed:
            spike = PhaseLoad(self._load.volts, (SATURATION_A,) * 3)
            self._meter_step(spike, self.now + upset.spikes * SPIKE_NS)
        if upset.reset or upset.ram_bits:
            self.reset(upset.ram_bits, chance)
        self.check_memory()
        return upset

    def sense(self, kind: TamperKind, present: bool) -> None:
        """Let a sensor say that a cover was opened or closed, or that a magnet came or went."""
        self._handle(SensorChanged(kind, present))

    def report_fault(self, fault: Fault, present: bool) -> None:
        """Let a part of the hardware say that it failed, or works again."""
        self._handle(FaultReported(fault, present))

    def set_clock(self, at_ns: int) -> None:
        """Set the meter's clock to `at_ns` [ns since 1970 UTC]."""
        if self._clock is not None:
            self._clock.set(self.now)
            self._drift_told_ns = 0
        self._handle(ClockSet(at_ns))

    def write_setting(self, setting: Setting, value: int) -> None:
        """Write a setting, as a port does for somebody with the right to.

        Raises
        ------
        InvalidInput
            If the value is outside the setting's range.
        """
        self._handle(SettingWritten(setting, value))

    def write_configuration(self, configuration: Configuration) -> None:
        """Write the configuration; it rules from the next start on."""
        self._handle(ConfigurationWritten(configuration))

    def check_memory(self) -> None:
        """Let the memory look at itself, repair what it can, and report what it found."""
        self._memory.scrub()
        self._tell_findings()

    def _tell_findings(self) -> None:
        """Report what the memory found since it was asked last."""
        self._take_findings(self._memory.findings[self._findings_told :])
        self._findings_told = len(self._memory.findings)
        found, self._found = self._found, set()
        for fault in sorted(found):
            self._handle(FaultReported(fault, True))

    def handle(self, event: Event) -> Report | None:
        """Let any event happen now and return the answer, if it asks for one."""
        return self._run(self._meter_handle(event))

    def fail_power(self) -> None:
        """Announce a power failure: the meter saves; afterwards only a new power-up continues."""
        self._handle(PowerFailing())
        self._flush_profile()
        self._closed = True

    def close(self) -> None:
        """Give the memory back; whatever was not committed is lost, as in an unannounced power cut."""
        self._closed = True
        self._memory.close()

    def advance(self, load: PhaseLoad, until_ns: int) -> None:
        """Live until `until_ns` with `load` connected behind the switch.

        The step is cut wherever the meter must decide: where credit ends, at a warning level, at a checkpoint
        and at its deadlines.

        Parameters
        ----------
        load : PhaseLoad
            Voltages, and the currents that flow while the switch is closed.
        until_ns : int
            The instant at which to stop [ns]; at or after `now`.

        Raises
        ------
        InvalidInput
            If `until_ns` lies before `now`.
        StorageError
            If a commit fails; what was to follow it has not been done.
        """
        if until_ns < self.now:
            raise InvalidInput(f"a meter that has lived to {self.now} ns cannot go back to {until_ns} ns")
        if load is not self._load:
            self._connect(load)
        while self.now < until_ns:
            if self._power.state is not SupplyState.RUNNING:
                self._wait(until_ns)
                continue
            stop_ns = self._stop_before(until_ns)
            if self._relay.closed:
                self._meter_step(load, stop_ns)
            else:
                self._supply_off_ns += stop_ns - self.now
                self.now = stop_ns
            self._reach()
        if self._clock is not None and self.running:
            self._follow_crystal(self._clock)

    def _follow_crystal(self, clock: BackedClock) -> None:
        """Tell the application how far its crystal went astray."""
        clock.read(self.now)
        gained_ns = clock.drift_ns - self._drift_told_ns
        if abs(gained_ns) >= MILLISECOND_NS:
            self._drift_told_ns += gained_ns
            self._handle(ClockDrifted(gained_ns))

    def _stop_before(self, until_ns: int) -> int:
        """Return the next instant at which something must be decided, at most `until_ns` [ns]."""
        stop_ns = until_ns
        for at_ns in (
            self._meter.next_deadline(watched=self.watched),
            self._supply_deadline_ns,
            self._relay.deadline_ns,
            self._board_deadline_ns,
        ):
            if at_ns is not None and at_ns < stop_ns:
                stop_ns = at_ns
        if stop_ns < self.now:
            stop_ns = self.now
        if self._relay.closed and self._load is not None and Fault.FRONT_END_DEAD not in self._planted:
            enough_ns = self._metrology.time_to(self._meter.energy_horizon(), self._line(self._load))
            if enough_ns is not None and self.now + enough_ns < stop_ns:
                stop_ns = self.now + enough_ns
        return stop_ns

    def _reach(self) -> None:
        """Do what was due at the instant that was reached."""
        now = self.now
        if self._relay.deadline_ns is not None and self._relay.settle(now):
            self._report_relay()
        if self._board_deadline_ns is not None and self._board_deadline_ns <= now:
            self._take_board(now)
        deadline_ns = self._meter.next_deadline(watched=self.watched)
        if deadline_ns is not None and deadline_ns <= now:
            self._handle(DeadlineReached())
        if self._supply_deadline_ns is not None and self._supply_deadline_ns <= now:
            self._take_supply(self._power.advance(now))

    def _connect(self, load: PhaseLoad) -> None:
        """Let other voltages and currents act from now on."""
        self._load = load
        if load.volts != self._volts:
            self._volts = load.volts
            self._take_supply(self._power.observe(load.volts, self.now, neutral=load.neutral))
        if self.running:
            self._measure()
            self._check_saturation(load)

    def _measure(self) -> None:
        if self._load is not None:
            if Fault.FRONT_END_DEAD in self._planted:
                return
            self._handle(QuantitiesMeasured(self._load.quantities(self._relay.closed)))

    def _wait(self, until_ns: int) -> None:
        """Let time pass in which nothing is metered: the supply failed, or the application is starting."""
        deadline_ns = self._power.deadline_ns
        stop_ns = until_ns if deadline_ns is None else min(until_ns, max(deadline_ns, self.now))
        self._supply_off_ns += stop_ns - self.now
        self.now = stop_ns
        self._take_supply(self._power.advance(stop_ns))

    def _take_supply(self, events: Iterable[SupplyEvent]) -> None:
        self._supply_deadline_ns = self._power.deadline_ns
        for event in events:
            match event.change:
                case SupplyChange.FAILING:
                    # What the capacitor pays for covers many times what is written here.
                    self._handle(PowerFailing())
                    self._flush_profile()
                    self._latch.power_off(event.at_ns)
                case SupplyChange.RETURNED:
                    self._latch.power_on(event.at_ns)
                    self._handle(PowerReturned())
                    self._measure()
                case SupplyChange.BROWNED_OUT:
                    self._go_dark()
                case SupplyChange.STARTED:
                    self._memory = MeterMemory(self._memory.pages)
                    self._meter = self._restored()
                    self._start(upset=False)
                    self._measure()

    def _flush_profile(self) -> None:
        # A chip that refuses was found and told as a fault; the supply fails all the same.
        with suppress(StorageError):
            self._memory.flush_profile()

    def _go_dark(self) -> None:
        self.screen = Screen()
        self.lights = dict.fromkeys(Led, Light.OFF)
        self.backlight = False
        self._latch.power_off(self.now)
        for kind, cover in self._covers.items():
            if cover.open:
                # Opened just before, it may not have been believed yet.
                self._latch.opened(kind, self.now)
        if self._clock is not None:
            self._clock.power_off(self.now)

    def _plan_board(self) -> None:
        """Work out when a cover's contact bounces, or a held key repeats, next."""
        deadlines = [cover.deadline_ns for cover in self._covers.values() if cover.deadline_ns is not None]
        if self._held is not None:
            deadlines.append(self._held[1])
        self._board_deadline_ns = min(deadlines) if deadlines else None

    def _take_board(self, now: int) -> None:
        for cover in self._covers.values():
            self._take_edges(cover.take(now))
        if self._held is not None and self._held[1] <= now:
            key, at_ns, until_ns = self._held
            self._handle(KeyPressed(key))
            self._held = None if at_ns >= until_ns else (key, at_ns + KEY_REPEAT_NS, until_ns)
        self._plan_board()

    def _take_edges(self, edges: Iterable[SensorEdge]) -> None:
        if self.running:
            for edge in edges:
                self._handle(SensorChanged(edge.kind, edge.present))

    def _check_board(self) -> None:
        """Let the board test itself: converters, checksums, the display's read-back, the link."""
        for fault in sorted(SELF_TESTED):
            if fault is not Fault.FRONT_END_SATURATED:
                self._handle(FaultReported(fault, self._board_finds(fault)))
        self._check_saturation(self._load)

    def _board_finds(self, fault: Fault) -> bool:
        broken = fault is Fault.CIU_LINK and self._ciu_link in LINK_FAULTS
        return broken or fault in self._planted

    def _check_saturation(self, load: PhaseLoad | None) -> None:
        saturated = Fault.FRONT_END_SATURATED in self._planted or (
            load is not None and self._relay.closed and max(load.amperes) >= SATURATION_A
        )
        if saturated is not self._saturated:
            self._saturated = saturated
            self._handle(FaultReported(Fault.FRONT_END_SATURATED, saturated))

    def _rot(self, pages: Chip, fault: Fault) -> None:
        """Flip bits where the fault lies, and let the memory look."""
        region = Region.CONFIGURATION if fault is Fault.CONFIGURATION_LOST else Region.RECORD
        if fault is Fault.MEMORY_ROT:
            region = Region.CHECKPOINTS
            if self._memory.read_checkpoint() is None:
                # A meter that metered nothing yet has none that could rot.
                self._memory.checkpoint(self.meter.checkpoint(self.now).to_bytes())
        written = [page for page in _places(region) if pages.cycles(page)]
        if fault in (Fault.RECORD_LOST, Fault.CONFIGURATION_LOST):
            for page in written:
                for bit in range(64, 128):
                    pages.rot(page, bit)
            # While it runs the meter mends them from its working memory; without it they are lost.
            self.reset()
        elif written:
            pages.rot(written[-1], 77)
            self.check_memory()

    def take_sounds(self) -> list[tuple[int, Sound]]:
        """Return the instants [ns] and sounds since the last call."""
        sounds = list(self._sounds)
        self._sounds.clear()
        return sounds

    def take_energy(self) -> EnergyBalance:
        """Return where the load's energy went since the last call."""
        now = EnergyBalance(
            self._load_uw_ns,
            self._metrology.below_threshold_uw_ns,
            self._metered_quanta,
            self.pulses,
            self._supply_on_ns,
            self._supply_off_ns,
        )
        before, self._told = self._told, now
        return EnergyBalance(
            now.load_uw_ns - before.load_uw_ns,
            now.below_threshold_uw_ns - before.below_threshold_uw_ns,
            now.metered_quanta - before.metered_quanta,
            now.pulses - before.pulses,
            now.supply_on_ns - before.supply_on_ns,
            now.supply_off_ns - before.supply_off_ns,
        )

    def _line(self, load: PhaseLoad) -> LinePhasors:
        """Return what flows through the contacts as they are."""
        poles = self._relay.poles
        if all(poles):
            return load.connected
        return load.through(poles)

    def _meter_step(self, load: PhaseLoad, stop_ns: int) -> None:
        duration_ns = stop_ns - self.now
        line = self._line(load)
        a, b, c = line.power_uw
        self._load_uw_ns += (abs(a) + abs(b) + abs(c)) * duration_ns
        self._supply_on_ns += duration_ns
        if Fault.FRONT_END_DEAD in self._planted:
            self.now = stop_ns
            return
        increment = self._metrology.step(line, duration_ns)
        self._metered_quanta += increment.total_quanta
        if increment.pulses:
            self.pulses += increment.pulses
            self.pulse_led.add(increment.pulses, self.now, stop_ns)
        self.now = stop_ns
        self._handle(EnergyMeasured(increment))

    def _handle(self, event: Event) -> TokenResult | None:
        """Let `event` happen; in the dark nobody hears it, and what lasts is found at the start."""
        if not self.running and not self._closed:
            return None
        report = self._run(self._meter_handle(event))
        return report.result if report else None

    def _meter_handle(self, event: Event) -> list[Action]:
        if not self.running:
            raise StorageError("the meter has no supply")
        actions = self._meter.handle(event, self.now)
        if self._listener is not None:
            self._listener(event, self.now, actions)
        return actions

    def _run(self, actions: list[Action]) -> Report | None:
        """Do `actions` in their order; a record that cannot be written stops them before the next promise.

        What the relay reports is heard once all of them are done, as it would be on a real board.
        """
        report: Report | None = None
        driven = False
        wrote: bool | None = None
        for action in actions:
            match action:
                case Commit(record):
                    try:
                        self._memory.commit(record)
                    except StorageError:
                        self._write_failed = True
                        return self._run(self._meter_handle(CommitFailed()))
                    wrote = True
                case SaveCheckpoint(checkpoint):
                    wrote = self._write(self._memory.checkpoint, checkpoint)
                case SaveConfiguration(configuration):
                    wrote = self._write(self._memory.configure, configuration)
                case AppendLog(entry):
                    self._write(self._memory.append_log, entry)
                case AppendProfile(row):
                    self._write(self._memory.append_profile, row)
                case Show(screen):
                    self.screen = screen
                case SetLight(led, light):
                    self.lights[led] = light
                case SetBacklight(on):
                    self.backlight = on
                case PlaySound(sound):
                    self._sounds.append((self.now, sound))
                case SwitchLoad(closed):
                    slow = RelayFault.SLOW in self._relay.faults
                    self._relay.drive(closed, self.now if slow else None)
                    driven = True
                case Report():
                    report = action
        if wrote is not None and self._write_failed is wrote:
            self._write_failed = not wrote
            self._handle(FaultReported(Fault.MEMORY_WRITE_FAILED, not wrote))
        if wrote is not None and len(self._memory.findings) != self._findings_told:
            self._tell_findings()
        if driven:
            self._report_relay()
        return report

    @staticmethod
    def _write(write: Callable[[bytes], None], data: bytes) -> bool:
        """Return whether the memory took `data`."""
        try:
            write(data)
        except StorageError:
            return False
        return True

    def _report_relay(self) -> None:
        feedback = self._relay.feedback()
        live: bool | None = None
        if self._volts is not None and max(self._volts) > 0.0:
            live = any(pole and volts > 0.0 for pole, volts in zip(feedback.poles, self._volts, strict=True))
        self._handle(RelayReported(feedback.auxiliary_closed, feedback.coil_intact, live))
        self._measure()


def _kept(image: bytearray) -> bytes | None:
    """Return the registers from the first copy in the working memory that is whole."""
    for at in RAM_COPIES_AT:
        copy = bytes(image[at + 4 : at + 4 + CHECKPOINT_BYTES])
        if crc32(copy) == int.from_bytes(image[at : at + 4], "little") and any(copy):
            return copy
    return None


def _full_supply(now: int) -> PowerSupply:
    """Return a supply that has been fed for as long as it takes to start, running at `now` [ns]."""
    began_ns = now - 2 * START_WITHIN_NS
    supply = PowerSupply(began_ns)
    supply.observe((NOMINAL_V,) * 3, began_ns)
    supply.advance(now)
    return supply


def _places(region: Region) -> range:
    span = LAYOUT[region]
    return range(span.first, span.first + span.pages)
