"""Engineering tokens for the bench's meter: the manufacturer's desk, which holds the meter's key.

The shop's security module keeps account of every token it makes, so none of these is asked of it. Their
identifiers are the reserved minutes of past days, which no sale ever uses.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from joy311.errors import InvalidInput, Refused
from joy311.sts import (
    ALL_REGISTERS,
    ClearCredit,
    ClearTamperCondition,
    DecoderKey,
    KeyAttributes,
    SetMaximumPhasePowerUnbalanceLimit,
    SetMaximumPowerLimit,
    Token,
    Token20,
    encode,
    key_change_tokens,
    plan_key_change,
    token_id_at,
)
from joy311.sts.extended_control import MeterControl, MeterFlag, set_control, set_flag
from joy311.sts.meter_test import meter_test
from joy311.sts.token_id import MINUTES_A_DAY

OTHER_REVISION = 2
"""Key revision number of the key that the desk changes to."""

Make = Callable[[int, int, int], Token]
"""A value, the random bits and the token identifier in, the token out."""


@dataclass(frozen=True, slots=True)
class EngineeringToken:
    """A row of the desk's list.

    Parameters
    ----------
    name : str
        Short name by which it is asked for.
    label : str
        What the page calls it.
    make : callable
        Value, random bits and token identifier in, token out.
    unit : str
        Unit of the value, empty where the token has none.
    most, usual : int
        Largest value, from 0 on, and what stands there at first.
    """

    name: str
    label: str
    make: Make
    unit: str = ""
    most: int = 0
    usual: int = 0


def _flag(flag: MeterFlag, on: bool) -> Make:
    return lambda _, random, token_id: set_flag(flag, on, random=random, token_id=token_id)


def _control(control: MeterControl) -> Make:
    return lambda value, random, token_id: set_control(control, value, random=random, token_id=token_id)


def _test(number: int) -> Make:
    return lambda _value, _random, _token_id: meter_test(number, control_bits=36)


TOKENS: dict[str, EngineeringToken] = {
    token.name: token
    for token in (
        EngineeringToken("clear-tamper", "Clear tamper", lambda _, r, t: ClearTamperCondition(r, t)),
        EngineeringToken(
            "power-limit",
            "Power limit (0 lifts it)",
            lambda w, r, t: SetMaximumPowerLimit(r, t, w),
            "W",
            most=100_000,
            usual=3_000,
        ),
        EngineeringToken(
            "unbalance-limit",
            "Unbalance limit (0 lifts it)",
            lambda w, r, t: SetMaximumPhasePowerUnbalanceLimit(r, t, w),
            "W",
            most=100_000,
            usual=2_000,
        ),
        EngineeringToken("clear-credit", "Clear credit", lambda _, r, t: ClearCredit(r, t, ALL_REGISTERS)),
        EngineeringToken("post-payment", "Post-payment", _flag(MeterFlag.POST_PAYMENT, True)),
        EngineeringToken("prepayment", "Prepayment", _flag(MeterFlag.POST_PAYMENT, False)),
        EngineeringToken(
            "emergency-amount",
            "Emergency credit, amount",
            _control(MeterControl.EMERGENCY_CREDIT_AMOUNT),
            "kWh",
            most=1_000,
            usual=5,
        ),
        EngineeringToken("emergency-on", "Emergency credit on", _flag(MeterFlag.EMERGENCY_CREDIT, True)),
        EngineeringToken("emergency-off", "Emergency credit off", _flag(MeterFlag.EMERGENCY_CREDIT, False)),
        EngineeringToken("friendly-on", "Friendly hours on", _flag(MeterFlag.FRIENDLY_CREDIT, True)),
        EngineeringToken("friendly-off", "Friendly hours off", _flag(MeterFlag.FRIENDLY_CREDIT, False)),
        EngineeringToken("confirm-on", "Confirm reconnection", _flag(MeterFlag.CONFIRM_RECONNECTION, True)),
        EngineeringToken("confirm-off", "Reconnect by itself", _flag(MeterFlag.CONFIRM_RECONNECTION, False)),
        EngineeringToken("bar-supply", "Bar the supply", _flag(MeterFlag.SUPPLY_BARRED, True)),
        EngineeringToken("free-supply", "Free the supply", _flag(MeterFlag.SUPPLY_BARRED, False)),
        EngineeringToken("quiet", "Silence low-credit beeps", _flag(MeterFlag.QUIET_LOW_CREDIT, True)),
        EngineeringToken("loud", "Sound low-credit beeps", _flag(MeterFlag.QUIET_LOW_CREDIT, False)),
        EngineeringToken("all-tests", "All tests", _test(0)),
        EngineeringToken("switch-test", "Test the load switch", _test(1)),
    )
}
"""The tokens that the desk makes, by name; a change of key is `EngineeringDesk.key_change`."""


class EngineeringDesk:
    """Makes tokens for one meter from the key that its manufacturer knows.

    Parameters
    ----------
    key : DecoderKey
        The key with which the meter left the factory.
    attributes : KeyAttributes
        What that key was made from.
    chance : random.Random
        Source of the tokens' random bits.
    """

    def __init__(self, key: DecoderKey, attributes: KeyAttributes, chance: Random) -> None:
        self._attributes = attributes
        self._chance = chance
        other = hashlib.sha256(b"the other key of the bench's meter" + key.to_bytes()).digest()
        size = attributes.encryption_algorithm.key_bytes
        self._keys = {
            attributes.key_revision: key,
            OTHER_REVISION: DecoderKey.from_bytes(other[:size], attributes.encryption_algorithm),
        }
        self._given: set[int] = set()

    def make(self, name: str, value: int, in_use: KeyAttributes, spent: tuple[int, ...], now: int) -> Token20:
        """Return the token called `name` with `value`.

        Parameters
        ----------
        name : str
            A name of `TOKENS`.
        value : int
            In the token's unit; without meaning where it has none.
        in_use : KeyAttributes
            Of the key that the meter holds.
        spent : tuple of int
            Token identifiers that the meter remembers.
        now : int
            The instant [ns].

        Raises
        ------
        InvalidInput
            If there is no such token, or the value is outside its range.
        Refused
            ``TokenIdentifiersEnded`` when no identifier is left that the meter would take.
        """
        if name not in TOKENS:
            raise InvalidInput(f"no engineering token is called {name!r}", field="name")
        token = TOKENS[name]
        if token.unit and not 0 <= value <= token.most:
            raise InvalidInput(
                f"{token.label}: {value} {token.unit} is outside 0 to {token.most} {token.unit}",
                field="value",
            )
        token_id = self._token_id(in_use, spent, now)
        return encode(token.make(value, self._chance.randrange(16), token_id), self._key(in_use))

    def key_change(self, in_use: KeyAttributes) -> tuple[Token20, ...]:
        """Return the tokens that change the meter to its other key, or back to that of the factory."""
        new = replace(in_use, key_revision=self.next_revision(in_use))
        change = plan_key_change(in_use, new, self._key(new), tell_supply_group=True)
        return key_change_tokens(change, self._key(in_use))

    def next_revision(self, in_use: KeyAttributes) -> int:
        """Return the revision of the key that `key_change` would change to."""
        first = self._attributes.key_revision
        return OTHER_REVISION if in_use.key_revision == first else first

    def _key(self, attributes: KeyAttributes) -> DecoderKey:
        key = self._keys.get(attributes.key_revision)
        if key is None:
            raise Refused("KeyUnknown", f"the desk has no key of revision {attributes.key_revision}")
        return key

    def _token_id(self, in_use: KeyAttributes, spent: tuple[int, ...], now: int) -> int:
        taken = set(spent) | self._given
        token_id = token_id_at(now, in_use.base_date, special_reserved=True)
        if token_id > token_id_at(now, in_use.base_date):
            token_id -= MINUTES_A_DAY
        while token_id in taken:
            token_id -= MINUTES_A_DAY
        if token_id <= spent[0]:
            raise Refused(
                "TokenIdentifiersEnded", "the meter has taken too many tokens today: let a day pass"
            )
        self._given.add(token_id)
        return token_id
