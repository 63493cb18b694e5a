"""The page's cards and the times between two looks at what they show."""

from __future__ import annotations

from html import escape

from nicegui import ui

FIGURES_S = 0.25
"""Time between two looks at figures and switches [s]."""

LISTS_S = 1.0
"""Time between two looks at lists and charts [s]."""


def card(title: str, area: str) -> ui.element:
    """Return a card with a heading, to be filled."""
    made = ui.element("section").classes(f"joy-card joy-{area}").props(f'aria-label="{title}"')
    with made:
        heading(title)
    return made


def heading(title: str) -> None:
    """Draw a heading here."""
    ui.element("h2").classes("joy-title").add_slot("default", escape(title))
