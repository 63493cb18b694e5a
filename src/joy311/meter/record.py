"""The one record: credit, spent identifiers, keys, registers and reasons move together or not at all.

A *checkpoint* is the part of it that consumption moves: small enough for one page of memory, and of use only
on top of the very record that it was made after.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace

from joy311.energy import EnergyRegister
from joy311.errors import InvalidInput, StorageError
from joy311.meter.load_switch import OpenReason
from joy311.meter.settings import DEFAULT_LOW_CREDIT_WH, Settings
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

VERSION = 3
"""Version of the record's layout."""

PAST_MONTHS = 6
"""Months whose consumption is kept."""

_LAYOUT = struct.Struct(
    "<HQ"  # version, generation
    "18s6s2s BHBBBB 16s B"  # PAN, SGC, TI; KT, base date, KRN, KEN, EA, DKGA; key and its length
    "QqqIII"  # settings: flags, low credit levels, emergency credit, power and unbalance limits
    "qqqqB"  # credit; drawn, accepted and cleared; whether the emergency credit is drawn
    "qI"  # total register
    "qIqIqIqIqIqI"  # import and export per phase
    f"{SLOTS}I"  # token identifiers
    "II"  # reasons to be open, switch operations
    "BIIII"  # last result; tokens accepted, refused; units and identifier of the last credit token
    "IBIB"  # wrong entries and whether locked, of the token entry and of the port's passwords
    "IHBII"  # the customer interface unit's last session, counter, result and amount; its number
    "q"  # clock offset
    f"hq{PAST_MONTHS}q"  # the present month, the total at its start, the months before it
    "Iq"  # power failures, instant of this record
    "B"  # number of watchers
)
_CHECKPOINT = struct.Struct("<HQqqqIqIqIqIqIqIqIIq")
_EMPTY = EnergyRegister()

CHECKPOINT_BYTES = _CHECKPOINT.size
"""Length of a checkpoint [bytes]."""


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
        Settings(low_credit_wh=self.low_credit_wh)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What consumption moves, as it was at one instant.

    Parameters
    ----------
    generation : int
        Of the record that this stands on.
    credit_wh, drawn_wh : int
        As in `MeterRecord`.
    total, imported, exported : EnergyRegister
        As in `MeterRecord`.
    power_failures : int
        As in `MeterRecord`.
    made_at_ns : int
        The instant [ns].
    """

    generation: int
    credit_wh: int
    drawn_wh: int
    total: EnergyRegister
    imported: tuple[EnergyRegister, EnergyRegister, EnergyRegister]
    exported: tuple[EnergyRegister, EnergyRegister, EnergyRegister]
    power_failures: int
    made_at_ns: int

    def to_bytes(self) -> bytes:
        """Return the checkpoint as bytes, fewer than a page holds."""
        registers = (self.total, *self.imported, *self.exported)
        return _CHECKPOINT.pack(
            VERSION,
            self.generation,
            self.credit_wh,
            self.drawn_wh,
            *(part for register in registers for part in (register.wh, register.quanta)),
            self.power_failures,
            self.made_at_ns,
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Checkpoint:
        """Return the checkpoint that `data` holds.

        Raises
        ------
        StorageError
            If the length or the version is not that of a checkpoint.
        """
        if len(data) != _CHECKPOINT.size:
            raise StorageError(f"a checkpoint of {len(data)} bytes, and it must have {_CHECKPOINT.size}")
        version, generation, credit, drawn, *rest = _CHECKPOINT.unpack(data)
        if version != VERSION:
            raise StorageError(f"a checkpoint of version {version}, and this is version {VERSION}")
        registers = [EnergyRegister(*rest[place : place + 2]) for place in range(0, 14, 2)]
        a, b, c, x, y, z = registers[1:]
        return cls(generation, credit, drawn, registers[0], (a, b, c), (x, y, z), *rest[14:])


@dataclass(frozen=True, slots=True)
class MeterRecord:
    """All that outlives a power cut.

    Parameters
    ----------
    factory : FactoryData
        Identity, the key in use and its attributes, and the warning levels, which are those of `settings`.
    settings : Settings
        What tokens and the port set; by default what the factory data imply.
    generation : int
        Rises with every record that was committed.
    credit_wh : int
        Credit left, negative where the load ran on without [Wh].
    drawn_wh, accepted_wh, cleared_wh : int
        Credit drawn by consumption, accepted from tokens, and taken by ClearCredit, ever [Wh].
    emergency_drawn : bool
        Whether the emergency credit is being used.
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
    last_units, last_token_id : int
        Amount [0.1 kWh] and identifier of the last credit token accepted.
    entry_failures, access_failures : int
        Wrong tokens, and wrong passwords at the port, in a row.
    entry_locked, access_locked : bool
        Whether a lock-out of either was running.
    link_session, link_counter : int
        Number of the last token that a customer interface unit sent.
    link_result : TokenResult or None
        What it was answered.
    link_units : int
        Amount of that token [0.1 kWh], 0 if it brought none.
    paired_ciu : int
        Number of the customer interface unit that is the meter's own, 0 for none.
    clock_offset_ns : int
        What the meter's clock shows less the true time [ns].
    month : int
        The present month, counted from January 1970.
    month_start_wh : int
        Total register at the start of the month [Wh].
    past_month_wh : tuple of int
        Consumption of the months before, the latest first [Wh].
    power_failures : int
        Announced power failures.
    committed_at_ns : int
        Instant at which the record was made [ns].
    watchers : tuple of tuple of int
        What the watchers must remember, each in its own order.
    """

    factory: FactoryData
    settings: Settings = field(default=None)  # type: ignore[assignment]
    generation: int = 0
    credit_wh: int = 0
    drawn_wh: int = 0
    accepted_wh: int = 0
    cleared_wh: int = 0
    emergency_drawn: bool = False
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
    last_token_id: int = 0
    entry_failures: int = 0
    entry_locked: bool = False
    access_failures: int = 0
    access_locked: bool = False
    link_session: int = 0
    link_counter: int = 0
    link_result: TokenResult | None = None
    link_units: int = 0
    paired_ciu: int = 0
    clock_offset_ns: int = 0
    month: int = 0
    month_start_wh: int = 0
    past_month_wh: tuple[int, ...] = (0,) * PAST_MONTHS
    power_failures: int = 0
    committed_at_ns: int = 0
    watchers: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        """Take the settings from the factory data where none are given."""
        if self.settings is None:
            object.__setattr__(self, "settings", Settings(low_credit_wh=self.factory.low_credit_wh))

    def with_checkpoint(self, checkpoint: Checkpoint) -> MeterRecord:
        """Return the record with what `checkpoint` moved, or as it is if the checkpoint is of another."""
        if checkpoint.generation != self.generation:
            return self
        return replace(
            self,
            credit_wh=checkpoint.credit_wh,
            drawn_wh=checkpoint.drawn_wh,
            total=checkpoint.total,
            imported=checkpoint.imported,
            exported=checkpoint.exported,
            power_failures=checkpoint.power_failures,
            committed_at_ns=checkpoint.made_at_ns,
        )

    def to_bytes(self) -> bytes:
        """Return the record as bytes."""
        attributes, key = self.factory.attributes, self.factory.decoder_key.to_bytes()
        phases = [
            part for register in (*self.imported, *self.exported) for part in (register.wh, register.quanta)
        ]
        settings = self.settings
        fixed = _LAYOUT.pack(
            VERSION,
            self.generation,
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
            settings.flags,
            *settings.low_credit_wh,
            settings.emergency_wh,
            settings.power_limit_w,
            settings.unbalance_limit_w,
            self.credit_wh,
            self.drawn_wh,
            self.accepted_wh,
            self.cleared_wh,
            self.emergency_drawn,
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
            self.last_token_id,
            self.entry_failures,
            self.entry_locked,
            self.access_failures,
            self.access_locked,
            self.link_session,
            self.link_counter,
            self.link_result or 0,
            self.link_units,
            self.paired_ciu,
            self.clock_offset_ns,
            self.month,
            self.month_start_wh,
            *self.past_month_wh,
            self.power_failures,
            self.committed_at_ns,
            len(self.watchers),
        )
        return fixed + b"".join(
            struct.pack(f"<B{len(state)}q", len(state), *state) for state in self.watchers
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> MeterRecord:
        """Return the record that `data` holds.

        Raises
        ------
        StorageError
            If the length, the version or a value is not that of a record.
        """
        if len(data) < _LAYOUT.size:
            raise StorageError(f"a meter record of {len(data)} bytes, and it has {_LAYOUT.size} at least")
        values = list(_LAYOUT.unpack_from(data))

        def take(count: int) -> list[int]:
            taken = values[:count]
            del values[:count]
            return taken

        version, generation = take(2)
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
            flags, first, second, *rest = take(6)
            settings = Settings(flags, (first, second), *rest)
            credit, drawn, accepted, cleared, emergency = take(5)
            registers = [EnergyRegister(*take(2)) for _ in range(7)]
            token_ids = tuple(take(SLOTS))
            reasons, operations, last_result = take(3)
            good, bad, units, token_id = take(4)
            entry_failures, entry_locked, access_failures, access_locked = take(4)
            session, counter, link_result, link_units, paired_ciu = take(5)
            offset, month, month_start = take(3)
            past_months = tuple(take(PAST_MONTHS))
            failures, instant, count = take(3)
            return cls(
                factory=FactoryData(attributes, decoder_key, settings.low_credit_wh),
                settings=settings,
                generation=generation,
                credit_wh=credit,
                drawn_wh=drawn,
                accepted_wh=accepted,
                cleared_wh=cleared,
                emergency_drawn=bool(emergency),
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
                last_token_id=token_id,
                entry_failures=entry_failures,
                entry_locked=bool(entry_locked),
                access_failures=access_failures,
                access_locked=bool(access_locked),
                link_session=session,
                link_counter=counter,
                link_result=TokenResult(link_result) if link_result else None,
                link_units=link_units,
                paired_ciu=paired_ciu,
                clock_offset_ns=offset,
                month=month,
                month_start_wh=month_start,
                past_month_wh=past_months,
                power_failures=failures,
                committed_at_ns=instant,
                watchers=_watchers(data[_LAYOUT.size :], count),
            )
        except (ValueError, UnicodeDecodeError, struct.error):
            # The values are not repeated here: they stand beside the key.
            raise StorageError("a meter record holds a value that no meter can have written") from None


def _watchers(data: bytes, count: int) -> tuple[tuple[int, ...], ...]:
    states = []
    for _ in range(count):
        if not data:
            raise ValueError("the record ends in the middle of its watchers")
        length = data[0]
        states.append(struct.unpack(f"<{length}q", data[1 : 1 + 8 * length]))
        data = data[1 + 8 * length :]
    if data:
        raise ValueError("something stands behind the last watcher")
    return tuple(states)
