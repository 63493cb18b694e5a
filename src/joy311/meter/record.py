"""The one record: credit, spent identifiers, keys, registers and reasons move together or not at all."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from joy311.energy import EnergyRegister
from joy311.errors import InvalidInput, StorageError
from joy311.meter.load_switch import OpenReason
from joy311.meter.token_identifiers import SLOTS
from joy311.sts import (
    BaseDate,
    DecoderKey,
    EncryptionAlgorithm,
    KeyAttributes,
    KeyDerivation,
    KeyType,
    MeterPAN,
    TokenResult,
)

VERSION = 1
"""Version of the record's layout."""

DEFAULT_LOW_CREDIT_WH = (20_000, 10_000)
"""The two levels at which the meter warns of low credit unless told otherwise [Wh]."""

_LAYOUT = struct.Struct(
    "<H"  # version
    "18s6s2s BHBBBB 16s B"  # PAN, SGC, TI; KT, base date, KRN, KEN, EA, DKGA; key and its length
    "qq"  # low credit levels
    "qqq"  # credit, credit drawn, credit accepted
    "qI"  # total register
    "qIqIqIqIqIqI"  # import and export per phase
    f"{SLOTS}I"  # token identifiers
    "II"  # reasons to be open, switch operations
    "BIII"  # last result; tokens accepted, refused; units of the last credit token
    "Iq"  # power failures, instant of this record
)
_EMPTY = EnergyRegister()

SIZE = _LAYOUT.size
"""Length of a record [bytes]."""


@dataclass(frozen=True, slots=True)
class FactoryData:
    """What a meter leaves the factory with.

    Parameters
    ----------
    attributes : KeyAttributes
        Identity of the meter and attributes of its decoder key.
    decoder_key : DecoderKey
        The key itself, for the algorithm that `attributes` name.
    low_credit_wh : tuple of int
        First and second level of the low credit warning [Wh], the second below the first.

    Raises
    ------
    InvalidInput
        If the key does not fit the attributes, a common key is given to this keypad meter, or a warning level
        is out of order.
    """

    attributes: KeyAttributes
    decoder_key: DecoderKey
    low_credit_wh: tuple[int, int] = DEFAULT_LOW_CREDIT_WH

    def __post_init__(self) -> None:
        """Refuse what no keypad meter may carry."""
        if self.decoder_key.encryption_algorithm != self.attributes.encryption_algorithm:
            raise InvalidInput("the decoder key is for another encryption algorithm than the attributes name")
        if self.attributes.key_type is KeyType.DCTK:
            raise InvalidInput("a keypad meter may not hold a common key (DCTK)", field="key_type")
        first, second = self.low_credit_wh
        if not 0 <= second < first:
            raise InvalidInput(
                f"low credit levels {first} Wh and {second} Wh must fall, and not below 0",
                field="low_credit_wh",
            )


@dataclass(frozen=True, slots=True)
class MeterRecord:
    """All that outlives a power cut.

    Parameters
    ----------
    factory : FactoryData
        Identity, keys and warning levels.
    credit_wh : int
        Credit left, negative where the load ran on without [Wh].
    drawn_wh, accepted_wh : int
        Credit drawn by consumption and credit accepted from tokens, ever [Wh].
    total : EnergyRegister
        The register that debits credit.
    imported, exported : tuple of EnergyRegister
        Per phase L1..L3.
    token_ids : tuple of int
        The slots of the token identifier store.
    open_reasons : int
        Bit set of `OpenReason`.
    switch_operations : int
        Times the load switch was driven.
    last_result : TokenResult or None
        Result of the last token judged.
    tokens_accepted, tokens_refused : int
        Tokens judged, ever.
    last_units : int
        Amount of the last credit token accepted [0.1 kWh].
    power_failures : int
        Announced power failures.
    committed_at_ns : int
        Instant at which the record was made [ns].
    """

    factory: FactoryData
    credit_wh: int = 0
    drawn_wh: int = 0
    accepted_wh: int = 0
    total: EnergyRegister = _EMPTY
    imported: tuple[EnergyRegister, EnergyRegister, EnergyRegister] = (_EMPTY,) * 3
    exported: tuple[EnergyRegister, EnergyRegister, EnergyRegister] = (_EMPTY,) * 3
    token_ids: tuple[int, ...] = (0,) * SLOTS
    open_reasons: int = int(OpenReason.NO_CREDIT)
    switch_operations: int = 0
    last_result: TokenResult | None = None
    tokens_accepted: int = 0
    tokens_refused: int = 0
    last_units: int = 0
    power_failures: int = 0
    committed_at_ns: int = 0

    def to_bytes(self) -> bytes:
        """Return the record as `SIZE` bytes."""
        attributes, key = self.factory.attributes, self.factory.decoder_key.to_bytes()
        phases = [
            part for register in (*self.imported, *self.exported) for part in (register.wh, register.quanta)
        ]
        return _LAYOUT.pack(
            VERSION,
            attributes.meter_pan.digits.encode("ascii"),
            attributes.supply_group_code.encode("ascii"),
            attributes.tariff_index.encode("ascii"),
            attributes.key_type,
            attributes.base_date,
            attributes.key_revision,
            attributes.key_expiry,
            attributes.encryption_algorithm,
            attributes.key_derivation,
            key,
            len(key),
            *self.factory.low_credit_wh,
            self.credit_wh,
            self.drawn_wh,
            self.accepted_wh,
            self.total.wh,
            self.total.quanta,
            *phases,
            *self.token_ids,
            self.open_reasons,
            self.switch_operations,
            self.last_result or 0,
            self.tokens_accepted,
            self.tokens_refused,
            self.last_units,
            self.power_failures,
            self.committed_at_ns,
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> MeterRecord:
        """Return the record that `data` holds.

        Raises
        ------
        StorageError
            If the length, the version or a value is not that of a record.
        """
        if len(data) != SIZE:
            raise StorageError(f"a meter record of {len(data)} bytes, and it must have {SIZE}")
        values = list(_LAYOUT.unpack(data))

        def take(count: int) -> list[int]:
            taken = values[:count]
            del values[:count]
            return taken

        (version,) = take(1)
        if version != VERSION:
            raise StorageError(f"a meter record of version {version}, and this is version {VERSION}")
        try:
            pan, group, index = (values.pop(0).decode("ascii") for _ in range(3))
            key_type, base_date, revision, expiry, algorithm, derivation = take(6)
            key = values.pop(0)
            (key_length,) = take(1)
            attributes = KeyAttributes(
                meter_pan=MeterPAN.parse(pan),
                key_type=KeyType(key_type),
                supply_group_code=group,
                tariff_index=index,
                key_revision=revision,
                base_date=BaseDate(base_date),
                encryption_algorithm=EncryptionAlgorithm(algorithm),
                key_derivation=KeyDerivation(derivation),
                key_expiry=expiry,
            )
            decoder_key = DecoderKey.from_bytes(key[:key_length], attributes.encryption_algorithm)
            first, second = take(2)
            factory = FactoryData(attributes, decoder_key, (first, second))
            credit, drawn, accepted = take(3)
            registers = [EnergyRegister(*take(2)) for _ in range(7)]
            token_ids = tuple(take(SLOTS))
            reasons, operations, last_result = take(3)
            good, bad, units, failures, instant = take(5)
            return cls(
                factory=factory,
                credit_wh=credit,
                drawn_wh=drawn,
                accepted_wh=accepted,
                total=registers[0],
                imported=(registers[1], registers[2], registers[3]),
                exported=(registers[4], registers[5], registers[6]),
                token_ids=token_ids,
                open_reasons=reasons,
                switch_operations=operations,
                last_result=TokenResult(last_result) if last_result else None,
                tokens_accepted=good,
                tokens_refused=bad,
                last_units=units,
                power_failures=failures,
                committed_at_ns=instant,
            )
        except (ValueError, UnicodeDecodeError):
            # The values are not repeated here: they stand beside the key.
            raise StorageError("a meter record holds a value that no meter can have written") from None
