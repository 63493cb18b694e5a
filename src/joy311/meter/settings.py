"""The settings that tokens and the port change while the meter is in use; they are part of the record."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

from joy311.errors import InvalidInput
from joy311.sts import MeterControl, MeterFlag

DEFAULT_LOW_CREDIT_WH = (20_000, 10_000)
"""The two levels at which the meter warns of low credit unless told otherwise [Wh]."""

WH_PER_CONTROL_STEP = 1_000
"""Watt-hours in one step of a control that is given in kWh [Wh]."""

LARGEST_LIMIT_W = (1 << 32) - 1
"""The largest power limit that the record holds [W]."""


class Setting(IntEnum):
    """A setting, by the number that the port writes it with."""

    POST_PAYMENT = 1
    EMERGENCY_CREDIT = 2
    FRIENDLY_CREDIT = 3
    CONFIRM_RECONNECTION = 4
    SUPPLY_BARRED = 5
    QUIET_LOW_CREDIT = 6
    LOW_CREDIT_LEVEL_1_WH = 16
    LOW_CREDIT_LEVEL_2_WH = 17
    EMERGENCY_CREDIT_WH = 18
    POWER_LIMIT_W = 19
    UNBALANCE_LIMIT_W = 20


@dataclass(frozen=True, slots=True)
class Settings:
    """What the utility set.

    Parameters
    ----------
    flags : int
        Bit n stands for the `MeterFlag` n.
    low_credit_wh : tuple of int
        First and second level of the low credit warning [Wh], the second below the first.
    emergency_wh : int
        How far the credit may run below zero once the customer drew the emergency credit [Wh].
    power_limit_w, unbalance_limit_w : int
        Total active power, and difference between two phases, above which the switch opens [W]; 0 for none.

    Raises
    ------
    InvalidInput
        If a value is outside its range.
    """

    flags: int = 0
    low_credit_wh: tuple[int, int] = DEFAULT_LOW_CREDIT_WH
    emergency_wh: int = 0
    power_limit_w: int = 0
    unbalance_limit_w: int = 0

    def __post_init__(self) -> None:
        """Refuse what no meter may be set to."""
        first, second = self.low_credit_wh
        if not 0 <= second < first:
            raise InvalidInput(
                f"low credit levels {first} Wh and {second} Wh must fall, and not below 0",
                field="low_credit_wh",
            )
        for name in ("emergency_wh", "power_limit_w", "unbalance_limit_w"):
            value = getattr(self, name)
            if not 0 <= value <= LARGEST_LIMIT_W:
                raise InvalidInput(f"{name} of {value} is outside 0 to {LARGEST_LIMIT_W}", field=name)

    def has(self, flag: MeterFlag) -> bool:
        """Return whether `flag` is set."""
        return bool(self.flags >> flag & 1)

    def with_flag(self, flag: MeterFlag, on: bool) -> Settings:
        """Return the settings with `flag` on or off."""
        bit = 1 << flag
        return replace(self, flags=self.flags | bit if on else self.flags & ~bit)

    def control(self, control: MeterControl) -> int:
        """Return the value of `control` in its own unit."""
        match control:
            case MeterControl.LOW_CREDIT_LEVEL_1:
                return self.low_credit_wh[0] // WH_PER_CONTROL_STEP
            case MeterControl.LOW_CREDIT_LEVEL_2:
                return self.low_credit_wh[1] // WH_PER_CONTROL_STEP
            case MeterControl.EMERGENCY_CREDIT_AMOUNT:
                return self.emergency_wh // WH_PER_CONTROL_STEP

    def with_control(self, control: MeterControl, value: int) -> Settings:
        """Return the settings with `control` at `value` of its own unit.

        Raises
        ------
        InvalidInput
            If the value is outside the control's range.
        """
        energy_wh = value * WH_PER_CONTROL_STEP
        match control:
            case MeterControl.LOW_CREDIT_LEVEL_1:
                return self.written(Setting.LOW_CREDIT_LEVEL_1_WH, energy_wh)
            case MeterControl.LOW_CREDIT_LEVEL_2:
                return self.written(Setting.LOW_CREDIT_LEVEL_2_WH, energy_wh)
            case MeterControl.EMERGENCY_CREDIT_AMOUNT:
                return self.written(Setting.EMERGENCY_CREDIT_WH, energy_wh)

    def written(self, setting: Setting, value: int) -> Settings:
        """Return the settings with `setting` at `value`.

        Raises
        ------
        InvalidInput
            If the value is outside the setting's range.
        """
        first, second = self.low_credit_wh
        match setting:
            case Setting.LOW_CREDIT_LEVEL_1_WH:
                return replace(self, low_credit_wh=(value, second))
            case Setting.LOW_CREDIT_LEVEL_2_WH:
                return replace(self, low_credit_wh=(first, value))
            case Setting.EMERGENCY_CREDIT_WH:
                return replace(self, emergency_wh=value)
            case Setting.POWER_LIMIT_W:
                return replace(self, power_limit_w=value)
            case Setting.UNBALANCE_LIMIT_W:
                return replace(self, unbalance_limit_w=value)
            case _:
                if value not in (0, 1):
                    raise InvalidInput(f"{setting.name} is 0 or 1, not {value}", field=setting.name.lower())
                return self.with_flag(MeterFlag(setting.value), bool(value))

    def value_of(self, setting: Setting) -> int:
        """Return the present value of `setting`."""
        match setting:
            case Setting.LOW_CREDIT_LEVEL_1_WH:
                return self.low_credit_wh[0]
            case Setting.LOW_CREDIT_LEVEL_2_WH:
                return self.low_credit_wh[1]
            case Setting.EMERGENCY_CREDIT_WH:
                return self.emergency_wh
            case Setting.POWER_LIMIT_W:
                return self.power_limit_w
            case Setting.UNBALANCE_LIMIT_W:
                return self.unbalance_limit_w
            case _:
                return int(self.has(MeterFlag(setting.value)))
