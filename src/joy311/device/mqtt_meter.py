"""What a publisher sees of a meter: its readings, new entries of its log, and a door for tokens."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from joy311.device.optical_application import AccessSecrets, MeterApplication
from joy311.device.virtual_meter import VirtualMeter
from joy311.errors import StorageError
from joy311.iec62056 import PortError, Value
from joy311.meter import Door, EventCode, LogEntry
from joy311.sts import TokenResult


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A meter at an instant.

    Parameters
    ----------
    powered : bool
        Whether it has a supply; without one it says nothing.
    at_ns : int
        The meter's own time [ns].
    values : mapping of str to Value
        Its registers by code.
    entries : tuple of LogEntry
        The entries of its log after the one that was asked for, the earliest first.
    """

    powered: bool
    at_ns: int
    values: Mapping[str, Value]
    entries: tuple[LogEntry, ...]


class PublishedMeter(Protocol):
    """A meter that is published. The calls may come from any thread, one at a time."""

    @property
    def number(self) -> str:
        """The meter's number, which is a level of its topics."""

    @property
    def firmware(self) -> str:
        """Version of its firmware."""

    @property
    def codes(self) -> tuple[str, ...]:
        """Codes of the registers that it has."""

    def first_sequence(self) -> int:
        """Return the number of the log's entry behind which publishing begins."""

    def snapshot(self, after: int) -> Snapshot:
        """Return the meter as it is, with the entries of its log behind number `after`."""

    def enter_token(self, text: str) -> tuple[TokenResult, int | None]:
        """Enter a token and return its result and the credit afterwards, None where it is not known [Wh]."""


class PublishedVirtualMeter:
    """A `VirtualMeter` as a publisher sees it.

    Parameters
    ----------
    meter : VirtualMeter
        The meter.
    lock : context manager
        Held while the meter is touched.
    catch_up : callable, optional
        Lets the meter live until now; called with the lock held before it is asked or told anything.

    Raises
    ------
    StorageError
        If the meter's record is lost: then nobody knows its number.
    """

    def __init__(
        self,
        meter: VirtualMeter,
        lock: AbstractContextManager[object],
        catch_up: Callable[[], None] | None = None,
    ) -> None:
        self._meter = meter
        self._lock = lock
        self._catch_up = catch_up or _stay
        # The registers are those of the local port; nobody signs on here, so no password matters.
        self._registers = MeterApplication(meter, AccessSecrets(), lambda: meter.now, _stay)
        self.number = meter.meter.drn
        self.firmware = meter.meter.software_version
        self.codes = tuple(self._registers.codes)

    def first_sequence(self) -> int:
        """Return the number of the entry before the last failure of the supply, or before the first there is.

        What happened while nothing could be published is told that way, whoever started the meter again.
        """
        with self._lock:
            entries = self._meter.log()
        for entry in reversed(entries):
            if entry.event is EventCode.POWER_DOWN:
                return entry.sequence - 1
        return entries[0].sequence - 1 if entries else 0

    def snapshot(self, after: int) -> Snapshot:
        """Return the meter as it is, with the entries of its log behind number `after`."""
        with self._lock:
            self._catch_up()
            meter = self._meter
            entries = tuple(entry for entry in meter.log() if entry.sequence > after)
            values: dict[str, Value] = {}
            if meter.running:
                for code in self.codes:
                    value = self._registers.value(code, 0, meter.now)
                    if not isinstance(value, PortError):
                        values[code] = value
            return Snapshot(meter.running, meter.now, values, entries)

    def enter_token(self, text: str) -> tuple[TokenResult, int | None]:
        """Enter a token by the network's door; a meter without supply or record is not ready for one."""
        with self._lock:
            self._catch_up()
            try:
                result, _ = self._meter.enter_token(text, Door.NETWORK)
            except StorageError:
                return TokenResult.NOT_READY, None
            credit_wh: int | None = None
            with contextlib.suppress(StorageError):
                credit_wh = self._meter.credit_wh
            return result, credit_wh


def _stay() -> None:
    """Let no time pass: whoever owns the meter does that."""
