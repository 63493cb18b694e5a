"""A line on virtual time: stations that speak, and what of it the others hear."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from joy311.errors import InvalidInput


class Station(Protocol):
    """One end at a line; `joy311.link.Slave` is one."""

    def receive(self, data: bytes, now: int) -> None:
        """Take what was heard until `now` [ns]."""

    def next_deadline(self) -> int | None:
        """Return when `expire` is due [ns]."""

    def expire(self, now: int) -> bytes:
        """Return what must be sent now."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """Another transmission while one was on its way.

    Parameters
    ----------
    sender : int
        Who else spoke.
    start_ns, end_ns : int
        From when to when [ns].
    """

    sender: int
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Transmission:
    """Bytes on the line.

    Parameters
    ----------
    sender : int
        Who speaks.
    data : bytes
        What is said.
    start_ns, end_ns : int
        From when to when [ns].
    overlaps : list of Overlap
        Who else spoke meanwhile.
    """

    sender: int
    data: bytes = field(repr=False)
    start_ns: int
    end_ns: int
    overlaps: list[Overlap] = field(default_factory=list)


class Channel(Protocol):
    """What lies between stations; `TwoWire` and `PowerLine` are channels."""

    @property
    def defers(self) -> bool:
        """Whether a station waits while another is heard to speak."""

    def airtime_ns(self, size: int) -> int:
        """Return how long `size` bytes take [ns]."""

    def defer_ns(self) -> int:
        """Return how long a station waits after the line has fallen silent [ns]."""

    def carry(self, transmission: Transmission, receiver: int) -> bytes:
        """Return what `receiver` hears of a transmission that has ended."""


class Line:
    """Stations on one channel.

    Parameters
    ----------
    channel : Channel
        What lies between them.
    now : int
        The instant at which the line begins to live [ns].
    """

    def __init__(self, channel: Channel, now: int) -> None:
        self._channel = channel
        self._stations: list[Station] = []
        self._on_line: list[Transmission] = []
        self._waiting: list[tuple[int, int, bytes]] = []
        self.now = now
        """The instant up to which the line has lived [ns]."""

    def attach(self, station: Station) -> int:
        """Add a station and return its number, by which the channel knows it."""
        self._stations.append(station)
        return len(self._stations) - 1

    def restart(self, number: int, station: Station) -> None:
        """Put another station into the place of one: what waits to be sent is lost with the old one."""
        self._stations[number] = station
        self._withdraw(number)

    def send(self, sender: int, data: bytes) -> None:
        """Let the station `sender` speak now, or when the line is free where the channel defers."""
        if not data:
            return
        # A sender has room for one message; a later one takes the place of one that still waits.
        self._withdraw(sender)
        if self._channel.defers and self._on_line:
            free_ns = max(transmission.end_ns for transmission in self._on_line)
            self._waiting.append((free_ns + self._channel.defer_ns(), sender, data))
            return
        end_ns = self.now + self._channel.airtime_ns(len(data))
        sent = Transmission(sender, data, self.now, end_ns)
        for other in self._on_line:
            span = max(sent.start_ns, other.start_ns), min(sent.end_ns, other.end_ns)
            sent.overlaps.append(Overlap(other.sender, *span))
            other.overlaps.append(Overlap(sender, *span))
        self._on_line.append(sent)

    def _withdraw(self, sender: int) -> None:
        self._waiting = [waiting for waiting in self._waiting if waiting[1] != sender]

    def next_event(self) -> int | None:
        """Return when something happens next [ns], None while everything rests."""
        instants = [transmission.end_ns for transmission in self._on_line]
        instants += [due for due, _, _ in self._waiting]
        for station in self._stations:
            deadline = station.next_deadline()
            if deadline is not None:
                instants.append(max(deadline, self.now))
        return min(instants, default=None)

    def step(self, until_ns: int) -> bool:
        """Live to the next event at or before `until_ns`; return whether there was one.

        Raises
        ------
        InvalidInput
            If `until_ns` lies before `now`.
        """
        if until_ns < self.now:
            raise InvalidInput(f"a line that has lived to {self.now} ns cannot go back to {until_ns} ns")
        due = self.next_event()
        if due is None or due > until_ns:
            self.now = until_ns
            return False
        self.now = due
        for transmission in [each for each in self._on_line if each.end_ns <= due]:
            self._on_line.remove(transmission)
            for number, station in enumerate(self._stations):
                if number != transmission.sender:
                    heard = self._channel.carry(transmission, number)
                    if heard:
                        station.receive(heard, due)
        for waiting in [each for each in self._waiting if each[0] <= due]:
            self._waiting.remove(waiting)
            self.send(waiting[1], waiting[2])
        for number, station in enumerate(self._stations):
            deadline = station.next_deadline()
            if deadline is not None and deadline <= due:
                self.send(number, station.expire(due))
        return True

    def advance(self, until_ns: int) -> None:
        """Live until `until_ns`.

        Raises
        ------
        InvalidInput
            If `until_ns` lies before `now`.
        """
        while self.step(until_ns):
            pass
