"""A tariff as a JSON document that a person can write: money is text, and every fault is named.

`docs/reference/tariffs.md` describes it field by field.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any, TypeVar

from joy311.errors import InvalidInput
from joy311.instant import from_iso, to_iso
from joy311.vending.money import Currency, Rounding, parse_decimal
from joy311.vending.tariff.schedule import (
    LARGEST_BLOCK_UNITS,
    MOST_BLOCKS,
    MOST_CHARGES,
    MOST_TAXES,
    UNITS_PER_KWH,
    Block,
    CalendarMonth,
    ChargeKind,
    ChargeRule,
    FreeUnits,
    LargeSale,
    Lifeline,
    PercentOf,
    PercentOfTender,
    PerKwh,
    PerMonth,
    PerSale,
    Remainder,
    RollingDays,
    Tariff,
    TariffCharge,
    Tax,
    TaxBasis,
    Window,
)

FORMAT = "joy311 tariff 1"
"""First field of every document; another number would be another format."""

LONGEST_DOCUMENT = 65_536
"""Most characters of a document."""

_Choice = TypeVar("_Choice", bound=StrEnum)
_Item = TypeVar("_Item")


def parse_tariff(text: str | bytes) -> Tariff:
    """Return the tariff that a JSON `text` describes.

    Raises
    ------
    InvalidInput
        With `field` and the limit: no JSON, longer than `LONGEST_DOCUMENT`, a field missing, unknown or
        twice, money that is no text, or a value that no tariff may have.
    """
    if len(text) > LONGEST_DOCUMENT:
        raise InvalidInput(
            f"a tariff of {len(text)} characters is above {LONGEST_DOCUMENT}", field="document"
        )
    try:
        document = json.loads(text, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"the tariff is no JSON: {str(error)[:200]}", field="document") from None
    return tariff_from_document(document)


def tariff_from_document(document: object) -> Tariff:
    """Return the tariff that a JSON object describes.

    Raises
    ------
    InvalidInput
        As `parse_tariff`.
    """
    whole = _Object(document, "")
    if (name := whole.take("format")) != FORMAT:
        raise InvalidInput(f"format {str(name)[:40]!r} is not {FORMAT!r}", field="format")
    written = whole.inner("currency")
    currency = Currency(written.text("code"), written.whole("decimals"))
    written.close()
    tariff = Tariff(
        name=whole.text("name"),
        version=whole.whole("version"),
        currency=currency,
        effective_from=_instant(whole, "effective_from"),
        effective_until=whole.optional("effective_until", lambda: _instant(whole, "effective_until")),
        utc_offset_minutes=whole.whole("utc_offset_minutes"),
        window=_window(whole.inner("window")),
        lifeline=whole.optional("lifeline", lambda: _lifeline(whole.inner("lifeline"))),
        blocks=whole.each("blocks", MOST_BLOCKS, _block),
        energy_tax_basis=whole.choice("energy_tax_basis", TaxBasis),
        charges=whole.each("charges", MOST_CHARGES, _charge),
        taxes=whole.each("taxes", MOST_TAXES, _tax),
        free_units=whole.optional("free_units", lambda: _free_units(whole.inner("free_units"))),
        largest_arrears_percent=whole.decimal("largest_arrears_percent"),
        rounding=whole.choice("rounding", Rounding),
        remainder=whole.choice("remainder", Remainder),
        smallest_coin_minor=whole.money("smallest_coin", currency),
        large_sale=whole.choice("large_sale", LargeSale),
        minimum_tender_minor=whole.money("minimum_tender", currency),
        maximum_tender_minor=whole.money("maximum_tender", currency),
    )
    whole.close()
    return tariff


def tariff_to_document(tariff: Tariff) -> dict[str, Any]:
    """Return `tariff` as a JSON object, which `tariff_from_document` reads back as the same."""
    money = tariff.currency.format
    lifeline, free = tariff.lifeline, tariff.free_units
    return {
        "format": FORMAT,
        "name": tariff.name,
        "version": tariff.version,
        "currency": {"code": tariff.currency.code, "decimals": tariff.currency.decimals},
        "effective_from": to_iso(tariff.effective_from),
        "effective_until": None if tariff.effective_until is None else to_iso(tariff.effective_until),
        "utc_offset_minutes": tariff.utc_offset_minutes,
        "window": _window_document(tariff.window),
        "lifeline": None
        if lifeline is None
        else {
            "up_to_kwh": _kwh(lifeline.up_to_units),
            "price_per_kwh": f"{lifeline.price_per_kwh:f}",
            "largest_average_kwh": None
            if lifeline.largest_average_units is None
            else _kwh(lifeline.largest_average_units),
        },
        "blocks": [
            {
                "up_to_kwh": None if block.up_to_units is None else _kwh(block.up_to_units),
                "price_per_kwh": f"{block.price_per_kwh:f}",
            }
            for block in tariff.blocks
        ],
        "energy_tax_basis": tariff.energy_tax_basis.value,
        "charges": [
            {
                "code": charge.code,
                "label": charge.label,
                "kind": charge.kind.value,
                "tax_basis": charge.tax_basis.value,
                **_rule_document(charge.rule),
            }
            for charge in tariff.charges
        ],
        "taxes": [
            {"code": tax.code, "label": tax.label, "percent": f"{tax.percent:f}", "on": list(tax.codes)}
            for tax in tariff.taxes
        ],
        "free_units": None
        if free is None
        else {
            "kwh_per_month": _kwh(free.units_per_month),
            "most_months": free.most_months,
            "counts_in_blocks": free.counts_in_blocks,
        },
        "largest_arrears_percent": f"{tariff.largest_arrears_percent:f}",
        "rounding": tariff.rounding.value,
        "remainder": tariff.remainder.value,
        "smallest_coin": money(tariff.smallest_coin_minor),
        "large_sale": tariff.large_sale.value,
        "minimum_tender": money(tariff.minimum_tender_minor),
        "maximum_tender": money(tariff.maximum_tender_minor),
    }


class _Object:
    """A JSON object that is read field by field, and then has no field left."""

    def __init__(self, value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise InvalidInput(f"{path or 'the tariff'} is no JSON object", field=path or "document")
        self._left: dict[str, object] = dict(value)
        self._path = path

    def where(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def has(self, name: str) -> bool:
        return name in self._left

    def take(self, name: str) -> object:
        if name not in self._left:
            raise InvalidInput(f"{self.where(name)} is missing", field=self.where(name))
        return self._left.pop(name)

    def close(self) -> None:
        for name in self._left:
            raise InvalidInput(f"{self.where(name[:40])} is no field of it", field=self.where(name[:40]))

    def optional(self, name: str, read: Callable[[], _Item]) -> _Item | None:
        if name in self._left and self._left[name] is None:
            del self._left[name]
            return None
        return read()

    def inner(self, name: str) -> _Object:
        return _Object(self.take(name), self.where(name))

    def each(self, name: str, most: int, read: Callable[[_Object], _Item]) -> tuple[_Item, ...]:
        items = self._list(name, most)
        return tuple(read(_Object(item, f"{self.where(name)}[{i}]")) for i, item in enumerate(items))

    def texts(self, name: str, most: int) -> tuple[str, ...]:
        where = self.where(name)
        return tuple(_text(item, f"{where}[{i}]") for i, item in enumerate(self._list(name, most)))

    def _list(self, name: str, most: int) -> Sequence[object]:
        value = self.take(name)
        if not isinstance(value, list) or len(value) > most:
            raise InvalidInput(
                f"{self.where(name)} is no list of at most {most} items", field=self.where(name)
            )
        return value

    def text(self, name: str) -> str:
        return _text(self.take(name), self.where(name))

    def whole(self, name: str) -> int:
        value = self.take(name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise InvalidInput(
                f"{self.where(name)} {str(value)[:40]!r} is not a whole number", field=self.where(name)
            )
        return value

    def truth(self, name: str) -> bool:
        value = self.take(name)
        if not isinstance(value, bool):
            raise InvalidInput(
                f"{self.where(name)} {str(value)[:40]!r} is not true or false", field=self.where(name)
            )
        return value

    def decimal(self, name: str) -> Decimal:
        value = self.take(name)
        where = self.where(name)
        if not isinstance(value, str):
            raise InvalidInput(
                f'{where} {str(value)[:40]} is not text: write an exact number such as "12.50"', field=where
            )
        return parse_decimal(value, field=where)

    def money(self, name: str, currency: Currency) -> int:
        return currency.parse(f"{self.decimal(name):f}", field=self.where(name))

    def units(self, name: str) -> int:
        kwh = self.decimal(name)
        units = Fraction(kwh) * UNITS_PER_KWH
        if units.denominator != 1 or units.numerator > LARGEST_BLOCK_UNITS:
            raise InvalidInput(
                f"{self.where(name)} {kwh} is not in steps of 0.1 kWh up to {_kwh(LARGEST_BLOCK_UNITS)}",
                field=self.where(name),
            )
        return units.numerator

    def choice(self, name: str, choices: type[_Choice]) -> _Choice:
        value = self.text(name)
        for choice in choices:
            if choice.value == value:
                return choice
        names = ", ".join(choice.value for choice in choices)
        raise InvalidInput(f"{self.where(name)} {value[:40]!r} is none of {names}", field=self.where(name))


def _without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    whole = dict(pairs)
    if len(whole) != len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for name in names if names.count(name) > 1)
        raise InvalidInput(f"{double[:40]} stands there twice", field=double[:40])
    return whole


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{where} {str(value)[:40]} is not text", field=where)
    return value


def _instant(whole: _Object, name: str) -> int:
    try:
        return from_iso(whole.text(name))
    except InvalidInput as error:
        raise InvalidInput(f"{name}: {error}", field=name) from None


def _window(written: _Object) -> Window:
    kind = written.text("kind")
    match kind:
        case "calendar month":
            window: Window = CalendarMonth()
        case "rolling days":
            window = RollingDays(written.whole("days"))
        case _:
            raise InvalidInput(
                f"window.kind {kind[:40]!r} is none of calendar month, rolling days", field="window.kind"
            )
    written.close()
    return window


def _window_document(window: Window) -> dict[str, Any]:
    match window:
        case CalendarMonth():
            return {"kind": "calendar month"}
        case RollingDays(days):
            return {"kind": "rolling days", "days": days}


def _lifeline(written: _Object) -> Lifeline:
    lifeline = Lifeline(
        written.units("up_to_kwh"),
        written.decimal("price_per_kwh"),
        written.optional("largest_average_kwh", lambda: written.units("largest_average_kwh")),
    )
    written.close()
    return lifeline


def _block(written: _Object) -> Block:
    up_to_units = written.optional("up_to_kwh", lambda: written.units("up_to_kwh"))
    block = Block(up_to_units, written.decimal("price_per_kwh"))
    written.close()
    return block


def _charge(written: _Object) -> TariffCharge:
    charge = TariffCharge(
        written.text("code"),
        written.text("label"),
        written.choice("kind", ChargeKind),
        _rule(written),
        written.choice("tax_basis", TaxBasis),
    )
    written.close()
    return charge


def _rule(written: _Object) -> ChargeRule:
    names = [name for name in _RULES if written.has(name)]
    if len(names) != 1:
        raise InvalidInput(
            f"{written.where('rule')}: exactly one of {', '.join(_RULES)} says how much it is",
            field=written.where("rule"),
        )
    inner = written.inner(names[0])
    rule = _RULES[names[0]](inner)
    inner.close()
    return rule


_RULES: dict[str, Callable[[_Object], ChargeRule]] = {
    "per_sale": lambda written: PerSale(written.decimal("amount")),
    "per_month": lambda written: PerMonth(
        written.decimal("amount"), written.decimal("largest_share_percent")
    ),
    "per_kwh": lambda written: PerKwh(written.decimal("price_per_kwh")),
    "percent_of_tender": lambda written: PercentOfTender(written.decimal("percent")),
    "percent_of": lambda written: PercentOf(
        written.decimal("percent"), written.texts("of", MOST_CHARGES + 1)
    ),
}


def _rule_document(rule: ChargeRule) -> dict[str, Any]:
    match rule:
        case PerSale(amount):
            return {"per_sale": {"amount": f"{amount:f}"}}
        case PerMonth(amount, share):
            return {"per_month": {"amount": f"{amount:f}", "largest_share_percent": f"{share:f}"}}
        case PerKwh(price):
            return {"per_kwh": {"price_per_kwh": f"{price:f}"}}
        case PercentOfTender(percent):
            return {"percent_of_tender": {"percent": f"{percent:f}"}}
        case PercentOf(percent, codes):
            return {"percent_of": {"percent": f"{percent:f}", "of": list(codes)}}


def _tax(written: _Object) -> Tax:
    tax = Tax(
        written.text("code"),
        written.text("label"),
        written.decimal("percent"),
        written.texts("on", MOST_CHARGES + 1),
    )
    written.close()
    return tax


def _free_units(written: _Object) -> FreeUnits:
    free = FreeUnits(
        written.units("kwh_per_month"), written.whole("most_months"), written.truth("counts_in_blocks")
    )
    written.close()
    return free


def _kwh(units: int) -> str:
    whole, part = divmod(units, UNITS_PER_KWH)
    return f"{whole}.{part}" if part else str(whole)
