"""A split meter on virtual time: meter, channel and CIU live on one clock, and act on one another.

The load switch couples bursts into the two wires, and makes dead the socket of a CIU on the power line. A CIU
at two wires runs on what the cable leaves of the meter's supply, and is dark without it.
"""

from __future__ import annotations

from joy311.device.ciu_application import MeterEnd
from joy311.device.ciu_battery import Battery
from joy311.device.ciu_unit import CIU_MODELS, CiuModel, RecordMemory, VirtualCiu
from joy311.device.link_line import Line, Station
from joy311.device.load import PhaseLoad
from joy311.device.memory import RamMemory
from joy311.device.power_line import Conditions, Place, PowerLine
from joy311.device.two_wire import Cable, TwoWire
from joy311.device.virtual_meter import VirtualMeter
from joy311.instant import MILLISECOND_NS, SECOND_NS
from joy311.link import MEDIA, Medium
from joy311.panel import Key, Light, Screen

JOYU3, JOYU1 = CIU_MODELS["JOYU3"], CIU_MODELS["JOYU1"]

METER, CIU = 0, 1
"""Numbers of the two stations at the line; those of neighbours follow."""

CIU_NUMBER = 311
"""Number of a CIU unless told otherwise."""

COUPLING_NS, WAITING_NS = SECOND_NS, 100 * MILLISECOND_NS
"""How long at most no part looks at the others, and how long while one of them does not run [ns]."""


class _Dark:
    """A place at the line where nothing runs."""

    def receive(self, data: bytes, now: int) -> None:
        """Hear nothing."""
        del data, now

    def next_deadline(self) -> int | None:
        """Return None: nothing waits."""
        return None

    def expire(self, now: int) -> bytes:
        """Say nothing."""
        del now
        return b""


class SplitMeter:
    """A meter with its CIU at a distance.

    Make one with `over_two_wires` or `over_the_power_line`.

    Parameters
    ----------
    meter : VirtualMeter
        The whole meter.
    channel : TwoWire or PowerLine
        What lies between; station 0 is the meter, station 1 the CIU.
    model : CiuModel
        Which CIU it is.
    load : PhaseLoad
        What is connected behind the load switch.
    memory : RecordMemory
        The CIU's memory; an empty one is commissioned.
    number : int
        Number of a CIU that is commissioned, 32 bits.
    seed : int or str
        Seed of the CIU's chance.
    battery : Battery, optional
        The CIU's cells.
    line_now : int, optional
        The instant at which the line begins [ns]. With it somebody else lets the meter live, at any pace,
        and only line and CIU live here; without it the meter's own time is the line's.
    """

    def __init__(
        self,
        meter: VirtualMeter,
        channel: TwoWire | PowerLine,
        model: CiuModel,
        *,
        load: PhaseLoad,
        memory: RecordMemory,
        number: int,
        seed: int | str,
        battery: Battery | None = None,
        line_now: int | None = None,
    ) -> None:
        self._channel = channel
        self._drives_meter = line_now is None
        self._model = model
        self._memory = memory
        self._seed = seed
        self._battery = battery or Battery()
        self.load = load
        """What is connected behind the load switch."""
        now = meter.now if line_now is None else line_now
        self._line = Line(channel, now)
        self._end = MeterEnd(meter, self.medium, now)
        self._line.attach(self._end)
        if memory.read() is None:
            VirtualCiu.commission(memory, model, now, number=number, seed=seed)
        self._line.attach(_Dark())
        self._ciu: VirtualCiu | None = None
        self._supply_on = meter.supply_on
        self._couple()

    @classmethod
    def over_two_wires(
        cls,
        meter: VirtualMeter,
        cable: Cable,
        *,
        seed: int | str,
        load: PhaseLoad | None = None,
        memory: RecordMemory | None = None,
        number: int = CIU_NUMBER,
        bit_error_rate: float | None = None,
        line_now: int | None = None,
    ) -> SplitMeter:
        """Return a meter with a JOYU3 at the other end of a `cable`."""
        channel = TwoWire(cable, seed, bit_error_rate=bit_error_rate)
        return cls(
            meter,
            channel,
            JOYU3,
            load=load or PhaseLoad(),
            memory=memory or RamMemory(),
            number=number,
            seed=seed,
            line_now=line_now,
        )

    @classmethod
    def over_the_power_line(
        cls,
        meter: VirtualMeter,
        places: list[Place],
        *,
        seed: int | str,
        conditions: Conditions | None = None,
        load: PhaseLoad | None = None,
        memory: RecordMemory | None = None,
        number: int = CIU_NUMBER,
        battery: Battery | None = None,
        bit_error_rate: float | None = None,
        line_now: int | None = None,
    ) -> SplitMeter:
        """Return a meter with a JOYU1 on the same transformer.

        Parameters
        ----------
        meter : VirtualMeter
            The whole meter.
        places : list of Place
            Where the meter, its CIU and any neighbours' CIUs are connected.
        seed : int or str
            Seed of all chance.
        conditions, load, memory, number, battery, bit_error_rate, line_now
            As for `PowerLine` and `SplitMeter`.
        """
        channel = PowerLine(places, seed, conditions, bit_error_rate=bit_error_rate)
        return cls(
            meter,
            channel,
            JOYU1,
            load=load or PhaseLoad(),
            memory=memory or RamMemory(),
            number=number,
            seed=seed,
            battery=battery,
            line_now=line_now,
        )

    @property
    def now(self) -> int:
        """The instant up to which all of it has lived [ns]."""
        return self._line.now

    @property
    def meter(self) -> VirtualMeter:
        """The meter."""
        return self._end.meter

    @property
    def end(self) -> MeterEnd:
        """The meter's end of the link."""
        return self._end

    @property
    def channel(self) -> TwoWire | PowerLine:
        """What lies between."""
        return self._channel

    @property
    def medium(self) -> Medium:
        """What the link knows of it."""
        return MEDIA[self._model.medium]

    @property
    def model(self) -> CiuModel:
        """Which CIU it is."""
        return self._model

    @property
    def ciu(self) -> VirtualCiu | None:
        """The CIU, None while it has no supply."""
        return self._ciu

    @property
    def battery(self) -> Battery:
        """The CIU's cells."""
        return self._battery

    @property
    def screen(self) -> Screen:
        """What the CIU's display shows."""
        return self._ciu.screen if self._ciu else Screen()

    @property
    def light(self) -> Light:
        """What the CIU's communication light does."""
        return self._ciu.light if self._ciu else Light.OFF

    @property
    def token_pending(self) -> bool:
        """Whether a token waits in the CIU for its result, with or without supply."""
        return self._ciu is not None and self._ciu.token_pending

    def press(self, key: Key, delay_ns: int = 0) -> None:
        """Press a key of the CIU, now or `delay_ns` later [ns]; a dark one does not notice."""
        if self._ciu is not None:
            self._ciu.press(key, self.now + delay_ns)

    def advance(self, until_ns: int) -> None:
        """Let meter, line and CIU live until `until_ns`.

        Raises
        ------
        InvalidInput
            If `until_ns` lies before `now`.
        """
        line = self._line
        while True:
            waits = self._ciu is None or not self._end.meter.running
            stop_ns = min(until_ns, line.now + (WAITING_NS if waits else COUPLING_NS))
            due_ns = line.next_event()
            if due_ns is not None:
                stop_ns = min(stop_ns, due_ns)
            self._let_meter_live(stop_ns)
            if not line.step(stop_ns) and stop_ns == until_ns:
                break
            self._couple()
        self._couple()

    def lay(self, cable: Cable) -> None:
        """Put another cable in the place of the one that is there: another length, a cut, a short circuit.

        Raises
        ------
        TypeError
            If there is no cable.
        """
        if not isinstance(self._channel, TwoWire):
            raise TypeError("a power line has no cable to lay")
        self._channel.lay(cable, self.now)
        self._couple()

    def restart_meter(self, meter: VirtualMeter) -> None:
        """Put another life of the meter into its place, as after a power cut."""
        self._end = MeterEnd(meter, self.medium, self.now)
        self._line.restart(METER, self._end)
        self._couple()

    def restart_ciu(self, battery: Battery | None = None) -> None:
        """Let the CIU lose its supply for a moment, and its battery be changed for another."""
        self._battery = battery or self._battery
        self._turn_ciu(self.now, on=False)
        self._couple()

    def add_neighbour(self, ciu: VirtualCiu) -> int:
        """Put another CIU on the line and return its number there; the channel must have a place for it."""
        return self._line.attach(ciu)

    def _let_meter_live(self, until_ns: int) -> None:
        meter = self._end.meter
        if self._drives_meter and meter.now < until_ns:
            meter.advance(self.load, until_ns)
            self._couple()

    def _couple(self) -> None:
        """Let the parts act on each other: the switch on the channel, the supply on the CIU."""
        meter, channel = self._end.meter, self._channel
        now = max(self._line.now, meter.now) if self._drives_meter else self._line.now
        switched = meter.supply_on != self._supply_on
        self._supply_on = meter.supply_on
        if isinstance(channel, TwoWire):
            if switched:
                channel.relay_switched(now)
            fed = channel.ciu_runs and meter.running
            if fed is not (self._ciu is not None):
                self._turn_ciu(now, on=fed)
            if meter.running:
                self._end.sense_short(channel.shorted, now)
            return
        # The mains that feed the meter are those behind its switch.
        mains = self._supply_on and meter.running
        if channel.has_mains(0) is not mains:
            channel.open_poles(0, opened=not mains)
        if self._ciu is None:
            self._turn_ciu(now, on=True)
        if self._ciu is not None:
            self._ciu.supply(now, mains=mains)

    def _turn_ciu(self, now: int, *, on: bool) -> None:
        station: Station = _Dark()
        self._ciu = None
        if on:
            mains = isinstance(self._channel, TwoWire) or self._channel.has_mains(0)
            self._ciu = station = VirtualCiu.power_up(
                self._memory,
                self._model,
                now,
                seed=self._seed,
                mains=mains,
                battery=self._battery,
            )
        self._line.restart(CIU, station)
