"""A door for developers: tokens in and states out as JSON, without a finger on a key."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Body, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from joy311.instant import to_iso
from joy311.workbench.face import segments_lit
from joy311.workbench.rig import Rig

LONGEST_TEXT = 200
"""Most characters that are taken for a token; whatever is longer is no mistyped one."""


def state(rig: Rig) -> dict[str, Any]:
    """Return what can be seen of the meter and the bench, as JSON."""
    meter, readout = rig.meter, rig.meter.readout()
    return {
        "now": to_iso(rig.now_ns),
        "meter": readout.drn,
        "supply_on": meter.supply_on,
        "credit_wh": readout.credit_wh,
        "credit_accepted_wh": readout.accepted_wh,
        "credit_drawn_wh": readout.drawn_wh,
        "total_wh": readout.total.wh,
        "power_w": rig.power_w,
        "pulses": meter.pulses,
        "tokens_accepted": readout.tokens_accepted,
        "tokens_refused": readout.tokens_refused,
        "last_result": readout.last_result.standard_name if readout.last_result is not None else None,
        "lcd": segments_lit(meter.screen),
        "lights": {led.value: light.value for led, light in meter.lights.items()},
        "switched_on": sorted(rig.switched_on),
        "household_on": rig.household_on,
        "speed": rig.speed,
        "paused": rig.paused,
    }


def add_door(site: FastAPI, rig: Rig) -> None:
    """Add ``POST /device/token`` and ``GET /device/state`` to `site`."""

    @site.exception_handler(RequestValidationError)
    async def turn_away(_request: Request, error: RequestValidationError) -> JSONResponse:
        # What was sent may be a whole unused token, or text that no answer can carry: it is not sent back.
        faults = [{name: fault[name] for name in ("type", "loc", "msg")} for fault in error.errors()]
        return JSONResponse({"detail": faults}, status_code=422)

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
            "credit_wh": rig.meter.credit_wh,
            "supply_on": rig.meter.supply_on,
        }

    @site.get("/device/state")
    async def read_state() -> dict[str, Any]:
        return state(rig)
