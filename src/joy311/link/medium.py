"""The media as a table: what a link must know of two wires and of the power line."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from joy311.instant import MILLISECOND_NS, SECOND_NS


class MediumName(StrEnum):
    """A way from the meter to its CIU."""

    TWO_WIRE = "two-wire"
    PLC = "plc"


@dataclass(frozen=True, slots=True)
class Medium:
    """What the link must know of a medium.

    Parameters
    ----------
    name : MediumName
        The medium.
    baud : int
        Bits a second on the line.
    bits_per_byte : int
        Bits that a byte takes on the line, start, parity and stop among them.
    wake_bytes : int
        Bytes that wake the receiver before each frame.
    turnaround_ns : int
        Silence between the end of a request and the reply [ns].
    slack_ns : int
        What the master waits beyond the time that request and reply need [ns].
    byte_gap_ns : int
        Silence after which a frame begun is taken as broken off [ns].
    tries : int
        How often a request is sent before the exchange ends as a link error.
    backoff_ns : tuple of int
        Least and most time to wait before another try [ns]; the number itself is given from outside.
    in_container : bool
        Whether frames travel in the coded container.
    needs_pairing : bool
        Whether the meter answers only those CIUs with which it is paired.
    poll_ns : int
        Time between two polls of an idle CIU [ns].
    loss_ns : int
        Time without an answer after which a CIU declares the link lost [ns].
    """

    name: MediumName
    baud: int
    bits_per_byte: int
    wake_bytes: int
    turnaround_ns: int
    slack_ns: int
    byte_gap_ns: int
    tries: int
    backoff_ns: tuple[int, int]
    in_container: bool
    needs_pairing: bool
    poll_ns: int
    loss_ns: int

    def airtime_ns(self, size: int) -> int:
        """Return how long `size` bytes take on the line, rounded up [ns]."""
        return -(-size * self.bits_per_byte * SECOND_NS // self.baud)


MEDIA: dict[MediumName, Medium] = {
    MediumName.TWO_WIRE: Medium(
        name=MediumName.TWO_WIRE,
        baud=2400,
        bits_per_byte=11,
        wake_bytes=1,
        turnaround_ns=20 * MILLISECOND_NS,
        slack_ns=150 * MILLISECOND_NS,
        byte_gap_ns=100 * MILLISECOND_NS,
        tries=3,
        backoff_ns=(0, 0),
        in_container=False,
        needs_pairing=False,
        poll_ns=SECOND_NS,
        loss_ns=3 * SECOND_NS,
    ),
    MediumName.PLC: Medium(
        name=MediumName.PLC,
        baud=2400,
        bits_per_byte=8,
        wake_bytes=0,
        turnaround_ns=20 * MILLISECOND_NS,
        slack_ns=150 * MILLISECOND_NS,
        byte_gap_ns=100 * MILLISECOND_NS,
        tries=5,
        backoff_ns=(20 * MILLISECOND_NS, 200 * MILLISECOND_NS),
        in_container=True,
        needs_pairing=True,
        poll_ns=10 * SECOND_NS,
        loss_ns=30 * SECOND_NS,
    ),
}
"""The one table of media; both ends, documents and tests read it."""
