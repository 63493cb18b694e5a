"""The payment meter's firmware, IEC 62055-31: events in, actions out, without its hardware.

`Meter.handle` takes what happened and returns what must be done, in the order in which it must be done.
"""

from __future__ import annotations

from joy311.meter.actions import (
    Action,
    AppendLog,
    AppendProfile,
    Commit,
    PlaySound,
    Report,
    SaveCheckpoint,
    SaveConfiguration,
    SetBacklight,
    SetLight,
    Show,
    SwitchLoad,
)
from joy311.meter.app import Meter
from joy311.meter.configuration import Configuration
from joy311.meter.diagnosis import Fault
from joy311.meter.doors import CiuLink, Door, Exchange
from joy311.meter.event_log import EventCode, LogEntry
from joy311.meter.events import (
    AlarmMuted,
    CiuLinkChanged,
    CiuPaired,
    ClockDrifted,
    ClockSet,
    CodeReceived,
    CommitFailed,
    ConfigurationWritten,
    DeadlineReached,
    EnergyMeasured,
    Event,
    FaultReported,
    KeyPressed,
    PasswordTried,
    PoweredUp,
    PowerFailing,
    PowerReturned,
    QuantitiesMeasured,
    RelayReported,
    SensorChanged,
    SettingWritten,
    TokenReceived,
)
from joy311.meter.load_switch import OpenReason
from joy311.meter.prepayment import CHECKPOINT_QUANTUM_WH, MAXIMUM_CREDIT_WH
from joy311.meter.readout import Readout
from joy311.meter.record import Checkpoint, FactoryData, MeterRecord
from joy311.meter.settings import Setting, Settings
from joy311.meter.tamper import TamperKind

__all__ = [
    "CHECKPOINT_QUANTUM_WH",
    "MAXIMUM_CREDIT_WH",
    "Action",
    "AlarmMuted",
    "AppendLog",
    "AppendProfile",
    "Checkpoint",
    "CiuLink",
    "CiuLinkChanged",
    "CiuPaired",
    "ClockDrifted",
    "ClockSet",
    "CodeReceived",
    "Commit",
    "CommitFailed",
    "Configuration",
    "ConfigurationWritten",
    "DeadlineReached",
    "Door",
    "EnergyMeasured",
    "Event",
    "EventCode",
    "Exchange",
    "FactoryData",
    "Fault",
    "FaultReported",
    "KeyPressed",
    "LogEntry",
    "Meter",
    "MeterRecord",
    "OpenReason",
    "PasswordTried",
    "PlaySound",
    "PowerFailing",
    "PowerReturned",
    "PoweredUp",
    "QuantitiesMeasured",
    "Readout",
    "RelayReported",
    "Report",
    "SaveCheckpoint",
    "SaveConfiguration",
    "SensorChanged",
    "SetBacklight",
    "SetLight",
    "Setting",
    "SettingWritten",
    "Settings",
    "Show",
    "SwitchLoad",
    "TamperKind",
    "TokenReceived",
]
