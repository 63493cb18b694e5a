"""Tamper conditions: covers, magnets, a bypass and reversed connection; debounced, latched and cleared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntFlag

from joy311.errors import InvalidInput, StorageError
from joy311.instant import MILLISECOND_NS
from joy311.meter.event_log import EventCode, Finding
from joy311.meter.load_switch import OpenReason
from joy311.quantities import LineQuantities


class TamperKind(IntFlag):
    """A way of tampering with the meter; a bit of the set that display and port show."""

    TERMINAL_COVER = 1
    METER_COVER = 2
    MAGNET_DC = 4
    MAGNET_AC = 8
    BYPASS = 16
    REVERSE = 32


@dataclass(frozen=True, slots=True)
class TamperText:
    """How a tamper condition is told.

    Parameters
    ----------
    title : str
        For people.
    text : str
        For the display's eight digits.
    begin, end : EventCode
        What the log says when its cause comes and goes.
    """

    title: str
    text: str
    begin: EventCode
    end: EventCode


TAMPER_TEXTS: dict[TamperKind, TamperText] = {
    TamperKind.TERMINAL_COVER: TamperText(
        "terminal cover opened", "OPEn 1", EventCode.TERMINAL_COVER_OPENED, EventCode.TERMINAL_COVER_CLOSED
    ),
    TamperKind.METER_COVER: TamperText(
        "meter cover opened", "OPEn 2", EventCode.METER_COVER_OPENED, EventCode.METER_COVER_CLOSED
    ),
    TamperKind.MAGNET_DC: TamperText(
        "constant magnetic field", "FIELd dC", EventCode.MAGNET_DC, EventCode.MAGNET_DC_ENDED
    ),
    TamperKind.MAGNET_AC: TamperText(
        "alternating magnetic field", "FIELd AC", EventCode.MAGNET_AC, EventCode.MAGNET_AC_ENDED
    ),
    TamperKind.BYPASS: TamperText(
        "current past the meter", "bYPASS", EventCode.BYPASS, EventCode.BYPASS_ENDED
    ),
    TamperKind.REVERSE: TamperText(
        "a phase connected the wrong way round",
        "CurrUErS",
        EventCode.REVERSE_TAMPER,
        EventCode.REVERSE_TAMPER_ENDED,
    ),
}
"""Title, display text and events of each condition."""

_KINDS = tuple(TAMPER_TEXTS)
_ALL = sum(int(kind) for kind in _KINDS)
_BYPASS = TamperKind.BYPASS.value
_SEEN_WHILE_OFF = 1


@dataclass(frozen=True, slots=True)
class TamperParameters:
    """When a condition counts, and what it leads to.

    Parameters
    ----------
    cover_debounce_ms : int
        How long a cover must stay where it went, 0 to 60 000 [ms].
    magnet_debounce_ms : int
        How long a magnetic field must stay or be gone, 0 to 60 000 [ms].
    bypass_ma : int
        Least current past the meter that counts, 100 to 100 000 [mA].
    bypass_permil : int
        Part of the largest phase current above which it counts, for two inaccurate sensors never agree, 10 to
        1000 thousandths.
    bypass_debounce_ms : int
        How long it must flow or be gone, 0 to 600 000 [ms].
    reverse_debounce_ms : int
        How long a reversed connection must stay or be gone, 0 to 600 000 [ms].
    disconnect : tuple of TamperKind
        Conditions that open the switch until they are cleared; empty for none.

    Raises
    ------
    InvalidInput
        If a value is outside its range.
    """

    cover_debounce_ms: int = 500
    magnet_debounce_ms: int = 2_000
    bypass_ma: int = 1_000
    bypass_permil: int = 60
    bypass_debounce_ms: int = 30_000
    reverse_debounce_ms: int = 0
    disconnect: tuple[TamperKind, ...] = ()

    def __post_init__(self) -> None:
        """Refuse conditions that everybody would meet, or nobody."""
        for name, least, most in (
            ("cover_debounce_ms", 0, 60_000),
            ("magnet_debounce_ms", 0, 60_000),
            ("bypass_ma", 100, 100_000),
            ("bypass_permil", 10, 1000),
            ("bypass_debounce_ms", 0, 600_000),
            ("reverse_debounce_ms", 0, 600_000),
        ):
            value = getattr(self, name)
            if not least <= value <= most:
                raise InvalidInput(f"{name} of {value} is outside {least} to {most}", field=name)
        for kind in self.disconnect:
            if kind not in TAMPER_TEXTS:
                raise InvalidInput(f"{kind!r} is no tamper condition", field="disconnect")


class Tamper:
    """Holds which conditions are there, and which were there since somebody cleared them.

    How often and when each came is counted with the events of the log.

    Parameters
    ----------
    parameters : TamperParameters
        When a condition counts, and what it leads to.
    state : sequence of int
        What `state` of an earlier run gave; empty for a new meter.

    Attributes
    ----------
    deadline_ns : int or None
        When `expire` is due [ns].

    Raises
    ------
    StorageError
        If the state is not one that `state` gives.
    """

    __slots__ = (
        "_bypass_ma",
        "_bypass_permil",
        "_debounce_ns",
        "_disconnect",
        "_latched",
        "_pending",
        "_present",
        "_raw",
        "deadline_ns",
    )

    STATE_LENGTH = 2

    def __init__(self, parameters: TamperParameters, state: Sequence[int] = ()) -> None:
        if len(state) not in (0, self.STATE_LENGTH) or any(bits & ~_ALL for bits in state):
            raise StorageError(f"tamper conditions in the state {list(state)}, which none can have")
        self._present, self._latched = state or (0, 0)
        self._raw = self._present
        cover_ns = parameters.cover_debounce_ms * MILLISECOND_NS
        magnet_ns = parameters.magnet_debounce_ms * MILLISECOND_NS
        self._debounce_ns = {
            TamperKind.TERMINAL_COVER: cover_ns,
            TamperKind.METER_COVER: cover_ns,
            TamperKind.MAGNET_DC: magnet_ns,
            TamperKind.MAGNET_AC: magnet_ns,
            TamperKind.BYPASS: parameters.bypass_debounce_ms * MILLISECOND_NS,
            TamperKind.REVERSE: parameters.reverse_debounce_ms * MILLISECOND_NS,
        }
        self._bypass_ma = parameters.bypass_ma
        self._bypass_permil = parameters.bypass_permil
        self._disconnect = sum(int(kind) for kind in set(parameters.disconnect))
        self._pending: dict[TamperKind, int] = {}
        self.deadline_ns: int | None = None

    def state(self) -> tuple[int, ...]:
        """Return what must survive a power cut."""
        return (self._present, self._latched)

    @property
    def present(self) -> TamperKind:
        """Conditions whose cause is there now."""
        return TamperKind(self._present)

    @property
    def latched(self) -> TamperKind:
        """Conditions that came since they were cleared last."""
        return TamperKind(self._latched)

    @property
    def reasons(self) -> OpenReason:
        """Reasons to be open: a latched condition that is configured to disconnect."""
        return OpenReason.TAMPER if self._latched & self._disconnect else OpenReason(0)

    def observe(self, kind: TamperKind, present: bool, now: int) -> tuple[Finding, ...]:
        """Take what a sensor says; it counts once it has stayed that way."""
        bit = kind.value
        if bool(self._raw & bit) == present:
            return ()
        self._raw ^= bit
        if bool(self._present & bit) == present:
            self._pending.pop(kind, None)
        else:
            self._pending[kind] = now + self._debounce_ns[kind]
        self._plan()
        return self.expire(now)

    def observe_imbalance(self, quantities: LineQuantities, now: int) -> tuple[Finding, ...]:
        """Look whether current flows past the meter: the phases' sum differs from the neutral's current."""
        imbalance_ma = quantities.imbalance_ma
        present = imbalance_ma >= self._bypass_ma and imbalance_ma * 1000 >= self._bypass_permil * max(
            quantities.current_ma
        )
        if present == bool(self._raw & _BYPASS):
            return ()
        return self.observe(TamperKind.BYPASS, present, now)

    def opened_while_off(self, kinds: Iterable[TamperKind], now: int) -> tuple[Finding, ...]:
        """Latch what the backup saw while there was no supply.

        Whether the cause is still there the sensors say; a finding has the value 1 to tell it from others.

        Parameters
        ----------
        kinds : iterable of TamperKind
            What was seen.
        now : int
            The instant [ns]; when exactly it happened nobody knows.
        """
        del now
        seen = sum(int(kind) for kind in set(kinds)) & _ALL
        self._latched |= seen
        return tuple(
            Finding(TAMPER_TEXTS[kind].begin, value=_SEEN_WHILE_OFF) for kind in _KINDS if seen & kind.value
        )

    def clear(self, now: int) -> tuple[Finding, ...]:
        """Clear all latches; a condition whose cause is still there is latched, and found, again."""
        del now
        cleared = self._latched
        self._latched = self._present
        return (
            Finding(EventCode.TAMPER_CLEARED, value=cleared),
            *(Finding(TAMPER_TEXTS[kind].begin) for kind in _KINDS if self._present & kind.value),
        )

    def put_back(self, latched: TamperKind) -> None:
        """Latch again what was cleared, because the clearing could not be kept."""
        self._latched |= latched.value

    def expire(self, now: int) -> tuple[Finding, ...]:
        """Believe what has stayed long enough."""
        if self.deadline_ns is None or now < self.deadline_ns:
            return ()
        findings = []
        for kind, at_ns in sorted(self._pending.items()):
            if now >= at_ns:
                del self._pending[kind]
                bit = kind.value
                self._present ^= bit
                began = self._present & bit
                self._latched |= began
                text = TAMPER_TEXTS[kind]
                findings.append(Finding(text.begin if began else text.end))
        self._plan()
        return tuple(findings)

    def _plan(self) -> None:
        self.deadline_ns = min(self._pending.values(), default=None)
