"""The load profile: the energy of every interval of the clock, as rows that memory keeps for a year.

An interval ends where the meter's local clock shows a multiple of its length. A failing supply, a clock that
is set elsewhere and another length end it early; what follows begins anew and is marked. So the energies of
all rows add up to what the registers advanced, whatever happened.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from zlib import crc32

from joy311.errors import InvalidInput, StorageError
from joy311.iec62056 import IntervalStatus
from joy311.instant import MINUTE_NS, SECOND_NS

ROW_BYTES = 32
"""Length of a row in memory [bytes]."""

PERIODS_MIN = (0, 1, 5, 10, 15, 20, 30, 60)
"""Lengths that an interval may have, 0 for no profile at all [min]."""

PUNCTUAL_NS = SECOND_NS
"""How late an interval may begin and still count as whole [ns]."""

_LAYOUT = struct.Struct("<IHHIIIQI")  # end, status, duration, import, export, charged, register, checksum
_CHECKED = _LAYOUT.size - 4
_STATUS = 0xFFFF
_MOST_32 = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class LoadProfileParameters:
    """How the load profile is kept.

    Parameters
    ----------
    period_min : int
        Length of an interval, one of `PERIODS_MIN`; 0 keeps none [min].

    Raises
    ------
    InvalidInput
        If the length is another.
    """

    period_min: int = 15

    def __post_init__(self) -> None:
        """Refuse lengths that do not divide the hour."""
        if self.period_min not in PERIODS_MIN:
            choices = ", ".join(map(str, PERIODS_MIN))
            raise InvalidInput(
                f"an interval of {self.period_min} min is none of {choices}", field="period_min"
            )


@dataclass(frozen=True, slots=True)
class Totals:
    """What the registers show, as far as the profile is concerned [Wh]."""

    import_wh: int
    export_wh: int
    charged_wh: int


@dataclass(frozen=True, slots=True)
class IntervalRow:
    """One interval of the load profile.

    Parameters
    ----------
    ended_ns : int
        When it ended, by the meter's clock and to the second [ns since 1970 UTC].
    status : int
        Bits of `IntervalStatus`.
    duration_s : int
        How long it was, at most 65535 [s].
    import_wh, export_wh, charged_wh : int
        Energy imported, exported and charged in it [Wh].
    register_wh : int
        What the register of charged energy showed at its end [Wh].
    """

    ended_ns: int
    status: int
    duration_s: int
    import_wh: int
    export_wh: int
    charged_wh: int
    register_wh: int

    def to_bytes(self) -> bytes:
        """Return the row as `ROW_BYTES` bytes, a checksum at their end."""
        body = _LAYOUT.pack(
            min(max(self.ended_ns // SECOND_NS, 0), _MOST_32),
            self.status & _STATUS,
            min(max(self.duration_s, 0), 0xFFFF),
            min(self.import_wh, _MOST_32),
            min(self.export_wh, _MOST_32),
            min(self.charged_wh, _MOST_32),
            self.register_wh,
            0,
        )[:_CHECKED]
        return body + crc32(body).to_bytes(4, "little")

    @classmethod
    def from_bytes(cls, data: bytes) -> IntervalRow:
        """Return the row that `data` holds.

        Raises
        ------
        StorageError
            If the length or the checksum is wrong.
        """
        if len(data) != ROW_BYTES:
            raise StorageError(
                f"a row of the load profile of {len(data)} bytes, and it must have {ROW_BYTES}"
            )
        ended_s, status, duration_s, imported, exported, charged, register, checksum = _LAYOUT.unpack(data)
        if crc32(data[:_CHECKED]) != checksum:
            raise StorageError("a row of the load profile has a wrong checksum")
        return cls(ended_s * SECOND_NS, status, duration_s, imported, exported, charged, register)


class LoadProfile:
    """Cuts the life of the registers into intervals.

    Parameters
    ----------
    parameters : LoadProfileParameters
        How long an interval is.
    zone_ns : int
        Local time less UTC [ns].

    Attributes
    ----------
    deadline_ns : int or None
        When the interval ends and `reach` is due [ns]; None while none is open.
    last : IntervalRow or None
        The newest row since power-up.
    """

    __slots__ = (
        "_began_ns",
        "_ends_clock_ns",
        "_period_ns",
        "_status",
        "_totals",
        "_zone_ns",
        "deadline_ns",
        "last",
    )

    def __init__(self, parameters: LoadProfileParameters, zone_ns: int = 0) -> None:
        self._period_ns = parameters.period_min * MINUTE_NS
        self._zone_ns = zone_ns
        self._status = 0
        self._began_ns = self._ends_clock_ns = 0
        self._totals = Totals(0, 0, 0)
        self.deadline_ns: int | None = None
        self.last: IntervalRow | None = None

    @property
    def period_min(self) -> int:
        """Length of an interval, 0 for no profile [min]."""
        return self._period_ns // MINUTE_NS

    def mark(self, status: int) -> None:
        """Let the row of the open interval carry these bits of `IntervalStatus` too."""
        self._status |= status & _STATUS

    def begin(self, totals: Totals, clock_ns: int, now: int) -> None:
        """Open an interval at `now`; it is incomplete unless the clock stands at its beginning.

        Parameters
        ----------
        totals : Totals
            What the registers show.
        clock_ns : int
            What the meter's clock shows [ns since 1970 UTC].
        now : int
            The instant [ns].
        """
        if not self._period_ns:
            self.deadline_ns = None
            return
        late_ns = (clock_ns + self._zone_ns) % self._period_ns
        if late_ns > PUNCTUAL_NS:
            self.mark(IntervalStatus.INCOMPLETE)
        self._totals = totals
        self._began_ns = now
        self._ends_clock_ns = clock_ns - late_ns + self._period_ns
        self.deadline_ns = now - late_ns + self._period_ns

    def reach(self, totals: Totals, clock_ns: int, now: int, standing: int = 0) -> IntervalRow | None:
        """Return the row of the interval whose time is over, and open the next; None before that.

        Parameters
        ----------
        totals, clock_ns, now
            As for `begin`.
        standing : int
            Bits of what lasts beyond the interval.
        """
        if self.deadline_ns is None or now < self.deadline_ns:
            return None
        row = self._close(totals, self._ends_clock_ns, now, standing)
        self.begin(totals, clock_ns, now)
        return row

    def cut(self, totals: Totals, clock_ns: int, now: int, standing: int = 0) -> IntervalRow | None:
        """Return the row of what was open, ended early at `clock_ns`; nothing is open afterwards."""
        if self.deadline_ns is None:
            return None
        self.deadline_ns = None
        if now == self._began_ns and totals == self._totals:
            # Nothing has happened in no time; what it was marked with goes to the next row.
            return None
        return self._close(totals, clock_ns, now, standing | IntervalStatus.INCOMPLETE)

    def jump(
        self, totals: Totals, before_ns: int, clock_ns: int, now: int, standing: int = 0
    ) -> IntervalRow | None:
        """Take note that the clock was set from `before_ns` to `clock_ns` [ns since 1970 UTC].

        A clock that stays within its interval only moves the end of it. Otherwise the interval ends where the
        old time stood, its row is returned, and another begins.
        """
        if self.deadline_ns is None:
            return None
        if self._ends_clock_ns - self._period_ns <= clock_ns < self._ends_clock_ns:
            self.deadline_ns = now + self._ends_clock_ns - clock_ns
            return None
        row = self.cut(totals, before_ns, now, standing)
        self.begin(totals, clock_ns, now)
        return row

    def change(
        self,
        parameters: LoadProfileParameters,
        totals: Totals,
        clock_ns: int,
        now: int,
        standing: int = 0,
    ) -> IntervalRow | None:
        """Let intervals have another length from now on; return the row of the one that this ends."""
        period_ns = parameters.period_min * MINUTE_NS
        if period_ns == self._period_ns:
            return None
        row = self.cut(totals, clock_ns, now, standing)
        self._period_ns = period_ns
        self.begin(totals, clock_ns, now)
        return row

    def _close(self, totals: Totals, clock_ns: int, now: int, standing: int) -> IntervalRow:
        began = self._totals
        row = IntervalRow(
            clock_ns // SECOND_NS * SECOND_NS,
            self._status | standing,
            (now - self._began_ns + SECOND_NS // 2) // SECOND_NS,
            totals.import_wh - began.import_wh,
            totals.export_wh - began.export_wh,
            totals.charged_wh - began.charged_wh,
            totals.charged_wh,
        )
        self._status = 0
        self.last = row
        return row
