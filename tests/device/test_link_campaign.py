"""A hostile wire: every exchange is accounted for, and none is judged twice."""

from __future__ import annotations

import pytest

from joy311.device.link_campaign import (
    CampaignResult,
    channel_for,
    measure_latency,
    run_campaign,
)
from joy311.device.two_wire import Cable, TwoWire
from joy311.instant import MILLISECOND_NS
from joy311.link import MEDIA, MediumName

WIRE, PLC = MediumName.TWO_WIRE, MediumName.PLC


def check(result: CampaignResult) -> None:
    assert (result.judged_twice, result.unknown, result.wrong) == (0, 0, 0), result
    assert result.first_time + result.resumed == result.exchanges


@pytest.mark.parametrize("rate", [0.0, 1e-5, 1e-4, 1e-3])
def test_no_token_is_lost_or_judged_twice_over_two_wires(rate: float) -> None:
    result = run_campaign(WIRE, rate, 400, "short")
    check(result)
    assert result.restarts
    if rate >= 1e-3:
        assert result.resumed > 20


@pytest.mark.parametrize("rate", [0.0, 1e-3, 1e-2, 2.5e-2])
def test_no_token_is_lost_or_judged_twice_over_the_power_line(rate: float) -> None:
    result = run_campaign(PLC, rate, 150, "short")
    check(result)
    if rate > 1e-2:
        assert result.resumed


def test_the_same_seed_replays_a_campaign() -> None:
    assert run_campaign(WIRE, 1e-3, 50, 7) == run_campaign(WIRE, 1e-3, 50, 7)
    assert run_campaign(WIRE, 1e-3, 50, 7) != run_campaign(WIRE, 1e-3, 50, 8)


@pytest.mark.long
@pytest.mark.parametrize(
    ("medium", "rates"), [(WIRE, (0.0, 1e-5, 1e-4, 1e-3)), (PLC, (0.0, 1e-3, 5e-3, 1e-2))]
)
def test_a_hundred_thousand_tokens_over_a_hostile_medium(
    medium: MediumName, rates: tuple[float, ...]
) -> None:
    for rate in rates:
        result = run_campaign(medium, rate, 100_000 // len(rates), "long")
        print(f"seed long, {medium}, bit error rate {rate:g}: {result}")
        check(result)


def percentiles(latencies_ns: list[int]) -> tuple[float, float]:
    """Median and 99th percentile [ms]."""
    last = len(latencies_ns) - 1
    return latencies_ns[last // 2] / MILLISECOND_NS, latencies_ns[last * 99 // 100] / MILLISECOND_NS


@pytest.mark.parametrize("length_m", [200.0, 500.0, 1000.0])
def test_an_answer_comes_within_half_a_second_over_two_wires(length_m: float) -> None:
    channel = TwoWire(Cable(length_m, 0.5), "latency")
    median, high = percentiles(measure_latency(channel, WIRE, 300, "latency"))
    print(f"two-wire, {length_m:.0f} m: median {median:.0f} ms, 99th percentile {high:.0f} ms")
    assert median <= high <= 500.0


@pytest.mark.parametrize(("rate", "limit_ms"), [(1e-4, 1_500.0), (1e-2, 3_000.0)])
def test_an_answer_comes_within_a_second_and_a_half_over_the_power_line(rate: float, limit_ms: float) -> None:
    median, high = percentiles(measure_latency(channel_for(PLC, "latency", rate), PLC, 200, "latency"))
    print(f"plc, bit error rate {rate:g}: median {median:.0f} ms, 99th percentile {high:.0f} ms")
    assert median <= high <= limit_ms


def test_a_master_sends_no_more_often_than_its_medium_allows() -> None:
    for medium in (WIRE, PLC):
        result = run_campaign(medium, 0.5, 5, "deaf")
        check(result)
        # Three rounds that nobody hears and a clean one.
        assert result.sent <= 5 * (3 * MEDIA[medium].tries + MEDIA[medium].tries)
        assert result.clean_needed == 5
