"""What the meter is set to and what is printed on it."""

from __future__ import annotations

from html import escape

from nicegui import ui

from joy311.instant import SECOND_NS, to_datetime
from joy311.meter import Fault, Readout, Setting
from joy311.meter.display_items import kwh_text
from joy311.meter.nameplate import Identity, Variant, nameplate
from joy311.sts.extended_control import FLAGS, MeterFlag
from joy311.workbench.panels.cards import LISTS_S, card
from joy311.workbench.rig import Rig

Rows = list[tuple[str, str]]


def build_details(rig: Rig, serial: str) -> None:
    """Draw the panel here."""
    with card("Settings", "settings"):
        settings = ui.html("", sanitize=False).props("data-testid=settings")
    with card("Registers", "registers"):
        registers = ui.html("", sanitize=False)
    with card("Name plate", "nameplate"):
        markings = nameplate(Variant(), Identity(serial))
        ui.html(_listed([(mark.name, mark.text) for mark in markings]), sanitize=False)

    def refresh() -> None:
        readout = rig.readout()
        if readout is None:
            lost = f'<p class="joy-refusal">{Fault.RECORD_LOST.text}: {escape(Fault.RECORD_LOST.title)}</p>'
            settings.set_content(lost)
            registers.set_content(lost)
            return
        settings.set_content(_listed(_settings(readout)))
        registers.set_content(_listed(_registers(readout)))

    refresh()
    ui.timer(LISTS_S, refresh)


def mode_text(readout: Readout) -> str:
    """Return the payment mode in a word."""
    return "Post-payment" if readout.settings.has(MeterFlag.POST_PAYMENT) else "Prepayment"


def _settings(readout: Readout) -> Rows:
    settings = readout.settings
    first, second = settings.low_credit_wh
    attributes = readout.attributes
    flags = [
        (FLAGS[flag].title, dict(_choices(FLAGS[flag].meaning))[settings.value_of(Setting(flag.value))])
        for flag in MeterFlag
    ]
    return [
        *flags,
        ("low credit levels", f"{kwh_text(first)} and {kwh_text(second)} kWh"),
        ("emergency credit", f"{kwh_text(settings.emergency_wh)} kWh"),
        ("power limit", _limit(settings.power_limit_w)),
        ("unbalance limit", _limit(settings.unbalance_limit_w)),
        ("supply group", attributes.supply_group_code),
        ("key", f"revision {attributes.key_revision}, type {attributes.key_type.name}"),
        ("tariff index", attributes.tariff_index),
        (
            "key change",
            f"sections {_numbers(readout.staged_sections)} wait" if readout.staged_sections else "none",
        ),
        ("lock-out", f"{-(-readout.lockout_ns // SECOND_NS)} s" if readout.lockout_ns else "none"),
    ]


def _registers(readout: Readout) -> Rows:
    return [
        ("total", f"{kwh_text(readout.total.wh)} kWh"),
        *((f"import L{place}", f"{kwh_text(each.wh)} kWh") for place, each in enumerate(readout.imported, 1)),
        *((f"export L{place}", f"{kwh_text(each.wh)} kWh") for place, each in enumerate(readout.exported, 1)),
        ("credit accepted", f"{kwh_text(readout.accepted_wh)} kWh"),
        ("credit drawn", f"{kwh_text(readout.drawn_wh)} kWh"),
        ("tokens", f"{readout.tokens_accepted} accepted, {readout.tokens_refused} refused"),
        ("switch operations", str(readout.switch_operations)),
        ("power failures", str(readout.power_failures)),
        ("error register F.F", f"{readout.error_register:08X}"),
        ("clock", f"{to_datetime(readout.clock_ns):%Y-%m-%d %H:%M:%S}"),
    ]


def _choices(meaning: str) -> list[tuple[int, str]]:
    """Return what the table of flags says of 0 and 1, such as ``0 off, 1 on``."""
    zero, one = meaning.removeprefix("0 ").split(", 1 ")
    return [(0, zero), (1, one)]


def _limit(limit_w: int) -> str:
    return f"{limit_w} W" if limit_w else "none"


def _numbers(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))


def _listed(lines: Rows) -> str:
    return (
        '<dl class="joy-who joy-details">'
        + "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in lines)
        + "</dl>"
    )
