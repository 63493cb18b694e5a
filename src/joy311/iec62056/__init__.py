"""The local port of IEC 62056-21, both ends: sign-on, read-out and programming of modes A to D.

Nothing here reads a clock or opens a line. `Server` is the meter's end, over an `Application`; `Client` is
the reader's. Bytes and ``now`` go in, effects come out. `REGISTERS` is the one table of what the meter shows.
"""

from joy311.iec62056.access import (
    AccessState,
    ChallengeResponse,
    Level,
    Password,
    Proof,
    admitted_level,
    challenge_response,
)
from joy311.iec62056.application import Application, ProfileShape
from joy311.iec62056.client import Accepted, Challenged, Client, ClientEffect, Failed, Identified, Received
from joy311.iec62056.effects import Effect, Send, SetSpeed
from joy311.iec62056.messages import (
    Command,
    Data,
    DataSet,
    Identification,
    Item,
    Request,
    Speed,
    parse_data_sets,
)
from joy311.iec62056.port_error import PortError
from joy311.iec62056.registers import (
    LOAD_PROFILE,
    LOG_BOOK,
    REGISTERS,
    TOKEN_GATEWAY,
    Code,
    Peak,
    Register,
    Value,
    parse_written,
    render,
)
from joy311.iec62056.server import Mode, PortSettings, Server, State
from joy311.iec62056.tables import IntervalStatus, LogEntry, ProfileRow, TableRequest, read_log, read_profile
from joy311.iec62056.time_formats import TimeFormat, TimeStyle

__all__ = [
    "LOAD_PROFILE",
    "LOG_BOOK",
    "REGISTERS",
    "TOKEN_GATEWAY",
    "Accepted",
    "AccessState",
    "Application",
    "ChallengeResponse",
    "Challenged",
    "Client",
    "ClientEffect",
    "Code",
    "Command",
    "Data",
    "DataSet",
    "Effect",
    "Failed",
    "Identification",
    "Identified",
    "IntervalStatus",
    "Item",
    "Level",
    "LogEntry",
    "Mode",
    "Password",
    "Peak",
    "PortError",
    "PortSettings",
    "ProfileRow",
    "ProfileShape",
    "Proof",
    "Received",
    "Register",
    "Request",
    "Send",
    "Server",
    "SetSpeed",
    "Speed",
    "State",
    "TableRequest",
    "TimeFormat",
    "TimeStyle",
    "Value",
    "admitted_level",
    "challenge_response",
    "parse_data_sets",
    "parse_written",
    "read_log",
    "read_profile",
    "render",
]
