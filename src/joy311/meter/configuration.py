"""The meter's configuration: every parameter that a utility may choose, as one document."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from joy311.errors import InvalidInput, StorageError
from joy311.meter.calendar import CalendarParameters
from joy311.meter.credit_warning import CreditWarningParameters
from joy311.meter.display import DisplayParameters
from joy311.meter.load_profile import LoadProfileParameters
from joy311.meter.load_switch import LoadSwitchParameters
from joy311.meter.lockout import LockoutParameters
from joy311.meter.nameplate import Variant
from joy311.meter.phases import PhaseParameters
from joy311.meter.plain_values import fields_to_plain, from_plain
from joy311.meter.reverse_energy import ReverseEnergyParameters
from joy311.meter.short_codes import DEFAULT_SHORT_CODES, ShortCodeTable
from joy311.meter.supply_limits import SupplyLimitParameters
from joy311.meter.tamper import TamperParameters
from joy311.meter.token_entry import EntryParameters

LONGEST_CUSTOMER_NUMBER = 32
"""Characters of the longest customer's number that the port shows."""

MOST_BYTES = 8_000
"""Length of the longest configuration that the meter's memory holds [bytes]."""


@dataclass(frozen=True, slots=True)
class TokenParameters:
    """How tokens are taken.

    Parameters
    ----------
    judging_ms : int
        Time for which a token keeps the other doors waiting; a token there is answered NotReady [ms].
    """

    judging_ms: int = 500

    def __post_init__(self) -> None:
        """Refuse what nobody would wait for."""
        if not 0 <= self.judging_ms <= 10_000:
            raise InvalidInput(
                f"judging for {self.judging_ms} ms is outside 0 to 10000 ms", field="judging_ms"
            )


@dataclass(frozen=True, slots=True)
class Configuration:
    """All parameters, in sections; each section says what its own mean.

    `integrated_keypad` says whether keypad and display are in the meter's own case; those of a split meter
    are in its customer interface unit.
    """

    variant: Variant = field(default_factory=Variant)
    supply: SupplyLimitParameters = field(default_factory=SupplyLimitParameters)
    load_switch: LoadSwitchParameters = field(default_factory=LoadSwitchParameters)
    tamper: TamperParameters = field(default_factory=TamperParameters)
    reverse_energy: ReverseEnergyParameters = field(default_factory=ReverseEnergyParameters)
    phases: PhaseParameters = field(default_factory=PhaseParameters)
    entry: EntryParameters = field(default_factory=EntryParameters)
    credit_warning: CreditWarningParameters = field(default_factory=CreditWarningParameters)
    display: DisplayParameters = field(default_factory=DisplayParameters)
    short_codes: ShortCodeTable | None = None
    tokens: TokenParameters = field(default_factory=TokenParameters)
    calendar: CalendarParameters = field(default_factory=CalendarParameters)
    load_profile: LoadProfileParameters = field(default_factory=LoadProfileParameters)
    lockout: LockoutParameters = field(default_factory=LockoutParameters)
    access_lockout: LockoutParameters = field(default_factory=lambda: LockoutParameters(3, 60, 3600))
    customer_number: str = ""
    integrated_keypad: bool = True

    def __post_init__(self) -> None:
        """Give the watchers of voltage the variant's nominal voltage, and refuse a number that is no text."""
        number = self.customer_number
        if len(number) > LONGEST_CUSTOMER_NUMBER or not number.isascii() or not (number + "-").isprintable():
            raise InvalidInput(
                f"a customer's number of {len(number)} characters; it has at most {LONGEST_CUSTOMER_NUMBER}, "
                "all printable",
                field="customer_number",
            )
        nominal_mv = self.variant.nominal_voltage_v * 1000
        object.__setattr__(self, "supply", replace(self.supply, nominal_mv=nominal_mv))
        object.__setattr__(self, "phases", replace(self.phases, nominal_mv=nominal_mv))

    @property
    def codes(self) -> ShortCodeTable:
        """The short codes in use."""
        return self.short_codes or DEFAULT_SHORT_CODES

    def to_mapping(self) -> dict[str, Any]:
        """Return the configuration as plain values, as JSON and TOML hold them."""
        return fields_to_plain(self)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Configuration:
        """Return the configuration that `mapping` describes; what it leaves out keeps its default.

        Raises
        ------
        InvalidInput
            If a name is unknown, or a value is of the wrong type or outside its range; the message names the
            section.
        """
        return from_plain(cls, mapping)

    def to_bytes(self) -> bytes:
        """Return the configuration as the meter's memory keeps it."""
        return json.dumps(self.to_mapping(), separators=(",", ":"), sort_keys=True).encode("ascii")

    @classmethod
    def from_bytes(cls, data: bytes) -> Configuration:
        """Return the configuration that the meter's memory holds.

        Raises
        ------
        StorageError
            If `data` is not a configuration.
        """
        try:
            return cls.from_mapping(json.loads(data))
        except (ValueError, InvalidInput) as error:
            raise StorageError(f"the memory holds no configuration: {error}") from error
