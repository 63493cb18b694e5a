from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from joy311.errors import InvalidInput, StorageError
from joy311.meter import (
    Configuration,
    FaultReported,
    Meter,
    MeterRecord,
    OpenReason,
    SensorChanged,
    TamperKind,
)
from joy311.meter.calendar import CalendarParameters
from joy311.meter.configuration import MOST_BYTES
from joy311.meter.diagnosis import Fault
from joy311.meter.display import ResultProfile
from joy311.meter.event_record import event_line, parse_event
from joy311.meter.events import (
    ConfigurationWritten,
    DeadlineReached,
    Event,
    KeyPressed,
    PoweredUp,
    TokenReceived,
)
from joy311.meter.load_switch import LoadSwitchParameters
from joy311.meter.lockout import LockoutParameters
from joy311.meter.short_codes import CODES_000
from joy311.meter.tamper import TamperParameters
from joy311.panel import Key
from tests.meter.board import Board
from tests.meters import START, credit_token, factory

UNUSUAL = Configuration(
    tamper=TamperParameters(disconnect=(TamperKind.METER_COVER, TamperKind.MAGNET_DC)),
    load_switch=LoadSwitchParameters(confirm_after=(OpenReason.POWER_LIMIT, OpenReason.NO_CREDIT)),
    calendar=CalendarParameters(utc_offset_minutes=120, friendly_holidays=("12-25", "2027-01-01")),
    lockout=LockoutParameters(5, 20, 40),
    short_codes=CODES_000,
)


def leaves(mapping: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in mapping.items():
        if isinstance(value, dict) and path[:1] != ("short_codes",):
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name), value


def changed(path: tuple[str, ...], value: object) -> dict[str, Any]:
    mapping = Configuration().to_mapping()
    place = mapping
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return mapping


NUMBERS = [path for path, value in leaves(Configuration().to_mapping()) if type(value) is int]


@pytest.mark.parametrize("configuration", [Configuration(), UNUSUAL], ids=["default", "unusual"])
def test_a_configuration_comes_back_from_json_as_it_went(configuration: Configuration) -> None:
    text = json.dumps(configuration.to_mapping())
    assert Configuration.from_mapping(json.loads(text)) == configuration
    assert Configuration.from_bytes(configuration.to_bytes()) == configuration
    assert len(configuration.to_bytes()) <= MOST_BYTES


def test_what_a_document_leaves_out_keeps_its_default() -> None:
    assert Configuration.from_mapping({}) == Configuration()
    partly = Configuration.from_mapping(
        {"lockout": {"failures": 4}, "display": {"result_profile": "numeric"}}
    )
    assert partly.lockout == LockoutParameters(4, 10, 1280)
    assert partly.display.result_profile is ResultProfile.NUMERIC
    assert partly.calendar == CalendarParameters()


@pytest.mark.parametrize("path", NUMBERS, ids=".".join)
@pytest.mark.parametrize("value", [-(1 << 70), 1 << 70, "many", None, 1.5, True, [1]])
def test_a_hostile_value_names_itself(path: tuple[str, ...], value: object) -> None:
    with pytest.raises(InvalidInput) as refused:
        Configuration.from_mapping(changed(path, value))
    assert path[0] in str(refused.value) or path[0] in (refused.value.field or "")


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ({"lockot": {}}, "lockot"),
        ({"lockout": {"failure": 3}}, "failure"),
        ({"lockout": 3}, "lockout"),
        ({"tamper": {"disconnect": ["meter_cover", "roof"]}}, "roof"),
        ({"tamper": {"disconnect": "meter_cover"}}, "disconnect"),
        ({"calendar": {"friendly_holidays": ["30-30"]}}, "30-30"),
        ({"display": {"result_profile": "song"}}, "song"),
        ({"integrated_keypad": 1}, "integrated_keypad"),
    ],
)
def test_what_no_configuration_has_is_named(mapping: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        Configuration.from_mapping(mapping)


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b"{", b"\xff", b'{"lockout":{"failures":0}}'])
def test_a_memory_without_a_configuration_is_said_to_be_so(data: bytes) -> None:
    with pytest.raises(StorageError, match="configuration"):
        Configuration.from_bytes(data)


EVENTS: list[Event] = [
    PoweredUp(False, 7, True, frozenset({TamperKind.METER_COVER}), (Fault.MEMORY_ROT,), False),
    *(KeyPressed(Key(digit)) for digit in credit_token(7)),
    SensorChanged(TamperKind.MAGNET_AC, True),
    FaultReported(Fault.DISPLAY_FAILED, True),
    ConfigurationWritten(UNUSUAL),
    TokenReceived("1" * 20),
    DeadlineReached(),
]


def test_events_come_back_from_their_lines_and_a_replay_gives_the_same_actions() -> None:
    lines = [event_line(event, START + number * 10**9) for number, event in enumerate(EVENTS)]
    lives = []
    for story in ([(START + n * 10**9, event) for n, event in enumerate(EVENTS)], map(parse_event, lines)):
        meter = Meter.restore(MeterRecord(factory()).to_bytes())
        actions = [meter.handle(event, now) for now, event in story]
        lives.append((actions, meter.record(START).to_bytes()))
    assert lives[0] == lives[1]
    assert any(lives[0][0])


@pytest.mark.parametrize(
    "line", ["", "{", "[]", "3", '{"now":1}', '{"now":"1","event":"KeyPressed"}', '{"now":1,"event":"Party"}']
)
def test_a_line_that_is_no_event_is_refused(line: str) -> None:
    with pytest.raises(InvalidInput):
        parse_event(line)


def test_a_written_configuration_rules_from_the_next_start_on() -> None:
    board = Board.commission(factory(), START)
    board.handle(ConfigurationWritten(UNUSUAL))
    assert board.meter.configuration == Configuration()
    assert board.restarted().start().meter.configuration == UNUSUAL
