"""The page: the meter, its load and the shop, for one person or several who watch the same bench."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from nicegui import events, ui
from nicegui.element import Element

from joy311.device.pulse_led import STEADY_HZ
from joy311.errors import Joy311Error
from joy311.instant import MILLISECOND_NS, SECOND_NS, to_datetime
from joy311.meter import Fault
from joy311.meter.display_items import kwh_text
from joy311.meter.load_switch import REASON_TEXTS
from joy311.meter.nameplate import Identity
from joy311.meter.tamper import TAMPER_TEXTS
from joy311.panel import SOUND_PATTERNS, Key, Led, Light
from joy311.panel.lights import BLINK_PERIOD_MS
from joy311.workbench.appliances import APPLIANCES, phases_text
from joy311.workbench.counter import RECEIPT_COLUMNS, Counter
from joy311.workbench.engineering import EngineeringDesk
from joy311.workbench.face import drawing, segments_lit
from joy311.workbench.history import WINDOWS, Point
from joy311.workbench.panels.cards import FIGURES_S, LISTS_S, card
from joy311.workbench.panels.details import build_details, mode_text
from joy311.workbench.panels.engineering import build_engineering
from joy311.workbench.panels.events import build_events
from joy311.workbench.panels.faults import build_faults
from joy311.workbench.panels.split import build_split
from joy311.workbench.panels.surroundings import build_surroundings
from joy311.workbench.panels.switches import Switches
from joy311.workbench.rig import SPEEDS, Happening, Rig
from joy311.workbench.split import SplitBench
from joy311.workbench.workshop import Workshop

STYLE = (Path(__file__).parent / "workbench.css").read_text(encoding="utf-8")

FACE_S = 0.05
"""Time between two looks at the meter's face [s]."""

WINDOW_OF_SPEED = {1: "10 min", 10: "10 min", 60: "2 h", 600: "24 h", 3600: "7 days"}
"""The chart's window that suits a speed; a person may choose another."""

SELL_PAUSE_S = 1.0
"""Time for which "Sell" rests after a sale [s]."""

QUICK_AMOUNTS = ("100", "200", "500", "1000", "2000")

_ICONS = {
    "lights": "lightbulb",
    "fridge": "kitchen",
    "television": "tv",
    "kettle": "coffee_maker",
    "oven": "microwave",
    "geyser": "hot_tub",
    "heater": "local_fire_department",
    "pump": "water_drop",
}

_KINDS = {
    "accepted": "check_circle",
    "refused": "cancel",
    "supply on": "bolt",
    "supply off": "power_off",
    "warning": "warning",
    "sold": "receipt_long",
    "tamper": "report",
    "fault": "build",
    "mains on": "power",
    "mains off": "power_off",
}


class MeterFace(Element, component="meter_face.js"):
    """The meter's front in the browser: shows what it is told and tells which key was pressed.

    Parameters
    ----------
    serial : str
        The meter's decoder reference number.
    on_press : callable
        Called with the key that was clicked or typed.
    on_ready : callable
        Called when the browser has drawn it.
    """

    def __init__(self, serial: str, on_press: Callable[[Key], None], on_ready: Callable[[], None]) -> None:
        super().__init__()
        self._props["drawing"] = drawing(Identity(serial))
        self._props["tones"] = {
            sound.value: [[tone.frequency_hz, tone.on_ms, tone.off_ms] for tone in tones]
            for sound, tones in SOUND_PATTERNS.items()
        }
        self._props["blink"] = {
            "--joy-slow": f"{BLINK_PERIOD_MS[Light.SLOW_BLINK]}ms",
            "--joy-fast": f"{BLINK_PERIOD_MS[Light.FAST_BLINK]}ms",
        }

        def pressed(event: events.GenericEventArguments) -> None:
            on_press(Key(str(event.args)))

        self.on("press", pressed)
        self.on("ready", lambda: on_ready())


class _Face:
    """Keeps one browser's face in step with the rig, sending only what changed."""

    def __init__(self, rig: Rig, counter: Counter) -> None:
        self._rig = rig
        self._sent: dict[str, object] = {}
        self._key, _ = rig.keys_since(0)
        self._sound, _ = rig.sounds_since(0)
        self.element = MeterFace(counter.meter_number, self._pressed, self._ready)

    def _ready(self) -> None:
        self._sent = {}
        self.refresh()

    def _pressed(self, key: Key) -> None:
        self._rig.press(key)
        # The browser moved the key itself already.
        self._key, _ = self._rig.keys_since(self._key)
        self.refresh()

    def refresh(self) -> None:
        """Send the face what is new."""
        rig, meter = self._rig, self._rig.meter
        self._key, keys = rig.keys_since(self._key)
        self._sound, sounds = rig.sounds_since(self._sound)
        state: dict[str, object] = {
            "lcd": segments_lit(meter.screen),
            "backlit": meter.backlight,
            "dead": not rig.running,
            "lights": {led.value: light.value for led, light in meter.lights.items() if led is not Led.PULSE},
            "pulses": meter.pulses,
            "pulse_steady": rig.pulses_hz > STEADY_HZ,
        }
        if state != self._sent or keys or sounds:
            self._sent = state
            fresh = {"keys": [key.value for key in keys], "sounds": [sound.value for sound in sounds]}
            self.element.run_method("show", state | fresh)


def _clock_text(now_ns: int) -> str:
    return to_datetime(now_ns).strftime("%a %d %b %Y  %H:%M:%S UTC")


def _chart_options(points: list[Point], now_ns: int, window: str) -> dict[str, object]:
    def ms(instant_ns: int) -> int:
        return instant_ns // MILLISECOND_NS

    off: list[list[dict[str, int]]] = []
    start_ns: int | None = None
    for point in points:
        if not point.supply_on and start_ns is None:
            start_ns = point.end_ns
        elif point.supply_on and start_ns is not None:
            off.append([{"xAxis": ms(start_ns)}, {"xAxis": ms(point.end_ns)}])
            start_ns = None
    if start_ns is not None:
        off.append([{"xAxis": ms(start_ns)}, {"xAxis": ms(now_ns)}])
    quiet, line = "#5c6b75", "#e2e7ea"
    return {
        "useUTC": True,
        "animation": False,
        "grid": {"left": 44, "right": 44, "top": 40, "bottom": 26},
        "legend": {"top": 2, "left": "center", "itemWidth": 18, "icon": "roundRect", "itemHeight": 4},
        "tooltip": {"trigger": "axis"},
        "xAxis": {
            "type": "time",
            "min": ms(_first_shown(points, now_ns, window)),
            "max": ms(now_ns),
            "axisLabel": {"color": quiet, "hideOverlap": True},
            "axisLine": {"lineStyle": {"color": line}},
        },
        "yAxis": [
            {
                "type": "value",
                "name": "kW",
                "min": 0,
                "minInterval": 0.5,
                "nameTextStyle": {"color": quiet, "align": "right"},
                "axisLabel": {"color": quiet},
                "splitLine": {"lineStyle": {"color": line}},
            },
            {
                "type": "value",
                "name": "kWh",
                "min": 0,
                "nameTextStyle": {"color": quiet, "align": "left"},
                "axisLabel": {"color": quiet},
                "splitLine": {"show": False},
            },
        ],
        "series": [
            {
                "name": "Power",
                "type": "line",
                "step": "end",
                "showSymbol": False,
                "lineStyle": {"width": 1.2},
                "areaStyle": {"opacity": 0.22},
                "color": "#e08a1e",
                "data": [[ms(point.end_ns), round(point.power_w / 1000, 3)] for point in points],
                "markArea": {
                    "silent": True,
                    "itemStyle": {"color": "rgba(176, 42, 48, 0.12)"},
                    "data": off,
                },
            },
            {
                "name": "Credit",
                "type": "line",
                "yAxisIndex": 1,
                "showSymbol": False,
                "lineStyle": {"width": 2.4},
                "color": "#16527f",
                "data": [[ms(point.end_ns), point.credit_wh / 1000] for point in points],
            },
        ],
    }


def _first_shown(points: list[Point], now_ns: int, window: str) -> int:
    """Return where the time axis begins: while history is shorter than the window, it fills the chart."""
    length_ns = WINDOWS[window]
    if not points:
        return now_ns - length_ns
    return max(now_ns - length_ns, min(points[0].end_ns, now_ns - length_ns // 20))


LOAD, SURROUNDINGS, FAULTS, EVENTS, DETAILS = "Load", "Surroundings", "Faults", "Event log", "Meter"
UNIT = "Unit"
"""The tabs beside the meter."""

SHOP, ENGINEERING = "Shop", "Engineering tokens"
"""The tabs of those who make tokens."""


def build(rig: Rig, counter: Counter, desk: EngineeringDesk, workshop: Workshop, split: SplitBench) -> None:
    """Build the page of a bench; call it inside a NiceGUI page function.

    Parameters
    ----------
    rig : Rig
        The meter with its load and clock.
    counter : Counter
        The shop's till.
    desk : EngineeringDesk
        Where engineering tokens are made.
    workshop : Workshop
        Where parts of the meter are broken and mended.
    split : SplitBench
        The customer interface unit.
    """
    ui.add_css(STYLE)
    ui.page_title("JOY311 workbench")
    ui.colors(primary="#16527f", positive="#17783a", negative="#b02a30", warning="#d27a0c")
    with ui.element("main").classes("joy-page"):
        face = _build_meter(rig, counter)
        _build_header(rig, face)
        _build_figures(rig)
        with ui.element("div").classes("joy-middle"):
            tabs = _tabs((LOAD, SURROUNDINGS, FAULTS, EVENTS, UNIT, DETAILS))
            with ui.tab_panels(tabs, value=LOAD, animated=False, keep_alive=True).classes("joy-panels"):
                with ui.tab_panel(LOAD).classes("joy-panel"):
                    _build_load(rig)
                    _build_chart(rig)
                    _build_happenings(rig)
                with ui.tab_panel(SURROUNDINGS).classes("joy-panel"):
                    build_surroundings(rig)
                with ui.tab_panel(FAULTS).classes("joy-panel"):
                    build_faults(rig, workshop)
                with ui.tab_panel(EVENTS).classes("joy-panel"):
                    build_events(rig, lambda: tabs.value == EVENTS)
                with ui.tab_panel(UNIT).classes("joy-panel"):
                    build_split(split, counter.token)
                with ui.tab_panel(DETAILS).classes("joy-panel joy-panel-details"):
                    build_details(rig, counter.meter_number)
        with ui.element("div").classes("joy-makers"):
            makers = _tabs((SHOP, ENGINEERING))
            with ui.tab_panels(makers, value=SHOP, animated=False, keep_alive=True).classes("joy-panels"):
                with ui.tab_panel(SHOP).classes("joy-panel"):
                    _build_shop(rig, counter, face)
                with ui.tab_panel(ENGINEERING).classes("joy-panel"), card(ENGINEERING, "engineering"):
                    build_engineering(rig, desk, lambda: face.element.run_method("appear"))


def _tabs(names: tuple[str, ...]) -> ui.tabs:
    with ui.tabs().props("dense no-caps align=left outside-arrows mobile-arrows").classes("joy-tabs") as tabs:
        for name in names:
            ui.tab(name)
    return tabs


def _build_meter(rig: Rig, counter: Counter) -> _Face:
    with ui.element("section").classes("joy-device").props('aria-label="Meter"'):
        face = _Face(rig, counter)
        ui.label("Click the keys, or type on your own keyboard: digits, Backspace, Enter.").classes(
            "joy-hint"
        )
    ui.timer(FACE_S, face.refresh)
    return face


def _build_header(rig: Rig, face: _Face) -> None:
    muted = False

    def set_speed(event: events.ValueChangeEventArguments[Any]) -> None:
        rig.set_speed(int(event.value))

    def pause() -> None:
        rig.pause(not rig.paused)
        refresh()

    def mute() -> None:
        nonlocal muted
        muted = not muted
        face.element.run_method("mute", muted)
        sound.props(
            f'icon={"volume_off" if muted else "volume_up"} aria-label="{"Unmute" if muted else "Mute"}"'
        )

    def refresh() -> None:
        clock.set_text(_clock_text(rig.now_ns))
        held.set_visibility(rig.held)
        icon, name = ("play_arrow", "Go on") if rig.paused else ("pause", "Pause")
        stop.props(f'icon={icon} aria-label="{name}"')
        if speed.value != rig.speed:
            speed.set_value(rig.speed)

    with ui.element("header").classes("joy-header"):
        with ui.element("div").classes("joy-brand"):
            ui.label("JOY311").classes("joy-logo")
            ui.label("workbench").classes("joy-sub")
            ui.link("Token inspector", "/token").classes("joy-way")
        with ui.element("div").classes("joy-time"):
            clock = ui.label().classes("joy-clock").mark("clock")
            held = ui.label("×1 while the keys are in use").classes("joy-held")
        with ui.element("div").classes("joy-controls"):
            stop = ui.button(on_click=pause).props("flat round dense")
            speed = ui.toggle(
                {each: f"×{each}" for each in SPEEDS}, value=rig.speed, on_change=set_speed
            ).props('unelevated no-caps dense toggle-color=primary aria-label="Speed"')
            sound = ui.button(on_click=mute).props('flat round dense icon=volume_up aria-label="Mute"')
    refresh()
    ui.timer(FIGURES_S, refresh)


def _build_figures(rig: Rig) -> None:
    def figure(label: str, mark: str) -> ui.label:
        with ui.element("div").classes("joy-figure"):
            ui.label(label).classes("joy-figure-name")
            return ui.label().classes("joy-figure-value").props(f"data-testid={mark}")

    with ui.element("section").classes("joy-card joy-figures").props('aria-label="Readings"'):
        supply = figure("Supply", "supply")
        credit = figure("Credit", "credit")
        power = figure("Power", "power")
        total = figure("Total", "total")
        pulses = figure("Pulses", "pulses")

        conditions = ui.html("", sanitize=False).classes("joy-conditions").props("data-testid=conditions")

    def refresh() -> None:
        word, colour = _supply_text(rig)
        supply.set_text(word)
        supply.classes(replace=f"joy-figure-value {colour}")
        credit.set_text(f"{kwh_text(rig.credit_wh)} kWh")
        power.set_text(f"{rig.power_w:,.0f} W".replace(",", " "))
        readout = rig.readout()
        total.set_text("unknown" if readout is None else f"{kwh_text(readout.total.wh)} kWh")
        rate = rig.pulses_hz
        pulses.set_text("steady" if rate > STEADY_HZ else f"{rate:.2f} /s")
        conditions.set_content(_conditions(rig))

    refresh()
    ui.timer(FIGURES_S, refresh)


def _supply_text(rig: Rig) -> tuple[str, str]:
    """Return what the customer has at the sockets, and its class."""
    if not rig.running:
        return "NO MAINS", "joy-off"
    return ("ON", "joy-on") if rig.meter.supply_on else ("OFF", "joy-off")


def _conditions(rig: Rig) -> str:
    """Return what holds of the meter now: its mode, why the supply is off, tampers, faults, a lock-out."""
    readout = rig.readout()
    if not rig.running:
        return _chip("off", "the meter is dark")
    if readout is None:
        return _chip("off", f"{Fault.RECORD_LOST.text}: {Fault.RECORD_LOST.title}")
    chips = [_chip("mode", mode_text(readout))]
    chips += [
        _chip("off", text.title) for reason, text in REASON_TEXTS.items() if readout.open_reasons & reason
    ]
    chips += [_chip("tamper", text.title) for kind, text in TAMPER_TEXTS.items() if readout.tampers & kind]
    chips += [_chip("fault", f"{Fault(code).text}: {Fault(code).title}") for code in readout.fault_codes]
    if readout.lockout_ns:
        chips.append(_chip("off", f"token entry locked for {-(-readout.lockout_ns // SECOND_NS)} s"))
    return "".join(chips)


def _chip(kind: str, text: str) -> str:
    return f'<span class="joy-chip joy-chip-{kind}">{escape(text)}</span>'


def _build_load(rig: Rig) -> None:
    switches = Switches()
    with card("Load", "load"), ui.element("div").classes("joy-appliances"):
        for appliance in APPLIANCES.values():
            switches.add(
                _ICONS[appliance.name],
                appliance.label,
                f"{appliance.power_w} W · {phases_text(appliance)}",
                partial(rig.is_on, appliance.name),
                partial(rig.switch, appliance.name),
            )
        if rig.recording is not None:
            switches.add(
                "home", "Household", "as it was recorded", lambda: rig.household_on, rig.plug_household
            )
    switches.refresh()
    ui.timer(FIGURES_S, switches.refresh)


def _build_chart(rig: Rig) -> None:
    chosen = {"window": WINDOW_OF_SPEED[rig.speed], "speed": rig.speed}

    def choose(event: events.ValueChangeEventArguments[Any]) -> None:
        chosen["window"] = str(event.value)
        refresh()

    def refresh() -> None:
        if chosen["speed"] != rig.speed:
            chosen["speed"] = rig.speed
            window.set_value(WINDOW_OF_SPEED[rig.speed])
        name = str(chosen["window"])
        chart.options.clear()
        chart.options.update(_chart_options(rig.history.window(name, rig.now_ns), rig.now_ns, name))
        chart.update()

    with card("Power and credit", "chart"):
        window = (
            ui.toggle(list(WINDOWS), value=chosen["window"], on_change=choose)
            .props('unelevated no-caps dense size=sm toggle-color=primary aria-label="Window"')
            .classes("joy-window")
        )
        chart = ui.echart(_chart_options([], rig.now_ns, str(chosen["window"]))).classes("joy-chart-canvas")
    ui.timer(LISTS_S, refresh)


def _build_shop(rig: Rig, counter: Counter, face: _Face) -> None:
    shown: str | None = None

    def quoted() -> None:
        try:
            quote = counter.quote(amount.value or "", rig.now_ns)
        except Joy311Error as error:
            quote_box.set_content(f'<p class="joy-refusal" role="alert">{escape(str(error))}</p>')
            sell_button.disable()
            return
        rows = "".join(
            f"<tr><td>{escape(label)}</td><td>{escape(text)}</td></tr>" for label, text in quote.rows
        )
        quote_box.set_content(f'<table class="joy-quote">{rows}</table>')
        sell_button.enable()

    def sell() -> None:
        if not sell_button.enabled:
            return
        try:
            receipt = counter.sell(amount.value or "", rig.now_ns)
        except Joy311Error as error:
            ui.notify(str(error), type="negative")
            return
        rig.note_sale(f"Sold {receipt.energy_wh / 1000:.1f} kWh, receipt {receipt.receipt_number}")
        show_receipt()
        quoted()
        # A cashier's double click is one sale.
        sell_button.disable()
        ui.timer(SELL_PAUSE_S, sell_button.enable, once=True)

    def show_receipt() -> None:
        nonlocal shown
        receipt = counter.last_receipt()
        number = "" if receipt is None else receipt.receipt_number
        if number == shown:
            return
        shown = number
        type_row.set_visibility(receipt is not None)
        if receipt is None:
            paper.set_content('<p class="joy-quiet">No sale yet. Sell, and the receipt comes out here.</p>')
            return
        printed = receipt.as_text(RECEIPT_COLUMNS).rstrip()
        text, _, token = printed.rpartition("\n")
        paper.set_content(
            f'<pre class="joy-receipt">{escape(text.rstrip())}</pre>'
            f'<div class="joy-token" data-testid="token" aria-label="Token">{escape(token.strip())}</div>'
        )

    def pick(text: str) -> Callable[[], object]:
        return lambda: amount.set_value(text)

    def try_out(digits: Callable[[], str], *, enter: bool = False) -> Callable[[], None]:
        def type_it() -> None:
            try:
                rig.type_keys(digits(), enter=enter)
                face.element.run_method("appear")
            except Joy311Error as error:
                ui.notify(str(error), type="negative")

        return type_it

    def neighbours_token() -> str:
        return counter.neighbours_token(QUICK_AMOUNTS[2], rig.now_ns)

    with card("Shop", "shop"):
        ui.html(
            f'<dl class="joy-who"><dt>Customer</dt><dd>{escape(counter.customer_name)}</dd>'
            f"<dt>Meter</dt><dd>{escape(counter.meter_number)}</dd>"
            f"<dt>Tariff</dt><dd>{escape(counter.tariff_text)}</dd></dl>",
            sanitize=False,
        )
        with ui.element("div").classes("joy-sell"):
            amount = ui.input(f"Amount, {counter.currency}", value=QUICK_AMOUNTS[2], on_change=quoted).props(
                "outlined dense inputmode=decimal autocomplete=off"
            )
            sell_button = ui.button("Sell", on_click=sell).props("unelevated no-caps color=primary")
        amount.on("keydown.enter", sell)
        with ui.element("div").classes("joy-quick"):
            for text in QUICK_AMOUNTS:
                ui.button(text, on_click=pick(text)).props("outline dense no-caps size=sm")
        quote_box = ui.html("", sanitize=False)
        with (
            ui.element("div").classes("joy-printer"),
            ui.element("div").classes("joy-paper").props('aria-label="Receipt" data-testid=receipt'),
        ):
            paper = ui.html("", sanitize=False)
        with ui.element("div") as type_row:
            ui.button("Type it on the meter", on_click=try_out(counter.token)).props(
                "unelevated no-caps color=primary icon=dialpad"
            ).classes("joy-type")
            ui.label("Or try what happens with").classes("joy-quiet joy-try-title")
            with ui.element("div").classes("joy-try"):
                for label, digits, enter in (
                    ("wrong digit", counter.wrong_digit, False),
                    ("19 digits", counter.nineteen_digits, True),
                    ("same again", counter.token, False),
                    ("neighbour's token", neighbours_token, False),
                ):
                    ui.button(label, on_click=try_out(digits, enter=enter)).props(
                        "outline dense no-caps size=sm"
                    )
    show_receipt()
    quoted()
    # A sale through the API, another page or the command line comes out of this printer too.
    ui.timer(LISTS_S, show_receipt)


def _build_happenings(rig: Rig) -> None:
    seen = -1

    def row(happening: Happening) -> str:
        at = to_datetime(happening.now_ns).strftime("%d %b %H:%M:%S")
        return (
            f'<li class="joy-{happening.kind.replace(" ", "-")}">'
            f'<i class="material-icons" aria-hidden="true">{_KINDS[happening.kind]}</i>'
            f"<time>{at}</time><span>{escape(happening.text)}</span></li>"
        )

    def refresh() -> None:
        nonlocal seen
        happenings = rig.happenings
        latest = happenings[-1].number if happenings else 0
        if latest == seen:
            return
        seen = latest
        rows = "".join(row(happening) for happening in reversed(happenings[-40:]))
        box.set_content(
            f'<ol class="joy-happenings">{rows}</ol>'
            if rows
            else '<p class="joy-quiet">Nothing yet: sell, then type the token.</p>'
        )

    with card("What happened", "log"), ui.element("div").classes("joy-scroll").props("data-testid=log"):
        box = ui.html("", sanitize=False)
    refresh()
    ui.timer(FIGURES_S, refresh)
