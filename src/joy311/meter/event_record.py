"""Events as lines of text and back, so that a life can be recorded and lived again."""

from __future__ import annotations

import json
from typing import get_args

from joy311.errors import InvalidInput
from joy311.meter.events import Event
from joy311.meter.plain_values import fields_to_plain, from_plain

_KINDS = {kind.__name__: kind for kind in get_args(Event)}


def event_line(event: Event, now: int) -> str:
    """Return `event` at `now` [ns] as one line of JSON."""
    return json.dumps(
        {"now": now, "event": type(event).__name__, **fields_to_plain(event)}, separators=(",", ":")
    )


def parse_event(line: str) -> tuple[int, Event]:
    """Return the instant [ns] and the event that a line holds.

    Raises
    ------
    InvalidInput
        If the line is not one that `event_line` wrote.
    """
    try:
        values = json.loads(line)
    except ValueError:
        raise InvalidInput(f"{line[:60]!r} is not a line of JSON") from None
    if not isinstance(values, dict):
        raise InvalidInput(f"{line[:60]!r} is not an event")
    now, name = values.pop("now", None), values.pop("event", None)
    if not isinstance(now, int) or name not in _KINDS:
        raise InvalidInput(f"{line[:60]!r} names no instant and event that a meter knows")
    return now, from_plain(_KINDS[name], values, name)
