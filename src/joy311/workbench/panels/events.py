"""The meter's event log, to be read, filtered and taken away."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from nicegui import ui

from joy311.workbench.event_table import EVERYTHING, GROUPS, EventRow, rows
from joy311.workbench.panels.cards import LISTS_S, card
from joy311.workbench.rig import Rig

MOST_ROWS = 300
"""Lines shown at once, the newest; the export has all."""

LOG_PATH = "/device/log.csv"


def build_events(rig: Rig, is_open: Callable[[], bool]) -> None:
    """Draw the panel here; it looks at the log only while `is_open`."""
    seen: tuple[int, str] | None = None

    def refresh() -> None:
        nonlocal seen
        if not is_open():
            return
        entries = rig.meter.log()
        group = str(chosen.value)
        newest = (entries[-1].sequence if entries else 0, group)
        if newest == seen:
            return
        seen = newest
        lines = rows(entries, group)
        count.set_text(f"{len(lines)} of {len(entries)} entries, the newest first")
        table.set_content(_table(lines[:MOST_ROWS]))

    with card("Event log", "events"):
        with ui.element("div").classes("joy-event-tools"):
            chosen = ui.toggle(list(GROUPS), value=EVERYTHING, on_change=refresh).props(
                'unelevated no-caps dense size=sm toggle-color=primary aria-label="Filter"'
            )
            ui.link("Export CSV", LOG_PATH).classes("joy-way").props("download")
        count = ui.label().classes("joy-quiet")
        with ui.element("div").classes("joy-event-scroll").props("data-testid=events tabindex=0"):
            table = ui.html("", sanitize=False)
    refresh()
    ui.timer(LISTS_S, refresh)


def _table(lines: list[EventRow]) -> str:
    if not lines:
        return '<p class="joy-quiet">No entry of this kind yet.</p>'
    body = "".join(
        f'<tr class="joy-event-{line.group.lower()}"><td>{line.number}</td>'
        f"<td><time>{escape(line.time.replace('T', ' ').removesuffix('Z'))}</time></td>"
        f"<td>{escape(line.title)}</td><td>{line.phase}</td><td>{escape(_value(line))}</td></tr>"
        for line in lines
    )
    return (
        '<table class="joy-events"><thead><tr><th>No.</th><th>Time, UTC</th><th>Event</th><th>Phase</th>'
        f"<th>Value</th></tr></thead><tbody>{body}</tbody></table>"
    )


def _value(line: EventRow) -> str:
    return line.meaning or (str(line.value) if line.value else "")
