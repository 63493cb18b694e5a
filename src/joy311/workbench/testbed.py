"""A door for developers: tokens in and states out as JSON, without a finger on a key."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Body, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response

from joy311.errors import Refused
from joy311.instant import SECOND_NS, to_datetime, to_iso
from joy311.meter import Fault, Readout, Setting
from joy311.meter.load_switch import REASON_TEXTS
from joy311.meter.tamper import TAMPER_TEXTS
from joy311.sts.extended_control import MeterFlag
from joy311.workbench.event_table import to_csv
from joy311.workbench.face import segments_lit
from joy311.workbench.rig import Rig

LONGEST_TEXT = 200
"""Most characters that are taken for a token; whatever is longer is no mistyped one."""


def state(rig: Rig) -> dict[str, Any]:
    """Return what can be seen of the meter and the bench, as JSON.

    What a meter says of itself is null where its record is lost.
    """
    meter = rig.meter
    return {
        "now": to_iso(rig.now_ns),
        "running": rig.running,
        "supply_on": meter.supply_on,
        "power_w": rig.power_w,
        "pulses": meter.pulses,
        "lcd": segments_lit(meter.screen),
        "backlight": meter.backlight,
        "lights": {led.value: light.value for led, light in meter.lights.items()},
        **_told(rig.readout()),
        "covers_open": [TAMPER_TEXTS[kind].title for kind in sorted(rig.covers_open)],
        "magnets": [TAMPER_TEXTS[kind].title for kind in sorted(rig.magnets)],
        "wiring": asdict(rig.wiring),
        "switched_on": sorted(rig.switched_on),
        "household_on": rig.household_on,
        "speed": rig.speed,
        "paused": rig.paused,
    }


def _told(readout: Readout | None) -> dict[str, Any]:
    """Return what a reader is told."""
    if readout is None:
        return {**dict.fromkeys(_TOLD), "faults": [Fault.RECORD_LOST.text]}
    post_payment = readout.settings.has(MeterFlag.POST_PAYMENT)
    values = (
        readout.drn,
        "post-payment" if post_payment else "prepayment",
        readout.credit_wh,
        readout.accepted_wh,
        readout.drawn_wh,
        readout.total.wh,
        readout.tokens_accepted,
        readout.tokens_refused,
        readout.last_result.standard_name if readout.last_result is not None else None,
        [reason.name for reason in REASON_TEXTS if readout.open_reasons & reason],
        [kind.name for kind in TAMPER_TEXTS if readout.tampers & kind],
        [Fault(code).text for code in readout.fault_codes],
        f"{readout.error_register:08X}",
        -(-readout.lockout_ns // SECOND_NS),
        readout.attributes.key_revision,
        {setting.name.lower(): readout.settings.value_of(setting) for setting in Setting},
    )
    return dict(zip(_TOLD, values, strict=True))


_TOLD = (
    "meter",
    "mode",
    "credit_wh",
    "credit_accepted_wh",
    "credit_drawn_wh",
    "total_wh",
    "tokens_accepted",
    "tokens_refused",
    "last_result",
    "open_reasons",
    "tampers",
    "faults",
    "error_register",
    "lockout_s",
    "key_revision",
    "settings",
)
"""What the meter itself tells, by name."""


def add_door(site: FastAPI, rig: Rig) -> None:
    """Add ``POST /device/token``, ``GET /device/state`` and ``GET /device/log.csv`` to `site`."""

    @site.exception_handler(RequestValidationError)
    async def turn_away(_request: Request, error: RequestValidationError) -> JSONResponse:
        # What was sent may be a whole unused token, or text that no answer can carry: it is not sent back.
        faults = [{name: fault[name] for name in ("type", "loc", "msg")} for fault in error.errors()]
        return JSONResponse({"detail": faults}, status_code=422)

    @site.exception_handler(Refused)
    async def refuse(_request: Request, refusal: Refused) -> JSONResponse:
        return JSONResponse({"code": refusal.code, "detail": str(refusal)}, status_code=409)

    @site.post("/device/token")
    async def enter_token(
        token: Annotated[str, Body(embed=True, max_length=LONGEST_TEXT, strict=True)],
    ) -> dict[str, Any]:
        result, detail = rig.enter_token(token)
        return {
            "result": result.standard_name,
            "code": int(result),
            "detail": detail,
            "lcd": rig.meter.screen.text,
            "credit_wh": rig.credit_wh,
            "supply_on": rig.meter.supply_on,
        }

    @site.get("/device/state")
    async def read_state() -> dict[str, Any]:
        return state(rig)

    @site.get("/device/log.csv")
    async def read_log() -> Response:
        name = f"joy311-events-{to_datetime(rig.now_ns):%Y%m%d-%H%M%S}.csv"
        return Response(
            to_csv(rig.meter.log()),
            media_type="text/csv",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )
