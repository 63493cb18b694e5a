"""The loop that gives the virtual hardware a mind: metrology, the meter's application, and what it moves."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from joy311.device.load import PhaseLoad
from joy311.device.memory import FindingKind, MemoryFinding, MeterMemory, Region
from joy311.device.relay import LatchingRelay
from joy311.errors import InvalidInput, StorageError
from joy311.meter import (
    Action,
    AppendLog,
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
    SettingWritten,
    Show,
    SwitchLoad,
    TamperKind,
    TokenReceived,
)
from joy311.metrology import PhasorMeter, Thresholds
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

MOST_SOUNDS = 64
"""Sounds kept for whoever listens; the oldest are forgotten."""


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
        The instant at which the supply returns [ns].
    relay : LatchingRelay, optional
        The relay as it was left; open by default.
    thresholds : Thresholds, optional
        Metering thresholds; those of the configured variant by default.
    watched : bool
        Whether somebody looks at the display.
    clock_lost : bool
        Whether the clock's backup ran out while there was no supply.
    opened_while_off : frozenset of TamperKind
        What the backup saw while there was no supply.
    upset : bool
        Whether a disturbance reset the meter.

    Raises
    ------
    StorageError
        If the memory holds no record, or a damaged one.
    """

    def __init__(
        self,
        memory: MeterMemory,
        now: int,
        *,
        relay: LatchingRelay | None = None,
        thresholds: Thresholds | None = None,
        watched: bool = False,
        clock_lost: bool = False,
        opened_while_off: frozenset[TamperKind] = frozenset(),
        upset: bool = False,
    ) -> None:
        self._memory = memory
        self._relay = relay or LatchingRelay()
        self._failed: str | None = None
        self._faults_seen: set[Fault] = set()
        self._write_failed = False
        self._meter = self._restored()
        self._metrology = PhasorMeter(thresholds or self._thresholds())
        self._sounds: deque[tuple[int, Sound]] = deque(maxlen=MOST_SOUNDS)
        self._load: PhaseLoad | None = None
        self._load_uw_ns = self._metered_quanta = self._supply_on_ns = self._supply_off_ns = 0
        self._told = EnergyBalance(0, 0, 0, 0, 0, 0)
        self.watched = watched
        """Whether somebody looks at the display, so that it scrolls by itself."""
        self.now = now
        """The instant up to which the meter has lived [ns]."""
        self.pulses = 0
        """Pulses of the test output since power-up."""
        self.screen = Screen()
        """What the display shows."""
        self.lights: dict[Led, Light] = dict.fromkeys(Led, Light.OFF)
        """What the lights do; the pulse light follows `pulses`."""
        self.backlight = False
        """Whether the display is lit from behind."""
        self._handle(
            PoweredUp(
                self._relay.closed,
                log_sequence=self._last_log_sequence(),
                clock_lost=clock_lost,
                opened_while_off=opened_while_off,
                faults=tuple(sorted(self._faults_seen)),
                upset=upset,
            )
        )

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
        memory.commit(MeterRecord(factory, committed_at_ns=now).to_bytes())
        return cls(memory, now, relay=relay, thresholds=thresholds, watched=watched)

    @classmethod
    def power_up(
        cls,
        memory: MeterMemory,
        now: int,
        *,
        relay: LatchingRelay | None = None,
        thresholds: Thresholds | None = None,
        watched: bool = False,
        clock_lost: bool = False,
        opened_while_off: frozenset[TamperKind] = frozenset(),
        upset: bool = False,
    ) -> VirtualMeter:
        """Return the meter that `memory` describes, as the supply returns at `now` [ns].

        Raises
        ------
        StorageError
            If the memory holds no record, or a damaged one.
        """
        return cls(
            memory,
            now,
            relay=relay,
            thresholds=thresholds,
            watched=watched,
            clock_lost=clock_lost,
            opened_while_off=opened_while_off,
            upset=upset,
        )

    def _restored(self) -> Meter:
        """Return the application that the memory describes, taking note of what the memory found."""
        memory = self._memory
        record = memory.read()
        if record is None:
            raise StorageError("the meter's memory is empty: this meter was never commissioned")
        try:
            configuration = memory.read_configuration()
        except StorageError:
            configuration = None
        self._take_findings(memory.findings)
        return Meter.restore(record, memory.read_checkpoint(), configuration)

    def _thresholds(self) -> Thresholds:
        variant = self._meter.configuration.variant
        return Thresholds.of(float(variant.nominal_voltage_v), float(variant.base_current_a))

    def _last_log_sequence(self) -> int:
        entries = self._memory.log()
        return LogEntry.from_bytes(entries[-1]).sequence if entries else 0

    def _take_findings(self, findings: tuple[MemoryFinding, ...]) -> None:
        for finding in findings:
            fault = _FAULT_OF_FINDING.get((finding.kind, finding.region)) or _FAULT_OF_KIND.get(finding.kind)
            if fault is not None:
                self._faults_seen.add(fault)

    @property
    def supply_on(self) -> bool:
        """Whether the contacts are closed."""
        return self._relay.closed

    @property
    def relay(self) -> LatchingRelay:
        """The relay, which keeps its position through a power cut."""
        return self._relay

    @property
    def credit_wh(self) -> int:
        """Credit left [Wh]."""
        return self._meter.credit_wh

    @property
    def metered_rest(self) -> int:
        """Metered energy that does not fill a quantum yet and waits in metrology [2**-32 uW ns]."""
        return self._metrology.exact_uw_ns(0)[0]

    def readout(self) -> Readout:
        """Return the registers and states as a reader sees them."""
        return self._meter.readout()

    def press(self, key: Key) -> TokenResult | None:
        """Press `key` now; return the result where it completed a token."""
        return self._handle(KeyPressed(key))

    def enter_token(
        self, text: str, door: Door = Door.NETWORK, exchange: Exchange | None = None
    ) -> tuple[TokenResult, str]:
        """Bring a token through a `door`, as whatever `text` was sent; return its result and a sentence."""
        report = self._run(self._meter_handle(TokenReceived(text, door, exchange)))
        if report is None:
            raise StorageError("the meter gave no answer to a token")
        return report.result, report.detail

    @property
    def meter(self) -> Meter:
        """The application, to be read."""
        return self._meter

    def log(self) -> list[LogEntry]:
        """Return the event log, oldest entry first."""
        return [LogEntry.from_bytes(entry) for entry in self._memory.log()]

    def sense(self, kind: TamperKind, present: bool) -> None:
        """Let a sensor say that a cover was opened or closed, or that a magnet came or went."""
        self._handle(SensorChanged(kind, present))

    def report_fault(self, fault: Fault, present: bool) -> None:
        """Let a part of the hardware say that it failed, or works again."""
        self._handle(FaultReported(fault, present))

    def set_clock(self, at_ns: int) -> None:
        """Set the meter's clock to `at_ns` [ns since 1970 UTC]."""
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
        self._faults_seen.clear()
        self._take_findings(self._memory.scrub())
        for fault in sorted(self._faults_seen):
            self._handle(FaultReported(fault, True))

    def handle(self, event: Event) -> Report | None:
        """Let any event happen now and return the answer, if it asks for one."""
        return self._run(self._meter_handle(event))

    def fail_power(self) -> None:
        """Announce a power failure: the meter commits; afterwards only a new power-up continues."""
        self._handle(PowerFailing())
        self._failed = "the meter has no supply"

    def close(self) -> None:
        """Give the memory back; whatever was not committed is lost, as in an unannounced power cut."""
        self._failed = "the meter has no supply"
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
        meter, relay, metrology = self._meter, self._relay, self._metrology
        if load is not self._load:
            self._load = load
            self._handle(QuantitiesMeasured(load.quantities(relay.closed)))
        while self.now < until_ns:
            deadline_ns = meter.next_deadline(watched=self.watched)
            stop_ns = (
                until_ns if deadline_ns is None or deadline_ns >= until_ns else max(deadline_ns, self.now)
            )
            if relay.closed:
                enough_ns = metrology.time_to(meter.energy_horizon(), load.connected)
                if enough_ns is not None and self.now + enough_ns < stop_ns:
                    stop_ns = self.now + enough_ns
                self._meter_step(load, stop_ns)
            else:
                self._supply_off_ns += stop_ns - self.now
                self.now = stop_ns
            if deadline_ns is not None and deadline_ns <= self.now:
                self._handle(DeadlineReached())

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

    def _meter_step(self, load: PhaseLoad, stop_ns: int) -> None:
        duration_ns = stop_ns - self.now
        line = load.connected
        a, b, c = line.power_uw
        increment = self._metrology.step(line, duration_ns)
        self._load_uw_ns += (abs(a) + abs(b) + abs(c)) * duration_ns
        self._metered_quanta += increment.total_quanta
        self._supply_on_ns += duration_ns
        self.pulses += increment.pulses
        self.now = stop_ns
        self._handle(EnergyMeasured(increment))

    def _handle(self, event: Event) -> TokenResult | None:
        report = self._run(self._meter_handle(event))
        return report.result if report else None

    def _meter_handle(self, event: Event) -> list[Action]:
        if self._failed:
            raise StorageError(self._failed)
        return self._meter.handle(event, self.now)

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
                case Show(screen):
                    self.screen = screen
                case SetLight(led, light):
                    self.lights[led] = light
                case SetBacklight(on):
                    self.backlight = on
                case PlaySound(sound):
                    self._sounds.append((self.now, sound))
                case SwitchLoad(closed):
                    self._relay.drive(closed)
                    driven = True
                case Report():
                    report = action
        if wrote is not None and self._write_failed is wrote:
            self._write_failed = not wrote
            self._handle(FaultReported(Fault.MEMORY_WRITE_FAILED, not wrote))
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
        self._handle(RelayReported(self._relay.closed))
        if self._load is not None:
            self._handle(QuantitiesMeasured(self._load.quantities(self._relay.closed)))
