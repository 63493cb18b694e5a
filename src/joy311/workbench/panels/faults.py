"""Faults to plant in the meter and to mend, each beside what the meter does about it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from nicegui import ui

from joy311.meter.faults import FAULTS, Fault
from joy311.workbench.panels.cards import FIGURES_S, card
from joy311.workbench.panels.switches import said
from joy311.workbench.rig import Rig
from joy311.workbench.workshop import Workshop, repairs_itself


def build_faults(rig: Rig, workshop: Workshop) -> None:
    """Draw the panel here."""
    rows = []
    with card("Faults", "faults"):
        ui.label(
            "Plant a fault and watch display, lights, supply and event log. Some are found only when the "
            "part is used: let the switch open, or type a token."
        ).classes("joy-quiet joy-lead")
        with ui.element("div").classes("joy-fault-list"):
            rows = [_draw(fault, workshop) for fault in FAULTS]

    def refresh() -> None:
        readout = rig.readout()
        found = {int(Fault.RECORD_LOST)} if readout is None else set(readout.fault_codes)
        for update in rows:
            update(found)

    refresh()
    ui.timer(FIGURES_S, refresh)


def _draw(fault: Fault, workshop: Workshop) -> Callable[[set[int]], None]:
    """Draw a row, and return what brings it up to date."""
    with (
        ui.element("div")
        .classes("joy-fault-row")
        .props(f'role=group aria-label="{fault.text}, {fault.title}"') as row
    ):
        ui.label(fault.text).classes("joy-fault-code")
        with ui.element("div").classes("joy-fault-words"):
            with ui.element("div").classes("joy-fault-head"):
                ui.label(fault.title).classes("joy-appliance-name")
                state = ui.label().classes("joy-fault-state")
            ui.label(fault.behaviour).classes("joy-quiet")
        plant = ui.button("Plant", on_click=partial(said, partial(workshop.plant, fault))).props(
            f'outline dense no-caps size=sm aria-label="Plant {fault.text}"'
        )
        mend = ui.button("Mend", on_click=partial(said, partial(workshop.mend, fault))).props(
            f'unelevated dense no-caps size=sm color=primary aria-label="Mend {fault.text}"'
        )

    def update(found: set[int]) -> None:
        is_found, is_planted = int(fault) in found, fault in workshop.planted
        if is_found:
            state.set_text("repaired, still shown" if repairs_itself(fault) else "found by the meter")
        else:
            state.set_text("planted, not found yet" if is_planted else "")
        row.classes(replace=f"joy-fault-row{' joy-fault-found' if is_found else ''}")
        mends = (is_found or is_planted) and not repairs_itself(fault)
        mend.set_visibility(mends)
        plant.set_visibility(not mends)

    return update
