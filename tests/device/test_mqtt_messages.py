"""What is said over MQTT: discovery by a strict schema, readings, events, and what is kept quiet."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from joy311.device.mqtt_messages import (
    EVENT_TYPES,
    RETAINED_REFUSED,
    Message,
    Topics,
    availability,
    discovery,
    entities,
    event,
    log_gap,
    retained_refused,
    state,
    token_result,
    token_text,
)
from joy311.device.mqtt_publisher import BrokerAddress, PublishSettings
from joy311.errors import InvalidInput
from joy311.iec62056 import REGISTERS, Value
from joy311.iec62056.registers import Group, Number
from joy311.meter import EventCode, LogEntry
from joy311.sts import TokenResult

TOPICS = Topics("joy311", "12345678903")
TOKEN = "12345678901234567890"

STATE_CLASSES: dict[str, set[str | None]] = {
    "energy": {"total", "total_increasing"},
    "energy_storage": {"measurement"},
    "enum": {None},
    "problem": {None},
    **{key: {"measurement"} for key in ("power", "current", "voltage", "frequency", "power_factor")},
    "duration": {"measurement", "total", "total_increasing"},
}
"""Which state class Home Assistant takes with which device class."""

UNITS: dict[str, set[str | None]] = {
    "energy": {"Wh", "kWh", "MWh"},
    "energy_storage": {"Wh", "kWh", "MWh"},
    "power": {"W", "kW"},
    "current": {"mA", "A"},
    "voltage": {"mV", "V"},
    "frequency": {"Hz", "kHz", "MHz"},
    "power_factor": {None, "%"},
    "duration": {"s", "min", "h", "d"},
    "enum": {None},
    "problem": {None},
}

Check = Callable[[Any], bool]


def is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def is_topic(value: Any) -> bool:
    return is_text(value) and not re.search(r"[#+\x00]", value) and not value.startswith(("/", "$"))


def are_texts(value: Any) -> bool:
    return (
        isinstance(value, list) and bool(value) and all(map(is_text, value)) and len(set(value)) == len(value)
    )


def is_device(value: Any) -> bool:
    known = {"identifiers", "name", "manufacturer", "model", "serial_number", "sw_version"}
    return (
        isinstance(value, dict)
        and value.keys() <= known
        and are_texts(value["identifiers"])
        and all(is_text(each) for key, each in value.items() if key != "identifiers")
    )


def is_origin(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"name", "sw_version"}
        and all(map(is_text, value.values()))
    )


ALWAYS: dict[str, Check] = {
    "name": is_text,
    "unique_id": is_text,
    "availability_topic": is_topic,
    "payload_available": is_text,
    "payload_not_available": is_text,
    "qos": lambda value: value in (0, 1, 2),
    "device": is_device,
    "origin": is_origin,
}
REQUIRED: dict[str, dict[str, Check]] = {
    "sensor": {"state_topic": is_topic, "value_template": is_text},
    "binary_sensor": {"state_topic": is_topic, "value_template": is_text},
    "event": {"state_topic": is_topic, "event_types": are_texts},
    "text": {
        "command_topic": is_topic,
        "mode": lambda value: value in ("text", "password"),
        "min": lambda value: isinstance(value, int) and 0 <= value <= 255,
        "max": lambda value: isinstance(value, int) and 0 <= value <= 255,
        "pattern": lambda value: re.compile(value) is not None,
        "retain": lambda value: value is False,
    },
}
OPTIONAL: dict[str, dict[str, Check]] = {
    "sensor": {
        "device_class": lambda value: value in UNITS.keys() - {"problem"},
        "state_class": lambda value: value in ("measurement", "total", "total_increasing"),
        "unit_of_measurement": is_text,
        "suggested_display_precision": lambda value: isinstance(value, int) and value >= 0,
        "options": are_texts,
        "entity_category": lambda value: value == "diagnostic",
    },
    "binary_sensor": {
        "device_class": lambda value: value == "problem",
        "entity_category": lambda value: value == "diagnostic",
    },
    "event": {},
    "text": {},
}


def check_discovery(topic: str, payload: bytes) -> dict[str, Any]:
    """Hold a discovery document to the schema: every required key, no unknown one, only allowed values."""
    found = re.fullmatch(r"homeassistant/([a-z_]+)/([0-9A-Za-z_-]+)/([0-9A-Za-z_-]+)/config", topic)
    assert found is not None, topic
    component = found[1]
    document: dict[str, Any] = json.loads(payload)
    required = ALWAYS | REQUIRED[component]
    allowed = required | OPTIONAL[component]
    assert required.keys() <= document.keys(), topic
    assert document.keys() <= allowed.keys(), topic
    for key, value in document.items():
        assert allowed[key](value), (topic, key, value)
    device_class = document.get("device_class")
    if device_class is not None:
        assert document.get("state_class") in STATE_CLASSES[device_class], topic
        assert document.get("unit_of_measurement") in UNITS[device_class], topic
    assert ("options" in document) is (device_class == "enum"), topic
    return document


def all_documents() -> dict[str, dict[str, Any]]:
    messages = discovery(TOPICS, REGISTERS, "1.0")
    assert all(message.retained for message in messages)
    return {message.topic: check_discovery(message.topic, message.payload) for message in messages}


def test_every_discovery_document_holds_the_schema() -> None:
    documents = all_documents()
    assert len(documents) == len(entities(REGISTERS)) + 3
    unique = [document["unique_id"] for document in documents.values()]
    assert len(set(unique)) == len(unique)


@pytest.mark.parametrize(
    "change",
    [
        {"state_class": "measurement", "device_class": "energy"},
        {"unit_of_measurement": "furlong"},
        {"device_class": "happiness"},
        {"colour": "blue"},
        {"qos": 3},
        {"state_topic": "a/#"},
    ],
)
def test_the_schema_refuses_what_is_not_allowed(change: dict[str, Any]) -> None:
    topic = "homeassistant/sensor/joy311_12345678903/1_8_0/config"
    document = all_documents()[topic]
    with pytest.raises(AssertionError):
        check_discovery(topic, json.dumps(document | change).encode())
    with pytest.raises(AssertionError):
        check_discovery(topic, json.dumps({key: document[key] for key in document if key != "name"}).encode())


def test_energy_grows_and_credit_is_a_store() -> None:
    documents = all_documents()
    energy = documents["homeassistant/sensor/joy311_12345678903/15_8_0/config"]
    assert (energy["device_class"], energy["state_class"], energy["unit_of_measurement"]) == (
        "energy",
        "total_increasing",
        "kWh",
    )
    credit = documents["homeassistant/sensor/joy311_12345678903/19_10_0/config"]
    assert (credit["device_class"], credit["state_class"]) == ("energy_storage", "measurement")


def test_only_registers_that_the_meter_has_are_discovered() -> None:
    messages = discovery(TOPICS, ["1.8.0", "C.50.1", "0.0.1"], "1.0")
    assert [message.topic.split("/")[3] for message in messages] == [
        "1_8_0",
        "event",
        "token_result",
        "token",
    ]


def test_every_event_of_the_meter_may_come() -> None:
    (event_document,) = [
        document for topic, document in all_documents().items() if topic.endswith("/event/config")
    ]
    assert event_document["event_types"] == list(EVENT_TYPES)
    for number, code in enumerate(EventCode, 1):
        said = json.loads(event(TOPICS, LogEntry(number, 0, code, 2, -5)).payload)
        assert said["event_type"] in EVENT_TYPES
        assert (said["sequence"], said["phase"], said["value"]) == (number, 2, -5)
    assert json.loads(log_gap(TOPICS, 3, 9).payload) == {"event_type": "log_gap", "first": 3, "last": 9}


def made_up(code: str) -> Value:
    return {"96.3.10": 2, "19.40.0": int(TokenResult.USED_ERROR)}.get(code, 123_456)


def test_readings_are_said_as_the_port_says_them() -> None:
    shown = entities(REGISTERS)
    codes = [entity.register.code for entity in shown]
    message = state(TOPICS, {code: made_up(code) for code in codes}, 0)
    said = json.loads(message.payload, parse_float=Decimal)
    assert message.retained
    assert said.keys() == {"at", *codes}
    assert said["at"] == "1970-01-01T00:00:00Z"
    assert said["96.3.10"] == "ready_to_close"
    assert said["19.40.0"] == "UsedError"
    assert said["F.F"] == "0001E240"
    assert said["32.7.0"] == Decimal("123.5")
    for entity in shown:
        form = entity.register.form
        if isinstance(form, Number) and not entity.options:
            assert said[entity.register.code] == Decimal(form.text(123_456))


def test_a_reading_that_is_a_word_stands_among_its_options() -> None:
    for entity in entities(REGISTERS):
        if entity.options:
            for number in range(len(entity.options)):
                code = entity.register.code
                said = json.loads(state(TOPICS, {code: number}, 0).payload)
                assert said[code] == entity.options[number]


def test_no_setting_and_no_identity_is_published() -> None:
    groups = {entity.register.group for entity in entities(REGISTERS)}
    assert not groups & {Group.SETTINGS, Group.IDENTITY, Group.TABLES}


def test_a_result_shows_only_the_end_of_its_token() -> None:
    said = [
        token_result(TOPICS, TOKEN, TokenResult.ACCEPT, 5_000),
        token_result(TOPICS, TOKEN, TokenResult.NOT_READY, None),
        *retained_refused(TOPICS, TOKEN),
    ]
    for message in said:
        assert TOKEN[:-4].encode() not in message.payload
        assert TOKEN not in message.topic
    result, unknown, refused, forgotten = said
    assert json.loads(result.payload) == {
        "event_type": "Accept",
        "result": 1,
        "token_ends_in": "7890",
        "credit_wh": 5_000,
    }
    assert "credit_wh" not in json.loads(unknown.payload)
    assert json.loads(refused.payload)["event_type"] == RETAINED_REFUSED
    assert forgotten == Message(TOPICS.token_command, b"", retained=True)
    # A short text may be the beginning of a token, and its end would be half of it.
    short = json.loads(token_result(TOPICS, "12345678", TokenResult.FORMAT_ERROR, 0).payload)
    assert short["token_ends_in"] == ""


def test_a_command_is_bounded_and_never_fails() -> None:
    assert token_text(b"  1234 5678 \n") == "1234 5678"
    assert len(token_text(b"9" * 1_000_000)) == 40
    assert len(token_text(bytes(range(256)))) <= 40


def test_availability_is_retained() -> None:
    assert availability(TOPICS, online=True) == Message("joy311/12345678903/availability", b"online", True)
    assert availability(TOPICS, online=False).payload == b"offline"


@pytest.mark.parametrize("level", ["", "a/b", "#", "a+", "$", "x" * 65, "a b"])
def test_a_level_that_is_no_level_is_refused(level: str) -> None:
    with pytest.raises(InvalidInput):
        Topics(level, "1")
    with pytest.raises(InvalidInput):
        Topics("joy311", level)


def test_an_address_has_a_host_and_may_have_the_rest() -> None:
    assert BrokerAddress.parse("mqtt://broker") == BrokerAddress("broker", 1883)
    whole = BrokerAddress.parse("mqtts://me:s%40f@h:99/home")
    assert whole == BrokerAddress("h", 99, True, "me", "s@f", "home")
    assert "s@f" not in repr(whole)
    assert BrokerAddress.parse("mqtts://h").port == 8883
    assert whole.where == "h:99"


@pytest.mark.parametrize(
    "url",
    [
        "broker",
        "http://hidden@h",
        "mqtt://",
        "mqtt://hidden@h:0",
        "mqtt://hidden@h:70000",
        "mqtt://h/a/b",
        "mqtt://h/+",
        "mqtt://hidden@h/x?y",
    ],
)
def test_an_address_of_another_form_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        BrokerAddress.parse(url)
    assert "hidden" not in str(refusal.value)


def test_pauses_double_and_are_bounded() -> None:
    settings = PublishSettings(first_backoff_s=0.5, longest_backoff_s=7.0)
    assert [settings.backoff_s(failures) for failures in range(1, 7)] == [0.5, 1.0, 2.0, 4.0, 7.0, 7.0]
    assert settings.backoff_s(10**9) == 7.0
    with pytest.raises(InvalidInput):
        PublishSettings(first_backoff_s=2.0, longest_backoff_s=1.0)
    with pytest.raises(InvalidInput):
        PublishSettings(poll_s=0.0)
