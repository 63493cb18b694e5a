"""What the meter tells a reader: its registers and states at one instant."""

from __future__ import annotations

from dataclasses import dataclass

from joy311.energy import EnergyRegister
from joy311.meter.credit_warning import CreditState
from joy311.meter.load_switch import OpenReason
from joy311.meter.settings import Settings
from joy311.quantities import LineQuantities
from joy311.sts import KeyAttributes, TokenResult

Registers = tuple[EnergyRegister, EnergyRegister, EnergyRegister]


@dataclass(frozen=True, slots=True)
class Readout:
    """What the meter tells a reader.

    Parameters
    ----------
    drn : str
        Decoder reference number.
    attributes : KeyAttributes
        Of the key in use.
    credit_wh, drawn_wh, accepted_wh, cleared_wh : int
        Credit left, drawn ever, accepted ever and cleared ever [Wh].
    total : EnergyRegister
        The register that debits credit.
    imported, exported : tuple of EnergyRegister
        Per phase L1..L3.
    credit_state : CreditState
        What the low credit warning says.
    supply_on : bool
        Where the contacts are.
    open_reasons : OpenReason
        Why the switch is open.
    switch_operations : int
        Times the switch was driven.
    tokens_accepted, tokens_refused : int
        Tokens judged, ever.
    last_result : TokenResult or None
        Result of the last token.
    last_units, last_token_id : int
        Amount [0.1 kWh] and identifier of the last accepted credit token.
    token_ids : tuple of int
        The identifiers in memory, in rising order.
    power_failures : int
        Announced power failures.
    power_w : int
        Total active power now [W].
    quantities : LineQuantities or None
        Instantaneous quantities, None before the first.
    settings : Settings
        What tokens and the port set.
    emergency_drawn : bool
        Whether the emergency credit is being used.
    tampers : int
        Latched tamper conditions, a bit set of `TamperKind`.
    fault_codes : tuple of int
        Faults that are present.
    error_register : int
        The error register F.F.
    lockout_ns : int
        Time for which no token is taken any more [ns].
    staged_sections : tuple of int
        Sections of a key change that wait for the others.
    clock_ns : int
        What the meter's clock shows [ns since 1970 UTC].
    month_wh : int
        Consumption of this month [Wh].
    past_month_wh : tuple of int
        Of the months before, the latest first [Wh].
    """

    drn: str
    attributes: KeyAttributes
    credit_wh: int
    drawn_wh: int
    accepted_wh: int
    cleared_wh: int
    total: EnergyRegister
    imported: Registers
    exported: Registers
    credit_state: CreditState
    supply_on: bool
    open_reasons: OpenReason
    switch_operations: int
    tokens_accepted: int
    tokens_refused: int
    last_result: TokenResult | None
    last_units: int
    last_token_id: int
    token_ids: tuple[int, ...]
    power_failures: int
    power_w: int
    quantities: LineQuantities | None
    settings: Settings
    emergency_drawn: bool
    tampers: int
    fault_codes: tuple[int, ...]
    error_register: int
    lockout_ns: int
    staged_sections: tuple[int, ...]
    clock_ns: int
    month_wh: int
    past_month_wh: tuple[int, ...]
