"""What acts on the meter from outside: covers, magnets, the wires of the mains, and disturbances."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from nicegui import events, ui

from joy311.device.upsets import DISTURBANCES, Upset
from joy311.meter import TamperKind
from joy311.workbench.appliances import NOMINAL_V
from joy311.workbench.panels.cards import FIGURES_S, card
from joy311.workbench.panels.switches import Switches, said
from joy311.workbench.rig import FIELD_MT, MAGNET_AT, Rig
from joy311.workbench.wiring import BYPASS_A, LEAST_V, MOST_V, WITHSTOOD_V

_STEP_V = 0.05 * NOMINAL_V

_COVERS = {
    TamperKind.TERMINAL_COVER: ("Open terminal cover", "the wires are behind it"),
    TamperKind.METER_COVER: ("Open meter cover", "the case itself"),
}
_MAGNETS = {
    TamperKind.MAGNET_DC: ("Hold a magnet", f"constant, {MAGNET_AT:g} At"),
    TamperKind.MAGNET_AC: ("Hold a coil", f"alternating, {FIELD_MT:g} mT"),
}


def build_surroundings(rig: Rig) -> None:
    """Draw the panel here."""
    switches = Switches()
    with card("Covers and magnets", "covers"), ui.element("div").classes("joy-appliances"):
        for kind, (label, words) in _COVERS.items():
            switches.add(
                *("lock_open", label, words),
                partial(_is_open, rig, kind),
                partial(rig.open_cover, kind),
            )
        for kind, (label, words) in _MAGNETS.items():
            switches.add(
                *("adjust", label, words),
                partial(_is_held, rig, kind),
                partial(rig.hold_magnet, kind),
            )
    with card("Mains", "mains"):
        _build_wires(rig, switches)
        _build_voltage(rig)
    with card("Disturbances", "disturbances"):
        _build_disturbances(rig)
    switches.refresh()
    ui.timer(FIGURES_S, switches.refresh)


def _is_open(rig: Rig, kind: TamperKind) -> bool:
    return kind in rig.covers_open


def _is_held(rig: Rig, kind: TamperKind) -> bool:
    return kind in rig.magnets


def _build_wires(rig: Rig, switches: Switches) -> None:
    def cut_phase(place: int, cut: bool) -> None:
        a, b, c = (
            not cut if each == place else connected for each, connected in enumerate(rig.wiring.phases)
        )
        rig.rewire(phases=(a, b, c))

    def is_cut(place: int) -> bool:
        return not rig.wiring.phases[place]

    with ui.element("div").classes("joy-appliances"):
        switches.add(
            *("power_off", "Mains off", "all wires at once"),
            lambda: not rig.wiring.mains,
            lambda off: rig.rewire(mains=not off),
        )
        for place in range(3):
            switches.add(
                *("content_cut", f"Cut L{place + 1}", "one wire"),
                partial(is_cut, place),
                partial(cut_phase, place),
            )
        switches.add(
            *("content_cut", "Cut neutral", "voltages wander"),
            lambda: not rig.wiring.neutral,
            lambda cut: rig.rewire(neutral=not cut),
        )
        switches.add(
            *("swap_horiz", "Swap L1, L2", "wrong sequence"),
            lambda: rig.wiring.swapped,
            lambda on: rig.rewire(swapped=on),
        )
        switches.add(
            *("undo", "Reverse L1", "energy flows back"),
            lambda: rig.wiring.reversed_l1,
            lambda on: rig.rewire(reversed_l1=on),
        )
        switches.add(
            *("alt_route", "Bypass", f"{BYPASS_A:g} A past it"),
            lambda: rig.wiring.bypass,
            lambda on: rig.rewire(bypass=on),
        )


def _build_voltage(rig: Rig) -> None:
    def slid(event: events.GenericEventArguments) -> None:
        said(lambda: rig.rewire(voltage_v=float(event.args)))
        refresh()

    def give(volts: float) -> Callable[[], None]:
        def switch() -> None:
            rig.rewire(voltage_v=volts)
            refresh()

        return switch

    def refresh() -> None:
        volts = rig.wiring.voltage_v
        shown.set_text(f"{volts:.0f} V · {volts / NOMINAL_V:.0%} of Un")
        slider.set_value(min(volts, MOST_V))

    with ui.element("div").classes("joy-voltage"):
        ui.label("Voltage").classes("joy-figure-name")
        slider = ui.slider(min=LEAST_V, max=MOST_V, step=_STEP_V, value=rig.wiring.voltage_v).props(
            'aria-label="Voltage"'
        )
        # Only what a hand moves counts; a value that another page set comes back without it.
        slider.on("change", slid)
        shown = ui.label().classes("joy-voltage-value").props("data-testid=voltage")
        ui.button(f"{NOMINAL_V:g} V", on_click=give(NOMINAL_V)).props("outline dense no-caps size=sm")
        ui.button(f"{WITHSTOOD_V:g} V", on_click=give(WITHSTOOD_V)).props("outline dense no-caps size=sm")
    refresh()
    ui.timer(FIGURES_S, refresh)


def _build_disturbances(rig: Rig) -> None:
    def shoot(name: str) -> None:
        def strike() -> None:
            outcome.set_text(f"{name}: {_told(rig.strike(name))}")

        said(strike)

    def reset() -> None:
        said(rig.reset)
        outcome.set_text("the processor was reset")

    with ui.element("div").classes("joy-try"):
        for disturbance in DISTURBANCES.values():
            ui.button(
                f"{disturbance.name}, {disturbance.kilovolts:g} kV", on_click=partial(shoot, disturbance.name)
            ).props("outline dense no-caps size=sm")
        ui.button("reset", on_click=reset).props(
            'outline dense no-caps size=sm color=negative aria-label="Reset the processor"'
        )
    outcome = (
        ui.label("One shot each; credit, keys and spent tokens must survive it.")
        .classes("joy-quiet joy-outcome")
        .props("data-testid=outcome")
    )


def _told(upset: Upset) -> str:
    """Return what a shot did, in words."""
    harms = (
        ("bits of the working memory flipped", upset.ram_bits),
        ("bits of the memory chip flipped", upset.page_bits),
        ("keys seemed pressed", len(upset.keys)),
        ("samples jumped", upset.spikes),
        ("frames broke", upset.frames),
    )
    done = [f"{count} {words}" for words, count in harms if count]
    if upset.reset:
        done.insert(0, "the processor was reset")
    return ", ".join(done) or "nothing happened"
