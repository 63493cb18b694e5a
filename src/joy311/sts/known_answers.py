"""Known answers held against this implementation: lines of the kinds of ``tests/vectors/sts.jsonl``.

Whoever has test vectors of their own writes them in that format and learns which pass.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from joy311.errors import InvalidInput
from joy311.instant import from_iso
from joy311.sts import misty1, sta, sta_sample
from joy311.sts.amount import carried_amount, decode_amount, encode_amount
from joy311.sts.attributes import (
    NEVER_EXPIRES,
    BaseDate,
    EncryptionAlgorithm,
    KeyAttributes,
    KeyDerivation,
    KeyType,
)
from joy311.sts.carrier import Token20, TokenFormatError, insert_class
from joy311.sts.crc import crc
from joy311.sts.currency_amount import (
    carried_currency_amount,
    decode_currency_amount,
    encode_currency_amount,
)
from joy311.sts.key_change import (
    assemble_key_change,
    key_change_sections,
    key_change_tokens,
    plan_key_change,
)
from joy311.sts.key_derivation import derive_decoder_key
from joy311.sts.key_document import parse_meter
from joy311.sts.keys import DecoderKey, VendingKey
from joy311.sts.meter_pan import MeterPAN
from joy311.sts.result import TokenResult, Undecodable
from joy311.sts.token_codec import decode, encode
from joy311.sts.token_id import token_id_at
from joy311.sts.tokens import (
    ClearCredit,
    ClearTamperCondition,
    InitiateMeterTest,
    ReadExtendedControl,
    SetExtendedControl,
    SetMaximumPhasePowerUnbalanceLimit,
    SetMaximumPowerLimit,
    SetTariffRate,
    SetWaterMeterFactor,
    Token,
    TransferCredit,
    TransferCurrencyCredit,
)

UNREADABLE = "unreadable"
"""The kind under which lines are counted that are no JSON object with a kind."""

_LONGEST_SHOWN = 64

Comparison = tuple[str, object, object]
"""What is compared, what comes out here, and what the line says."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One line that does not agree.

    Parameters
    ----------
    line : int
        Its number, from 1.
    id : str
        Its own ``id``, empty where it has none.
    kind : str
        Its kind, or `UNREADABLE`.
    reason : str
        The first thing that differs, in a sentence; keys are not shown, and tokens only by their ends.
    """

    line: int
    id: str
    kind: str
    reason: str


@dataclass(slots=True)
class Report:
    """How many lines agree.

    Parameters
    ----------
    by_kind : dict
        For each kind that occurred, how many passed and how many failed.
    failures : list of Failure
        Those that failed, in the order of the file.
    """

    by_kind: dict[str, tuple[int, int]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)

    @property
    def passed(self) -> int:
        """How many lines passed."""
        return sum(passed for passed, _ in self.by_kind.values())

    @property
    def failed(self) -> int:
        """How many lines failed."""
        return len(self.failures)

    def _add(self, line: int, answer: object, kind: str, reason: str | None) -> None:
        passed, failed = self.by_kind.get(kind, (0, 0))
        self.by_kind[kind] = (passed + (reason is None), failed + (reason is not None))
        if reason is not None:
            name = answer.get("id", "") if isinstance(answer, Mapping) else ""
            self.failures.append(Failure(line, _printable(str(name)), kind, reason))


def check_lines(lines: Iterable[bytes]) -> Report:
    """Return how the known answers in `lines` of JSON agree with this implementation.

    Empty lines are passed over. A line that is no JSON object, one without a kind and one of an unknown kind
    count as failed.
    """
    report = Report()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        answer: object = None
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError):
            report._add(number, answer, UNREADABLE, f"line {number} is not valid JSON")
            continue
        reason = check_known_answer(answer)
        kind = answer.get("kind") if isinstance(answer, Mapping) else None
        report._add(number, answer, _printable(kind) if isinstance(kind, str) else UNREADABLE, reason)
    return report


def check_known_answer(answer: object) -> str | None:
    """Return what is wrong with one known answer, None if it agrees.

    Parameters
    ----------
    answer : object
        What a line of JSON holds: a mapping with ``kind`` and the fields of that kind.

    Returns
    -------
    str or None
        The first difference in a sentence; a field that is missing or cannot be is a difference too.
    """
    if not isinstance(answer, Mapping):
        return "the line is not a JSON object"
    kind = answer.get("kind")
    if not isinstance(kind, str):
        return "the line has no kind"
    if kind not in _CHECKS:
        return f"the kind {kind[:_LONGEST_SHOWN]!r} is not known"
    try:
        for what, ours, theirs in _CHECKS[kind](_Fields(answer)):
            if ours != theirs and isinstance(ours, DecoderKey):
                return f"{what} comes out otherwise here"
            if ours != theirs:
                return f"{what} is {_shown(ours)} here, and {_shown(theirs)} in the line"
    except InvalidInput as error:
        return str(error)
    return None


def _printable(text: str) -> str:
    """Return the beginning of a text from outside as any terminal can show it."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}"
        for character in text[:_LONGEST_SHOWN]
    )


def _shown(value: object) -> str:
    match value:
        case Token20():
            digits = value.digits
            return f"{digits[:4]}...{digits[-4:]}"
        case Undecodable():
            return value.result.standard_name
        case str() | int():
            return _printable(str(value))
    # Only tokens are left, whose key words do not show.
    return repr(value)[:256]


class _Fields:
    """The fields of one line, each asked for by the type that it must have."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields

    def _any(self, name: str) -> Any:
        try:
            return self._fields[name]
        except KeyError:
            raise InvalidInput(f"the field {name} is missing", field=name) from None

    def text(self, name: str) -> str:
        value = self._any(name)
        if not isinstance(value, str):
            raise InvalidInput(f"the field {name} is not a text", field=name)
        return value

    def number(self, name: str, *, bits: int | None = None) -> int:
        value = self._any(name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise InvalidInput(f"the field {name} is not an integer", field=name)
        if bits is not None and value >> bits:
            raise InvalidInput(f"the field {name} is not a number of {bits} bits", field=name)
        return value

    def truth(self, name: str) -> bool:
        value = self._any(name)
        if not isinstance(value, int) or value not in (0, 1):
            raise InvalidInput(f"the field {name} is neither true nor false, 1 nor 0", field=name)
        return bool(value)

    def octets(self, name: str, count: int | None = None) -> bytes:
        text = self.text(name)
        try:
            octets = bytes.fromhex(text)
        except ValueError:
            raise InvalidInput(f"the field {name} is not hexadecimal", field=name) from None
        if count is not None and len(octets) != count:
            raise InvalidInput(f"the field {name} has {len(octets)} bytes, not {count}", field=name)
        return octets

    def block(self, name: str, count: int = 8) -> int:
        return int.from_bytes(self.octets(name, count), "big")

    def token(self, name: str = "token") -> Token20:
        return Token20.parse(self.text(name))

    def attributes(self) -> KeyAttributes:
        return KeyAttributes(
            meter_pan=parse_meter(self.text("meter_pan")),
            key_type=KeyType(self.number("key_type")),
            supply_group_code=self.text("supply_group_code"),
            tariff_index=self.text("tariff_index"),
            key_revision=self.number("key_revision"),
            base_date=BaseDate(self.number("base_date")),
            encryption_algorithm=EncryptionAlgorithm(self.number("ea")),
            key_derivation=KeyDerivation(self.number("dkga")),
            key_expiry=self.number("key_expiry") if "key_expiry" in self._fields else NEVER_EXPIRES,
        )

    def derived_key(self) -> DecoderKey:
        return derive_decoder_key(VendingKey.from_bytes(self.octets("vending_key")), self.attributes())

    def decoder_key(self, name: str, algorithm: EncryptionAlgorithm) -> DecoderKey:
        return DecoderKey.from_bytes(self.octets(name), algorithm)

    def inner(self, name: str) -> Mapping[str, Any]:
        value = self._any(name)
        if not isinstance(value, Mapping):
            raise InvalidInput(f"the field {name} is not a JSON object", field=name)
        return value

    def tokens(self, name: str) -> list[Token20]:
        value = self._any(name)
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            raise InvalidInput(f"the field {name} is not a list of texts", field=name)
        return [Token20.parse(text) for text in value]


def _identity(line: _Fields) -> Iterator[Comparison]:
    drn = line.text("drn")
    if not line.truth("valid"):
        try:
            found = MeterPAN.parse(drn).digits
        except InvalidInput:
            found = "invalid"
        yield "the meter number", found, "invalid"
        return
    pan = MeterPAN.parse(drn)
    yield "the MeterPAN", pan.digits, line.text("meter_pan")
    yield "the DRN", MeterPAN.parse(pan.digits).drn, drn


def _crc(line: _Fields) -> Iterator[Comparison]:
    yield "the checksum", f"{crc(line.octets('data')):04x}", line.text("crc").lower()


def _amount(line: _Fields) -> Iterator[Comparison]:
    value, encoded, decoded = line.number("value"), line.number("encoded", bits=16), line.number("decoded")
    yield "the encoded amount", encode_amount(value), encoded
    yield "the decoded amount", decode_amount(encoded), decoded
    yield "the amount carried", carried_amount(value), decoded


def _currency_amount(line: _Fields) -> Iterator[Comparison]:
    value, encoded = line.number("value_1e5"), line.number("encoded", bits=20)
    decoded = line.number("decoded_1e5")
    yield "the encoded amount", encode_currency_amount(value), encoded
    yield "the decoded amount", decode_currency_amount(encoded), decoded
    yield "the amount carried", carried_currency_amount(value), decoded


def _token_id(line: _Fields) -> Iterator[Comparison]:
    issued, base_date = from_iso(line.text("issued")), BaseDate(line.number("base_date"))
    special = line.truth("special_reserved")
    yield (
        "the token identifier",
        token_id_at(issued, base_date, special_reserved=special),
        line.number("tid"),
    )


def _misty1(line: _Fields) -> Iterator[Comparison]:
    def encrypt(key: int, block: int) -> int:
        return misty1.encrypt(key.to_bytes(16, "big"), block)

    def decrypt(key: int, block: int) -> int:
        return misty1.decrypt(key.to_bytes(16, "big"), block)

    return _cipher(line, 16, encrypt, decrypt)


def _sta(line: _Fields) -> Iterator[Comparison]:
    return _cipher(line, 8, sta.encrypt, sta.decrypt)


def _cipher(
    line: _Fields, key_bytes: int, encrypt: Callable[[int, int], int], decrypt: Callable[[int, int], int]
) -> Iterator[Comparison]:
    key, plain, encrypted = line.block("key", key_bytes), line.block("plaintext"), line.block("ciphertext")
    yield "the ciphertext", f"{encrypt(key, plain):016x}", f"{encrypted:016x}"
    yield "the plaintext", f"{decrypt(key, encrypted):016x}", f"{plain:016x}"


def _sta_sample_tables(line: _Fields) -> Iterator[Comparison]:
    key, plain = line.block("key"), line.block("plaintext")
    encrypted = sta_sample.encrypt(key, plain)
    token = insert_class(line.number("token_class", bits=2), encrypted)
    yield "the token of 66 bits", f"{token.value:017x}", line.text("token66").lower()
    yield "the plaintext", f"{sta_sample.decrypt(key, encrypted):016x}", f"{plain:016x}"


def _decoder_key(line: _Fields) -> Iterator[Comparison]:
    key = line.derived_key()
    yield "the decoder key", key, line.decoder_key("decoder_key", key.encryption_algorithm)


def _credit_token(line: _Fields) -> Iterator[Comparison]:
    head = line.number("subclass"), line.number("random"), line.number("tid")
    return _both_ways(
        line,
        TransferCredit(*head, line.number("value")),
        TransferCredit(*head, line.number("carried")),
    )


def _currency_token(line: _Fields) -> Iterator[Comparison]:
    head = line.number("subclass") - 4, line.number("tid")
    return _both_ways(
        line,
        TransferCurrencyCredit(*head, line.number("value_1e5")),
        TransferCurrencyCredit(*head, line.number("carried_1e5")),
    )


def _management_token(line: _Fields) -> Iterator[Comparison]:
    random, token_id, value = line.number("random"), line.number("tid"), line.number("value")
    match line.number("subclass"):
        case 0:
            limit = SetMaximumPowerLimit(random, token_id, carried_amount(value))
            return _both_ways(line, SetMaximumPowerLimit(random, token_id, value), limit)
        case 1:
            return _both_ways(line, ClearCredit(random, token_id, value))
        case 2:
            return _both_ways(line, SetTariffRate(random, token_id, value))
        case 5:
            return _both_ways(line, ClearTamperCondition(random, token_id, value))
        case 6:
            unbalance = SetMaximumPhasePowerUnbalanceLimit(random, token_id, carried_amount(value))
            return _both_ways(line, SetMaximumPhasePowerUnbalanceLimit(random, token_id, value), unbalance)
        case 7:
            return _both_ways(line, SetWaterMeterFactor(random, token_id, value))
        case 10:
            return _both_ways(line, SetExtendedControl(random, token_id, value >> 10, value & 0x3FF))
        case other:
            raise InvalidInput(f"the subclass {other} is not 0, 1, 2, 5, 6, 7 or 10", field="subclass")


def _both_ways(line: _Fields, issued: Token, carried: Token | None = None) -> Iterator[Comparison]:
    key = line.derived_key()
    yield "the decoder key", key, line.decoder_key("decoder_key", key.encryption_algorithm)
    token = line.token()
    yield "the token", encode(issued, key), token
    yield "what the token says", decode(token, key), issued if carried is None else carried


def _test_token(line: _Fields) -> Iterator[Comparison]:
    subclass, code, control = line.number("subclass"), line.number("manufacturer"), line.number("control")
    said: Token = InitiateMeterTest(subclass, control, code)
    if subclass == 2:
        yield "the manufacturer code", 0, code
        said = ReadExtendedControl(control >> 30, control & (1 << 30) - 1)
    token = line.token()
    yield "the token", encode(said, None), token
    yield "what the token says", decode(token, None) if encode(said, None) == token else None, said


def _key_change(line: _Fields) -> Iterator[Comparison]:
    was = line.inner("old")
    old = _Fields(was)
    new = _Fields({**was, **line.inner("new"), "key_expiry": line.number("key_expiry")})
    old_key, new_key = old.derived_key(), new.derived_key()
    algorithm = old_key.encryption_algorithm
    yield "the old decoder key", old_key, line.decoder_key("old_decoder_key", algorithm)
    yield (
        "the new decoder key",
        new_key,
        line.decoder_key("new_decoder_key", new_key.encryption_algorithm),
    )
    count = line.number("tokens_in_set")
    change = plan_key_change(old.attributes(), new.attributes(), new_key, tell_supply_group=count > 2)
    yield "the roll-over flag", change.roll_over, line.truth("roll_over")
    ours, theirs = key_change_tokens(change, old_key), line.tokens("tokens")
    yield "the number of tokens", len(ours), count
    yield "the number of tokens listed", len(theirs), count
    for number, pair in enumerate(zip(ours, theirs, strict=True), start=1):
        yield f"token {number}", *pair
    sections = key_change_sections(change)
    for number, (token, section) in enumerate(zip(theirs, sections, strict=True), start=1):
        yield f"what token {number} says", decode(token, old_key), section
    yield "the set put together", assemble_key_change(sections, algorithm), change


def _damaged_token(line: _Fields) -> Iterator[Comparison]:
    key = line.decoder_key("decoder_key", EncryptionAlgorithm(line.number("ea")))
    said = decode(line.token(), key)
    result = said.result if isinstance(said, Undecodable) else TokenResult.ACCEPT
    yield "the verdict", result.standard_name.removesuffix("Error"), line.text("result").removesuffix("Error")


def _malformed_token(line: _Fields) -> Iterator[Comparison]:
    text = line.text("token")
    try:
        Token20.parse(text)
        result = TokenResult.ACCEPT
    except TokenFormatError:
        result = TokenResult.FORMAT_ERROR
    yield "the verdict", result.standard_name, line.text("result")


_CHECKS: dict[str, Callable[[_Fields], Iterator[Comparison]]] = {
    "identity": _identity,
    "crc": _crc,
    "amount": _amount,
    "currency_amount": _currency_amount,
    "token_id": _token_id,
    "misty1": _misty1,
    "sta": _sta,
    "sta_sample_tables": _sta_sample_tables,
    "decoder_key": _decoder_key,
    "credit_token": _credit_token,
    "currency_token": _currency_token,
    "management_token": _management_token,
    "test_token": _test_token,
    "key_change": _key_change,
    "damaged_token": _damaged_token,
    "malformed_token": _malformed_token,
}

KINDS = tuple(_CHECKS)
"""The kinds of line that are known."""
