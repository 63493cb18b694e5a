"""What client and server of a security module say to each other over their socket: one table of messages.

A frame is one byte of version, four bytes of length (big endian) and a MessagePack document. Never a vending
key: there is no message that could carry one.
"""

from __future__ import annotations

import struct
from dataclasses import fields
from typing import Annotated, TypeVar, get_args

import msgspec

from joy311.errors import InvalidInput, Joy311Error, Refused, StorageError
from joy311.sts import (
    BaseDate,
    EncryptionAlgorithm,
    KeyAttributes,
    KeyDerivation,
    KeyType,
    ManagementToken,
    MeterPAN,
    TestToken,
    Token20,
    TokenResult,
)
from joy311.vending.security_module.protocol import (
    LARGEST_BATCH,
    CreditRequest,
    EngineeringRequest,
    IssuedTokens,
    KeyChangeRequest,
    TokenReading,
    TokenRequest,
    VendingKeyAttributes,
)

VERSION = 1
HEADER = struct.Struct(">BI")

LARGEST_FRAME_BYTES = 1 << 18
"""Most bytes of one document; a full batch has less."""

_Text = Annotated[str, msgspec.Meta(max_length=64)]
_Number = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
_Count = Annotated[int, msgspec.Meta(ge=-1, le=2**53)]
_Offset = Annotated[int, msgspec.Meta(ge=0, le=2**53)]

_ENGINEERING_TOKENS = {kind.__name__: kind for kind in get_args(TestToken | ManagementToken)}


class WireAttributes(msgspec.Struct, frozen=True, array_like=True):
    """`KeyAttributes` on the wire."""

    meter_pan: _Text
    key_type: _Number
    supply_group_code: _Text
    tariff_index: _Text
    key_revision: _Number
    base_date: _Number
    encryption_algorithm: _Number
    key_derivation: _Number
    key_expiry: _Number


class WireCredit(msgspec.Struct, frozen=True, array_like=True, tag="credit"):
    """`CreditRequest` on the wire."""

    attributes: WireAttributes
    service: _Number
    token_id: _Number
    units: _Number


class WireEngineering(msgspec.Struct, frozen=True, array_like=True, tag="engineering"):
    """`EngineeringRequest` on the wire: the token's name and its values in their order."""

    attributes: WireAttributes
    token: _Text
    values: Annotated[list[_Number], msgspec.Meta(max_length=8)]


class WireKeyChange(msgspec.Struct, frozen=True, array_like=True, tag="key change"):
    """`KeyChangeRequest` on the wire."""

    old: WireAttributes
    new: WireAttributes
    tell_supply_group: bool


WireRequest = WireCredit | WireEngineering | WireKeyChange


class Check(msgspec.Struct, frozen=True, tag="check"):
    """Ask whether a request would be issued."""

    request: WireRequest


class Issue(msgspec.Struct, frozen=True, tag="issue"):
    """Ask for tokens: pairs of request id and request."""

    requests: Annotated[list[tuple[_Text, WireRequest]], msgspec.Meta(max_length=LARGEST_BATCH)]


class Find(msgspec.Struct, frozen=True, tag="find"):
    """Ask what was issued for a request id."""

    request_id: _Text


class ReadJournal(msgspec.Struct, frozen=True, tag="read journal"):
    """Ask for a page of the journal from a place on."""

    offset: _Offset
    check: _Text
    counter: _Count


class Synchronise(msgspec.Struct, frozen=True, tag="synchronise"):
    """Tell the highest counter that is known."""

    known_counter: _Offset


class VerifyToken(msgspec.Struct, frozen=True, tag="verify token"):
    """Ask what a token says."""

    attributes: WireAttributes
    token: _Text


class ListKeys(msgspec.Struct, frozen=True, tag="list keys"):
    """Ask which vending keys there are."""


class SignAuditRoot(msgspec.Struct, frozen=True, tag="sign audit root"):
    """Ask for the signature over an audit root."""

    vendor: _Text
    day: _Text
    rows: _Number
    head: _Text


class ReadPublicKey(msgspec.Struct, frozen=True, tag="read public key"):
    """Ask for the public key of those signatures."""


class ReadStatus(msgspec.Struct, frozen=True, tag="read status"):
    """Ask how the module is."""


Call = (
    Check
    | Issue
    | Find
    | ReadJournal
    | Synchronise
    | VerifyToken
    | ListKeys
    | SignAuditRoot
    | ReadPublicKey
    | ReadStatus
)


class WireTokens(msgspec.Struct, frozen=True, array_like=True, tag="tokens"):
    """`IssuedTokens` on the wire."""

    tokens: list[str]
    counter: int


class Failed(msgspec.Struct, frozen=True, array_like=True, tag="failed"):
    """What was raised: ``input``, ``refused`` with its code, or ``storage``."""

    kind: str
    message: str
    code: str
    field: str | None


class Done(msgspec.Struct, frozen=True, tag="done"):
    """It is done, and there is nothing to say."""


class Issued(msgspec.Struct, frozen=True, tag="issued"):
    """The answers to `Issue`, in its order."""

    results: list[WireTokens | Failed]


class Found(msgspec.Struct, frozen=True, tag="found"):
    """The answer to `Find`."""

    tokens: WireTokens | None


class JournalPage(msgspec.Struct, frozen=True, tag="journal page"):
    """Counter, request id and digest of issues, and where to go on; None at the end."""

    issues: list[tuple[int, str, str]]
    following: tuple[int, str, int] | None


class Reading(msgspec.Struct, frozen=True, tag="reading"):
    """`TokenReading` on the wire."""

    result: str
    token_class: int | None
    subclass: int | None
    token_id: int | None
    units: int | None


class Keys(msgspec.Struct, frozen=True, tag="keys"):
    """The fields of each `VendingKeyAttributes`, and the key check value."""

    keys: list[tuple[str, int, int, int, int, int, int, str]]


class Octets(msgspec.Struct, frozen=True, tag="octets"):
    """A signature or a public key."""

    octets: bytes


class Status(msgspec.Struct, frozen=True, tag="status"):
    """`ModuleStatus` on the wire."""

    counter: int
    keys: int
    behind: int | None
    sealed: bool


class Rejected(msgspec.Struct, frozen=True, tag="rejected"):
    """The call was not done."""

    failure: Failed


Answer = Done | Issued | Found | JournalPage | Reading | Keys | Octets | Status | Rejected

_ENCODER = msgspec.msgpack.Encoder()
_CALLS: msgspec.msgpack.Decoder[Call] = msgspec.msgpack.Decoder(Call)
_ANSWERS: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)

_Message = TypeVar("_Message", Call, Answer)


def frame(message: Call | Answer) -> bytes:
    """Return `message` as a frame.

    Raises
    ------
    InvalidInput
        If it is longer than `LARGEST_FRAME_BYTES`.
    """
    body = _ENCODER.encode(message)
    if len(body) > LARGEST_FRAME_BYTES:
        raise InvalidInput(
            f"a message has at most {LARGEST_FRAME_BYTES} bytes, not {len(body)}", field="message"
        )
    return HEADER.pack(VERSION, len(body)) + body


def body_length(header: bytes) -> int:
    """Return how many bytes follow a header.

    Raises
    ------
    InvalidInput
        If the version is another, or it is more than `LARGEST_FRAME_BYTES`.
    """
    version, length = HEADER.unpack(header)
    if version != VERSION:
        raise InvalidInput(f"the frame has version {version}, this program speaks {VERSION}", field="version")
    if length > LARGEST_FRAME_BYTES:
        raise InvalidInput(f"a frame has at most {LARGEST_FRAME_BYTES} bytes, not {length}", field="length")
    return int(length)


def parse_call(body: bytes) -> Call:
    """Return the call in a frame's body.

    Raises
    ------
    InvalidInput
        If it is none.
    """
    try:
        return _CALLS.decode(body)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InvalidInput(f"this is no call of the security module: {error}", field="call") from None


def parse_answer(body: bytes) -> Answer:
    """Return the answer in a frame's body.

    Raises
    ------
    StorageError
        If it is none.
    """
    try:
        return _ANSWERS.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        raise StorageError("the security module's answer cannot be read") from None


def attributes_to_wire(attributes: KeyAttributes) -> WireAttributes:
    """Return `attributes` as they travel."""
    return WireAttributes(
        attributes.meter_pan.digits,
        int(attributes.key_type),
        attributes.supply_group_code,
        attributes.tariff_index,
        attributes.key_revision,
        int(attributes.base_date),
        int(attributes.encryption_algorithm),
        int(attributes.key_derivation),
        attributes.key_expiry,
    )


def attributes_from_wire(wire: WireAttributes) -> KeyAttributes:
    """Return the attributes that travelled.

    Raises
    ------
    InvalidInput
        If a value is out of its range.
    """
    return KeyAttributes(
        meter_pan=MeterPAN(wire.meter_pan),
        key_type=KeyType(wire.key_type),
        supply_group_code=wire.supply_group_code,
        tariff_index=wire.tariff_index,
        key_revision=wire.key_revision,
        base_date=BaseDate(wire.base_date),
        encryption_algorithm=EncryptionAlgorithm(wire.encryption_algorithm),
        key_derivation=KeyDerivation(wire.key_derivation),
        key_expiry=wire.key_expiry,
    )


def request_to_wire(request: TokenRequest) -> WireRequest:
    """Return `request` as it travels."""
    match request:
        case CreditRequest(attributes, service, token_id, units):
            return WireCredit(attributes_to_wire(attributes), service, token_id, units)
        case EngineeringRequest(attributes, token):
            values = [int(getattr(token, part.name)) for part in fields(token)]
            return WireEngineering(attributes_to_wire(attributes), type(token).__name__, values)
        case KeyChangeRequest(old, new, tell_supply_group):
            return WireKeyChange(attributes_to_wire(old), attributes_to_wire(new), tell_supply_group)


def request_from_wire(wire: WireRequest) -> TokenRequest:
    """Return the request that travelled.

    Raises
    ------
    InvalidInput
        If a value is out of its range, or there is no such token.
    """
    match wire:
        case WireCredit(attributes, service, token_id, units):
            return CreditRequest(attributes_from_wire(attributes), service, token_id, units)
        case WireEngineering(attributes, name, values):
            kind = _ENGINEERING_TOKENS.get(name)
            if kind is None or len(values) != len(fields(kind)):
                raise InvalidInput(
                    f"there is no engineering token {name[:40]!r} of {len(values)} values", field="token"
                )
            return EngineeringRequest(attributes_from_wire(attributes), kind(*values))
        case WireKeyChange(old, new, tell_supply_group):
            return KeyChangeRequest(attributes_from_wire(old), attributes_from_wire(new), tell_supply_group)


def tokens_to_wire(issued: IssuedTokens) -> WireTokens:
    """Return `issued` as it travels."""
    return WireTokens([token.digits for token in issued.tokens], issued.counter)


def tokens_from_wire(wire: WireTokens) -> IssuedTokens:
    """Return the tokens that travelled."""
    return IssuedTokens(tuple(map(Token20.parse, wire.tokens)), wire.counter)


def failure_to_wire(error: Joy311Error) -> Failed:
    """Return what was raised, as it travels."""
    match error:
        case InvalidInput():
            return Failed("input", str(error), "", error.field)
        case Refused():
            return Failed("refused", str(error), error.code, None)
        case _:
            return Failed("storage", str(error), "", None)


def failure_from_wire(wire: Failed) -> Joy311Error:
    """Return what was raised over there."""
    match wire.kind:
        case "input":
            return InvalidInput(wire.message, field=wire.field)
        case "refused":
            return Refused(wire.code, wire.message)
        case _:
            return StorageError(wire.message)


def reading_to_wire(reading: TokenReading) -> Reading:
    """Return `reading` as it travels."""
    return Reading(
        reading.result.name, reading.token_class, reading.subclass, reading.token_id, reading.units
    )


def reading_from_wire(wire: Reading) -> TokenReading:
    """Return the reading that travelled."""
    return TokenReading(TokenResult[wire.result], wire.token_class, wire.subclass, wire.token_id, wire.units)


def keys_to_wire(keys: dict[VendingKeyAttributes, str]) -> Keys:
    """Return which keys there are, as it travels."""
    return Keys(
        [
            (
                known.supply_group_code,
                known.key_revision,
                int(known.key_type),
                int(known.base_date),
                int(known.key_derivation),
                int(known.encryption_algorithm),
                known.key_expiry,
                check_value,
            )
            for known, check_value in keys.items()
        ]
    )


def keys_from_wire(wire: Keys) -> dict[VendingKeyAttributes, str]:
    """Return which keys there are over there."""
    return {
        VendingKeyAttributes(
            supply_group_code=group,
            key_revision=revision,
            key_type=KeyType(key_type),
            base_date=BaseDate(base_date),
            key_derivation=KeyDerivation(derivation),
            encryption_algorithm=EncryptionAlgorithm(algorithm),
            key_expiry=expiry,
        ): check_value
        for group, revision, key_type, base_date, derivation, algorithm, expiry, check_value in wire.keys
    }
