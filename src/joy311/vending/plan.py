"""A tariff as ratios of integers, made once and kept with it: what `joy311.vending.terms` reckons with."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from joy311.vending.money import ROUNDERS, Rounder
from joy311.vending.split import LARGEST_UNITS_PER_SALE
from joy311.vending.tariff import (
    ENERGY_CODE,
    UNITS_PER_KWH,
    Block,
    PercentOf,
    PercentOfTender,
    PerKwh,
    PerMonth,
    PerSale,
    Tariff,
    TaxBasis,
)


class Step(NamedTuple):
    """One block as integers: up to `until` units of the window, a unit costs ``numerator / denominator``."""

    until: int | None
    numerator: int
    denominator: int
    price: str


class Share(NamedTuple):
    """A charge that grows with the energy: per unit where `slots` is empty, else a share of those slots."""

    slot: int
    numerator: int
    denominator: int
    slots: tuple[int, ...]


class Rate(NamedTuple):
    """A tax as integers, and the slots of net prices that it is on."""

    numerator: int
    denominator: int
    slots: tuple[int, ...]


class Inside(NamedTuple):
    """Slots whose price holds the same taxes: what part of it they are, and each tax's share of that part."""

    slots: tuple[int, ...]
    numerator: int
    denominator: int
    shares: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A tariff as ratios of integers; slot 0 is the energy, slot k + 1 is charge k."""

    tariff: Tariff
    round: Rounder
    steps: tuple[Step, ...]
    lifeline_steps: tuple[Step, ...]
    shares: tuple[Share, ...]
    rates: tuple[Rate, ...]
    inside: tuple[Inside, ...]
    tax_labels: tuple[str, ...]
    tax_rates: tuple[str, ...]
    holds_tax: str
    most_units: int
    slope: tuple[int, int]
    """What a unit of the last block costs with all that comes on top."""


def plan_of(tariff: Tariff) -> Plan:
    """Return the tariff as integers, made once and kept with it."""
    plan = tariff.plan
    if not isinstance(plan, Plan):
        plan = _make_plan(tariff)
        # The tariff stays what it is: two threads that do this at once make two equal plans.
        object.__setattr__(tariff, "plan", plan)
    return plan


def _make_plan(tariff: Tariff) -> Plan:
    per_unit = Fraction(tariff.currency.minor_per_unit, UNITS_PER_KWH)

    def step(block: Block) -> Step:
        price = Fraction(block.price_per_kwh) * per_unit
        return Step(block.up_to_units, price.numerator, price.denominator, f"{block.price_per_kwh:f}")

    steps = tuple(step(block) for block in tariff.blocks)
    lifeline_steps = steps
    if (lifeline := tariff.lifeline) is not None:
        first = step(Block(lifeline.up_to_units, lifeline.price_per_kwh))
        rest = (one for one in steps if one.until is None or one.until > lifeline.up_to_units)
        lifeline_steps = (first, *rest)

    shares = []
    inclusive = {0} if tariff.energy_tax_basis is TaxBasis.INCLUSIVE else set()
    for slot, charge in enumerate(tariff.charges, start=1):
        match charge.rule:
            case PerKwh(price):
                ratio = Fraction(price) * per_unit
                shares.append(Share(slot, ratio.numerator, ratio.denominator, ()))
            case PercentOf(percent, codes):
                ratio = Fraction(percent) / 100
                bases = tuple(slot_of(tariff, code) for code in codes)
                shares.append(Share(slot, ratio.numerator, ratio.denominator, bases))
            case PerSale() | PerMonth() | PercentOfTender():
                pass
        if charge.tax_basis is TaxBasis.INCLUSIVE:
            inclusive.add(slot)

    rates = []
    held_by_slot: dict[int, tuple[int, ...]] = {}
    for index, tax in enumerate(tariff.taxes):
        ratio = Fraction(tax.percent) / 100
        slots = tuple(slot_of(tariff, code) for code in tax.codes)
        rates.append(Rate(ratio.numerator, ratio.denominator, tuple(s for s in slots if s not in inclusive)))
        for slot in inclusive.intersection(slots):
            held_by_slot[slot] = (*held_by_slot.get(slot, ()), index)
    inside = []
    for held in sorted(set(held_by_slot.values())):
        slots = tuple(sorted(slot for slot, taxes in held_by_slot.items() if taxes == held))
        together = sum((Fraction(tariff.taxes[index].percent) for index in held), Fraction(0)) / 100
        if together:
            part = together / (1 + together)
            parts = [(index, Fraction(tariff.taxes[index].percent) / 100 / together) for index in held]
            inside.append(
                Inside(
                    slots,
                    part.numerator,
                    part.denominator,
                    tuple((index, share.numerator, share.denominator) for index, share in parts),
                )
            )
    return Plan(
        tariff,
        ROUNDERS[tariff.rounding],
        steps,
        lifeline_steps,
        tuple(shares),
        tuple(rates),
        tuple(inside),
        tuple(f"{tax.label} {plain(tax.percent)} %" for tax in tariff.taxes),
        tuple(f"{plain(tax.percent)} %" for tax in tariff.taxes),
        "" if tariff.energy_tax_basis is TaxBasis.EXCLUSIVE else " incl.",
        LARGEST_UNITS_PER_SALE[tariff.large_sale],
        _slope(tariff, steps[-1], shares, rates),
    )


def _slope(tariff: Tariff, step: Step, shares: list[Share], rates: list[Rate]) -> tuple[int, int]:
    """Return the exact cost of one more unit at the price of `step`, as a ratio."""
    slots = [Fraction(0)] * (len(tariff.charges) + 1)
    slots[0] = Fraction(step.numerator, step.denominator)
    for slot, numerator, denominator, bases in shares:
        base = sum((slots[other] for other in bases), Fraction(0)) if bases else Fraction(1)
        slots[slot] = base * Fraction(numerator, denominator)
    taxes = (
        sum((slots[slot] for slot in rate.slots), Fraction(0)) * Fraction(rate.numerator, rate.denominator)
        for rate in rates
    )
    return (sum(slots) + sum(taxes, Fraction(0))).as_integer_ratio()


def slot_of(tariff: Tariff, code: str) -> int:
    """Return the slot of ``energy`` (0) or of a charge (from 1 on) in the order of the tariff."""
    return (
        0
        if code == ENERGY_CODE
        else next(slot for slot, charge in enumerate(tariff.charges, start=1) if charge.code == code)
    )


def plain(number: Decimal) -> str:
    """Return `number` without an exponent and without zeros at its end."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
