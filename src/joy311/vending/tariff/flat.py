"""What a kilowatt-hour costs: the flat tariff with one tax."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from joy311.errors import InvalidInput
from joy311.vending.money import LARGEST_AMOUNT_MINOR, Currency, Rounding, round_to_minor
from joy311.vending.registration import checked_name
from joy311.vending.tariff.schedule import (
    ENERGY_CODE,
    UNITS_PER_KWH,
    Block,
    CalendarMonth,
    LargeSale,
    Remainder,
    Tariff,
    Tax,
    TaxBasis,
)


@dataclass(frozen=True, slots=True)
class Charge:
    """What an amount of energy costs.

    Parameters
    ----------
    net_minor, tax_minor : int
        The energy without tax, and the tax on it [minor units].
    """

    net_minor: int
    tax_minor: int

    @property
    def gross_minor(self) -> int:
        """Energy and tax together [minor units]."""
        return self.net_minor + self.tax_minor


@dataclass(frozen=True, slots=True)
class FlatTariff:
    """One price for every kilowatt-hour, and one tax on it.

    Parameters
    ----------
    name : str
        Name on the receipt, unique in the shop, 1..60 characters.
    currency : Currency
        The currency of price and limits.
    price_per_kwh : Decimal
        Price of 1 kWh in units of the currency, > 0, as fine as wanted (it may be finer than the minor unit).
    tax_name : str
        Name of the tax on the receipt.
    tax_rate_percent : Decimal
        Rate of the tax in percent of the net amount, 0..100.
    tax_basis : TaxBasis
        Whether `price_per_kwh` holds the tax already.
    rounding : Rounding
        How the energy's amount, and then the tax, become whole minor units.
    minimum_tender_minor, maximum_tender_minor : int
        Least and greatest payment of one sale [minor units].

    Raises
    ------
    InvalidInput
        If a value is outside of that, or is a float.
    """

    name: str
    currency: Currency
    price_per_kwh: Decimal
    tax_name: str
    tax_rate_percent: Decimal
    tax_basis: TaxBasis
    rounding: Rounding
    minimum_tender_minor: int
    maximum_tender_minor: int
    schedule: Tariff = field(init=False, repr=False, compare=False)
    """The same as a whole tariff, in force at any time: what it is sold by."""

    def __post_init__(self) -> None:
        """Refuse a tariff that cannot be sold by."""
        checked_name(self.name, field="name")
        checked_name(self.tax_name, field="tax_name")
        for name, number in (
            ("price_per_kwh", self.price_per_kwh),
            ("tax_rate_percent", self.tax_rate_percent),
        ):
            if not isinstance(number, Decimal) or not number.is_finite():
                raise InvalidInput(f"{name} {number!r} is not an exact decimal number", field=name)
        if not 0 < self.price_per_kwh <= LARGEST_AMOUNT_MINOR:
            raise InvalidInput(
                f"price_per_kwh {self.price_per_kwh} is not above 0 and at most {LARGEST_AMOUNT_MINOR}",
                field="price_per_kwh",
            )
        if not 0 <= self.tax_rate_percent <= 100:
            raise InvalidInput(
                f"tax_rate_percent {self.tax_rate_percent} is not between 0 and 100", field="tax_rate_percent"
            )
        if not 0 < self.minimum_tender_minor <= self.maximum_tender_minor <= LARGEST_AMOUNT_MINOR:
            raise InvalidInput(
                f"payments from {self.minimum_tender_minor} to {self.maximum_tender_minor} are not "
                f"above 0, in order and at most {LARGEST_AMOUNT_MINOR} minor units",
                field="minimum_tender_minor",
            )
        schedule = Tariff(
            name=self.name,
            version=1,
            currency=self.currency,
            effective_from=0,
            effective_until=None,
            utc_offset_minutes=0,
            window=CalendarMonth(),
            lifeline=None,
            blocks=(Block(None, self.price_per_kwh),),
            energy_tax_basis=self.tax_basis,
            charges=(),
            taxes=(Tax("tax", self.tax_name, self.tax_rate_percent, (ENERGY_CODE,)),),
            free_units=None,
            largest_arrears_percent=Decimal(0),
            rounding=self.rounding,
            remainder=Remainder.CARRY,
            smallest_coin_minor=1,
            large_sale=LargeSale.SPLIT,
            minimum_tender_minor=self.minimum_tender_minor,
            maximum_tender_minor=self.maximum_tender_minor,
        )
        object.__setattr__(self, "schedule", schedule)

    @property
    def tax_label(self) -> str:
        """The tax as a receipt names it, such as ``VAT 16 %``."""
        return f"{self.tax_name} {self.tax_rate_percent.normalize():f} %"

    @property
    def price_per_unit(self) -> Fraction:
        """Exact price of 0.1 kWh, on the tariff's tax basis [minor units]."""
        return Fraction(self.price_per_kwh) * self.currency.minor_per_unit / UNITS_PER_KWH

    def charge(self, units: int) -> Charge:
        """Return what `units` cost; more units never cost less.

        The price is first rounded to whole minor units. Exclusive tax is the rounded percentage of that
        amount; inclusive tax is the rounded part of it, and the rest is the net amount.

        Parameters
        ----------
        units : int
            Energy, >= 0 [0.1 kWh].
        """
        priced_minor = round_to_minor(units * self.price_per_unit, self.rounding)
        rate = Fraction(self.tax_rate_percent) / 100
        match self.tax_basis:
            case TaxBasis.EXCLUSIVE:
                return Charge(priced_minor, round_to_minor(priced_minor * rate, self.rounding))
            case TaxBasis.INCLUSIVE:
                tax_minor = round_to_minor(priced_minor * rate / (1 + rate), self.rounding)
                return Charge(priced_minor - tax_minor, tax_minor)
