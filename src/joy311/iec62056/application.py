"""What a meter must offer so that the port can serve it: the one Protocol between the two."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from joy311.iec62056.access import AccessState, Level, Proof
from joy311.iec62056.port_error import PortError
from joy311.iec62056.registers import Value
from joy311.iec62056.tables import LogEntry, ProfileRow
from joy311.iec62056.time_formats import TimeStyle


@dataclass(frozen=True, slots=True)
class ProfileShape:
    """What the load profile of a meter records.

    Parameters
    ----------
    period_min : int
        Length of an interval [min].
    channels : tuple of str
        Reduced codes of registers that are numbers, in the order of a row's values.
    """

    period_min: int
    channels: tuple[str, ...]


class Application(Protocol):
    """The meter behind the port.

    The port asks and waits; each call answers at once, and what a call promises is durable when it returns.
    The port has judged the access level by `REGISTERS` before it calls. Nothing here may raise for what comes
    over the line: it answers with a `PortError`. Instants are those of the port's clock, except where the
    meter's own clock is meant.
    """

    @property
    def manufacturer(self) -> str:
        """Three letters; a small third one promises a reaction time from 20 ms on."""

    @property
    def identification(self) -> str:
        """At most 16 characters for the identification message."""

    @property
    def address(self) -> str:
        """The address for multi-drop lines: at most 32 digits, letters and spaces."""

    @property
    def time_style(self) -> TimeStyle:
        """How the meter writes times."""

    @property
    def codes(self) -> Sequence[str]:
        """Reduced codes of the registers that this meter has; the read-out keeps the table's order."""

    def value(self, code: str, periods_back: int, now: int) -> Value | PortError:
        """Return the value of a register at `now`, or as it was at the end of an earlier billing period.

        The value has the form that `REGISTERS` states. Clocks answer with the instant of the meter's own
        clock; a time of something that never happened is the empty text.
        """

    def write(self, code: str, value: int | str, level: Level, now: int) -> PortError | None:
        """Write a register, and return None once that is durable.

        The value is as `parse_written` returns it: for ``0.9.1``, ``0.9.2`` and ``0.9.4`` the instant to
        which the clock is set, for ``19.40.0`` twenty digits of a token. A token counts as written once it
        was received; its result is read back from the same register.
        """

    @property
    def profile_shape(self) -> ProfileShape:
        """What the load profile records."""

    def profile(self, from_ns: int | None, to_ns: int | None) -> Iterable[ProfileRow]:
        """Return the rows whose intervals ended within the bounds, both included, in the order of time.

        It may be a generator: a year is never in memory at once.
        """

    def log(self, from_ns: int | None, to_ns: int | None) -> Iterable[LogEntry]:
        """Return the entries of the log-book within the bounds, both included, in the order of time."""

    def admitted(self, proof: Proof, now: int) -> Level | None:
        """Return the level that `proof` opens, None if it is wrong; see `access.admitted_level`."""

    @property
    def access_state(self) -> AccessState:
        """Wrong proofs so far, the same for every connection."""

    def keep_access_state(self, state: AccessState, now: int) -> None:
        """Return once `state` is durable; after a power cut it comes back as `AccessState.restarted`."""
