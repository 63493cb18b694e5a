"""Devices that take tokens, behind a small port: type digits, read the result and the credit.

Anybody's device can be examined: `POST /device/token` with ``{"token": "..."}`` answers ``{"result":
"Accept", "credit_wh": 12300}``, with the standard's name of the result, and `GET /device/state` answers
``{"credit_wh": 12300}``. Whatever else is in the answers is passed over.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import Any, Protocol
from urllib.parse import urlsplit

from joy311.device import VirtualMeter
from joy311.device.load import PhaseLoad
from joy311.errors import InvalidInput
from joy311.instant import SECOND_NS
from joy311.meter import Door
from joy311.sts import TokenResult

RESULT_NAMES = frozenset(result.standard_name for result in TokenResult)
"""What a device may answer."""

ANSWER_S = 10.0
"""How long a device may take to answer [s]."""

BUSY_TRIES = 5
BUSY_S = 1.0
"""How often, and how far apart, a token is sent again to a device that says that it is busy [s]."""

LONGEST_ANSWER = 1_000_000


class TokenDevice(Protocol):
    """A device under test, as far as tokens go."""

    @property
    def name(self) -> str:
        """What the report calls it."""
        ...

    def type_digits(self, digits: str) -> str:
        """Type the digits of a token and return the standard's name of the result."""
        ...

    def credit_wh(self) -> int:
        """Return the credit that the device says it has left [Wh]."""
        ...


class VirtualTokenDevice:
    """Our own meter, without load.

    Parameters
    ----------
    meter : VirtualMeter
        The meter.
    """

    def __init__(self, meter: VirtualMeter) -> None:
        self._meter = meter
        self._load = PhaseLoad((float(meter.meter.configuration.variant.nominal_voltage_v),) * 3)

    @property
    def name(self) -> str:
        """What the report calls it."""
        return "JOY311"

    def type_digits(self, digits: str) -> str:
        """Bring a token through the network's door, and wait until the meter takes the next."""
        result, _ = self._meter.enter_token(digits, Door.NETWORK)
        self._meter.advance(self._load, self._meter.now + SECOND_NS)
        return result.standard_name

    def credit_wh(self) -> int:
        """Return the credit left [Wh]."""
        return self._meter.credit_wh


class RemoteTokenDevice:
    """A device behind HTTP.

    Parameters
    ----------
    url : str
        Where it is, such as ``http://127.0.0.1:8311``.

    Raises
    ------
    InvalidInput
        If the address is none of HTTP.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise InvalidInput(f"the device {url!r} is no address of http or https", field="device")
        self._url = url.rstrip("/")

    @property
    def name(self) -> str:
        """What the report calls it."""
        return urlsplit(self._url).netloc

    def type_digits(self, digits: str) -> str:
        """Send the digits and return the result; a busy device is asked again.

        Raises
        ------
        InvalidInput
            If there is no answer, or one that cannot be understood.
        """
        busy = TokenResult.NOT_READY.standard_name
        for _ in range(BUSY_TRIES):
            result = self._ask("/device/token", {"token": digits}).get("result")
            if not isinstance(result, str) or result not in RESULT_NAMES:
                raise InvalidInput("the device answered a token with no result", field="device")
            if result != busy:
                return result
            time.sleep(BUSY_S)
        return busy

    def credit_wh(self) -> int:
        """Return the credit left [Wh].

        Raises
        ------
        InvalidInput
            If there is no answer, or one that cannot be understood.
        """
        credit = self._ask("/device/state").get("credit_wh")
        if not isinstance(credit, int) or isinstance(credit, bool):
            raise InvalidInput("the device's state holds no credit_wh in whole watt-hours", field="device")
        return credit

    def _ask(self, path: str, body: dict[str, str] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode("ascii")
        request = urllib.request.Request(self._url + path, data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:
                document = json.loads(answer.read(LONGEST_ANSWER))
        except urllib.error.HTTPError as error:
            raise InvalidInput(
                f"the device at {self._url} answered {path} with {error.code}", field="device"
            ) from None
        except (OSError, ValueError):
            # The cause may hold a whole unused token.
            raise InvalidInput(f"the device at {self._url} does not answer {path}", field="device") from None
        if not isinstance(document, dict):
            raise InvalidInput(f"the device at {self._url} answered {path} with no object", field="device")
        return document
