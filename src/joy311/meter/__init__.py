"""The payment meter's firmware as a plain object: events and ``now`` in, actions out (IEC 62055-31)."""

from joy311.meter.actions import Action, Commit, PlaySound, Report, SetLight, Show, SwitchLoad
from joy311.meter.app import Meter, Readout
from joy311.meter.events import (
    ContactMoved,
    DeadlineReached,
    EnergyMeasured,
    Event,
    KeyPressed,
    PoweredUp,
    PowerFailing,
    QuantitiesMeasured,
    TokenReceived,
)
from joy311.meter.load_switch import OpenReason
from joy311.meter.prepayment import CHECKPOINT_QUANTUM_WH, MAXIMUM_CREDIT_WH
from joy311.meter.record import FactoryData, MeterRecord

__all__ = [
    "CHECKPOINT_QUANTUM_WH",
    "MAXIMUM_CREDIT_WH",
    "Action",
    "Commit",
    "ContactMoved",
    "DeadlineReached",
    "EnergyMeasured",
    "Event",
    "FactoryData",
    "KeyPressed",
    "Meter",
    "MeterRecord",
    "OpenReason",
    "PlaySound",
    "PowerFailing",
    "PoweredUp",
    "QuantitiesMeasured",
    "Readout",
    "Report",
    "SetLight",
    "Show",
    "SwitchLoad",
    "TokenReceived",
]
