from __future__ import annotations

import math
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from joy311.energy import QUANTA_PER_WH
from joy311.errors import InvalidInput
from joy311.instant import SECOND_NS
from joy311.metrology import (
    Calibration,
    CycleMeter,
    CycleQuantities,
    LinePhasors,
    PhasorMeter,
    ReactiveMethod,
    Scale,
    Sequence,
    SumMode,
    Thresholds,
    WaveformMeter,
)
from joy311.metrology.energy_core import UNITS_PER_WH
from joy311.metrology.waveform import SETTLED, WHOLE, Arithmetic, BlockResult, Outputs
from tests.metrology.waves import CONVERTER, FS_HZ, RATED, Harmonic, Wave, codes, meter

FIFTH = (Harmonic(5, 0.10, 0.40, 0.0),)
MANY = (
    Harmonic(2, 0.01, 0.05, 0.4),
    Harmonic(3, 0.05, 0.20, -0.7),
    Harmonic(7, 0.02, 0.10, 1.1),
    Harmonic(21, 0.01, 0.03, 2.0),
)


def settled(result: BlockResult) -> NDArray[np.void]:
    rows = result.cycles
    kept: NDArray[np.void] = rows[(rows["flags"] & (WHOLE | SETTLED)) == (WHOLE | SETTLED)]
    return kept


def metered_wh(meter_under_test: WaveformMeter) -> float:
    total = meter_under_test.registers().total
    return total.wh + total.quanta / QUANTA_PER_WH


@pytest.mark.parametrize("frequency_hz", [45.0, 49.87, 50.0, 60.0, 65.0])
@pytest.mark.parametrize("amperes", [0.02, 5.0, 100.0])
@pytest.mark.parametrize("pf", [1.0, 0.5, 0.25])
def test_an_ideal_front_end_measures_within_five_millionths_over_two_seconds(
    frequency_hz: float, amperes: float, pf: float
) -> None:
    lag = math.acos(pf)
    wave = Wave(frequency_hz, i=(amperes,) * 3, lag_rad=(lag, -lag, lag), harmonics=MANY)
    m = meter()
    m.push(wave.samples(2.0))
    seen = m.quantities()
    assert seen.frequency_hz == pytest.approx(frequency_hz, abs=1e-4)
    for phase in range(3):
        assert seen.p[phase] == pytest.approx(wave.p(phase), rel=5e-6)
        assert seen.urms[phase] == pytest.approx(wave.urms(phase), rel=5e-6)
        assert seen.irms[phase] == pytest.approx(wave.irms(phase), rel=5e-6)
        assert seen.q is not None
        assert seen.q[phase] == pytest.approx(wave.q1(phase), abs=1e-5 * 230 * amperes)


@pytest.mark.long
@pytest.mark.parametrize("arithmetic", ["float64", "fixed"])
@pytest.mark.parametrize("frequency_hz", [45.0, 49.87, 50.0, 51.3, 60.0, 65.0])
@pytest.mark.parametrize("amperes", [0.02, 0.05, 1.0, 10.0, 100.0])
@pytest.mark.parametrize("pf", [1.0, 0.5, 0.25])
@pytest.mark.parametrize("noise_lsb", [0.5, 1.0])
def test_a_quantised_front_end_measures_within_a_twenty_thousandth_everywhere(
    arithmetic: Arithmetic, frequency_hz: float, amperes: float, pf: float, noise_lsb: float
) -> None:
    quantised(arithmetic, frequency_hz, amperes, pf, noise_lsb)


@pytest.mark.parametrize("arithmetic", ["float64", "fixed"])
@pytest.mark.parametrize(("amperes", "pf"), [(0.02, 1.0), (0.02, 0.25), (5.0, 0.5), (100.0, 0.25)])
def test_a_quantised_front_end_measures_within_a_twenty_thousandth_over_ten_seconds(
    arithmetic: Arithmetic, amperes: float, pf: float
) -> None:
    quantised(arithmetic, 49.87, amperes, pf, 0.7)


def quantised(
    arithmetic: Arithmetic, frequency_hz: float, amperes: float, pf: float, noise_lsb: float
) -> None:
    wave = Wave(frequency_hz, i=(amperes,) * 3, lag_rad=(math.acos(pf),) * 3, harmonics=FIFTH)
    m = meter(CONVERTER, arithmetic=arithmetic, outputs="energy")
    rows = settled(m.push(codes(wave.samples(10.0), noise_lsb=noise_lsb)))
    lengths = rows["t_end_s"] - rows["t_start_s"]
    for phase in range(3):
        power = float((rows["p"][:, phase] * lengths).sum() / lengths.sum())
        assert power == pytest.approx(wave.p(phase), rel=5e-5)
    assert len(rows) / lengths.sum() == pytest.approx(frequency_hz, abs=1e-4)


@settings(max_examples=40)
@given(
    frequency_hz=st.floats(45.0, 65.0),
    amperes=st.tuples(*[st.floats(0.02, 100.0)] * 3),
    lags=st.tuples(*[st.floats(-math.pi, math.pi)] * 3),
    start=st.floats(0.0, 6.3),
    harmonics=st.lists(
        st.builds(Harmonic, st.integers(2, 40), st.floats(0, 0.08), st.floats(0, 0.3), st.floats(-3.1, 3.1)),
        max_size=4,
        unique_by=lambda harmonic: harmonic.order,
    ),
    sequence=st.sampled_from([1, -1]),
)
def test_random_phasors_and_harmonics_read_as_their_closed_forms(
    frequency_hz: float,
    amperes: tuple[float, float, float],
    lags: tuple[float, float, float],
    start: float,
    harmonics: list[Harmonic],
    sequence: int,
) -> None:
    wave = Wave(
        frequency_hz,
        i=amperes,
        lag_rad=lags,
        harmonics=tuple(harmonics),
        start_rad=start,
        sequence=sequence,
    )
    m = meter(fs_hz=16_000.0)
    m.push(wave.samples(1.3, 16_000.0))
    seen = m.quantities()
    assert seen.q is not None
    assert seen.u_phasors is not None
    assert seen.frequency_hz == pytest.approx(frequency_hz, abs=1e-3)
    assert seen.sequence is (Sequence.FORWARD if sequence > 0 else Sequence.REVERSED)
    for phase in range(3):
        apparent = wave.urms(phase) * wave.irms(phase)
        assert seen.p[phase] == pytest.approx(wave.p(phase), abs=3e-5 * apparent)
        assert seen.q[phase] == pytest.approx(wave.q1(phase), abs=1e-4 * apparent)
        assert seen.irms[phase] == pytest.approx(wave.irms(phase), rel=3e-5)
        assert abs(seen.u_phasors[phase]) == pytest.approx(wave.u[phase], rel=1e-4)


@pytest.mark.parametrize(
    ("arithmetic", "outputs", "kind"),
    [
        ("float64", "energy", np.float64),
        ("float64", "full", np.float64),
        ("float64", "full", np.int32),
        ("fixed", "energy", np.int32),
        ("fixed", "full", np.int32),
    ],
)
@settings(max_examples=12)
@given(cuts=st.lists(st.integers(0, 700), max_size=25), tiny=st.integers(1, 40))
def test_blocks_of_any_size_give_the_same_bits(
    arithmetic: Arithmetic, outputs: Outputs, kind: type, cuts: list[int], tiny: int
) -> None:
    wave = Wave(
        49.3,
        i=(5.0, 20.0, 0.5),
        lag_rad=(0.3, 2.5, -0.4),
        harmonics=MANY,
        dc=(1.0, 0.0, -2.0, 0.1, 0.0, 0.2, 0.0),
    )
    block: NDArray[np.generic] = wave.samples(0.8, neutral=True)
    if kind is np.int32:
        block = codes(wave.samples(0.8, neutral=True), noise_lsb=1.0)
    calibration = Calibration(phase_rad=(0.01, -0.02, 0.03))
    scale = CONVERTER if kind is np.int32 else None
    one, many = (meter(scale, calibration, arithmetic, outputs, pulse_wh=1) for _ in range(2))
    whole = [one.push(block), one.finish()]
    places = sorted({0, block.shape[1], *np.cumsum([*[1] * tiny, *cuts]).clip(0, block.shape[1]).tolist()})
    parts = [many.push(np.ascontiguousarray(block[:, a:b])) for a, b in pairwise(places)]
    parts.append(many.finish())
    assert b"".join(r.cycles.tobytes() for r in parts) == b"".join(r.cycles.tobytes() for r in whole)
    assert one.registers() == many.registers()
    assert repr(one.quantities()) == repr(many.quantities())
    for name in ("import_quanta", "export_quanta"):
        for phase in range(3):
            assert sum(getattr(r.increment, name)[phase] for r in parts) == sum(
                getattr(r.increment, name)[phase] for r in whole
            )
    for name in ("total_quanta", "pulses", "duration_ns"):
        assert sum(getattr(r.increment, name) for r in parts) == sum(
            getattr(r.increment, name) for r in whole
        )


@pytest.mark.parametrize("arithmetic", ["float64", "fixed"])
@pytest.mark.parametrize("mode", list(SumMode))
def test_energy_is_conserved_exactly_over_cycles_blocks_and_phases(
    arithmetic: Arithmetic, mode: SumMode
) -> None:
    wave = Wave(50.3, i=(40.0, 60.0, 0.004), lag_rad=(0.2, 3.0, 0.0))
    m = meter(CONVERTER, arithmetic=arithmetic, sum_mode=mode, outputs="energy")
    block = codes(wave.samples(2.0), noise_lsb=1.0)
    results = [m.push(np.ascontiguousarray(block[:, k : k + 777])) for k in range(0, 16_000, 777)]
    results.append(m.finish())
    rows = np.concatenate([result.cycles for result in results])
    registers = m.registers()
    totals = 0
    for energy in rows["energy"].tolist():
        match mode:
            case SumMode.ABSOLUTE:
                totals += sum(abs(x) for x in energy)
            case SumMode.IMPORT_ONLY:
                totals += sum(max(x, 0) for x in energy)
            case SumMode.ARITHMETIC:
                totals += max(sum(energy), 0)
    # 2**-48 Wh in the rows, whole 2**-32 Wh in the reading and in the increments.
    assert sum(rows["total"].tolist()) == totals
    assert registers.total.wh * QUANTA_PER_WH + registers.total.quanta == totals >> 16
    assert sum(r.increment.total_quanta for r in results) == totals >> 16
    for phase in range(3):
        column = rows["energy"][:, phase].tolist()
        taken, given_back = sum(x for x in column if x > 0), -sum(x for x in column if x < 0)
        assert sum(r.increment.import_quanta[phase] for r in results) == taken >> 16
        assert sum(r.increment.export_quanta[phase] for r in results) == given_back >> 16
        read = registers.imported[phase]
        assert read.wh * QUANTA_PER_WH + read.quanta == taken >> 16
    assert registers.imported[2].quanta == registers.exported[2].quanta == 0
    assert registers.below_threshold.quanta > 0


def test_every_sample_counts_once_from_the_first_to_the_last() -> None:
    block = Wave(49.1, lag_rad=(0.5,) * 3, harmonics=MANY).samples(1.0)
    m = meter(thresholds=Thresholds(0.0, 0.0), remove_dc=False)
    m.push(block)
    m.finish()
    summed_wh = float((block[:3] * block[3:]).sum()) / FS_HZ / 3600
    assert metered_wh(m) == pytest.approx(summed_wh, rel=1e-9)


def test_waveform_cycle_and_phasor_fidelity_agree() -> None:
    wave = Wave(49.9, u=(230.0, 225.0, 240.0), i=(5.0, 20.0, 60.0), lag_rad=(0.3, 1.0, 2.8))
    waveform, cycle, phasor = meter(), CycleMeter(RATED), PhasorMeter(RATED)
    rows = settled(waveform.push(wave.samples(3.0)))
    for row in rows:
        cycle.step(
            CycleQuantities(
                float(row["t_end_s"] - row["t_start_s"]), tuple(row["irms"]), tuple(row["p"]), tuple(row["q"])
            )
        )
    seconds = float(rows["t_end_s"][-1] - rows["t_start_s"][0])
    factors = (math.cos(0.3), math.cos(1.0), math.cos(2.8))
    stepped = phasor.step(LinePhasors(wave.u, wave.i, factors), round(seconds * SECOND_NS))
    by_waveform = sum(rows["total"].tolist()) / UNITS_PER_WH
    by_cycle = cycle.registers().total
    by_phasor = stepped.total_quanta / QUANTA_PER_WH
    assert by_cycle.wh + by_cycle.quanta / QUANTA_PER_WH == pytest.approx(by_waveform, rel=1e-9)
    assert by_waveform == pytest.approx(by_phasor, rel=1e-5)
    assert by_phasor == pytest.approx(sum(abs(wave.p(k)) for k in range(3)) * seconds / 3600, rel=1e-6)


@pytest.mark.parametrize("arithmetic", ["float64", "fixed"])
def test_both_engines_say_the_same(arithmetic: Arithmetic) -> None:
    wave = Wave(50.7, i=(3.0, 30.0, 0.1), lag_rad=(0.5, -1.0, 3.0), harmonics=MANY)
    block = codes(wave.samples(1.2, neutral=True), noise_lsb=1.0)
    calibration = Calibration(phase_rad=(0.02, -0.01, 0.0), p_offset_w=(0.5, -0.2, 0.0))
    ours = meter(CONVERTER, calibration, arithmetic)
    floats = meter(CONVERTER, calibration)
    ours.push(block)
    floats.push(block)
    a, b = ours.quantities(), floats.quantities()
    assert a.p == pytest.approx(b.p, rel=1e-6)
    assert a.urms == pytest.approx(b.urms, rel=1e-7)
    assert a.irms == pytest.approx(b.irms, rel=1e-5)
    assert a.q == pytest.approx(b.q, rel=1e-5, abs=1e-4)
    assert a.frequency_hz == pytest.approx(b.frequency_hz, abs=1e-5)
    assert a.neutral_a == pytest.approx(b.neutral_a, rel=1e-5)


def test_the_fixed_point_engine_gives_these_very_integers() -> None:
    # From integer arithmetic alone: these are the same on every machine, or the engine is not bit-exact.
    n = np.arange(4000, dtype=np.int64)
    saw = ((n * 104_858) & 0xFFFFFF) - (1 << 23)
    triangle = (np.abs(saw) * 2 - (1 << 23)) >> 1
    rows = [np.roll(triangle, 53 * phase) for phase in range(3)]
    block = np.array([*rows, *(row >> 4 for row in rows)], np.int32)
    m = meter(CONVERTER, Calibration(phase_rad=(0.01, 0.0, -0.01)), "fixed", "energy")
    m.push(np.ascontiguousarray(block))
    m.finish()
    registers = m.registers()
    assert [x.quanta for x in (*registers.imported, registers.total)] == GOLDEN
    assert registers.total.wh == GOLDEN_WH


GOLDEN = [466138909, 466175792, 466145335, 1398460038]
GOLDEN_WH = 0


@pytest.mark.parametrize(
    ("method", "truth"),
    [
        (ReactiveMethod.FUNDAMENTAL, Wave.q1),
        (ReactiveMethod.DELAY90, Wave.delay90),
        (ReactiveMethod.BUDEANU, Wave.budeanu),
    ],
)
def test_each_definition_of_reactive_power_reads_as_defined(method: ReactiveMethod, truth: object) -> None:
    wave = Wave(49.6, lag_rad=(0.8, -0.5, 0.1), harmonics=MANY[:3])
    m = meter(reactive=method)
    m.push(wave.samples(2.0))
    seen = m.quantities().q
    assert seen is not None
    for phase in range(3):
        assert seen[phase] == pytest.approx(truth(wave, phase), abs=0.05)  # type: ignore[operator]


@pytest.mark.parametrize("arithmetic", ["float64", "fixed"])
def test_fryze_is_what_active_power_leaves_of_apparent_power(arithmetic: Arithmetic) -> None:
    wave = Wave(50.0, lag_rad=(0.8,) * 3, harmonics=FIFTH)
    m = meter(CONVERTER, arithmetic=arithmetic, reactive=ReactiveMethod.FRYZE)
    m.push(codes(wave.samples(1.2)))
    truth = math.sqrt((wave.urms(0) * wave.irms(0)) ** 2 - wave.p(0) ** 2)
    assert m.quantities().q == pytest.approx((truth,) * 3, rel=1e-5)


@pytest.mark.parametrize(("lag", "quadrant"), [(0.5, 0), (math.pi - 0.5, 1), (math.pi + 0.5, 2), (-0.5, 3)])
@pytest.mark.parametrize("arithmetic", ["float64", "fixed"])
def test_reactive_energy_goes_to_its_quadrant(arithmetic: Arithmetic, lag: float, quadrant: int) -> None:
    m = meter(CONVERTER, arithmetic=arithmetic)
    m.push(codes(Wave(i=(50.0,) * 3, lag_rad=(lag,) * 3).samples(2.0)))
    for phase in m.registers().reactive:
        seen = [register.wh + register.quanta / QUANTA_PER_WH for register in phase]
        truth = 230 * 50 * 2.0 / 3600 * math.sin(0.5)
        assert seen[quadrant] == pytest.approx(truth, rel=0.02)
        assert sum(seen) == seen[quadrant]


@pytest.mark.parametrize("arithmetic", ["float64", "fixed"])
@pytest.mark.parametrize("phase_deg", [-4.0, -1.0, -0.2, 0.0, 0.034, 1.0, 4.0])
def test_a_front_end_that_delays_its_currents_is_put_right_at_every_order(
    arithmetic: Arithmetic, phase_deg: float
) -> None:
    phase = math.radians(phase_deg)
    late = Wave(50.0, lag_rad=(1.0 + phase,) * 3, harmonics=(Harmonic(5, 0.05, 0.2, 0.6 + 5 * phase),))
    true = Wave(50.0, lag_rad=(1.0,) * 3, harmonics=(Harmonic(5, 0.05, 0.2, 0.6),))
    m = meter(CONVERTER, Calibration(phase_rad=(phase,) * 3), arithmetic)
    m.push(codes(late.samples(1.3)))
    seen = m.quantities()
    assert seen.p == pytest.approx([true.p(k) for k in range(3)], rel=2e-5)
    assert seen.q == pytest.approx([true.q1(k) for k in range(3)], rel=2e-5)
    assert seen.urms == pytest.approx([true.urms(k) for k in range(3)], rel=1e-6)


@pytest.mark.parametrize("arithmetic", ["float64", "fixed"])
def test_direct_components_are_known_after_the_first_cycles(arithmetic: Arithmetic) -> None:
    dc = (3.0, -4.0, 5.0, 0.4, -0.5, 0.6, 0.0)
    m = meter(CONVERTER, arithmetic=arithmetic)
    result = m.push(codes(Wave(49.9, i=(1.0,) * 3, dc=dc).samples(0.5)))
    assert settled(result)["p"] == pytest.approx(230.0, rel=2e-5)
    assert settled(result)["irms"] == pytest.approx(1.0, rel=2e-5)
    assert m.quantities().dc[:6] == pytest.approx(dc[:6], abs=2e-3)
    summed_wh = 3 * 230.0 * 0.5 / 3600
    m.finish()
    assert metered_wh(m) == pytest.approx(summed_wh, rel=0.02)


def test_a_half_wave_rectified_current_carries_half_the_power() -> None:
    block = Wave(50.0, i=(70.0,) * 3).samples(3.0)
    block[3:] = np.maximum(block[3:], 0.0)
    m = meter()
    m.push(block)
    assert m.quantities().p == pytest.approx((230 * 70 / 2,) * 3, rel=1e-5)


def test_offsets_and_gains_of_the_calibration_are_applied() -> None:
    calibration = Calibration(
        u_gain=(1.01, 1.0, 1.0),
        i_gain=(1.0, 0.98, 1.0),
        p_offset_w=(0.0, 0.0, 2.0),
        i_offset_a2=(0.0, 0.0, 9.0),
        i_temperature=((1e-4, 0.0), (0.0, 2e-6), (0.0, 0.0)),
    )
    block = codes(Wave(50.0).samples(1.2))
    for arithmetic in ("float64", "fixed"):
        m = meter(CONVERTER, calibration, arithmetic)
        m.temperature_c = 33.0
        m.push(block)
        seen = m.quantities()
        warm = 1 + 1e-4 * 10, 1 + 2e-6 * 100
        assert seen.p == pytest.approx((1150 * 1.01 * warm[0], 1150 * 0.98 * warm[1], 1148.0), rel=1e-6)
        assert seen.irms[2] == pytest.approx(4.0, rel=1e-5)


def test_a_fast_crystal_is_allowed_for() -> None:
    m = meter(calibration=Calibration(crystal_ppm=100.0))
    m.push(Wave(50.0).samples(1.2, FS_HZ * 1.0001))
    assert m.quantities().frequency_hz == pytest.approx(50.0, abs=1e-5)


@pytest.mark.parametrize("arithmetic", ["float64", "fixed"])
def test_pulses_come_at_their_constant_and_at_fractions_of_a_sample(arithmetic: Arithmetic) -> None:
    wave = Wave(50.0, i=(100.0,) * 3)
    m = meter(CONVERTER, arithmetic=arithmetic, outputs="energy")
    result = m.push(codes(wave.samples(3.0)))
    times = result.pulse_times_s
    # Three balanced phases carry constant power: pulse k falls due at k / 19.17 Hz. What came before the
    # first zero is added with the fourth cycle.
    truth = np.arange(1, len(times) + 1) * 3600 / 69_000
    assert len(times) == result.increment.pulses == 57
    assert np.abs(times - truth)[1:].max() < 1e-4
    assert np.abs(np.diff(times[1:]) - 3600 / 69_000).max() < 1e-6
    assert result.pulse_positions == pytest.approx(times * FS_HZ)


def test_single_phase_pulses_are_even_to_a_tenth_of_a_percent() -> None:
    result = meter(outputs="energy").push(Wave(50.0, i=(100.0, 0.0, 0.0)).samples(10.0))
    gaps = np.diff(result.pulse_times_s)
    assert len(gaps) > 50
    assert np.abs(gaps / (3600 / 23_000) - 1).max() < 1e-3


@pytest.mark.parametrize("arithmetic", ["float64", "fixed"])
def test_a_meter_starts_at_the_starting_current_and_not_below_the_threshold(arithmetic: Arithmetic) -> None:
    runs, stands = (meter(CONVERTER, arithmetic=arithmetic, outputs="energy") for _ in range(2))
    runs.push(codes(Wave(i=(0.02,) * 3).samples(2.0), noise_lsb=1.0))
    stands.push(codes(Wave(i=(0.0085,) * 3).samples(2.0), noise_lsb=1.0))
    assert metered_wh(runs) == pytest.approx(3 * 230 * 0.02 * 2 / 3600, rel=0.02)
    assert metered_wh(stands) == 0.0
    assert stands.registers().below_threshold.quanta > 0


def test_each_phase_starts_and_stops_with_hysteresis_of_its_own() -> None:
    m = meter(outputs="energy")
    expected = []
    for amperes, metering in ((0.008, 0), (0.0095, 1), (0.0080, 1), (0.0070, 0), (0.0085, 0)):
        rows = m.push(Wave(i=(amperes, 1.0, 0.0)).samples(0.2)).cycles
        expected.append((int(rows["flags"][-1]) >> 2 & 7, metering | 2))
    assert all(seen == wanted for seen, wanted in expected), expected


@pytest.mark.parametrize("missing", [(0,), (1,), (2,), (0, 1), (1, 2), (0, 2)])
@pytest.mark.parametrize("sequence", [1, -1])
def test_missing_phases_are_named_and_the_others_still_meter(missing: tuple[int, ...], sequence: int) -> None:
    u = tuple(0.0 if phase in missing else 230.0 for phase in range(3))
    m = meter()
    m.push(Wave(49.5, u=u, sequence=sequence).samples(1.5))  # type: ignore[arg-type]
    seen = m.quantities()
    assert seen.missing_phases == tuple(phase + 1 for phase in missing)
    assert seen.frequency_hz == pytest.approx(49.5, abs=1e-4)
    assert seen.p == pytest.approx([x * 5.0 for x in u], rel=1e-5)
    if len(missing) == 1:
        assert seen.sequence is (Sequence.FORWARD if sequence > 0 else Sequence.REVERSED)
    else:
        assert seen.sequence is Sequence.UNDEFINED


def test_three_elements_on_one_voltage_find_their_cycles() -> None:
    block = Wave(50.2).samples(1.5)
    block[1], block[2], block[4], block[5] = block[0], block[0], block[3], block[3]
    m = meter()
    m.push(block)
    assert m.quantities().frequency_hz == pytest.approx(50.2, abs=1e-4)
    assert m.quantities().p == pytest.approx((1150.0,) * 3, rel=1e-6)


def test_without_a_voltage_currents_still_show_and_no_frequency_does() -> None:
    m = meter()
    m.push(Wave(u=(0.0,) * 3).samples(1.0))
    seen = m.quantities()
    assert seen.frequency_hz is None
    assert seen.cycles == 0
    assert seen.irms == pytest.approx((5.0,) * 3, rel=0.05)


def test_neutral_and_residual_current_show_a_bypass() -> None:
    block = Wave(i=(10.0, 5.0, 2.0)).samples(1.2, neutral=True)
    sound, bypassed = meter(), meter()
    sound.push(block)
    block[3] *= 0.5
    bypassed.push(np.ascontiguousarray(block))
    assert sound.quantities().residual_a == pytest.approx(0.0, abs=1e-6)
    assert bypassed.quantities().residual_a == pytest.approx(5.0, rel=1e-5)
    # sqrt(a^2 + b^2 + c^2 - ab - bc - ca)
    assert sound.quantities().neutral_a == pytest.approx(7.0, rel=1e-5)


def test_half_cycle_rms_shows_a_dip_within_one_cycle() -> None:
    full, low = Wave(50.0).samples(0.4), Wave(50.0, u=(100.0,) * 3).samples(0.4)
    block = np.concatenate([full[:, :1600], low[:, 1600:2400], full[:, 2400:]], axis=1)
    rows = meter().push(np.ascontiguousarray(block)).cycles
    halves = rows["u_half"].reshape(-1, 3)
    halves = halves[np.isfinite(halves).all(axis=1)]
    assert np.nanmin(halves) == pytest.approx(100.0, rel=3e-3)
    assert halves[-1] == pytest.approx([230.0] * 3, rel=3e-3)
    assert np.nanmax(halves) == pytest.approx(230.0, rel=0.02)


def test_clipped_samples_are_counted_per_channel() -> None:
    wave = Wave(50.0, i=(5.0, 250.0, 5.0))
    for arithmetic in ("float64", "fixed"):
        m = meter(CONVERTER, arithmetic=arithmetic)
        block = codes(wave.samples(0.5))
        m.push(block)
        truth = int((np.abs(block[4]) >= (1 << 23) - 1).sum())
        assert m.clipped == (0, 0, 0, 0, truth, 0, 0)
        assert truth > 1000


@pytest.mark.parametrize(
    "block",
    [
        np.zeros(6),
        np.zeros((5, 10)),
        np.zeros((6, 10), np.float32),
        np.zeros((8, 10), np.int32),
        np.zeros((6, 10), np.int64),
    ],
)
def test_blocks_of_another_kind_are_refused(block: NDArray[np.generic]) -> None:
    with pytest.raises(InvalidInput):
        meter().push(block)


def test_a_stream_keeps_its_kind_and_order_of_memory_does_not_matter() -> None:
    block = Wave().samples(0.3)
    m, other = meter(), meter()
    m.push(block)
    other.push(np.asfortranarray(block))
    assert m.registers() == other.registers()
    with pytest.raises(InvalidInput, match="continue the stream"):
        m.push(np.zeros((7, 10)))
    m.finish()
    with pytest.raises(InvalidInput):
        m.push(block)


@pytest.mark.parametrize("poison", [math.nan, math.inf, 1e200, 1e12])
def test_samples_that_are_no_mains_are_refused(poison: float) -> None:
    block = Wave().samples(0.2)
    block[0, 700] = block[3, 700] = poison
    with pytest.raises(InvalidInput, match="mains"):
        meter().push(block)


def test_quantities_before_the_first_cycle_and_foreign_settings_are_refused() -> None:
    with pytest.raises(InvalidInput, match="no cycle"):
        meter().quantities()
    for wrong in (
        {"fs_hz": 1000.0},
        {"nominal_hz": 400.0},
        {"nominal_v": 0.0},
        {"pulse_wh": 0},
        {"arithmetic": "float16"},
        {"outputs": "some"},
        {"arithmetic": "fixed"},
        {"arithmetic": "fixed", "scale": CONVERTER, "reactive": ReactiveMethod.BUDEANU},
        {"calibration": Calibration(phase_rad=(0.5, 0.0, 0.0)), "fs_hz": 32_000.0},
    ):
        with pytest.raises(InvalidInput):
            meter(**wrong)
    with pytest.raises(InvalidInput, match="takes int32"):
        meter(CONVERTER, arithmetic="fixed").push(np.zeros((6, 10)))
    with pytest.raises(InvalidInput, match="temperature"):
        meter().temperature_c = 1000.0


@pytest.mark.parametrize("fs_hz", [4000.0, 6400.0, 16_000.0])
def test_other_rates_measure_as_well(fs_hz: float) -> None:
    wave = Wave(51.0, lag_rad=(0.7,) * 3, harmonics=FIFTH)
    m = meter(fs_hz=fs_hz)
    m.push(wave.samples(2.0, fs_hz))
    assert m.quantities().p == pytest.approx([wave.p(k) for k in range(3)], rel=2e-5)


def test_importing_metrology_loads_neither_numpy_nor_numba() -> None:
    program = "import joy311.metrology, sys; print({'numpy', 'numba'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"


def test_a_meter_at_60_hz_with_scaled_floats_measures() -> None:
    wave = Wave(60.0, lag_rad=(0.2,) * 3)
    m = meter(Scale((2.0,) * 3, (0.5,) * 3, 0.5), nominal_hz=60.0)
    m.push(np.ascontiguousarray(wave.samples(1.2) / np.array([2, 2, 2, 0.5, 0.5, 0.5])[:, None]))
    assert m.quantities().p == pytest.approx([wave.p(k) for k in range(3)], rel=1e-6)


def test_the_meter_reads_the_words_that_the_kernels_write() -> None:
    from joy311.metrology import fixed_kernel, waveform, waveform_kernel

    for name in ("_DC", "_CYCLES", "_CLIPS", "_AHEAD_I", "_CORE", "_FIXED"):
        assert getattr(waveform, name) == getattr(waveform_kernel, name[1:])
    assert waveform._DC == fixed_kernel.DC
    assert slice(waveform_kernel.PULSED, waveform_kernel.GAINED + 7) == waveform._GAINED
    assert (WHOLE, SETTLED) == (waveform_kernel.WHOLE, waveform_kernel.SETTLED)
    for outputs, words in (("energy", waveform_kernel.ENERGY_WORDS), ("full", waveform_kernel.FULL_WORDS)):
        assert np.dtype(waveform.cycle_fields(outputs)).itemsize == 8 * words  # type: ignore[arg-type]
