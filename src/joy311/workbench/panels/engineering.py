"""Engineering tokens: a list to choose from, twenty digits to type or to send."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from nicegui import ui

from joy311.errors import Refused
from joy311.meter import Fault, Readout
from joy311.sts import Token20
from joy311.workbench.engineering import TOKENS, EngineeringDesk
from joy311.workbench.panels.switches import said
from joy311.workbench.rig import Rig

KEY_CHANGE = "key-change"


def build_engineering(rig: Rig, desk: EngineeringDesk, on_type: Callable[[], object]) -> None:
    """Draw the panel here; `on_type` is called when a token begins to type itself."""

    def known() -> Readout:
        readout = rig.readout()
        if readout is None:
            raise Refused(Fault.RECORD_LOST.name, f"{Fault.RECORD_LOST.title}: no key is known")
        return readout

    def chose() -> None:
        token = TOKENS.get(str(choice.value))
        value.set_visibility(token is not None and bool(token.unit))
        if token is not None and token.unit:
            value.props(f'suffix="{token.unit}"')
            value.set_value(token.usual)

    def make() -> None:
        readout = known()
        if choice.value == KEY_CHANGE:
            revision = desk.next_revision(readout.attributes)
            show(f"Change of key to revision {revision}", desk.key_change(readout.attributes))
            return
        token = TOKENS[str(choice.value)]
        number = int(value.value or 0)
        made = desk.make(token.name, number, readout.attributes, readout.token_ids, rig.now_ns)
        show(f"{token.label}{f': {number} {token.unit}' if token.unit else ''}", [made])

    def show(title: str, tokens: Sequence[Token20]) -> None:
        slip.clear()
        with slip:
            ui.label(title).classes("joy-slip-title")
            for token in tokens:
                ui.label(token.grouped()).classes("joy-token").props("data-testid=engineering-token")
                with ui.element("div").classes("joy-slip-ways"):
                    ui.button("Type it", on_click=partial(said, partial(type_it, token))).props(
                        "unelevated dense no-caps size=sm color=primary icon=dialpad"
                    )
                    ui.button("Send it", on_click=partial(said, partial(send, token))).props(
                        "outline dense no-caps size=sm icon=wifi"
                    )

    def type_it(token: Token20) -> None:
        rig.type_keys(token.digits)
        on_type()

    def send(token: Token20) -> None:
        result, detail = rig.enter_token(token.digits)
        ui.notify(f"{result.standard_name}: {detail}")

    ui.label(
        "What the utility's engineers type, made with the meter's own key outside the shop. After a change "
        "of key the shop's tokens fit again only once the key is changed back."
    ).classes("joy-quiet joy-lead")
    labels = {name: token.label for name, token in TOKENS.items()} | {
        KEY_CHANGE: "Change of key (four tokens)"
    }
    choice = (
        ui.select(labels, value=next(iter(labels)), label="Token", on_change=chose)
        .props("outlined dense")
        .classes("joy-engineering-choice")
    )
    with ui.element("div").classes("joy-sell"):
        value = ui.number("Value", value=0, min=0, step=1, format="%d").props("outlined dense")
        ui.button("Make token", on_click=partial(said, make)).props("unelevated no-caps color=primary")
    slip = ui.element("div").classes("joy-slip").props('aria-label="Engineering token"')
    chose()
