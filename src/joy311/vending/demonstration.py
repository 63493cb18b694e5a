"""A small shop that is ready to sell: one utility, one supply group, two households, one tariff.

Its keys come from the random source that it is given, so one seed replays everything. Beside the shop it
plays the manufacturer, who was given each meter's decoder key when the meter was made: that side alone knows
keys. They come from no `Shop` and no `SecurityModule`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from joy311.errors import StorageError
from joy311.files.whole_file import write_private_file
from joy311.sts import (
    BaseDate,
    DecoderKey,
    EncryptionAlgorithm,
    KeyAttributes,
    KeyDerivation,
    KeyType,
    MeterPAN,
    VendingKey,
    derive_decoder_key,
)
from joy311.vending.money import Currency, Rounding
from joy311.vending.registration import Customer, Utility
from joy311.vending.security_module import RandomSource, SoftwareSecurityModule, VendingKeyAttributes
from joy311.vending.service import Shop
from joy311.vending.tariff import FlatTariff, TaxBasis

SECURITY_MODULE_DIRECTORY = "security-module"
MANUFACTURER_NAME = "manufacturer.json"
MANUFACTURER_FORMAT = 1

VENDING_KEY_BYTES = 20
"""Length of a vending key for DKGA04 [byte]."""

CURRENCY = Currency("KES", 2)
UTILITY = Utility("Lakeside Power (demonstration)", CURRENCY, "P000000000D")
TARIFF = FlatTariff(
    name="Domestic",
    currency=CURRENCY,
    price_per_kwh=Decimal("25.00"),
    tax_name="VAT",
    tax_rate_percent=Decimal("16"),
    tax_basis=TaxBasis.EXCLUSIVE,
    rounding=Rounding.HALF_UP,
    minimum_tender_minor=1_000,
    maximum_tender_minor=4_000_000,
)
SUPPLY_GROUP = VendingKeyAttributes(
    supply_group_code="311000",
    key_revision=1,
    key_type=KeyType.DUTK,
    base_date=BaseDate.BDT_2014,
    key_derivation=KeyDerivation.DKGA04,
    encryption_algorithm=EncryptionAlgorithm.MISTY1,
    key_expiry=255,
)
TARIFF_INDEX = "01"

HOUSEHOLD_DRN = "00311000012"
NEIGHBOUR_DRN = "00311000020"
HOUSEHOLD = Customer("C00001", "Amina Otieno")
NEIGHBOUR = Customer("C00002", "Brian Wafula")


@dataclass(frozen=True, slots=True)
class DemonstrationShop:
    """The shop of a demonstration, and the manufacturer of its meters.

    Parameters
    ----------
    shop : Shop
        The open shop.
    security_module : SoftwareSecurityModule
        The module behind it.
    meter_pan : MeterPAN
        The household's meter.
    attributes : KeyAttributes
        What that meter's decoder key is made from.
    neighbour_attributes : KeyAttributes
        The same for the neighbour's meter, whose tokens are no use to the household.
    """

    shop: Shop
    security_module: SoftwareSecurityModule
    meter_pan: MeterPAN
    attributes: KeyAttributes
    neighbour_attributes: KeyAttributes
    _decoder_keys: dict[str, DecoderKey] = field(repr=False)

    @property
    def meter(self) -> str:
        """The household's meter number (DRN), as it is typed at the till."""
        return self.meter_pan.drn

    @property
    def neighbour(self) -> str:
        """The neighbour's meter number (DRN)."""
        return self.neighbour_attributes.meter_pan.drn

    def decoder_key(self, meter: str | None = None) -> DecoderKey:
        """Return the key that the manufacturer was given to put into a meter.

        Parameters
        ----------
        meter : str, optional
            The household's meter (the default) or the neighbour's, by DRN.
        """
        return self._decoder_keys[meter or self.meter]

    def close(self) -> None:
        """Close the shop and its security module."""
        self.shop.close()
        self.security_module.close()


def load_demonstration(directory: Path, now_ns: int, random_source: RandomSource) -> DemonstrationShop:
    """Return the demonstration in `directory`; make there what is missing.

    Parameters
    ----------
    directory : Path
        Made, for its owner only, where it does not exist.
    now_ns : int
        Instant at which what is new is registered [ns since 1970 UTC].
    random_source : RandomSource
        Source of the vending key, drawn once, and of the random bits of each token.

    Raises
    ------
    StorageError
        If the directory holds another utility's shop, and then nothing is written; or if it is damaged.
    """
    refuse_another_shop(directory)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    module = SoftwareSecurityModule.open(directory / SECURITY_MODULE_DIRECTORY, random_source=random_source)
    household, neighbour = (
        SUPPLY_GROUP.of_meter(MeterPAN.parse(drn), TARIFF_INDEX) for drn in (HOUSEHOLD_DRN, NEIGHBOUR_DRN)
    )
    manufacturer_path = directory / MANUFACTURER_NAME
    if SUPPLY_GROUP not in module.vending_keys():
        # The meters are made first: once the module has the key, nobody else ever sees it again.
        vending_key = VendingKey.from_bytes(random_source.randbytes(VENDING_KEY_BYTES))
        made = {one.meter_pan.drn: derive_decoder_key(vending_key, one) for one in (household, neighbour)}
        _write_manufacturer(manufacturer_path, made)
        module.load_vending_key(SUPPLY_GROUP, vending_key)
    shop = _filled_shop(directory, module, household, neighbour, now_ns)
    return DemonstrationShop(
        shop=shop,
        security_module=module,
        meter_pan=household.meter_pan,
        attributes=household,
        neighbour_attributes=neighbour,
        _decoder_keys=_read_manufacturer(manufacturer_path),
    )


def refuse_another_shop(directory: Path) -> None:
    """Check that a demonstration may live in `directory`: no shop is there, or the demonstration's.

    Raises
    ------
    StorageError
        If another utility's shop is there.
    """
    present = Shop.utility_in(directory)
    if present is not None and present != UTILITY:
        raise StorageError(
            f"the shop in {directory} is that of {present.name}, not the demonstration's: "
            "choose another directory"
        )


def _filled_shop(
    directory: Path,
    module: SoftwareSecurityModule,
    household: KeyAttributes,
    neighbour: KeyAttributes,
    now_ns: int,
) -> Shop:
    """Return the shop, open and with all that a sale needs, whatever an interrupted start left."""
    if Shop.exists(directory):
        shop = Shop.open(directory, security_module=module)
    else:
        shop = Shop.create(
            directory, utility=UTILITY, supply_group=SUPPLY_GROUP, tariff=TARIFF, security_module=module
        )
    for customer, attributes in ((HOUSEHOLD, household), (NEIGHBOUR, neighbour)):
        if not shop.has_customer(customer.customer_id):
            shop.add_customer(name=customer.name, customer_id=customer.customer_id)
        drn = attributes.meter_pan.drn
        if not shop.has_meter(drn):
            shop.add_meter(drn, customer, attributes, TARIFF, now_ns)
    return shop


def _write_manufacturer(path: Path, decoder_keys: dict[str, DecoderKey]) -> None:
    keys = {drn: key.to_bytes().hex() for drn, key in decoder_keys.items()}
    document = {"format": MANUFACTURER_FORMAT, "decoder_keys": keys}
    write_private_file(path, json.dumps(document, indent=1).encode("ascii") + b"\n")


def _read_manufacturer(path: Path) -> dict[str, DecoderKey]:
    try:
        document = json.loads(path.read_bytes())
        if document["format"] != MANUFACTURER_FORMAT:
            raise StorageError(
                f"{path} has format {document['format']}, this program reads {MANUFACTURER_FORMAT}"
            )
        return {
            str(drn): DecoderKey.from_bytes(bytes.fromhex(key), SUPPLY_GROUP.encryption_algorithm)
            for drn, key in document["decoder_keys"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # The cause would quote the file, so it stays out of the error.
        raise StorageError(f"the manufacturer's record {path} is missing or damaged") from None
