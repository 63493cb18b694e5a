"""The shop's counter as the page needs it: one customer, one meter, and a neighbour to confuse it with."""

from __future__ import annotations

from dataclasses import dataclass

from joy311.errors import Refused
from joy311.sts import Token20
from joy311.vending.receipt import Receipt
from joy311.vending.sale import CARRY_LABEL, format_kwh
from joy311.vending.service import SaleRequest, Shop

RECEIPT_COLUMNS = 32
"""Width of the paper: 58 mm."""

WRONG_PLACE = 9
"""Which digit of a token a finger slips on, from 0; not the first, which may make the number too large."""


@dataclass(frozen=True, slots=True)
class QuoteText:
    """What a payment buys, ready to be read.

    Parameters
    ----------
    rows : tuple of pairs of str
        Label and amount of each line.
    """

    rows: tuple[tuple[str, str], ...]


class Counter:
    """A till that serves one customer.

    Parameters
    ----------
    shop : Shop
        The shop behind it.
    meter_number, neighbours_number : str
        Decoder reference numbers of the customer's meter and of another one that the shop sells to.
    """

    def __init__(self, shop: Shop, meter_number: str, neighbours_number: str) -> None:
        meter = shop.meter(meter_number)
        tariff = shop.tariff(meter.tariff_name)
        self.shop = shop
        self.meter_number = meter_number
        self.customer_name = meter.customer.name
        self.currency = shop.utility.currency.code
        self.tariff_text = f"{tariff.name}, {tariff.price_per_kwh} {self.currency}/kWh"
        self._neighbours_number = neighbours_number

    def quote(self, amount: str, now_ns: int) -> QuoteText:
        """Return what decimal `amount` would buy now; it raises what the sale would raise.

        Raises
        ------
        InvalidInput
            If `amount` is not an amount of money.
        Refused
            If the shop would not sell for it.
        """
        currency = self.shop.utility.currency
        quote = self.shop.quote(self.meter_number, currency.parse(amount), now_ns)
        lines = [*quote.lines, (quote.tax_label, quote.tax_minor), (CARRY_LABEL, quote.carry_minor)]
        return QuoteText(
            (
                *((label, currency.format(amount_minor)) for label, amount_minor in lines if amount_minor),
                ("Electricity", f"{format_kwh(quote.units)} kWh"),
            )
        )

    def sell(self, amount: str, request_id: str, now_ns: int) -> Receipt:
        """Sell for decimal `amount`, once for each `request_id`.

        Raises
        ------
        InvalidInput
            If `amount` is not an amount of money.
        Refused
            If the shop does not sell for it.
        StorageError
            If shop or security module fail; the same request may be repeated.
        """
        tender_minor = self.shop.utility.currency.parse(amount)
        return self.shop.sell(SaleRequest(request_id, self.meter_number, tender_minor), now_ns)

    def last_receipt(self) -> Receipt | None:
        """Return the newest receipt of the customer's meter, None before the first sale."""
        return self._newest(self.meter_number)

    def token(self) -> str:
        """Return the twenty digits of the newest receipt.

        Raises
        ------
        Refused
            ``UnknownSale`` before the first sale.
        """
        return self.shop.last_receipt(self.meter_number).token.digits

    def wrong_digit(self) -> str:
        """Return the newest token with one digit wrong."""
        digits = self.token()
        slipped = str((int(digits[WRONG_PLACE]) + 1) % 10)
        return Token20.parse(digits[:WRONG_PLACE] + slipped + digits[WRONG_PLACE + 1 :]).digits

    def nineteen_digits(self) -> str:
        """Return the newest token without its last digit."""
        return self.token()[:-1]

    def neighbours_token(self, amount: str, request_id: str, now_ns: int) -> str:
        """Return a good token that was sold for the neighbour's meter, buying one where there is none yet."""
        receipt = self._newest(self._neighbours_number)
        if receipt is None:
            tender_minor = self.shop.utility.currency.parse(amount)
            receipt = self.shop.sell(SaleRequest(request_id, self._neighbours_number, tender_minor), now_ns)
        return receipt.token.digits

    def _newest(self, meter_number: str) -> Receipt | None:
        try:
            return self.shop.last_receipt(meter_number)
        except Refused as refusal:
            if refusal.code != "UnknownSale":
                raise
            return None
