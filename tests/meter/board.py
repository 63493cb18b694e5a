"""The meter's application on a memory and a relay that moves at once: nothing else between it and a test."""

from __future__ import annotations

from random import Random

from joy311.device import MeterMemory, RamPages
from joy311.energy import EnergyIncrement
from joy311.errors import StorageError
from joy311.instant import MINUTE_NS
from joy311.meter import (
    Action,
    AppendLog,
    Commit,
    CommitFailed,
    Configuration,
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
    PoweredUp,
    PowerFailing,
    QuantitiesMeasured,
    RelayReported,
    Report,
    SaveCheckpoint,
    SaveConfiguration,
    SwitchLoad,
    TokenReceived,
)
from joy311.panel import Key
from joy311.quantities import LineQuantities, Triple
from joy311.sts import TokenResult
from tests.device.power_cut import CuttableStorage

UN_MV = (230_000, 230_000, 230_000)


class Board:
    """One life of the application on a chip, from power-up to the loss of supply.

    The contacts go where they are driven, and are reported, with the line, when the actions are done.
    """

    def __init__(
        self,
        pages: RamPages,
        now: int,
        *,
        contact_closed: bool = False,
        clock_lost: bool = False,
        chance: Random | None = None,
    ) -> None:
        self.pages = pages
        self.now = now
        self.contact_closed = contact_closed
        self.storage = CuttableStorage(pages, chance or Random(0))
        self.memory = MeterMemory(self.storage)
        self.power_w: Triple = (0, 0, 0)
        self.voltage_mv: Triple = UN_MV
        self.actions: list[Action] | None = None
        """Where all actions are kept, for a test that made it a list."""
        self.clock_lost = clock_lost
        self._write_failed = False
        record = self.memory.read()
        assert record is not None
        self.meter = Meter.restore(record, self.memory.read_checkpoint(), self.memory.read_configuration())

    @classmethod
    def commission(
        cls,
        factory: FactoryData,
        now: int,
        configuration: Configuration | None = None,
        chance: Random | None = None,
    ) -> Board:
        """Return the board of a new meter, powered up."""
        memory = MeterMemory(RamPages())
        if configuration is not None:
            memory.configure(configuration.to_bytes())
        memory.commit(MeterRecord(factory, committed_at_ns=now).to_bytes())
        pages = memory.pages
        assert isinstance(pages, RamPages)
        return cls(pages, now, chance=chance).start()

    def start(self) -> Board:
        """Let the supply return."""
        rows = self.memory.log()
        newest = LogEntry.from_bytes(rows[-1]).sequence if rows else 0
        self.handle(PoweredUp(self.contact_closed, log_sequence=newest, clock_lost=self.clock_lost))
        return self

    def restarted(self, *, clock_lost: bool = False, chance: Random | None = None) -> Board:
        """Return what the chip and the relay make of it after a loss of supply, not yet started."""
        return Board(
            self.pages, self.now, contact_closed=self.contact_closed, clock_lost=clock_lost, chance=chance
        )

    def handle(self, event: Event) -> Report | None:
        """Let `event` happen, do what it leads to, and return the answer, if it asks for one."""
        return self._run(self.meter.handle(event, self.now))

    def press(self, key: Key, door: Door = Door.KEYPAD) -> TokenResult | None:
        """Press a key and return the result where it completed a token."""
        report = self.handle(KeyPressed(key, door))
        return report.result if report else None

    def type(self, keys: str) -> TokenResult | None:
        """Press the digits of `keys` one after the other and return the result of the last."""
        result = None
        for key in keys:
            result = self.press(Key(key))
        return result

    def enter(self, text: str, door: Door = Door.NETWORK, exchange: Exchange | None = None) -> TokenResult:
        """Bring a token through a door."""
        report = self.handle(TokenReceived(text, door, exchange))
        assert report is not None
        assert (report.door, report.exchange) == (door, exchange)
        return report.result

    def pass_time(self, duration_ns: int) -> None:
        """Let time pass, with the meter's own deadlines in it."""
        until_ns = self.now + duration_ns
        while True:
            deadline_ns = self.meter.next_deadline()
            if deadline_ns is None or deadline_ns > until_ns:
                break
            self.now = max(deadline_ns, self.now)
            self.handle(DeadlineReached())
        self.now = until_ns

    def measure(self, power_w: Triple, voltage_mv: Triple = UN_MV) -> None:
        """Let the line be so from now on; `power_w` flows while the contacts are closed [W, mV]."""
        self.power_w, self.voltage_mv = power_w, voltage_mv
        self._tell_quantities()

    def burn(self, quanta: int, phase: int = 0, *, exported: bool = False) -> int:
        """Let energy flow through one phase until the contacts open, and return what flowed [2**-32 Wh].

        Each step ends where the meter wants to decide.
        """
        flowed = 0
        while quanta and self.contact_closed:
            step = min(quanta, self.meter.energy_horizon())
            quanta -= step
            flowed += step
            one = (step if phase == 0 else 0, step if phase == 1 else 0, step if phase == 2 else 0)
            none = (0, 0, 0)
            self.handle(
                EnergyMeasured(
                    EnergyIncrement(MINUTE_NS, none if exported else one, one if exported else none, step, 0)
                )
            )
        return flowed

    def burn_past_the_end(self, quanta: int) -> None:
        """Let energy flow in one step, wherever the meter wants to decide [2**-32 Wh]."""
        self.handle(EnergyMeasured(EnergyIncrement(MINUTE_NS, (quanta, 0, 0), (0, 0, 0), quanta, 0)))

    def announce_cut(self) -> None:
        """Let the supply fail with warning."""
        self.handle(PowerFailing())

    def _run(self, actions: list[Action]) -> Report | None:
        report: Report | None = None
        driven = False
        wrote: bool | None = None
        if self.actions is not None:
            self.actions += actions
        for action in actions:
            match action:
                case Commit(record):
                    try:
                        self.memory.commit(record)
                    except StorageError:
                        self._write_failed = True
                        return self._run(self.meter.handle(CommitFailed(), self.now))
                    wrote = True
                case SaveCheckpoint(checkpoint):
                    try:
                        self.memory.checkpoint(checkpoint)
                        wrote = True
                    except StorageError:
                        wrote = False
                case SaveConfiguration(configuration):
                    self.memory.configure(configuration)
                case AppendLog(entry):
                    try:
                        self.memory.append_log(entry)
                    except StorageError:
                        wrote = False
                case SwitchLoad(closed):
                    self.contact_closed = closed
                    driven = True
                case Report():
                    report = action
                case _:
                    pass
        if wrote is not None and self._write_failed is wrote:
            self._write_failed = not wrote
            self.handle(FaultReported(Fault.MEMORY_WRITE_FAILED, not wrote))
        if driven:
            self.handle(RelayReported(self.contact_closed))
            self._tell_quantities()
        return report

    def _tell_quantities(self) -> None:
        power_w = self.power_w if self.contact_closed else (0, 0, 0)
        a, b, c = (
            abs(power) * 1_000_000 // max(1, voltage)
            for power, voltage in zip(power_w, self.voltage_mv, strict=True)
        )
        self.handle(
            QuantitiesMeasured(
                LineQuantities(self.voltage_mv, (a, b, c), power_w, (1000, 1000, 1000), 50_000)
            )
        )
