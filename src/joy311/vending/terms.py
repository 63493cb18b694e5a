"""The terms of one sale: what is due before any energy, what an energy costs on top, and how much money buys.

`joy311.vending.quote` asks here. All amounts are whole minor units, rounded once a line.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from joy311.errors import Refused
from joy311.vending.account import Account, ChargeState, Debt, RecoverAmount, RecoverPercent
from joy311.vending.money import Rounder
from joy311.vending.plan import Plan, Step, plain, slot_of
from joy311.vending.split import format_kwh
from joy311.vending.tariff import (
    ENERGY_CODE,
    PercentOf,
    PercentOfTender,
    PerKwh,
    PerMonth,
    PerSale,
    month_of,
)


class LineKind(StrEnum):
    """What a line of a quote is, for receipt, ledger and reports."""

    DEBT = "debt"
    FIXED_CHARGE = "fixed charge"
    SERVICE_FEE = "service fee"
    ENERGY = "energy"
    LEVY = "levy"
    TAX = "tax"
    GIVEN = "given"
    CARRIED_IN = "carried in"


class QuoteLine(NamedTuple):
    """One line of a quote.

    Parameters
    ----------
    kind : LineKind
        What it is.
    code : str
        The charge's, tax's or debt's own name; ``energy`` for energy.
    label : str
        What the receipt calls it.
    amount_minor : int
        Without tax; below zero where it is to the customer's credit [minor units].
    units : int or None
        Energy that it is for, where it is [0.1 kWh].
    base_minor : int or None
        Amount that it is a share of, where it is one [minor units].
    rate : str
        The price or rate that it came from, as text for a person.
    """

    kind: LineKind
    code: str
    label: str
    amount_minor: int
    units: int | None
    base_minor: int | None
    rate: str


class Priced(NamedTuple):
    """What an energy costs: per block, per slot, per tax outside the prices, and all together."""

    parts: list[int]
    slots: list[int]
    taxes: list[int]
    total: int


@dataclass(slots=True)
class Terms:
    """All of a sale that does not depend on its energy, and what energies were found to cost."""

    plan: Plan
    steps: tuple[Step, ...]
    position: int
    window_start: int
    constants: list[int]
    due: dict[int, tuple[int, int]]
    debt_lines: tuple[QuoteLine, ...]
    debt_minor: int
    debts_after: tuple[Debt, ...]
    charges_after: tuple[ChargeState, ...]
    paid_minor: int
    found: dict[int, Priced]

    def cost(self, units: int) -> int:
        """Return what `units` cost, without old debts [minor units]; more units never cost less."""
        return self.price(units).total

    def price(self, units: int) -> Priced:
        """Return what `units` cost, in all its parts [minor units]."""
        priced = self.found.get(units)
        if priced is None:
            priced = self.found[units] = self._price(units)
        return priced

    def _price(self, units: int) -> Priced:
        rounded = self.plan.round
        slots = self.constants.copy()
        parts = []
        start, end = self.position, self.position + units
        for until, numerator, denominator, _ in self.steps:
            if until is not None and until < end:
                parts.append(rounded((until - start) * numerator, denominator))
                start = until
            else:
                parts.append(rounded((end - start) * numerator, denominator))
                break
        slots[0] = sum(parts)
        for slot, numerator, denominator, bases in self.plan.shares:
            base = sum([slots[other] for other in bases]) if bases else units
            slots[slot] = rounded(base * numerator, denominator)
        taxes = [
            rounded(sum([slots[slot] for slot in bases]) * numerator, denominator)
            for numerator, denominator, bases in self.plan.rates
        ]
        return Priced(parts, slots, taxes, sum(slots) + sum(taxes))


def terms_of(plan: Plan, account: Account, tender_minor: int, now: int) -> Terms:
    """Return what is due before any energy at a payment of `tender_minor`."""
    tariff = plan.tariff
    lifeline = tariff.lifeline
    for_lifeline = lifeline is not None and (
        lifeline.largest_average_units is None or account.average_units <= lifeline.largest_average_units
    )
    every_step = plan.lifeline_steps if for_lifeline else plan.steps
    steps = tuple([step for step in every_step if step.until is None or step.until > account.window_units])
    constants = [0] * (len(tariff.charges) + 1)
    due: dict[int, tuple[int, int]] = {}
    charges_after = account.charges
    per_unit = tariff.currency.minor_per_unit
    for slot, charge in enumerate(tariff.charges, start=1):
        match charge.rule:
            case PerSale(amount):
                constants[slot] = _rounded_fraction(plan.round, Fraction(amount) * per_unit)
            case PercentOfTender(percent):
                constants[slot] = _rounded_fraction(plan.round, tender_minor * Fraction(percent) / 100)
            case PerMonth(amount, largest_share_percent):
                month = month_of(now, tariff.utc_offset_minutes)
                before = next((state for state in account.charges if state.code == charge.code), None)
                months = 1 if before is None else max(0, month - before.charged_through)
                owed_minor = months * _rounded_fraction(plan.round, Fraction(amount) * per_unit)
                owed_minor += before.owed_minor if before else 0
                share_minor = tender_minor * Fraction(largest_share_percent) // 100
                constants[slot] = min(owed_minor, share_minor)
                due[slot] = (months, owed_minor)
                state = ChargeState(
                    charge.code,
                    month if before is None else max(month, before.charged_through),
                    owed_minor - constants[slot],
                )
                charges_after = (*(other for other in charges_after if other.code != charge.code), state)
            case PerKwh() | PercentOf():
                pass
    debt_lines, debts_after = _recover(plan, account.debts, tender_minor) if account.debts else ((), ())
    return Terms(
        plan,
        steps,
        account.window_units,
        account.window_start or 0,
        constants,
        due,
        debt_lines,
        sum([line.amount_minor for line in debt_lines]),
        debts_after,
        charges_after,
        tender_minor,
        {},
    )


def _recover(
    plan: Plan, debts: tuple[Debt, ...], tender_minor: int
) -> tuple[tuple[QuoteLine, ...], tuple[Debt, ...]]:
    """Return what a payment pays off, by priority, and the debts after it."""
    tariff = plan.tariff
    room_minor = tender_minor * Fraction(tariff.largest_arrears_percent) // 100
    lines = []
    after = []
    for debt in sorted(debts, key=lambda debt: (debt.priority, debt.debt_id)):
        match debt.recovery:
            case RecoverPercent(percent):
                wanted_minor = _rounded_fraction(plan.round, tender_minor * Fraction(percent) / 100)
                rate = f"{plain(percent)} %"
                base_minor: int | None = tender_minor
            case RecoverAmount(amount_minor):
                wanted_minor = amount_minor
                rate = f"{tariff.currency.format(amount_minor)} a sale"
                base_minor = None
        paid_minor = min(wanted_minor, debt.balance_minor, room_minor)
        if paid_minor < wanted_minor:
            rate, base_minor = f"{rate}, at most {tariff.currency.format(paid_minor)}", None
        room_minor -= paid_minor
        if paid_minor:
            lines.append(
                QuoteLine(LineKind.DEBT, debt.debt_id, debt.label, paid_minor, None, base_minor, rate)
            )
        after.append(replace(debt, balance_minor=debt.balance_minor - paid_minor))
    return tuple(lines), tuple(after)


def most_units(terms: Terms, money_minor: int) -> tuple[int, int]:
    """Return the most units that `money_minor` pays for, and what they cost; 0 where not even one."""
    plan = terms.plan
    currency = plan.tariff.currency
    if len(terms.steps) == 1:
        # One price: a division finds the energy, and two looks make sure that no rounding moved it.
        numerator, denominator = plan.slope
        due_minor = terms.cost(0) if any(terms.constants) else 0
        units = (money_minor - due_minor) * denominator // numerator
        if 0 < units <= plan.most_units:
            cost_minor = terms.cost(units)
            if cost_minor <= money_minor < terms.cost(units + 1):
                return units, cost_minor
    least_minor, most_minor = terms.cost(0), terms.cost(plan.most_units + 1)
    if least_minor > money_minor:
        raise Refused(
            "EnergyTooLow",
            f"{currency.format(money_minor)} {currency.code} is less than the "
            f"{currency.format(least_minor)} of fees and charges that are due",
        )
    if most_minor <= money_minor:
        raise Refused(
            "EnergyTooHigh",
            f"{currency.format(money_minor)} {currency.code} buys more than the "
            f"{format_kwh(plan.most_units)} kWh of one sale",
        )
    return search(terms, money_minor, (0, least_minor), (plan.most_units + 1, most_minor))


def search(
    terms: Terms, money_minor: int, lowest: tuple[int, int], highest: tuple[int, int]
) -> tuple[int, int]:
    """Return the most units between two that `money_minor` pays for, and their cost."""
    low, low_minor = lowest
    high, high_minor = highest
    for step in terms.steps[:-1]:
        bound = (step.until or 0) - terms.position
        if low < bound < high:
            cost_minor = terms.cost(bound)
            if cost_minor > money_minor:
                high, high_minor = bound, cost_minor
                break
            low, low_minor = bound, cost_minor
    # Within a block the cost is a straight line but for rounding: the rule of three lands at most a few units
    # off. Every third step halves the rest, so that no rounding can make the search long.
    tries = 0
    while high - low > 1:
        tries += 1
        if tries % 3:
            middle = low + (money_minor - low_minor) * (high - low) // (high_minor - low_minor)
            middle = min(max(middle, low + 1), high - 1)
        else:
            middle = (low + high) // 2
        cost_minor = terms.cost(middle)
        if cost_minor <= money_minor:
            low, low_minor = middle, cost_minor
        else:
            high, high_minor = middle, cost_minor
    return low, low_minor


def lines_of(terms: Terms, priced: Priced, units: int) -> list[QuoteLine]:
    """Return charges, energy and taxes as lines; prices that hold tax give it up to the tax lines."""
    plan = terms.plan
    tariff = plan.tariff
    taxes = priced.taxes.copy()
    bases = [sum([priced.slots[slot] for slot in rate.slots]) for rate in plan.rates]
    inner: dict[int, list[int]] = {}
    for group in plan.inside:
        gross_minor = tax_minor = 0
        for slot in group.slots:
            held = []
            for amount_minor in priced.parts if slot == 0 else (priced.slots[slot],):
                gross_minor += amount_minor
                # Each line holds what the sum up to it holds more than the sum before: no cent is lost.
                upto_minor = plan.round(gross_minor * group.numerator, group.denominator)
                held.append(upto_minor - tax_minor)
                tax_minor = upto_minor
            inner[slot] = held
        left_minor = tax_minor
        for tax, numerator, denominator in group.shares[:-1]:
            part_minor = min(plan.round(tax_minor * numerator, denominator), left_minor)
            taxes[tax] += part_minor
            left_minor -= part_minor
        taxes[group.shares[-1][0]] += left_minor
        for tax, _, _ in group.shares:
            bases[tax] += gross_minor - tax_minor

    lines: list[QuoteLine] = []
    levies: list[QuoteLine] = []
    for slot, charge in enumerate(tariff.charges, start=1):
        amount_minor = priced.slots[slot] - (inner[slot][0] if slot in inner else 0)
        line_units: int | None = None
        base_minor: int | None = None
        rate = ""
        match charge.rule:
            case PerSale():
                pass
            case PerMonth(amount, _):
                months, owed_minor = terms.due[slot]
                if not owed_minor:
                    continue
                counted = "1 month" if months == 1 else f"{months} months"
                rate = f"{counted} x {plain(amount)}, due {tariff.currency.format(owed_minor)}"
            case PerKwh(price):
                line_units, rate = units, plain(price)
            case PercentOfTender(percent):
                base_minor, rate = terms.paid_minor, f"{plain(percent)} %"
            case PercentOf(percent, codes):
                base_minor = sum(priced.slots[slot_of(tariff, code)] for code in codes)
                rate = f"{plain(percent)} %"
        kind = LineKind(charge.kind.value)
        line = QuoteLine(kind, charge.code, charge.label, amount_minor, line_units, base_minor, rate)
        (levies if kind is LineKind.LEVY else lines).append(line)
    start = terms.position
    holds_tax = plan.holds_tax
    for index, (part_minor, step) in enumerate(zip(priced.parts, terms.steps, strict=False)):
        end = terms.position + units
        block_units = (end if step.until is None or step.until > end else step.until) - start
        start += block_units
        net_minor = part_minor - (inner[0][index] if 0 in inner else 0)
        label = f"{format_kwh(block_units)} kWh @ {step.price}{holds_tax}"
        lines.append(
            QuoteLine(
                LineKind.ENERGY, ENERGY_CODE, label, net_minor, block_units, None, step.price + holds_tax
            )
        )
    lines += levies
    lines += [
        QuoteLine(LineKind.TAX, tax.code, label, amount_minor, None, base, rate)
        for tax, label, rate, amount_minor, base in zip(
            tariff.taxes, plan.tax_labels, plan.tax_rates, taxes, bases, strict=True
        )
    ]
    return lines


def _rounded_fraction(rounded: Rounder, amount: Fraction) -> int:
    return rounded(amount.numerator, amount.denominator)
