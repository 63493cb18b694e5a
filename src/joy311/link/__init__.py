"""The link between a meter and its customer interface unit: both ends, without wires, clock or chance.

Frames are those of DL/T 645-2007, so an unmodified master reads voltage and energy; keys, tokens and the
display travel under private identifiers.
"""

from joy311.link.application import (
    Application,
    Judgement,
    LastExchange,
    NotReady,
    Pairing,
    Snapshot,
)
from joy311.link.container import ContainerReader, Unpacked, pack
from joy311.link.frame import ANY_ADDRESS, Frame, FrameReader, Function, address_of
from joy311.link.master import (
    Answered,
    AskAddress,
    Master,
    MasterDeadline,
    Outcome,
    Request,
    Unanswered,
)
from joy311.link.medium import MEDIA, Medium, MediumName
from joy311.link.message import LAYOUTS, NOT_JUDGED, PAIRED, STALE, Message, Values, screen_of
from joy311.link.public_data import PUBLIC_DATA, PublicDatum, Readings
from joy311.link.slave import Slave, SlaveDeadline

__all__ = [
    "ANY_ADDRESS",
    "LAYOUTS",
    "MEDIA",
    "NOT_JUDGED",
    "PAIRED",
    "PUBLIC_DATA",
    "STALE",
    "Answered",
    "Application",
    "AskAddress",
    "ContainerReader",
    "Frame",
    "FrameReader",
    "Function",
    "Judgement",
    "LastExchange",
    "Master",
    "MasterDeadline",
    "Medium",
    "MediumName",
    "Message",
    "NotReady",
    "Outcome",
    "Pairing",
    "PublicDatum",
    "Readings",
    "Request",
    "Slave",
    "SlaveDeadline",
    "Snapshot",
    "Unanswered",
    "Unpacked",
    "Values",
    "address_of",
    "pack",
    "screen_of",
]
