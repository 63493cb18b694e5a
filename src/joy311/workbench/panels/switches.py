"""Switches of the page: buttons that say whether what they stand for is on."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from joy311.errors import Joy311Error


class Switches:
    """Draws switches and keeps them in step with what they stand for."""

    def __init__(self) -> None:
        self._drawn: list[tuple[ui.element, Callable[[], bool]]] = []

    def add(
        self, icon: str, label: str, words: str, is_on: Callable[[], bool], switch: Callable[[bool], None]
    ) -> None:
        """Draw a switch here.

        Parameters
        ----------
        icon : str
            Name of its icon.
        label : str
            Its name, which it is also called by.
        words : str
            What stands under it.
        is_on : callable
            Tells whether it is on.
        switch : callable
            Called with whether it is to be on.
        """

        def toggle() -> None:
            said(lambda: switch(not is_on()))
            self.refresh()

        button = (
            ui.element("button")
            .classes("joy-appliance")
            .props(f'type=button role=switch aria-label="{label}"')
        )
        with button.on("click", toggle):
            ui.icon(icon).classes("joy-appliance-icon")
            with ui.element("span").classes("joy-appliance-words"):
                ui.label(label).classes("joy-appliance-name")
                ui.label(words).classes("joy-quiet")
        self._drawn.append((button, is_on))

    def refresh(self) -> None:
        """Let every switch show how it stands."""
        for button, is_on in self._drawn:
            button.props(f"aria-checked={'true' if is_on() else 'false'}")


def said(action: Callable[[], object]) -> None:
    """Do `action`, and say on the page why it was refused if it was."""
    try:
        action()
    except Joy311Error as error:
        ui.notify(str(error), type="negative")
