"""What is done to a table of meters: credit tokens, verdicts, key change sets.

A job takes columns as `joy311.sts.bulk.rows` describes them and returns columns; what is wrong with a row
stays with that row. It opens no file and reads no clock: whoever has the table brings them. Rows of several
supply groups, ciphers and derivations may stand in any order; they are worked on in groups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from joy311.errors import InvalidInput
from joy311.instant import MINUTE_NS, SECOND_NS
from joy311.sts.amount import LARGEST_AMOUNT
from joy311.sts.attributes import (
    NEVER_EXPIRES,
    BaseDate,
    EncryptionAlgorithm,
    KeyAttributes,
    credit_permitted,
    key_change_permitted,
)
from joy311.sts.bulk.codec import (
    Decoded,
    decode,
    decode_amounts,
    encode_amounts,
    encode_credit,
    encode_key_change,
)
from joy311.sts.bulk.decoder_keys import DecoderKeys
from joy311.sts.bulk.derivation import derive_decoder_keys
from joy311.sts.bulk.rows import Rows, Table
from joy311.sts.carrier import DIGITS
from joy311.sts.currency_amount import decode_currency_amount
from joy311.sts.key_document import attribute_texts
from joy311.sts.key_ring import SELECTING_NAMES, KeyRing, RingKey, read_attribute
from joy311.sts.layouts import LAYOUTS, Layout
from joy311.sts.result import TokenResult
from joy311.sts.token_id import LARGEST_TOKEN_ID, MINUTES_A_DAY, RESERVED_MINUTE, token_id_at

_KEY_COLUMNS = (*SELECTING_NAMES, "ea")
_NEW = "new_"
_NEW_KEY_COLUMNS = tuple(f"{_NEW}{name}" for name in SELECTING_NAMES)
_KEPT = ("supply_group_code", "key_revision", "key_type")
"""What a new key has in common with the old one where its row says nothing else."""

_UNSAID = -1
_RANDOM_MASK = 0xF
_NOT_A_TIME = np.datetime64("NaT", "s")
_LARGEST_SET = 4
_WORD_BITS = 16


class Kind(Enum):
    """What a column of a result holds."""

    TEXT = "text"
    INTEGER = "integer"
    INSTANT = "instant"


@dataclass(frozen=True, slots=True, eq=False)
class Done:
    """What a job made of some rows.

    Parameters
    ----------
    columns : dict of str to ndarray
        By the names of the job's `outputs`: bytes, empty where there is nothing; masked whole numbers; or
        ``datetime64[s]``, not-a-time where there is nothing.
    errors : ndarray of object, shape (n,)
        For each row None, or in one sentence why there is no result.
    """

    columns: dict[str, NDArray[Any]]
    errors: NDArray[np.object_]


class Job(Protocol):
    """Something done to each row of a table."""

    @property
    def name(self) -> str:
        """The name under which a person asks for it."""

    @property
    def outputs(self) -> Mapping[str, Kind]:
        """The columns that it makes, in their order."""

    @property
    def needed(self) -> tuple[str, ...]:
        """The columns that a table must have."""

    def run(self, table: Table, rows: int) -> Done:
        """Return what comes of `rows` rows; what stands in a row is never an exception.

        Raises
        ------
        InvalidInput
            If a column is missing.
        """


@dataclass(frozen=True, slots=True)
class CreditJob:
    """A credit token for each row.

    Columns: ``meter_pan``, ``units`` (0.1 kWh, 0.1 m3 or 0.1 min), those that select the key, and where they
    are there ``tariff_index``, ``key_expiry``, ``service`` (0 to 3), ``random`` (0 to 15), and ``token_id``
    or ``issued_at``. Nothing is remembered from one row to the next: of two rows for one meter within a
    minute the meter accepts one token, unless the identifiers keep them apart.

    Parameters
    ----------
    keys : KeyRing
        The vending keys.
    now_ns : int
        When a token is issued whose row does not say it [ns since 1970 UTC].
    draw : callable
        Returns so many random bytes, of which rows that bring no random number get four bits.
    """

    keys: KeyRing
    now_ns: int
    draw: Callable[[int], bytes]
    name: ClassVar[str] = "credit"
    needed: ClassVar[tuple[str, ...]] = ("meter_pan", "units")
    outputs: ClassVar[Mapping[str, Kind]] = {
        "token": Kind.TEXT,
        "units_carried": Kind.INTEGER,
        "token_id_used": Kind.INTEGER,
    }

    def run(self, table: Table, rows: int) -> Done:
        """Return ``token``, ``units_carried`` and ``token_id_used`` for each row."""
        meters = _rows(table, rows, self.needed)
        pans = meters.meter_pans()
        units = meters.integers("units", 0, LARGEST_AMOUNT)
        services = meters.integers("service", 0, 3, default=0)
        randoms = meters.integers("random", 0, 15, default=_UNSAID)
        drawn = np.flatnonzero(randoms == _UNSAID)
        randoms[drawn] = np.frombuffer(self.draw(len(drawn)), np.uint8) & _RANDOM_MASK
        identifiers = meters.integers("token_id", 0, LARGEST_TOKEN_ID, default=_UNSAID)
        instants = meters.instants("issued_at", self.now_ns)
        tariffs, expiries = _attribute(meters, "tariff_index"), _attribute(meters, "key_expiry")
        text = np.zeros(rows, f"S{DIGITS}")
        used = np.zeros(rows, np.int64)
        for members, key, attributes in _groups(meters, self.keys, _KEY_COLUMNS):
            if not credit_permitted(attributes.key_type):
                message = f"credit is not permitted under a {attributes.key_type.name}"
                meters.complain(members, f"{TokenResult.DDTK_ERROR.standard_name}: {message}")
                continue
            _fill(meters, members, tariffs, key, "tariff_index")
            expiry = _fill(meters, members, expiries, key, "key_expiry", NEVER_EXPIRES)
            used[members] = _token_ids(meters, members, identifiers, instants, attributes.base_date)
            _refuse_expired(meters, members, used, expiry)
            for service in range(4):
                good = members[meters.good[members] & (services[members] == service)]
                keys = _derive(meters, good, key, attributes, pans, tariffs)
                if keys is not None:
                    tokens = encode_credit(
                        keys, service=service, random=randoms[good], token_ids=used[good], units=units[good]
                    )
                    text[good] = _as_text(tokens.digits())
        bad = ~meters.good
        units[bad] = 0
        return Done(
            {
                "token": text,
                "units_carried": np.ma.masked_array(decode_amounts(encode_amounts(units)), bad),
                "token_id_used": np.ma.masked_array(used, bad),
            },
            meters.complaints,
        )


@dataclass(frozen=True, slots=True)
class DecodeJob:
    """The verdict on the token of each row, and what it says.

    Columns: ``token``, ``meter_pan``, those that select the key, and where they are there ``tariff_index``
    and ``key_expiry``. A verdict is a result and no error: errors are rows whose key cannot be known.

    Parameters
    ----------
    keys : KeyRing
        The vending keys.
    """

    keys: KeyRing
    name: ClassVar[str] = "decode"
    needed: ClassVar[tuple[str, ...]] = ("meter_pan", "token")
    outputs: ClassVar[Mapping[str, Kind]] = {
        "result": Kind.TEXT,
        "kind": Kind.TEXT,
        "subclass": Kind.INTEGER,
        "token_id": Kind.INTEGER,
        "token_time": Kind.INSTANT,
        "value": Kind.INTEGER,
    }

    def run(self, table: Table, rows: int) -> Done:
        """Return the columns of `outputs`; ``value`` is in the units in which its kind of token is made.

        It is units of 0.1 for credit, 0.00001 for currency, watts for a limit, and else the number itself.
        """
        meters = _rows(table, rows, self.needed)
        pans = meters.meter_pans()
        tokens = meters.tokens()
        tariffs, expiries = _attribute(meters, "tariff_index"), _attribute(meters, "key_expiry")
        readings = _Readings(rows)
        for members, key, attributes in _groups(meters, self.keys, _KEY_COLUMNS):
            _fill(meters, members, tariffs, key, "tariff_index")
            expiry = _fill(meters, members, expiries, key, "key_expiry", NEVER_EXPIRES)
            good = members[meters.good[members]]
            keys = _derive(meters, good, key, attributes, pans, tariffs)
            if keys is not None:
                decoded = decode(
                    tokens[good], keys, key_type=attributes.key_type, key_expiry=expiry[meters.good[members]]
                )
                readings.read(good, decoded, attributes.base_date)
        return Done(readings.columns(), meters.complaints)


@dataclass(frozen=True, slots=True)
class KeyChangeJob:
    """A set of two, three or four key change tokens for each row.

    Columns: ``meter_pan``; those that select the present key, and ``tariff_index`` and ``key_expiry`` where
    they are there; the same with ``new_`` in front for the new key, of which supply group, revision, type,
    tariff index and expiry stay as they are where nothing else is said; and ``three_tokens``, 1 where a meter
    with STA shall be told its supply group in a third token.

    Parameters
    ----------
    keys : KeyRing
        The vending keys, old and new.
    three_tokens : bool
        What holds for rows that do not say it.
    """

    keys: KeyRing
    three_tokens: bool
    name: ClassVar[str] = "key-change"
    needed: ClassVar[tuple[str, ...]] = ("meter_pan",)
    outputs: ClassVar[Mapping[str, Kind]] = {
        "tokens_in_set": Kind.INTEGER,
        "token_1": Kind.TEXT,
        "token_2": Kind.TEXT,
        "token_3": Kind.TEXT,
        "token_4": Kind.TEXT,
    }

    def run(self, table: Table, rows: int) -> Done:
        """Return ``tokens_in_set`` and ``token_1`` to ``token_4`` for each row."""
        meters = _rows(table, rows, self.needed)
        pans = meters.meter_pans()
        tariffs, expiries = _attribute(meters, "tariff_index"), _attribute(meters, "key_expiry")
        new_tariffs = _attribute(meters, f"{_NEW}tariff_index")
        new_expiries = _attribute(meters, f"{_NEW}key_expiry")
        texts = [np.zeros(rows, f"S{DIGITS}") for _ in range(_LARGEST_SET)]
        sizes = np.zeros(rows, np.int64)
        names = (*_KEY_COLUMNS, *_NEW_KEY_COLUMNS, "three_tokens")
        for said, members in meters.groups(names):
            try:
                change = self._plan(said)
            except InvalidInput as error:
                meters.complain(members, str(error))
                continue
            _fill(meters, members, tariffs, change.old_key, "tariff_index")
            expiry = _fill(meters, members, expiries, change.old_key, "key_expiry", NEVER_EXPIRES)
            new_tariffs[members] = np.where(
                new_tariffs[members] == _UNSAID, tariffs[members], new_tariffs[members]
            )
            inherited = int(change.new_key.texts.get("key_expiry", _UNSAID))
            new_expiries[members] = np.where(
                new_expiries[members] == _UNSAID,
                expiry if inherited == _UNSAID else inherited,
                new_expiries[members],
            )
            good = members[meters.good[members]]
            old = _derive(meters, good, change.old_key, change.old, pans, tariffs)
            new = _derive(meters, good, change.new_key, change.new, pans, new_tariffs)
            if old is None or new is None:
                continue
            roll_over = change.old.base_date is not change.new.base_date
            if roll_over:
                same = (old.words().reshape(len(good), -1) == new.words().reshape(len(good), -1)).all(axis=1)
                meters.complain(good[same], "the key must change when its base date does")
                good, old, new = good[~same], old[~same], new[~same]
            told = change.three_tokens or change.new.encryption_algorithm is EncryptionAlgorithm.MISTY1
            tokens = encode_key_change(
                old,
                new,
                key_type=change.new.key_type,
                key_revision=change.new.key_revision,
                tariff_indexes=new_tariffs[good],
                key_expiry=new_expiries[good],
                roll_over=roll_over,
                supply_group_codes=int(change.new.supply_group_code) if told else None,
            )
            sizes[good] = tokens.high.shape[1]
            for section in range(tokens.high.shape[1]):
                texts[section][good] = _as_text(tokens[:, section].digits())
        return Done(
            {
                "tokens_in_set": np.ma.masked_array(sizes, ~meters.good),
                **{f"token_{number}": text for number, text in enumerate(texts, start=1)},
            },
            meters.complaints,
        )

    def _plan(self, said: dict[str, str]) -> _Change:
        here = {name: read_attribute(name, said[name]) for name in _KEY_COLUMNS if name in said}
        old_key = self.keys.find(here)
        old = old_key.attributes(here)
        there = {
            name: read_attribute(name, said[f"{_NEW}{name}"])
            for name in SELECTING_NAMES
            if f"{_NEW}{name}" in said
        }
        kept = attribute_texts(old)
        there = {name: kept[name] for name in _KEPT} | there
        new_key = self.keys.find(there)
        new = new_key.attributes(there | {"ea": kept["ea"]})
        if not key_change_permitted(old.key_type, new.key_type):
            raise InvalidInput(
                f"{TokenResult.KEY_TYPE_ERROR.standard_name}: a {old.key_type.name} may not be changed to a"
                f" {new.key_type.name}",
                field="key_type",
            )
        return _Change(old_key, old, new_key, new, self._three(said.get("three_tokens")))

    def _three(self, text: str | None) -> bool:
        match text and text.lower():
            case None:
                return self.three_tokens
            case "1" | "true":
                return True
            case "0" | "false":
                return False
        raise InvalidInput(f"three tokens is 1 or 0, not {text!r:.32}", field="three_tokens")


@dataclass(frozen=True, slots=True)
class _Change:
    old_key: RingKey
    old: KeyAttributes
    new_key: RingKey
    new: KeyAttributes
    three_tokens: bool


class _Readings:
    """What tokens say, in columns that are filled group by group."""

    def __init__(self, rows: int) -> None:
        self._result = np.zeros(rows, np.uint8)
        self._kind = np.zeros(rows, f"S{max(len(layout.token) for layout in LAYOUTS)}")
        self._subclass = _nothing(rows)
        self._token_id = _nothing(rows)
        self._time = np.full(rows, _NOT_A_TIME)
        self._value = _nothing(rows)

    def read(self, rows: NDArray[np.intp], decoded: Decoded, base_date: BaseDate) -> None:
        """Take over what the tokens of some rows say."""
        self._result[rows] = decoded.result
        for layout in LAYOUTS:
            found = decoded.rows(layout)
            if not len(found):
                continue
            places = rows[found]
            self._kind[places] = layout.token.encode()
            self._subclass[places] = layout.subclass
            values = {name: column.astype(np.int64) for name, column in decoded.values(layout).items()}
            if "token_id" in values:
                self._token_id[places] = values["token_id"]
                seconds = (base_date.epoch_ns + values["token_id"] * MINUTE_NS) // SECOND_NS
                self._time[places] = seconds.astype("datetime64[s]")
            value = _value(layout, values)
            if value is not None:
                self._value[places] = value

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return the columns of `DecodeJob.outputs`."""
        names = {int(result): result.standard_name.encode() for result in TokenResult} | {0: b""}
        table = np.array([names.get(number, b"") for number in range(max(names) + 1)])
        return {
            "result": table[self._result],
            "kind": self._kind,
            "subclass": self._subclass,
            "token_id": self._token_id,
            "token_time": self._time,
            "value": self._value,
        }


def _nothing(rows: int) -> np.ma.MaskedArray[tuple[int], np.dtype[np.int64]]:
    return np.ma.masked_array(np.zeros(rows, np.int64), np.ones(rows, np.bool_))


_AMOUNTS = ("TransferCredit", "SetMaximumPowerLimit", "SetMaximumPhasePowerUnbalanceLimit")
_PLAIN_VALUES = ("control", "operand", "register", "rate", "factor", "value")
_LARGEST_VALUE = np.iinfo(np.int64).max


def _value(layout: Layout, values: Mapping[str, NDArray[np.int64]]) -> NDArray[Any] | None:
    """Return the one number for which a token is made, None where there is none or where it is a key's."""
    match layout.token:
        case "TransferCurrencyCredit":
            fields = values["sign_exponent"] << _WORD_BITS | values["amount"]
            amounts = [decode_currency_amount(int(field)) for field in fields]
            # More than ninety million million of the currency does not fit, and is left out.
            fits = [abs(amount) <= _LARGEST_VALUE for amount in amounts]
            return np.ma.masked_array(
                [amount if fit else 0 for amount, fit in zip(amounts, fits, strict=True)],
                [not fit for fit in fits],
                np.int64,
            )
        case kind if kind in _AMOUNTS:
            fields = values["limit"] if "limit" in values else values["amount"]
            return decode_amounts(fields.astype(np.uint16)).astype(np.int64)
    return next((values[name] for name in _PLAIN_VALUES if name in values), None)


def _rows(table: Table, count: int, needed: tuple[str, ...]) -> Rows:
    if missing := [name for name in needed if name not in table]:
        raise InvalidInput(f"the table has no column {', '.join(missing)}", field=missing[0])
    return Rows(table, count)


def _groups(
    meters: Rows, ring: KeyRing, names: tuple[str, ...]
) -> Iterator[tuple[NDArray[np.intp], RingKey, KeyAttributes]]:
    """Yield the good rows that have the same vending key and cipher, with both."""
    for said, members in meters.groups(names):
        try:
            asked = {name: read_attribute(name, text) for name, text in said.items()}
            key = ring.find(asked)
            attributes = key.attributes(asked)
        except InvalidInput as error:
            meters.complain(members, str(error))
            continue
        yield members, key, attributes


def _attribute(meters: Rows, name: str) -> NDArray[np.int64]:
    """Return a column of an attribute, `_UNSAID` where nothing stands."""
    plain = name.removeprefix(_NEW)
    if name not in meters.table:
        return np.full(meters.count, _UNSAID, np.int64)
    return meters.choices(name, lambda text: int(read_attribute(plain, text)) if text else _UNSAID)


def _fill(
    meters: Rows,
    members: NDArray[np.intp],
    values: NDArray[np.int64],
    key: RingKey,
    name: str,
    default: int | None = None,
) -> NDArray[np.int64]:
    """Put in what the key says where the rows say nothing, and return the members' values."""
    unsaid = members[values[members] == _UNSAID]
    if len(unsaid):
        text = key.texts.get(name, None if default is None else str(default))
        if text is None:
            meters.complain(unsaid, f"neither the row nor its key says the {name.replace('_', ' ')}")
        values[unsaid] = int(text or 0)
    return values[members]


def _token_ids(
    meters: Rows,
    members: NDArray[np.intp],
    identifiers: NDArray[np.int64],
    instants: NDArray[np.int64],
    base_date: BaseDate,
) -> NDArray[np.int64]:
    """Return the identifiers of some rows: as given, or of their instant outside the reserved minute."""
    given = identifiers[members]
    minutes = (instants[members] - base_date.epoch_ns) // MINUTE_NS
    outside = (given == _UNSAID) & ((minutes < 0) | (minutes > LARGEST_TOKEN_ID))
    for row in members[outside]:
        try:
            token_id_at(int(instants[row]), base_date)
        except InvalidInput as error:
            meters.complain(np.array([row]), str(error))
    minutes += minutes % MINUTES_A_DAY == RESERVED_MINUTE
    chosen = np.where(given == _UNSAID, minutes, given)
    chosen[outside] = 0
    return chosen


def _refuse_expired(
    meters: Rows, members: NDArray[np.intp], identifiers: NDArray[np.int64], expiry: NDArray[np.int64]
) -> None:
    late = (identifiers[members] >> _WORD_BITS) > expiry
    for row, number in zip(members[late], expiry[late], strict=True):
        message = f"the token identifier {identifiers[row]} lies beyond the key expiry number {number}"
        meters.complain(np.array([row]), f"{TokenResult.KEY_EXPIRED_ERROR.standard_name}: {message}")


def _derive(
    meters: Rows,
    good: NDArray[np.intp],
    key: RingKey,
    attributes: KeyAttributes,
    pans: NDArray[np.uint64],
    tariffs: NDArray[np.int64],
) -> DecoderKeys | None:
    """Return the keys of some rows, or complain of them all; None where there are none."""
    if not len(good):
        return None
    try:
        return derive_decoder_keys(
            key.vending_key,
            pans[good],
            key_type=attributes.key_type,
            supply_group_code=attributes.supply_group_code,
            tariff_indexes=tariffs[good],
            key_revision=attributes.key_revision,
            base_date=attributes.base_date,
            encryption_algorithm=attributes.encryption_algorithm,
        )
    except InvalidInput as error:
        meters.complain(good, str(error))
        return None


def _as_text(digits: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    return digits.view(f"S{DIGITS}").reshape(-1)
