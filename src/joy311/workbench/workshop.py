"""The workshop beside the bench: it breaks parts of the meter for a lesson, and puts whole ones in again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from joy311.device import VirtualMeter
from joy311.device.memory import LAYOUT, MeterMemory, Region
from joy311.device.pages import PAGE_BYTES, Chip, PageCondition
from joy311.errors import Refused, StorageError
from joy311.files.whole_file import write_private_file
from joy311.meter import Configuration, Fault
from joy311.meter.load_switch import LoadSwitch

_TOLD = (Fault.CONFIGURATION_LOST, Fault.KEYPAD_STUCK)
"""Faults of which the meter must be told that they are over."""

_CHIP = (Fault.MEMORY_WRITE_FAILED, Fault.MEMORY_WORN)
"""Faults that a new chip ends, both at once."""

_PAGE_NUMBER_BYTES = 4
_KEPT_BYTES = _PAGE_NUMBER_BYTES + PAGE_BYTES


def repairs_itself(fault: Fault) -> bool:
    """Return whether the meter repairs `fault` by itself and only shows it for a while."""
    return fault.hold_s > 0


class Workshop:
    """Plants faults in one meter and mends them.

    A bench that starts has whole parts: what an earlier run left broken in the chip is mended.

    Parameters
    ----------
    meter : VirtualMeter
        The meter.
    copy : Path
        Where the record is kept before both of its copies are destroyed; the factory's way back.
    """

    def __init__(self, meter: VirtualMeter, copy: Path) -> None:
        self._meter = meter
        self._copy = copy
        self.planted: frozenset[Fault] = frozenset()
        """What was broken here and not mended yet."""
        self._mend_what_is_left()

    def plant(self, fault: Fault) -> None:
        """Break a part; the meter finds out as a real one would.

        Raises
        ------
        Refused
            ``NoSupply`` while the meter is dark: nothing would notice.
        InvalidInput
            If nobody can break that part of this meter.
        """
        self._refuse_in_the_dark()
        if fault is Fault.RECORD_LOST:
            _keep_record(self._meter.memory, self._copy)
        self._meter.plant(fault)
        if not repairs_itself(fault):
            self.planted |= {fault}

    def mend(self, fault: Fault) -> None:
        """Put a whole part in.

        Raises
        ------
        Refused
            ``NoSupply`` while the meter is dark.
        """
        self._refuse_in_the_dark()
        self.planted -= {fault}
        meter = self._meter
        repair = self._repairs().get(fault)
        if repair is not None:
            repair()
        meter.mend(fault)
        if fault in _CHIP:
            # What the old chip left to be found is found now, and is over with it.
            meter.check_memory()
            for over in _CHIP:
                meter.report_fault(over, False)
            self.planted -= frozenset(_CHIP)
        elif fault in _TOLD:
            meter.report_fault(fault, False)
        if fault in LoadSwitch.FAULTS:
            # A relay that is changed is whole in every way.
            self.planted -= frozenset(LoadSwitch.FAULTS)

    def _repairs(self) -> dict[Fault, Callable[[], None]]:
        meter = self._meter
        return {
            Fault.MEMORY_WORN: lambda: renew_chip(meter.memory),
            Fault.MEMORY_WRITE_FAILED: lambda: renew_chip(meter.memory),
            Fault.RECORD_LOST: self._bring_record_back,
            Fault.CONFIGURATION_LOST: lambda: meter.write_configuration(Configuration()),
            Fault.CLOCK_LOST: lambda: meter.set_clock(meter.now),
            **dict.fromkeys(LoadSwitch.FAULTS, self._change_relay),
        }

    def _change_relay(self) -> None:
        # A new relay is put in open, whatever the old one's contacts did.
        self._meter.relay.mend()
        self._meter.relay.drive(False)

    def _bring_record_back(self) -> None:
        if bring_record_back(self._meter.memory, self._copy):
            self._meter.reset()
            self._mend_what_is_left()

    def _mend_what_is_left(self) -> None:
        """Mend what a record from before knows as broken, and nobody broke since."""
        for fault in map(Fault, self._meter.readout().fault_codes):
            if not repairs_itself(fault) and fault not in self.planted:
                self.mend(fault)

    def _refuse_in_the_dark(self) -> None:
        if not self._meter.running:
            raise Refused("NoSupply", "the meter has no supply: switch the mains on first")


def renew_chip(memory: MeterMemory) -> None:
    """Replace pages of `memory` that refuse or are worn by whole ones with the same content."""
    pages = memory.pages
    if not isinstance(pages, Chip):
        return
    for page in range(pages.page_count):
        if pages.cycles(page) >= pages.endurance_cycles:
            pages.age(page, 0)
        if pages.condition(page) is not PageCondition.SOUND:
            pages.plant(page, PageCondition.SOUND)


def _keep_record(memory: MeterMemory, copy: Path) -> None:
    """Write the pages of the record down, before they are destroyed.

    Raises
    ------
    StorageError
        If they cannot be kept; nothing is destroyed then.
    """
    pages = memory.pages
    span = LAYOUT[Region.RECORD]
    kept = b"".join(
        page.to_bytes(_PAGE_NUMBER_BYTES, "big") + pages.read(page)
        for page in range(span.first, span.first + span.pages)
        if pages.cycles(page)
    )
    try:
        write_private_file(copy, kept)
    except OSError as error:
        raise StorageError(f"{copy} cannot be written: {error.strerror}") from error


def bring_record_back(memory: MeterMemory, copy: Path) -> bool:
    """Write the pages that were kept in `copy` back into `memory`, and return whether there were any.

    While both copies are lost the meter spends no token identifier and no credit, so nothing is won by it.
    """
    try:
        kept = copy.read_bytes()
    except FileNotFoundError:
        return False
    for start in range(0, len(kept) - _KEPT_BYTES + 1, _KEPT_BYTES):
        page = int.from_bytes(kept[start : start + _PAGE_NUMBER_BYTES], "big")
        memory.pages.write(page, kept[start + _PAGE_NUMBER_BYTES : start + _KEPT_BYTES])
    memory.pages.sync()
    copy.unlink()
    return True
