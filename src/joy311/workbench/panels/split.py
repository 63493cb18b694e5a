"""The customer interface unit: its face, and what lies between it and the meter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from html import escape
from typing import Any

from nicegui import events, ui
from nicegui.element import Element

from joy311.device.ciu_unit import CIU_MODELS
from joy311.device.two_wire import CableFault
from joy311.instant import MINUTE_NS
from joy311.link import MediumName
from joy311.meter import CiuLink
from joy311.panel import Key
from joy311.workbench.face import segments_lit, unit_drawing
from joy311.workbench.panels.cards import FIGURES_S, card
from joy311.workbench.panels.switches import Switches, said
from joy311.workbench.split import BATTERIES, MOST_M, NOISES, NOTHING, UNITS, SplitBench, Way

FACE_S = 0.1
"""Time between two looks at the unit's face [s]."""

_LINK_WORDS = {
    CiuLink.ABSENT: "no unit heard",
    CiuLink.HEARD: "unit heard",
    CiuLink.LOST: "unit lost",
    CiuLink.SHORTED: "cable short-circuited",
}


class UnitFace(Element, component="ciu_face.js"):
    """The unit's front in the browser.

    Parameters
    ----------
    on_press : callable
        Called with the key that was clicked.
    on_ready : callable
        Called when the browser has drawn it.
    """

    def __init__(self, on_press: Callable[[Key], None], on_ready: Callable[[], None]) -> None:
        super().__init__()
        self._props["drawing"] = unit_drawing()

        def pressed(event: events.GenericEventArguments) -> None:
            on_press(Key(str(event.args)))

        self.on("press", pressed)
        self.on("ready", lambda: on_ready())


def build_split(split: SplitBench, token: Callable[[], str]) -> None:
    """Draw the panel here.

    Parameters
    ----------
    split : SplitBench
        The unit on the bench.
    token : callable
        Returns the token that was sold last.
    """
    with card("Customer interface unit", "unit"):
        with ui.element("div").classes("joy-unit-columns"):
            _build_face(split)
            with ui.element("div").classes("joy-unit-side"):
                _build_unit(split, token)
        _build_way(split)


def _build_face(split: SplitBench) -> None:
    sent: dict[str, object] = {}

    def refresh(*, anew: bool = False) -> None:
        nonlocal sent
        state: dict[str, object] = {
            "lcd": segments_lit(split.screen),
            "light": split.light.value,
            "lit": split.lit,
        }
        if anew or state != sent:
            sent = state
            face.run_method("show", state)

    face = UnitFace(split.press, lambda: refresh(anew=True))
    ui.timer(FACE_S, refresh)


def _build_unit(split: SplitBench, token: Callable[[], str]) -> None:
    def connect(event: events.ValueChangeEventArguments[Any]) -> None:
        said(lambda: split.connect(str(event.value)))
        refresh()

    def refresh() -> None:
        chosen.set_value(split.unit)
        aerial.set_visibility(split.pairs)
        minutes = -(-split.pairing_left_ns // MINUTE_NS)
        words = [_LINK_WORDS[split.link], split.supply_text]
        words.append("a token waits for its result" if split.token_pending else "")
        if split.pairs:
            words.append(f"paired with {split.paired_ciu}" if split.paired_ciu else "meter not paired")
            words.append(f"open for pairing, {minutes} min" if minutes else "closed for pairing")
        state.set_content(" · ".join(escape(word) for word in words if word))

    chosen = ui.select(_labels(), value=split.unit, label="Unit", on_change=connect).props("outlined dense")
    state = ui.html("", sanitize=False).classes("joy-quiet").props("data-testid=unit-state")
    ui.button("Type the token on the unit", on_click=lambda: said(lambda: split.type_keys(token()))).props(
        "unelevated no-caps dense color=primary icon=dialpad"
    )
    with ui.element("div").classes("joy-unit-side") as aerial:
        ui.select(
            list(BATTERIES),
            value=split.battery,
            label="Battery",
            on_change=lambda event: said(lambda: split.change_battery(str(event.value))),
        ).props("outlined dense")
        ui.button("Open for pairing", on_click=lambda: said(split.open_pairing)).props(
            "outline no-caps dense icon=link"
        )
        ui.label("Then type 1593570, the meter's number and Enter on the unit.").classes("joy-quiet")
    refresh()
    ui.timer(FIGURES_S, refresh)


def _build_way(split: SplitBench) -> None:
    switches = Switches()

    def lay(way: Way) -> None:
        said(lambda: split.lay(way))
        refresh()

    def slid(event: events.GenericEventArguments) -> None:
        lay(replace(split.way, length_m=int(event.args)))

    def fault(kind: CableFault, on: bool) -> None:
        lay(replace(split.way, fault=kind if on else CableFault.NONE))

    def is_fault(kind: CableFault) -> bool:
        return split.way.fault is kind

    def refresh() -> None:
        switches.refresh()
        length.set_value(split.way.length_m)
        noise.set_value(split.way.noise)
        metres.set_text(f"{split.way.length_m} m")
        wired.set_visibility(split.unit != NOTHING and not split.pairs)

    with ui.element("div").classes("joy-voltage"):
        ui.label("Length").classes("joy-figure-name")
        length = ui.slider(min=0, max=MOST_M, step=10, value=split.way.length_m).props(
            'aria-label="Length of the way"'
        )
        length.on("change", slid)
        metres = ui.label().classes("joy-voltage-value")
        noise = (
            ui.select(
                list(NOISES),
                value=split.way.noise,
                label="Bit errors",
                on_change=lambda event: lay(replace(split.way, noise=str(event.value))),
            )
            .props("outlined dense")
            .classes("joy-unit-noise")
        )
    with ui.element("div").classes("joy-appliances joy-unit-faults") as wired:
        for icon, label, words, kind in (
            ("content_cut", "Cut cable", "a break", CableFault.OPEN),
            ("compress", "Short cable", "wires touch", CableFault.SHORT),
            ("swap_horiz", "Cross wires", "harmless", CableFault.CROSSED),
        ):
            switches.add(icon, label, words, partial(is_fault, kind), partial(fault, kind))
    refresh()
    ui.timer(FIGURES_S, refresh)


def _labels() -> dict[str, str]:
    """Return the choices, each unit with its medium."""
    media = {MediumName.TWO_WIRE: "two wires", MediumName.PLC: "power line"}
    return {
        name: "none" if name == NOTHING else f"{name}, {media[CIU_MODELS[name].medium]}" for name in UNITS
    }
