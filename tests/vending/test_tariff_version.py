"""Two people and a date bring a tariff into force."""

from __future__ import annotations

from dataclasses import replace

import pytest

from joy311.errors import InvalidInput, Refused
from joy311.instant import DAY_NS
from joy311.vending.tariff import (
    Tariff,
    TariffState,
    TariffVersion,
    approve,
    draft,
    month_of,
    month_start,
    reject,
    tariff_in_force,
    withdraw,
)
from tests.vending.test_quote import PLAIN

START = PLAIN.effective_from
NEXT = replace(PLAIN, version=2, effective_from=START + DAY_NS, effective_until=None)


def approved(tariff: Tariff) -> TariffVersion:
    return approve(draft(tariff, "maker"), "checker", tariff.effective_from)


def code_of(refusal: pytest.ExceptionInfo[Refused]) -> str:
    return refusal.value.code


def test_another_person_approves_and_its_date_puts_it_in_force() -> None:
    version = approved(PLAIN)
    assert (version.state, version.maker, version.checker) == (TariffState.APPROVED, "maker", "checker")
    assert tariff_in_force([version], START) is PLAIN
    with pytest.raises(Refused) as early:
        tariff_in_force([version], START - 1)
    assert code_of(early) == "TariffNotInForce"


def test_nobody_approves_or_rejects_their_own() -> None:
    with pytest.raises(Refused) as own:
        approve(draft(PLAIN, "maker"), "maker", START)
    assert code_of(own) == "SamePerson"
    with pytest.raises(Refused):
        reject(draft(PLAIN, "maker"), "maker")


def test_a_tariff_is_not_approved_into_the_past() -> None:
    with pytest.raises(Refused) as late:
        approve(draft(PLAIN, "maker"), "checker", START + 1)
    assert code_of(late) == "TariffBackdated"


def test_what_is_decided_is_not_decided_again() -> None:
    for version in (approved(PLAIN), reject(draft(PLAIN, "maker"), "checker")):
        with pytest.raises(Refused) as again:
            approve(version, "other", START)
        assert code_of(again) == "TariffState"
        with pytest.raises(Refused):
            reject(version, "other")


def test_an_approved_one_is_withdrawn_only_before_its_date() -> None:
    withdrawn = withdraw(approved(NEXT), "checker", START)
    assert withdrawn.state is TariffState.WITHDRAWN
    with pytest.raises(Refused) as late:
        withdraw(approved(NEXT), "checker", NEXT.effective_from)
    assert code_of(late) == "TariffInForce"
    with pytest.raises(Refused) as never:
        withdraw(draft(NEXT, "maker"), "checker", START)
    assert code_of(never) == "TariffState"


def test_the_newest_approved_one_is_sold_by_and_no_other() -> None:
    versions = [
        approved(NEXT),
        approved(PLAIN),
        draft(replace(NEXT, version=3), "maker"),
        reject(draft(replace(NEXT, version=4), "maker"), "checker"),
        withdraw(approved(replace(NEXT, version=5)), "checker", START),
    ]
    assert tariff_in_force(versions, NEXT.effective_from - 1) is PLAIN
    assert tariff_in_force(versions, NEXT.effective_from) is NEXT
    assert tariff_in_force(versions, PLAIN.effective_until or 0) is NEXT
    with pytest.raises(Refused):
        tariff_in_force([], START)


def test_of_two_that_begin_together_the_later_version_is_sold_by() -> None:
    corrected = replace(PLAIN, version=2)
    assert tariff_in_force([approved(corrected), approved(PLAIN)], START) is corrected


@pytest.mark.parametrize("name", ["", "two words", "x" * 65])
def test_who_answers_for_it_has_an_identifier(name: str) -> None:
    with pytest.raises(InvalidInput):
        draft(PLAIN, name)
    with pytest.raises(InvalidInput):
        reject(draft(PLAIN, "maker"), name)


@pytest.mark.parametrize("offset", [-840, -60, 0, 180, 345, 840])
def test_a_month_begins_where_the_one_before_it_ends(offset: int) -> None:
    for month in range(2_014 * 12, 2_014 * 12 + 30):
        start = month_start(month, offset)
        assert (month_of(start - 1, offset), month_of(start, offset)) == (month - 1, month)
