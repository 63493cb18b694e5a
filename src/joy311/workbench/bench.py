"""What stands on the bench: a meter and the demonstration's shop in one directory, made once and kept."""

from __future__ import annotations

import random
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from joy311.device import FileMemory, LatchingRelay, MeterMemory, VirtualMeter
from joy311.errors import StorageError
from joy311.meter import Configuration, FactoryData, MeterRecord
from joy311.sts import DecoderKey
from joy311.vending.demonstration import DemonstrationShop, load_demonstration, refuse_another_shop
from joy311.workbench.clock_file import ClockFile
from joy311.workbench.counter import Counter
from joy311.workbench.engineering import EngineeringDesk
from joy311.workbench.rig import Recording, Rig
from joy311.workbench.split import SplitBench
from joy311.workbench.workshop import Workshop, bring_record_back, renew_chip

LOW_CREDIT_WH = (5_000, 2_000)
"""The two levels at which the bench's meter warns [Wh]."""

_PLACE, _METER, _CLOCK, _COPY = "workbench", "meter.nvm", "clock.json", "record.copy"


@dataclass(slots=True)
class Bench:
    """Meter, shop and all that they hold open.

    Make one with `open` and `close` it.

    Parameters
    ----------
    rig : Rig
        The meter with its load and clock.
    counter : Counter
        The shop's till.
    desk : EngineeringDesk
        Where engineering tokens are made.
    workshop : Workshop
        Where parts of the meter are broken and mended.
    split : SplitBench
        The customer interface unit, if one is connected.
    """

    rig: Rig
    counter: Counter
    desk: EngineeringDesk
    workshop: Workshop
    split: SplitBench
    _demonstration: DemonstrationShop
    _memory: MeterMemory
    _closed: bool = False

    @classmethod
    def open(cls, directory: Path, *, now_ns: int, recording: Recording | None = None) -> Bench:
        """Return the bench in `directory`, a new one where there is none.

        Parameters
        ----------
        directory : Path
            The shop's directory; the meter lives in its folder ``workbench``.
        now_ns : int
            The world's time [ns since 1970 UTC]; the bench goes on from there, or from its own time or the
            shop's newest sale where that is later.
        recording : Recording or None
            The recorded household, if there is one.

        Raises
        ------
        StorageError
            If something in the directory is damaged, in use by another workbench, or the meter is not one
            of this shop's; or if the shop is another utility's, and then nothing is written.
        """
        refuse_another_shop(directory)
        place = directory / _PLACE
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Whoever holds the meter holds the bench: another process is turned away here.
        memory = FileMemory(place / _METER)
        clock = ClockFile(place / _CLOCK)
        now_ns = max(now_ns, clock.now_ns)
        demonstration = load_demonstration(directory, now_ns, random.SystemRandom())
        # A shop whose clock went back sells nothing, so a bench that lost its clock goes on from the sales.
        now_ns = max(now_ns, demonstration.shop.newest_sale_ns() or 0)
        renew_chip(memory)
        if bring_record_back(memory, place / _COPY):
            memory = MeterMemory(memory.pages)
        meter = _meter(memory, demonstration, now_ns, LatchingRelay(clock.supply_on), place / _METER)
        chance = random.SystemRandom()
        desk = EngineeringDesk(demonstration.decoder_key(), demonstration.attributes, chance)
        workshop = Workshop(meter, place / _COPY)
        counter = Counter(demonstration.shop, demonstration.meter, demonstration.neighbour)
        rig = Rig(meter, clock, recording, chance)
        split = SplitBench(
            meter, lambda unit: FileMemory(place / f"{unit.lower()}.nvm"), chance.getrandbits(32)
        )
        return cls(rig, counter, desk, workshop, split, demonstration, memory)

    def decoder_keys(self) -> dict[str, DecoderKey]:
        """Return the keys of the shop's two meters by a name for people, the bench's first."""
        demonstration = self._demonstration
        return {
            "This bench's meter": demonstration.decoder_key(),
            "The neighbour's meter": demonstration.decoder_key(demonstration.neighbour),
        }

    def close(self) -> None:
        """Switch everything off and keep it; closing twice is closing once."""
        if self._closed:
            return
        self._closed = True
        with ExitStack() as stack:
            stack.callback(self._demonstration.close)
            stack.callback(self._memory.close)
            stack.callback(self.split.close)
            stack.callback(self.rig.close)


def _meter(
    memory: MeterMemory, demonstration: DemonstrationShop, now_ns: int, relay: LatchingRelay, path: Path
) -> VirtualMeter:
    """Return the household's meter: a new one from the factory, or the one that `memory` remembers."""
    factory = FactoryData(demonstration.attributes, demonstration.decoder_key(), LOW_CREDIT_WH)
    record = memory.read()
    if record is None:
        return VirtualMeter.commission(
            memory, factory, now_ns, configuration=Configuration(), relay=relay, watched=True
        )
    if MeterRecord.from_bytes(record).factory != factory:
        raise StorageError(
            f"the meter in {path} is not a meter of the shop beside it: put the shop's own meter back"
        )
    # A configuration that is lost is the meter's to find, and the workshop's to write anew.
    with suppress(StorageError):
        if memory.read_configuration() is None:
            memory.configure(Configuration().to_bytes())
    return VirtualMeter.power_up(memory, now_ns, relay=relay, watched=True)
