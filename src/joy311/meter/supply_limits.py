"""The limits of the supply: power, unbalance, currents and voltages; trips, retries and the lock-out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from joy311.errors import InvalidInput, StorageError
from joy311.instant import SECOND_NS
from joy311.meter.event_log import EventCode, Finding
from joy311.meter.load_switch import OpenReason
from joy311.quantities import LineQuantities, Triple

_POWER = OpenReason.POWER_LIMIT.value
_CURRENT = OpenReason.CURRENT_LIMIT.value
_UNBALANCE = OpenReason.UNBALANCE.value
_OVER = OpenReason.OVER_VOLTAGE.value
_UNDER = OpenReason.UNDER_VOLTAGE.value
_LOADS = _POWER | _CURRENT | _UNBALANCE
_LOCKOUT = OpenReason.OVERLOAD_LOCKOUT.value

LIMIT_EVENTS: dict[OpenReason, tuple[EventCode, EventCode]] = {
    OpenReason.POWER_LIMIT: (EventCode.POWER_LIMIT_EXCEEDED, EventCode.POWER_LIMIT_ENDED),
    OpenReason.CURRENT_LIMIT: (EventCode.CURRENT_LIMIT_EXCEEDED, EventCode.CURRENT_LIMIT_ENDED),
    OpenReason.UNBALANCE: (EventCode.UNBALANCE_EXCEEDED, EventCode.UNBALANCE_ENDED),
    OpenReason.OVER_VOLTAGE: (EventCode.OVER_VOLTAGE, EventCode.OVER_VOLTAGE_ENDED),
    OpenReason.UNDER_VOLTAGE: (EventCode.UNDER_VOLTAGE, EventCode.UNDER_VOLTAGE_ENDED),
}
"""What the log says when the limit of a reason trips, and when its reason is over."""

_EVENTS = {reason.value: events for reason, events in LIMIT_EVENTS.items()}
_BITS = tuple(_EVENTS)

LARGEST_LIMIT_W = (1 << 32) - 1
"""The largest power limit [W]."""


@dataclass(frozen=True, slots=True)
class SupplyLimitParameters:
    """When the supply is cut, and when it returns.

    Parameters
    ----------
    nominal_mv : int
        Nominal phase-to-neutral voltage Un, 57 000 to 480 000 [mV].
    power_limit_w : int
        Most total active power unless a token sets another, 0 for no limit, up to 2**32 - 1 [W].
    unbalance_limit_w : int
        Most difference between the powers of two phases unless a token sets another, 0 for no limit, up to
        2**32 - 1 [W].
    current_limit_ma : int
        Most current of a phase, 0 for no limit, up to 200 000 [mA].
    over_voltage_permil : int
        Voltage above which the switch opens, 0 for none, else 1050 to 2500 thousandths of Un.
    under_voltage_permil : int
        Voltage below which the switch opens, 0 for none, else 300 to 950 thousandths of Un.
    absent_permil : int
        Voltage below which a phase is missing, not too low, 50 to 300 thousandths of Un.
    hysteresis_permil : int
        How far a quantity must return behind its limit, 0 to 100 thousandths of the limit.
    power_delay_s, unbalance_delay_s, current_delay_s : int
        How long a load must exceed its limit until the switch opens, 0 to 3600 [s].
    over_voltage_delay_s, under_voltage_delay_s : int
        How long a voltage must be beyond its limit until the switch opens, 0 to 3600 [s].
    retry_s : int
        How long the switch stays open after a trip, and after a voltage returned, 5 to 86 400 [s].
    trips : int
        Trips from which the supply is locked out, 0 for no lock-out, up to 100.
    lockout_s : int
        Length of the lock-out, 60 to 86 400 [s].
    forgotten_s : int
        Time after a retry in which no trip comes and after which the earlier ones do not count, 60 to
        604 800 [s].
    counted : tuple of OpenReason
        Limits whose trips count towards the lock-out.

    Raises
    ------
    InvalidInput
        If a value is outside its range.
    """

    nominal_mv: int = 230_000
    power_limit_w: int = 0
    unbalance_limit_w: int = 0
    current_limit_ma: int = 0
    over_voltage_permil: int = 1350
    under_voltage_permil: int = 650
    absent_permil: int = 200
    hysteresis_permil: int = 20
    power_delay_s: int = 10
    unbalance_delay_s: int = 60
    current_delay_s: int = 10
    over_voltage_delay_s: int = 5
    under_voltage_delay_s: int = 120
    retry_s: int = 60
    trips: int = 5
    lockout_s: int = 1800
    forgotten_s: int = 1800
    counted: tuple[OpenReason, ...] = (
        OpenReason.POWER_LIMIT,
        OpenReason.CURRENT_LIMIT,
        OpenReason.UNBALANCE,
    )

    def __post_init__(self) -> None:
        """Refuse limits that no supply could keep."""
        for name, least, most in (
            ("nominal_mv", 57_000, 480_000),
            ("power_limit_w", 0, LARGEST_LIMIT_W),
            ("unbalance_limit_w", 0, LARGEST_LIMIT_W),
            ("current_limit_ma", 0, 200_000),
            ("absent_permil", 50, 300),
            ("hysteresis_permil", 0, 100),
            ("power_delay_s", 0, 3600),
            ("unbalance_delay_s", 0, 3600),
            ("current_delay_s", 0, 3600),
            ("over_voltage_delay_s", 0, 3600),
            ("under_voltage_delay_s", 0, 3600),
            ("retry_s", 5, 86_400),
            ("trips", 0, 100),
            ("lockout_s", 60, 86_400),
            ("forgotten_s", 60, 604_800),
        ):
            value = getattr(self, name)
            if not least <= value <= most:
                raise InvalidInput(f"{name} of {value} is outside {least} to {most}", field=name)
        for name, least, most in (
            ("over_voltage_permil", 1050, 2500),
            ("under_voltage_permil", 300, 950),
        ):
            value = getattr(self, name)
            if value and not least <= value <= most:
                raise InvalidInput(f"{name} of {value} is neither 0 nor {least} to {most}", field=name)
        for reason in self.counted:
            if reason not in LIMIT_EVENTS:
                raise InvalidInput(f"{reason!r} is no limit of the supply", field="counted")


class SupplyLimits:
    """Watches the line quantities and says why the switch must be open.

    A trip of a load limit lasts for the retry time, because the load vanishes with the supply. One of a
    voltage lasts until the voltage is good again, and the retry time from then on.

    Parameters
    ----------
    parameters : SupplyLimitParameters
        Limits, delays and the lock-out.
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
        "_calm",
        "_closed",
        "_counted",
        "_current_ma",
        "_delays_ns",
        "_forget_ns",
        "_locked",
        "_lockout_until_ns",
        "_over_mv",
        "_parameters",
        "_pending",
        "_power_w",
        "_present_mv",
        "_quantities",
        "_tripped",
        "_tripped_bits",
        "_trips",
        "_unbalance_w",
        "_under_mv",
        "deadline_ns",
    )

    STATE_LENGTH = 3

    def __init__(self, parameters: SupplyLimitParameters, state: Sequence[int] = ()) -> None:
        trips, locked, bits = state if len(state) == self.STATE_LENGTH else (0, 0, 0)
        if len(state) not in (0, self.STATE_LENGTH) or not (
            0 <= trips <= 100 and locked in (0, 1) and bits >= 0 and not bits & ~sum(_BITS)
        ):
            raise StorageError(f"supply limits in the state {list(state)}, which none can have")
        nominal_mv = parameters.nominal_mv
        self._parameters = parameters
        self._over_mv = nominal_mv * (parameters.over_voltage_permil or 1_000_000) // 1000
        self._under_mv = nominal_mv * parameters.under_voltage_permil // 1000
        self._present_mv = nominal_mv * parameters.absent_permil // 1000
        self._power_w = parameters.power_limit_w
        self._unbalance_w = parameters.unbalance_limit_w
        self._current_ma = parameters.current_limit_ma
        self._counted = sum(int(reason) for reason in set(parameters.counted))
        self._delays_ns = {
            _POWER: parameters.power_delay_s * SECOND_NS,
            _UNBALANCE: parameters.unbalance_delay_s * SECOND_NS,
            _CURRENT: parameters.current_delay_s * SECOND_NS,
            _OVER: parameters.over_voltage_delay_s * SECOND_NS,
            _UNDER: parameters.under_voltage_delay_s * SECOND_NS,
        }
        self._trips = trips
        self._locked = bool(locked)
        self._tripped_bits = bits
        # When the delay of an exceeded limit is over, and when a trip's reason ends (None: not known yet).
        self._pending: dict[int, int] = {}
        self._tripped: dict[int, int | None] = dict.fromkeys(bit for bit in _BITS if bits & bit)
        self._lockout_until_ns: int | None = None
        self._forget_ns: int | None = None
        self._quantities: LineQuantities | None = None
        self._closed = False
        self._calm = not any(state)
        self.deadline_ns: int | None = None

    def state(self) -> tuple[int, ...]:
        """Return what must survive a power cut."""
        return (self._trips, int(self._locked), self._tripped_bits)

    def power_up(self, now: int) -> None:
        """Let a retry, a lock-out and the time of forgetting begin again in full."""
        self._lockout_until_ns = self._forget_ns = None
        self._tripped = dict.fromkeys(self._tripped, now + self._parameters.retry_s * SECOND_NS)
        self._resume(now)
        self._plan()

    @property
    def reasons(self) -> OpenReason:
        """Reasons to be open."""
        return OpenReason(self._tripped_bits | (_LOCKOUT if self._locked else 0))

    @property
    def trips(self) -> int:
        """Trips that count towards the lock-out."""
        return self._trips

    @property
    def lockout_until_ns(self) -> int | None:
        """When the lock-out ends [ns], None while there is none."""
        return self._lockout_until_ns

    def set_power_limit(self, limit_w: int, now: int | None = None) -> tuple[Finding, ...]:
        """Let `limit_w` be the limit of the total power from now on [W], 0 for none.

        Parameters
        ----------
        limit_w : int
            The limit [W].
        now : int, optional
            The instant [ns]; not needed before there are quantities.

        Raises
        ------
        InvalidInput
            If the limit is outside 0 to 2**32 - 1 W.
        """
        if _limit(limit_w, "power_limit_w") == self._power_w:
            # The delay of a load that exceeds it goes on.
            return ()
        self._power_w = limit_w
        # What exceeded the old limit gets the whole delay, and no hysteresis, under the new one.
        self._pending.pop(_POWER, None)
        return self._look(now)

    def set_unbalance_limit(self, limit_w: int, now: int | None = None) -> tuple[Finding, ...]:
        """Let `limit_w` be the limit of the difference between two phases from now on [W], 0 for none.

        Parameters
        ----------
        limit_w : int
            The limit [W].
        now : int, optional
            The instant [ns]; not needed before there are quantities.

        Raises
        ------
        InvalidInput
            If the limit is outside 0 to 2**32 - 1 W.
        """
        if _limit(limit_w, "unbalance_limit_w") == self._unbalance_w:
            # The delay of a load that exceeds it goes on.
            return ()
        self._unbalance_w = limit_w
        self._pending.pop(_UNBALANCE, None)
        return self._look(now)

    def observe(self, quantities: LineQuantities, closed: bool, now: int) -> tuple[Finding, ...]:
        """Compare `quantities` with the limits; they hold until others come.

        Parameters
        ----------
        quantities : LineQuantities
            What the line does.
        closed : bool
            Whether the load switch is closed.
        now : int
            The instant [ns].
        """
        self._quantities = quantities
        self._closed = closed
        if self._calm:
            first, second, third = quantities.voltage_mv
            over, under = self._over_mv, self._under_mv
            if under <= first <= over and under <= second <= over and under <= third <= over:
                if not closed or not (self._power_w or self._unbalance_w or self._current_ma):
                    return ()
                if not self._loads_exceeded(quantities, 0):
                    return ()
        return self._judge(now)

    def expire(self, now: int) -> tuple[Finding, ...]:
        """Trip, retry, unlock and forget what is due."""
        if self.deadline_ns is None or now < self.deadline_ns:
            return ()
        return self._judge(now)

    def _look(self, now: int | None) -> tuple[Finding, ...]:
        if now is None or self._quantities is None:
            self._plan()
            return ()
        return self._judge(now)

    def _judge(self, now: int) -> tuple[Finding, ...]:
        findings: list[Finding] = []
        self._resume(now)
        exceeded = self._exceeded()
        self._end_trips(exceeded, findings, now)
        self._end_lockout(findings, now)
        if self._forget_ns is not None and now >= self._forget_ns:
            self._forget_ns = None
            self._trips = 0
        pending = self._pending
        for bit in _BITS:
            if not exceeded & bit or bit in self._tripped:
                pending.pop(bit, None)
                continue
            due_ns = pending.setdefault(bit, now + self._delays_ns[bit])
            if now >= due_ns:
                del pending[bit]
                self._trip(bit, findings, now)
        self._plan()
        return tuple(findings)

    def _resume(self, now: int) -> None:
        """Begin what an earlier run left behind."""
        parameters = self._parameters
        if self._locked and self._lockout_until_ns is None:
            self._lockout_until_ns = now + parameters.lockout_s * SECOND_NS
        if self._trips and self._forget_ns is None:
            self._forget_ns = now + (parameters.retry_s + parameters.forgotten_s) * SECOND_NS

    def _end_trips(self, exceeded: int, findings: list[Finding], now: int) -> None:
        retry_ns = self._parameters.retry_s * SECOND_NS
        for bit, until_ns in list(self._tripped.items()):
            if not bit & _LOADS and exceeded & bit:
                # A voltage that is still wrong, or wrong again.
                self._tripped[bit] = None
            elif until_ns is None:
                self._tripped[bit] = now + retry_ns
            elif now >= until_ns:
                del self._tripped[bit]
                self._tripped_bits &= ~bit
                findings.append(Finding(_EVENTS[bit][1]))

    def _end_lockout(self, findings: list[Finding], now: int) -> None:
        if self._lockout_until_ns is not None and now >= self._lockout_until_ns:
            self._lockout_until_ns = None
            self._locked = False
            findings.append(Finding(EventCode.OVERLOAD_LOCKOUT_ENDED))

    def _trip(self, bit: int, findings: list[Finding], now: int) -> None:
        parameters = self._parameters
        retry_ns = now + parameters.retry_s * SECOND_NS
        self._tripped[bit] = retry_ns if bit & _LOADS else None
        self._tripped_bits |= bit
        phase, value = self._worst(bit)
        findings.append(Finding(_EVENTS[bit][0], phase, value))
        if not bit & self._counted or not parameters.trips:
            return
        self._trips += 1
        self._forget_ns = retry_ns + parameters.forgotten_s * SECOND_NS
        if self._trips >= parameters.trips:
            findings.append(Finding(EventCode.OVERLOAD_LOCKOUT, value=self._trips))
            self._locked = True
            self._lockout_until_ns = now + parameters.lockout_s * SECOND_NS
            self._trips = 0
            self._forget_ns = None

    def _exceeded(self) -> int:
        """Return the limits that the last quantities exceed; those that did so before keep a hysteresis."""
        quantities = self._quantities
        if quantities is None:
            return 0
        hysteresis = self._parameters.hysteresis_permil
        held = self._tripped_bits
        for bit in self._pending:
            held |= bit
        over_mv = self._over_mv - (self._over_mv * hysteresis // 1000 if held & _OVER else 0)
        under_mv = self._under_mv + (self._under_mv * hysteresis // 1000 if held & _UNDER else 0)
        exceeded = 0
        for voltage_mv in quantities.voltage_mv:
            if voltage_mv > over_mv:
                exceeded |= _OVER
            elif self._present_mv <= voltage_mv < under_mv:
                exceeded |= _UNDER
        # Without supply there is no load, and what little is measured belongs to the meter's fault finding.
        return exceeded | self._loads_exceeded(quantities, held) if self._closed else exceeded

    def _loads_exceeded(self, quantities: LineQuantities, held: int) -> int:
        hysteresis = self._parameters.hysteresis_permil
        exceeded = 0
        limit = self._power_w
        if limit:
            if held & _POWER:
                limit -= limit * hysteresis // 1000
            first, second, third = quantities.power_w
            if first + second + third > limit:
                exceeded = _POWER
        limit = self._unbalance_w
        if limit:
            if held & _UNBALANCE:
                limit -= limit * hysteresis // 1000
            if max(quantities.power_w) - min(quantities.power_w) > limit:
                exceeded |= _UNBALANCE
        limit = self._current_ma
        if limit:
            if held & _CURRENT:
                limit -= limit * hysteresis // 1000
            if max(quantities.current_ma) > limit:
                exceeded |= _CURRENT
        return exceeded

    def _worst(self, bit: int) -> tuple[int, int]:
        """Return the phase that tripped, 0 for all, and how far it went."""
        quantities = self._quantities
        assert quantities is not None
        if bit == _POWER:
            return 0, sum(quantities.power_w)
        if bit == _UNBALANCE:
            return 0, max(quantities.power_w) - min(quantities.power_w)
        if bit == _CURRENT:
            return _largest(quantities.current_ma)
        if bit == _OVER:
            return _largest(quantities.voltage_mv)
        lowest = min(value for value in quantities.voltage_mv if value >= self._present_mv)
        return quantities.voltage_mv.index(lowest) + 1, lowest

    def _plan(self) -> None:
        waiting = [*self._pending.values(), self._lockout_until_ns, self._forget_ns, *self._tripped.values()]
        self.deadline_ns = min((at_ns for at_ns in waiting if at_ns is not None), default=None)
        self._calm = not (self._pending or self._tripped)


def _limit(limit_w: int, field: str) -> int:
    if not 0 <= limit_w <= LARGEST_LIMIT_W:
        raise InvalidInput(f"{field} of {limit_w} W is outside 0 to {LARGEST_LIMIT_W} W", field=field)
    return limit_w


def _largest(values: Triple) -> tuple[int, int]:
    most = max(values)
    return values.index(most) + 1, most
