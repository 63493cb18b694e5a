"""The communication light shows that somebody talks to the meter through a port."""

from __future__ import annotations

from joy311.device import PhaseLoad
from joy311.meter.app import COMMUNICATION_NS
from joy311.panel import Icon, Led, Light
from tests.meters import credit_token, new_meter, type_digits

NOTHING = PhaseLoad.from_watts((0.0, 0.0, 0.0))


def test_a_token_through_a_port_blinks_the_communication_light_and_no_longer() -> None:
    meter = new_meter()
    assert meter.lights[Led.COMMUNICATION] is Light.OFF
    meter.enter_token(credit_token(10))
    assert meter.lights[Led.COMMUNICATION] is Light.FAST_BLINK
    assert Icon.COMMUNICATION in meter.screen.icons
    meter.advance(NOTHING, meter.now + COMMUNICATION_NS)
    assert meter.lights[Led.COMMUNICATION] is Light.OFF
    assert Icon.COMMUNICATION not in meter.screen.icons


def test_keys_are_no_communication() -> None:
    meter = new_meter()
    type_digits(meter, credit_token(10))
    assert meter.lights[Led.COMMUNICATION] is Light.OFF
