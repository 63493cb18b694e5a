"""The shop's counter as the page needs it: one customer, one meter, and a neighbour to confuse it with."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from joy311.errors import InvalidInput, Refused
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
    """A till that serves one customer, whatever page they stand at.

    A sale whose outcome is open, because storage failed in it, keeps its request: the next one for the same
    amount finishes it, and no other amount is sold before.

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
        self._open: dict[str, SaleRequest] = {}

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

    def sell(self, amount: str, now_ns: int) -> Receipt:
        """Sell for decimal `amount`.

        Raises
        ------
        InvalidInput
            If `amount` is not an amount of money.
        Refused
            If the shop does not sell for it; ``SaleUnfinished`` while a sale of another amount is open.
        StorageError
            If shop or security module fail; selling for the same amount again finishes that very sale.
        """
        return self._sell(self.meter_number, amount, now_ns)

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

    def neighbours_token(self, amount: str, now_ns: int) -> str:
        """Return a good token that was sold for the neighbour's meter, buying one where there is none yet."""
        receipt = self._newest(self._neighbours_number)
        if receipt is None:
            receipt = self._sell(self._neighbours_number, amount, now_ns)
        return receipt.token.digits

    def _sell(self, meter_number: str, amount: str, now_ns: int) -> Receipt:
        currency = self.shop.utility.currency
        tender_minor = currency.parse(amount)
        request = self._open.get(meter_number)
        if request is not None and request.tender_minor != tender_minor and self._is_unfinished(request):
            wanted = f"{currency.format(request.tender_minor)} {currency.code}"
            raise Refused(
                "SaleUnfinished", f"the sale of {wanted} is not finished yet: sell for {wanted} first"
            )
        if request is None or request.tender_minor != tender_minor:
            request = SaleRequest(uuid.uuid4().hex, meter_number, tender_minor)
        self._open[meter_number] = request
        try:
            receipt = self.shop.sell(request, now_ns)
        except (InvalidInput, Refused):
            if not self._is_unfinished(request):
                del self._open[meter_number]
            raise
        del self._open[meter_number]
        return receipt

    def _is_unfinished(self, request: SaleRequest) -> bool:
        """Return whether the shop holds the sale of `request` without its token."""
        try:
            self.shop.receipt(request.request_id)
        except Refused as refusal:
            return refusal.code == "SaleUnfinished"
        return False

    def _newest(self, meter_number: str) -> Receipt | None:
        try:
            return self.shop.last_receipt(meter_number)
        except Refused as refusal:
            if refusal.code != "UnknownSale":
                raise
            return None
