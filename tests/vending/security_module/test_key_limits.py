"""What a vending key may do: dates, quotas and kinds, kept inside the module."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from joy311.errors import InvalidInput, Refused
from joy311.instant import DAY_NS, HOUR_NS, MINUTE_NS
from joy311.sts import ClearTamperCondition
from joy311.vending.security_module import EngineeringRequest, IssuedTokens, KeyChangeRequest, KeyLimits
from joy311.vending.security_module.key_limits import Usage, format_kind, parse_kind
from tests.vending.security_module.modules import DEFAULT_GROUP, METER, NOW, REQUEST, Clock, opened


def refusal(directory: Path, limits: KeyLimits, *, now: int = NOW) -> str | None:
    """Return why a token of 172 units is refused under `limits`."""
    with closing(opened(directory, limits=limits, clock=Clock(now))) as module:
        try:
            module.check(REQUEST)
            module.issue("r", REQUEST)
        except Refused as error:
            return error.code
        return None


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (KeyLimits(active_from=NOW), None),
        (KeyLimits(active_from=NOW + 1), "VendingKeyNotActive"),
        (KeyLimits(issue_until=NOW + 1), None),
        (KeyLimits(issue_until=NOW), "VendingKeyIssueEnded"),
        (KeyLimits(units_per_hour=172, units_per_day=172, units_in_all=172), None),
        (KeyLimits(units_per_hour=171), "QuotaExceeded"),
        (KeyLimits(units_per_day=171), "QuotaExceeded"),
        (KeyLimits(units_in_all=171), "QuotaExceeded"),
        (KeyLimits(token_kinds=frozenset({(0, 0)})), None),
        (KeyLimits(token_kinds=frozenset({(2, 5)})), "TokenKindNotAllowed"),
        (KeyLimits(token_kinds=frozenset()), "TokenKindNotAllowed"),
    ],
)
def test_a_limit_holds_to_the_unit_and_the_instant(
    tmp_path: Path, limits: KeyLimits, code: str | None
) -> None:
    assert refusal(tmp_path, limits) == code


def test_a_quota_begins_anew_with_its_period_and_survives_a_restart(tmp_path: Path) -> None:
    clock = Clock(NOW - NOW % DAY_NS)
    limits = KeyLimits(units_per_hour=200, units_per_day=500, units_in_all=600)
    issued = 0
    refused: list[str] = []
    for hour in (0, 0, 1, 2, 3, 24, 25):
        clock.now = NOW - NOW % DAY_NS + hour * HOUR_NS + MINUTE_NS
        with closing(opened(tmp_path, limits=limits, clock=clock)) as module:
            try:
                module.issue(f"r{issued}", replace(REQUEST, token_id=issued + 1, units=150))
                issued += 1
            except Refused as error:
                refused.append(str(error))
    assert issued == 4
    assert ["an hour" in refused[0], "a day" in refused[1], " all" in refused[2]] == [True] * 3
    assert len(refused) == 3


def test_a_batch_cannot_slip_past_a_quota(tmp_path: Path) -> None:
    with closing(opened(tmp_path, limits=KeyLimits(units_per_hour=400), clock=Clock())) as module:
        results = module.issue_many(
            [(f"r{number}", replace(REQUEST, token_id=number)) for number in range(4)]
        )
    assert [isinstance(result, IssuedTokens) for result in results] == [True, True, False, False]


def test_a_clock_that_goes_back_opens_neither_quota_nor_ended_key(tmp_path: Path) -> None:
    clock = Clock()
    limits = KeyLimits(units_per_hour=172, issue_until=NOW + DAY_NS)
    with closing(opened(tmp_path, limits=limits, clock=clock)) as module:
        module.issue("r1", REQUEST)
        clock.now = NOW - 5 * HOUR_NS
        with pytest.raises(Refused) as caught:
            module.issue("r2", REQUEST)
        assert caught.value.code == "QuotaExceeded"
        module.issue("r3", EngineeringRequest(REQUEST.attributes, ClearTamperCondition(0, 5)))
        clock.now = NOW + DAY_NS - 1
        module.issue("r4", EngineeringRequest(REQUEST.attributes, ClearTamperCondition(0, 6)))
    # Another key outlives this one, and the newest issue keeps this one ended.
    other = tmp_path / "other"
    with closing(opened(other, limits=KeyLimits(issue_until=NOW + 1), clock=clock)) as module:
        change = KeyChangeRequest(
            DEFAULT_GROUP.of_meter(METER, "01"),
            DEFAULT_GROUP.of_meter(METER, "02"),
            tell_supply_group=True,
        )
        module.issue("k", change)
        clock.now = NOW
        with pytest.raises(Refused) as caught:
            module.issue("r", REQUEST)
        assert caught.value.code == "VendingKeyIssueEnded"


def test_an_ended_key_is_still_the_parent_of_its_successor_and_no_child(tmp_path: Path) -> None:
    default = DEFAULT_GROUP.of_meter(METER, "01")
    with closing(opened(tmp_path, limits=KeyLimits(issue_until=NOW))) as module:
        issued = module.issue("k1", KeyChangeRequest(REQUEST.attributes, default, tell_supply_group=True))
        assert len(issued.tokens) == 4
        with pytest.raises(Refused) as caught:
            module.issue("k2", KeyChangeRequest(default, REQUEST.attributes, tell_supply_group=True))
    assert caught.value.code == "VendingKeyIssueEnded"


def test_limits_that_mean_nothing_are_refused() -> None:
    for name in ("active_from", "issue_until", "units_per_hour", "units_per_day", "units_in_all"):
        with pytest.raises(InvalidInput, match=name):
            KeyLimits.from_document({name: -1})
    with pytest.raises(InvalidInput, match="cannot end"):
        KeyLimits(active_from=5, issue_until=5)
    for kind in ((3, 0), (0, 16), (-1, 0)):
        with pytest.raises(InvalidInput):
            KeyLimits(token_kinds=frozenset({kind}))


def test_limits_travel_through_their_document() -> None:
    full = KeyLimits(1, 2, 3, 4, 5, frozenset({(0, 0), (2, 3)}))
    assert KeyLimits.from_document(full.as_document()) == full
    assert KeyLimits().as_document() == {}
    assert KeyLimits.from_document({}) == KeyLimits()
    assert KeyLimits.from_document({"token_kinds": []}).token_kinds == frozenset()


@pytest.mark.parametrize("text", ["", "0", "/", "0/", "a/b", "0/0/0", "-1/0", "0/123456"])
def test_a_kind_that_is_not_written_as_one_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_kind(text)


def test_a_kind_is_read_as_it_is_written() -> None:
    assert parse_kind("2/10") == (2, 10)
    assert format_kind((2, 10)) == "2/10"


def test_usage_counts_hours_and_days_of_utc() -> None:
    usage = Usage().after(5, 0).after(7, HOUR_NS - 1)
    assert (usage.units_in_hour, usage.units_in_day, usage.units_in_all) == (12, 12, 12)
    usage = usage.after(1, HOUR_NS)
    assert (usage.units_in_hour, usage.units_in_day, usage.units_in_all) == (1, 13, 13)
    usage = usage.after(1, DAY_NS)
    assert (usage.units_in_hour, usage.units_in_day, usage.units_in_all) == (1, 1, 14)
