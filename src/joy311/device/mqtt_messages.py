"""What a meter says over MQTT: topics, payloads and the documents by which Home Assistant finds it.

Everything is drawn from one table, `entities`, which is the registers of the local port seen by a home.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import joy311
from joy311.errors import InvalidInput
from joy311.iec62056 import REGISTERS, Register, Value
from joy311.iec62056.registers import Group, Hexadecimal, Number
from joy311.instant import to_iso
from joy311.meter import EventCode, LogEntry
from joy311.sts import TokenResult

DISCOVERY_PREFIX = "homeassistant"
DEFAULT_BASE = "joy311"
ONLINE, OFFLINE = "online", "offline"
QUALITY = 1
"""Every message is delivered at least once."""

LOG_GAP = "log_gap"
"""The event that stands for entries which the meter's log had overwritten before a broker took them."""

RETAINED_REFUSED = "RetainedRefused"
"""The result of a token that lay at the broker: it was never given to the meter."""

SHOWN_DIGITS = 4
"""Digits of a token that a result shows, so that its sender knows which was meant."""

LONGEST_TOKEN_TEXT = 40
_LEAST_TOKEN_TEXT, _MOST_TOKEN_TEXT = 20, 24
_TOKEN_PATTERN = "[0-9]{4}([ -]?[0-9]{4}){4}"
_LEVEL = re.compile(r"[0-9A-Za-z_.-]{1,64}")

_GROUPS = (Group.ENERGY, Group.DEMAND, Group.NOW, Group.STATUS, Group.PREPAYMENT)
_CLASSES: dict[str, tuple[str, str]] = {
    "kWh": ("energy", "total_increasing"),
    "kW": ("power", "measurement"),
    "A": ("current", "measurement"),
    "V": ("voltage", "measurement"),
    "Hz": ("frequency", "measurement"),
    "h": ("duration", "total_increasing"),
}
"""Device class and state class by unit."""

_CLASSES_OF_CODES: dict[str, tuple[str, str]] = {
    # Credit is what is left in store, whatever it was bought as; it falls and rises.
    **dict.fromkeys(
        ("19.0.0", "19.10.0", "19.10.1", "19.50.1", "19.50.2"), ("energy_storage", "measurement")
    ),
    **dict.fromkeys(("33.7.0", "53.7.0", "73.7.0", "13.7.0"), ("power_factor", "measurement")),
    "19.20.0": ("energy", "total"),
}
SWITCH = "96.3.10"
SWITCH_STATES = ("open", "closed", "ready_to_close")
ERRORS = "F.F"
NO_TOKEN_YET = "none"
_UNITS = {"deg": "°"}


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one meter.

    Parameters
    ----------
    base : str
        First level of all of them.
    number : str
        The meter's number, which is their second level.

    Raises
    ------
    InvalidInput
        If one of the two is not 1 to 64 letters, digits and ``_ . -``.
    """

    base: str
    number: str

    def __post_init__(self) -> None:
        """Refuse what would be another topic, or a pattern of topics."""
        for name, level in (("base", self.base), ("number", self.number)):
            if not _LEVEL.fullmatch(level):
                raise InvalidInput(
                    f"the topic level {level[:80]!r} is not 1 to 64 letters, digits and _ . -", field=name
                )

    @property
    def availability(self) -> str:
        """Says whether the meter can be reached; retained, and the last will."""
        return f"{self.base}/{self.number}/availability"

    @property
    def state(self) -> str:
        """Carries the readings; retained."""
        return f"{self.base}/{self.number}/state"

    @property
    def event(self) -> str:
        """Carries the entries of the event log, one message each."""
        return f"{self.base}/{self.number}/event"

    @property
    def token_command(self) -> str:
        """Takes tokens."""
        return f"{self.base}/{self.number}/token/set"

    @property
    def token_result(self) -> str:
        """Carries the result of each token."""
        return f"{self.base}/{self.number}/token/result"


@dataclass(frozen=True, slots=True)
class Message:
    """A message to a broker.

    Parameters
    ----------
    topic : str
        Where it goes.
    payload : bytes
        What it says.
    retained : bool
        Whether the broker keeps it for whoever comes later.
    """

    topic: str
    payload: bytes
    retained: bool = False


@dataclass(frozen=True, slots=True)
class Entity:
    """One reading as a home sees it.

    Parameters
    ----------
    register : Register
        The register that it is.
    component : str
        ``sensor`` or ``binary_sensor``.
    device_class, state_class : str
        As Home Assistant names them, empty for none.
    options : tuple of str
        All values of one that is a word, empty for a number.
    """

    register: Register
    component: str = "sensor"
    device_class: str = ""
    state_class: str = ""
    options: tuple[str, ...] = ()

    @property
    def object_id(self) -> str:
        """Its name inside the meter."""
        return re.sub(r"[^0-9A-Za-z]", "_", self.register.code)

    @property
    def diagnostic(self) -> bool:
        """Whether it is about the meter rather than about the house."""
        return self.register.group is Group.STATUS


def entities(codes: Iterable[str]) -> tuple[Entity, ...]:
    """Return what a home is shown of a meter that has the registers `codes`, in the table's order."""
    held = frozenset(codes)
    return tuple(
        entity
        for register in REGISTERS.values()
        if register.code in held and register.group in _GROUPS and register.in_readout
        for entity in [_entity(register)]
        if entity is not None
    )


def _entity(register: Register) -> Entity | None:
    match register.code:
        case "96.3.10":
            return Entity(register, device_class="enum", options=SWITCH_STATES)
        case "19.40.0":
            results = tuple(result.standard_name for result in TokenResult)
            return Entity(register, device_class="enum", options=(NO_TOKEN_YET, *results))
        case "F.F":
            return Entity(register, component="binary_sensor", device_class="problem")
    if isinstance(register.form, Hexadecimal):
        return Entity(register)
    if not isinstance(register.form, Number):
        return None
    device_class, state_class = _CLASSES_OF_CODES.get(register.code) or _CLASSES.get(
        register.unit, ("", "measurement" if register.unit else "")
    )
    return Entity(register, device_class=device_class, state_class=state_class)


def discovery(
    topics: Topics, codes: Iterable[str], firmware: str, prefix: str = DISCOVERY_PREFIX
) -> tuple[Message, ...]:
    """Return the retained documents by which Home Assistant finds the meter and all that it says.

    Parameters
    ----------
    topics : Topics
        The meter's topics.
    codes : iterable of str
        The registers that it has.
    firmware : str
        Version of its firmware.
    prefix : str
        First level of the topics that Home Assistant watches.
    """
    node = f"{DEFAULT_BASE}_{topics.number}"
    about = {
        "availability_topic": topics.availability,
        "payload_available": ONLINE,
        "payload_not_available": OFFLINE,
        "qos": QUALITY,
        "device": {
            "identifiers": [node],
            "name": f"JOY311 {topics.number}",
            "manufacturer": "Joy",
            "model": "JOY311",
            "serial_number": topics.number,
            "sw_version": firmware,
        },
        "origin": {"name": "joy311", "sw_version": joy311.__version__},
    }

    def message(component: str, object_id: str, document: Mapping[str, object]) -> Message:
        whole = {**document, "unique_id": f"{node}_{object_id}", **about}
        return Message(f"{prefix}/{component}/{node}/{object_id}/config", _json(whole), retained=True)

    readings = (
        message(entity.component, entity.object_id, _document(entity, topics)) for entity in entities(codes)
    )
    return (
        *readings,
        message(
            "event",
            "event",
            {"name": "Event log", "state_topic": topics.event, "event_types": list(EVENT_TYPES)},
        ),
        message(
            "event",
            "token_result",
            {
                "name": "Token result",
                "state_topic": topics.token_result,
                "event_types": [*(result.standard_name for result in TokenResult), RETAINED_REFUSED],
            },
        ),
        message(
            "text",
            "token",
            {
                "name": "Token",
                "command_topic": topics.token_command,
                "mode": "password",
                "min": _LEAST_TOKEN_TEXT,
                "max": _MOST_TOKEN_TEXT,
                "pattern": _TOKEN_PATTERN,
                "retain": False,
            },
        ),
    )


def _document(entity: Entity, topics: Topics) -> dict[str, object]:
    register = entity.register
    document: dict[str, object] = {
        "name": register.title.partition(":")[0],
        "state_topic": topics.state,
        "value_template": f"{{{{ value_json['{register.code}'] }}}}",
    }
    if entity.device_class:
        document["device_class"] = entity.device_class
    if entity.state_class:
        document["state_class"] = entity.state_class
    if entity.options:
        document["options"] = list(entity.options)
    if entity.component == "binary_sensor":
        good = "0" * (register.form.digits if isinstance(register.form, Hexadecimal) else 1)
        document["value_template"] = f"{{{{ 'OFF' if value_json['{register.code}'] == '{good}' else 'ON' }}}}"
    elif isinstance(register.form, Number) and not entity.options:
        if register.unit:
            document["unit_of_measurement"] = _UNITS.get(register.unit, register.unit)
        document["suggested_display_precision"] = register.form.decimals
    if entity.diagnostic:
        document["entity_category"] = "diagnostic"
    return document


def state(topics: Topics, values: Mapping[str, Value], at_ns: int) -> Message:
    """Return the message with all readings: numbers as numbers, in the units of the registers.

    Parameters
    ----------
    topics : Topics
        The meter's topics.
    values : mapping of str to Value
        By code, in the form that `REGISTERS` states.
    at_ns : int
        The instant of the readings [ns].
    """
    readings: dict[str, object] = {"at": to_iso(at_ns)}
    for entity in entities(values):
        readings[entity.register.code] = _reading(entity.register, values[entity.register.code])
    return Message(topics.state, _json(readings), retained=True)


def _reading(register: Register, value: Value) -> object:
    match register.code, register.form, value:
        case "96.3.10", _, int():
            return SWITCH_STATES[value]
        case "19.40.0", _, int():
            return TokenResult(value).standard_name if value else NO_TOKEN_YET
        case _, Number() as number, int():
            # The text has been rounded as the port rounds; below 16 digits a float says it again exactly.
            text = number.text(value)
            return float(text) if "." in text else int(text)
        case _, Hexadecimal(digits), int():
            return f"{value:0{digits}X}"
    raise InvalidInput(f"register {register.code} has a value of type {type(value).__name__}", field="value")


EVENT_TYPES = (*(event.name.lower() for event in EventCode), LOG_GAP)
"""Every event type that may come."""


def event(topics: Topics, entry: LogEntry) -> Message:
    """Return the message of an entry of the event log; its sequence tells repetition from reoccurrence."""
    return Message(
        topics.event,
        _json(
            {
                "event_type": entry.event.name.lower(),
                "title": entry.event.title,
                "sequence": entry.sequence,
                "at": to_iso(entry.at_ns),
                "code": int(entry.event),
                "phase": entry.phase,
                "value": entry.value,
            }
        ),
    )


def log_gap(topics: Topics, first: int, last: int) -> Message:
    """Return the message that entries are lost: the log had overwritten them before a broker took them."""
    return Message(topics.event, _json({"event_type": LOG_GAP, "first": first, "last": last}))


def availability(topics: Topics, *, online: bool) -> Message:
    """Return the message that the meter can be reached, or cannot."""
    return Message(topics.availability, (ONLINE if online else OFFLINE).encode(), retained=True)


def token_text(payload: bytes) -> str:
    """Return what a command says, as it is given to the meter; what is too long to be a token is cut."""
    return payload[:LONGEST_TOKEN_TEXT].decode("ascii", errors="replace").strip()


def token_result(topics: Topics, text: str, result: TokenResult, credit_wh: int | None) -> Message:
    """Return the message with the result of a token, of which only the end is shown.

    Parameters
    ----------
    topics : Topics
        The meter's topics.
    text : str
        What was given to the meter.
    result : TokenResult
        Its result.
    credit_wh : int or None
        Credit afterwards, None where it is not known [Wh].
    """
    document: dict[str, object] = {
        "event_type": result.standard_name,
        "result": int(result),
        "token_ends_in": _end(text),
    }
    if credit_wh is not None:
        document["credit_wh"] = credit_wh
    return Message(topics.token_result, _json(document))


def retained_refused(topics: Topics, text: str) -> tuple[Message, Message]:
    """Return what follows a retained token: it was not entered, and the broker is to forget it."""
    refusal = {"event_type": RETAINED_REFUSED, "token_ends_in": _end(text)}
    return (
        Message(topics.token_result, _json(refusal)),
        Message(topics.token_command, b"", retained=True),
    )


def _end(text: str) -> str:
    digits = re.sub(r"[^0-9]", "", text)
    return digits[-SHOWN_DIGITS:] if len(digits) > 2 * SHOWN_DIGITS else ""


def _json(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
