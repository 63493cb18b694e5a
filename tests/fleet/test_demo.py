from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joy311.energy import QUANTA_PER_WH
from joy311.errors import InvalidInput
from joy311.files import LoadProfile, read_load_profile
from joy311.fleet.demo import MOST_DAYS, MOST_SAMPLES, Demo, Happening, run_demo, shipped_profile
from joy311.fleet.household import MAXIMUM_POWER_W
from joy311.instant import DAY_NS, HOUR_NS, MINUTE_NS
from joy311.metrology.phasor import UW_NS_PER_WH
from joy311.sts import TokenResult

SHIPPED = shipped_profile()


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """Sixty days of the shipped household, with a seed under which everything happens that can."""
    return run_demo(SHIPPED, days=60, seed=9, shop_directory=tmp_path_factory.mktemp("shop"))


def profile_of(path: Path, values_w: list[int], minutes: int, start: str = "2024-03-01T00:00") -> LoadProfile:
    begin = datetime.fromisoformat(start).replace(tzinfo=UTC)
    rows = [f"{(begin + timedelta(minutes=n * minutes)).isoformat()},{w}" for n, w in enumerate(values_w)]
    path.write_text("\n".join(["time,W", *rows]) + "\n")
    return read_load_profile(path, limit_w=MAXIMUM_POWER_W)


def assert_it_balances(demo: Demo) -> None:
    summary, exact = demo.summary, demo.summary.exact
    assert summary.credit_bought_wh == summary.credit_used_wh + summary.credit_left_wh
    assert summary.energy_metered_wh + summary.below_threshold_wh == summary.load_on_wh
    assert summary.load_on_wh + summary.load_off_wh == summary.load_wh
    assert summary.credit_used_wh == summary.energy_metered_wh == summary.pulses == exact.register_wh
    assert summary.credit_bought_wh == summary.credit_sold_wh
    assert summary.tokens.sold == summary.tokens.accepted
    assert min(summary.credit_left_wh, summary.below_threshold_wh, summary.load_off_wh) >= 0
    # Below the watt-hour nothing is rounded: what was drawn is metered, below the threshold, or a part of a
    # quantum that metrology still holds.
    assert 0 <= exact.metered_rest < UW_NS_PER_WH
    assert exact.load_on_uw_ns * QUANTA_PER_WH == (
        exact.below_threshold_uw_ns * QUANTA_PER_WH + exact.metered_quanta * UW_NS_PER_WH + exact.metered_rest
    )
    assert exact.metered_quanta == exact.register_wh * QUANTA_PER_WH + exact.register_quanta
    assert 0 <= exact.register_quanta < QUANTA_PER_WH
    assert summary.load_wh == exact.load_w_min // 60
    assert summary.load_on_wh == exact.load_on_uw_ns // UW_NS_PER_WH
    assert exact.supply_on_ns + exact.supply_off_ns == summary.days * DAY_NS
    assert summary.cut_off_minutes == exact.supply_off_ns // MINUTE_NS


def test_sixty_days_balance(lived: Demo) -> None:
    assert_it_balances(lived)
    energies = SHIPPED.energies_wh()
    assert lived.summary.load_wh == sum(next(energies) for _ in range(60 * 24))


def test_everything_that_can_happen_does(lived: Demo) -> None:
    assert {event.happening for event in lived.timeline} == set(Happening)
    results = {event.result for event in lived.timeline if event.result is not None}
    assert {
        TokenResult.ACCEPT,
        TokenResult.CRC_ERROR,
        TokenResult.FORMAT_ERROR,
        TokenResult.USED_ERROR,
    } <= results
    assert lived.summary.below_threshold_wh > 0


def test_the_supply_is_off_exactly_between_its_events(lived: Demo) -> None:
    off_ns, since_ns = 0, lived.start_ns
    for event in lived.timeline:
        match event.happening:
            case Happening.SUPPLY_OFF:
                assert event.credit_wh == 0
                since_ns = event.at_ns
            case Happening.SUPPLY_ON:
                off_ns += event.at_ns - since_ns
            case _:
                pass
    assert off_ns == lived.summary.exact.supply_off_ns


def test_the_timeline_goes_forward_and_agrees_with_the_sums(lived: Demo) -> None:
    summary, timeline = lived.summary, lived.timeline
    assert [event.at_ns for event in timeline] == sorted(event.at_ns for event in timeline)
    assert lived.start_ns <= timeline[0].at_ns
    assert timeline[-1].at_ns <= lived.end_ns == lived.start_ns + 60 * DAY_NS
    happenings = [event.happening for event in timeline]
    assert happenings.count(Happening.SOLD) == summary.tokens.sold
    assert happenings.count(Happening.ACCEPTED) == summary.tokens.accepted
    assert happenings.count(Happening.REFUSED) == summary.tokens.refused
    assert happenings.count(Happening.SUPPLY_OFF) + 1 == summary.cut_offs
    assert sum(event.paid_minor for event in timeline) == summary.money_paid_minor


def test_the_warnings_come_at_their_levels_and_a_purchase_follows(lived: Demo) -> None:
    low_wh, very_low_wh = lived.summary.low_credit_wh
    levels = {Happening.LOW_CREDIT: low_wh, Happening.VERY_LOW_CREDIT: very_low_wh, Happening.SUPPLY_OFF: 0}
    warned = True
    for event in lived.timeline:
        if event.happening in levels:
            assert event.credit_wh == levels[event.happening]
            warned = True
        elif event.happening is Happening.SOLD:
            assert warned, "nobody buys before a warning"
            warned = False


def test_the_curves_add_up_to_the_sums(lived: Demo) -> None:
    samples, exact = lived.samples, lived.summary.exact
    assert len(samples) <= MOST_SAMPLES
    assert samples[-1].end_ns == lived.end_ns
    assert samples[-1].credit_wh == lived.summary.credit_left_wh
    drawn_wh = sum(sample.drawn_wh for sample in samples)
    assert drawn_wh == pytest.approx(exact.metered_quanta / QUANTA_PER_WH, rel=1e-9)
    assert sum(sample.wanted_wh for sample in samples) == pytest.approx(exact.load_w_min / 60, rel=1e-9)


def test_the_same_seed_and_input_give_the_same_bytes(tmp_path: Path) -> None:
    one, same, other = (
        run_demo(SHIPPED, days=4, seed=seed, shop_directory=tmp_path / name).to_json()
        for name, seed in (("one", 5), ("same", 5), ("other", 6))
    )
    assert one == same
    assert one != other


def test_the_json_holds_integers_and_sorted_keys_and_no_token(tmp_path: Path) -> None:
    text = run_demo(SHIPPED, days=3, seed=5, shop_directory=tmp_path).to_json().decode()

    def refuse_float(number: str) -> float:
        raise AssertionError(f"{number} is not an integer")

    document = json.loads(text, parse_float=refuse_float)
    assert list(document) == sorted(document)
    assert document["seed"] == 5
    assert document["days"] == 3
    assert document["load"]["file"] == "uk-household-hourly.csv.gz"
    assert document["load"]["sha256"] == SHIPPED.sha256
    for name in (
        "energy_metered_wh",
        "credit_bought_wh",
        "credit_used_wh",
        "credit_left_wh",
        "cut_off_minutes",
        "below_threshold_wh",
        "load_on_wh",
    ):
        assert isinstance(document[name], int)
    assert all(isinstance(document["tokens"][name], int) for name in ("sold", "accepted", "refused"))
    assert str(tmp_path) not in text


@settings(max_examples=12)
@given(
    seed=st.integers(0, 2**63),
    values_w=st.lists(st.sampled_from([0, 1, 3, 90, 400, 2_500, 20_000, 69_000]), min_size=1, max_size=4),
    minutes=st.sampled_from([1, 7, 15, 60, 300, 1440]),
)
def test_any_short_life_balances(
    tmp_path_factory: pytest.TempPathFactory, seed: int, values_w: list[int], minutes: int
) -> None:
    directory = tmp_path_factory.mktemp("life")
    count = -(-1440 // minutes) + 1
    profile = profile_of(directory / "load.csv", [values_w[n % len(values_w)] for n in range(count)], minutes)
    demo = run_demo(profile, days=1, seed=seed, shop_directory=directory / "shop")
    assert_it_balances(demo)
    assert demo.summary.tokens.sold >= 1


@settings(max_examples=8)
@given(seed=st.integers(0, 2**63), days=st.integers(1, 5))
def test_the_shipped_household_balances_with_any_seed(
    tmp_path_factory: pytest.TempPathFactory, seed: int, days: int
) -> None:
    assert_it_balances(
        run_demo(SHIPPED, days=days, seed=seed, shop_directory=tmp_path_factory.mktemp("shop"))
    )


def test_a_house_that_wants_nothing_draws_nothing(tmp_path: Path) -> None:
    profile = profile_of(tmp_path / "empty.csv", [0] * 24, 60)
    demo = run_demo(profile, days=1, seed=1, shop_directory=tmp_path / "shop")
    assert_it_balances(demo)
    assert demo.summary.load_wh == demo.summary.credit_used_wh == 0


def test_a_load_below_the_threshold_is_never_charged(tmp_path: Path) -> None:
    profile = profile_of(tmp_path / "doorbell.csv", [2] * 24, 60)
    demo = run_demo(profile, days=1, seed=1, shop_directory=tmp_path / "shop")
    assert_it_balances(demo)
    assert demo.summary.energy_metered_wh == 0
    assert demo.summary.below_threshold_wh == demo.summary.load_on_wh > 40


def test_progress_is_told_once_a_day(tmp_path: Path) -> None:
    told: list[int] = []
    run_demo(SHIPPED, days=3, seed=1, shop_directory=tmp_path, tell_progress=told.append)
    assert told == [1, 2, 3]


def test_more_days_than_the_file_covers_are_refused_naming_both(tmp_path: Path) -> None:
    profile = profile_of(tmp_path / "short.csv", [100] * 49, 60)
    with pytest.raises(InvalidInput, match=r"3 days is longer than short\.csv, which covers 2 whole days"):
        run_demo(profile, days=3, seed=1, shop_directory=tmp_path / "shop")
    assert not (tmp_path / "shop").exists()


@pytest.mark.parametrize("days", [0, -1, MOST_DAYS + 1])
def test_a_number_of_days_out_of_range_is_refused(tmp_path: Path, days: int) -> None:
    with pytest.raises(InvalidInput, match=f"{days} days must have 1 to {MOST_DAYS}"):
        run_demo(SHIPPED, days=days, seed=1, shop_directory=tmp_path / "shop")


@pytest.mark.parametrize("start", ["2013-12-31T00:00", "2045-11-24T00:00", "1999-01-01T00:00"])
def test_years_without_tokens_are_refused(tmp_path: Path, start: str) -> None:
    profile = profile_of(tmp_path / "old.csv", [100] * 24, 60, start)
    with pytest.raises(InvalidInput, match="must lie within 2014-01-01"):
        run_demo(profile, days=1, seed=1, shop_directory=tmp_path / "shop")


def test_the_shipped_file_is_what_it_says_it_is() -> None:
    readme = (SHIPPED.path.parent / "README.md").read_text(encoding="utf-8")
    licence = (SHIPPED.path.parent / "LICENSE.Apache-2.0.txt").read_text(encoding="utf-8")
    assert SHIPPED.sha256 in readme
    assert f"{SHIPPED.intervals:,} hours" in readme
    assert "opendsm" in readme
    assert "Apache License" in licence
    assert SHIPPED.interval_ns == HOUR_NS
    assert SHIPPED.energy_wh == 3_789_626
