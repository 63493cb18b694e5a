"""What happens to the meter, in the past tense."""

from __future__ import annotations

from dataclasses import dataclass, field

from joy311.energy import EnergyIncrement
from joy311.meter.configuration import Configuration
from joy311.meter.diagnosis import Fault
from joy311.meter.doors import CiuLink, Door, Exchange
from joy311.meter.settings import Setting
from joy311.meter.tamper import TamperKind
from joy311.panel import Key
from joy311.quantities import LineQuantities


@dataclass(frozen=True, slots=True)
class PoweredUp:
    """The supply returned and the application starts.

    Parameters
    ----------
    contact_closed : bool
        What the relay's auxiliary contact reports.
    log_sequence : int
        Sequence number of the newest entry of the event log, 0 for an empty log.
    clock_lost : bool
        Whether the clock's backup ran out.
    opened_while_off : frozenset of TamperKind
        What the backup saw while there was no supply.
    faults : tuple of Fault
        What the start-up found wrong with memory and front end.
    upset : bool
        Whether the application starts because a disturbance reset it, not because the supply returned.
    """

    contact_closed: bool
    log_sequence: int = 0
    clock_lost: bool = False
    opened_while_off: frozenset[TamperKind] = frozenset()
    faults: tuple[Fault, ...] = ()
    upset: bool = False


@dataclass(frozen=True, slots=True)
class PowerFailing:
    """The supply is going; there is energy left for a few pages of memory."""


@dataclass(frozen=True, slots=True)
class PowerReturned:
    """The supply that was failing is back, and the application never stopped."""


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """A key was pressed, on the keypad of the meter or through its customer interface unit."""

    key: Key
    door: Door = Door.KEYPAD


@dataclass(frozen=True, slots=True)
class TokenReceived:
    """A whole token arrived through a door other than the keypad, as whatever text was sent."""

    text: str = field(repr=False)
    door: Door = Door.NETWORK
    exchange: Exchange | None = None


@dataclass(frozen=True, slots=True)
class CodeReceived:
    """A whole short code arrived, as a customer interface unit sends it; an empty one is its enter key."""

    code: str
    door: Door = Door.CIU


@dataclass(frozen=True, slots=True)
class AlarmMuted:
    """Somebody silenced the low credit alarm, at the customer interface unit or through another door."""

    door: Door = Door.CIU


@dataclass(frozen=True, slots=True)
class CiuPaired:
    """The customer interface unit of this number became the meter's own, in the place of any other."""

    ciu: int


@dataclass(frozen=True, slots=True)
class CiuLinkChanged:
    """The way to the customer interface unit is not what it was."""

    link: CiuLink


@dataclass(frozen=True, slots=True)
class EnergyMeasured:
    """Metrology finished a step."""

    increment: EnergyIncrement


@dataclass(frozen=True, slots=True)
class QuantitiesMeasured:
    """Metrology has new line quantities."""

    quantities: LineQuantities


@dataclass(frozen=True, slots=True)
class RelayReported:
    """The load switch reports where its contacts are.

    Parameters
    ----------
    auxiliary_closed : bool
        The auxiliary contact.
    coil_intact : bool
        Whether the test current flows through the coil.
    load_side_live : bool or None
        Whether there is voltage behind the contacts; None where that is not sensed.
    """

    auxiliary_closed: bool
    coil_intact: bool = True
    load_side_live: bool | None = None


@dataclass(frozen=True, slots=True)
class SensorChanged:
    """A cover was opened or closed, or a magnet came or went."""

    kind: TamperKind
    present: bool


@dataclass(frozen=True, slots=True)
class FaultReported:
    """A part of the meter failed, or works again."""

    fault: Fault
    present: bool


@dataclass(frozen=True, slots=True)
class ClockSet:
    """Somebody with the right to do so set the meter's clock to `at_ns` [ns since 1970 UTC]."""

    at_ns: int


@dataclass(frozen=True, slots=True)
class ClockDrifted:
    """The crystal gained `gained_ns` on true time since it was told last, negative where it lost [ns]."""

    gained_ns: int


@dataclass(frozen=True, slots=True)
class SettingWritten:
    """Somebody with the right to do so wrote a setting through a port."""

    setting: Setting
    value: int


@dataclass(frozen=True, slots=True)
class ConfigurationWritten:
    """Somebody with the right to do so wrote the whole configuration through a port."""

    configuration: Configuration


@dataclass(frozen=True, slots=True)
class PasswordTried:
    """Somebody at the port gave a password of a `level`; the port compared it."""

    level: int
    right: bool


@dataclass(frozen=True, slots=True)
class CommitFailed:
    """The memory refused the record of the last `Commit`: nothing of what followed it was done."""


@dataclass(frozen=True, slots=True)
class DeadlineReached:
    """The instant that ``Meter.next_deadline`` named has come."""


Event = (
    PoweredUp
    | PowerFailing
    | PowerReturned
    | KeyPressed
    | TokenReceived
    | CodeReceived
    | AlarmMuted
    | CiuPaired
    | CiuLinkChanged
    | EnergyMeasured
    | QuantitiesMeasured
    | RelayReported
    | SensorChanged
    | FaultReported
    | ClockSet
    | ClockDrifted
    | SettingWritten
    | ConfigurationWritten
    | PasswordTried
    | CommitFailed
    | DeadlineReached
)
