"""A shop with many meters on either database, and meters that accept what it sells as real ones do."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from joy311.errors import InvalidInput
from joy311.sts import (
    DecoderKey,
    KeyAttributes,
    MeterPAN,
    Token20,
    TokenResult,
    TransferCredit,
    VendingKey,
    decode,
    derive_decoder_key,
)
from joy311.vending.demonstration import SUPPLY_GROUP, TARIFF, UTILITY
from joy311.vending.security_module import SoftwareSecurityModule
from joy311.vending.service import Shop
from tests.vending.shops import NOW

REMEMBERED = 50
"""How many token identifiers a meter keeps; it takes nothing at or below the lowest of a full store."""


@dataclass(slots=True)
class TokenMemory:
    """A meter as far as selling is concerned: its key, what it accepted, and the credit of it."""

    key: DecoderKey
    token_ids: list[int] = field(default_factory=list)
    credit_units: int = 0

    def enter(self, token: Token20) -> TokenResult:
        """Type twenty digits."""
        read = decode(token, self.key)
        if not isinstance(read, TransferCredit):
            return TokenResult.CRC_ERROR
        if read.token_id in self.token_ids:
            return TokenResult.USED_ERROR
        if len(self.token_ids) == REMEMBERED:
            if read.token_id < min(self.token_ids):
                return TokenResult.OLD_ERROR
            self.token_ids.remove(min(self.token_ids))
        self.token_ids.append(read.token_id)
        self.credit_units += read.units
        return TokenResult.ACCEPT


@dataclass(frozen=True, slots=True)
class Market:
    """A shop, its module, and the meters that it sells to."""

    shop: Shop
    security_module: SoftwareSecurityModule
    meters: tuple[str, ...]
    vending_key: VendingKey = field(repr=False)

    def attributes(self, drn: str) -> KeyAttributes:
        """Return what a meter's key is made from now."""
        return self.shop.meter(drn).attributes

    def memory(self, drn: str) -> TokenMemory:
        """Return a new meter of that number, with its key."""
        return TokenMemory(derive_decoder_key(self.vending_key, self.attributes(drn)))


def meter_numbers(count: int) -> tuple[str, ...]:
    """Return the first `count` meter numbers of eleven digits, each with its check digit."""
    found: list[str] = []
    number = 31_100_000
    while len(found) < count:
        number += 1
        for digit in range(10):
            try:
                found.append(MeterPAN.parse(f"{number:010d}{digit}").drn)
                break
            except InvalidInput:
                continue
    return tuple(found)


def make_market(directory: Path, url: str | None, meters: int, seed: int = 1) -> Market:
    """Make a shop with so many meters and return it open."""
    vending_key = VendingKey.from_bytes(random.Random(f"{seed}/key").randbytes(20))
    module = open_module(directory, seed)
    module.load_vending_key(SUPPLY_GROUP, vending_key)
    shop = Shop.create(
        directory,
        utility=UTILITY,
        supply_group=SUPPLY_GROUP,
        tariff=TARIFF,
        security_module=module,
        database_url=url,
    )
    customer = shop.add_customer(name="Customer")
    numbers = meter_numbers(meters)
    for drn in numbers:
        attributes = SUPPLY_GROUP.of_meter(MeterPAN.parse(drn), "01")
        shop.add_meter(drn, customer, attributes, TARIFF, NOW)
    return Market(shop, module, numbers, vending_key)


def open_module(directory: Path, seed: object) -> SoftwareSecurityModule:
    """Open the module in `directory`."""
    return SoftwareSecurityModule.open(
        directory / "security-module", random_source=random.Random(f"{seed}/module")
    )


@contextmanager
def market(directory: Path, url: str | None = None, meters: int = 3, seed: int = 1) -> Iterator[Market]:
    """Make a market and close it at the end."""
    made = make_market(directory, url, meters, seed)
    try:
        yield made
    finally:
        made.shop.close()
        made.security_module.close()
