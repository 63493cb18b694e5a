"""Planted faults: what is broken in a JOY311, and which clauses of the type test must find it.

The table is for the reference variant, 230 V, 5(100) A, 50 Hz, class 1. A fault must fail exactly its
clauses: a bench that passes it is blind, and one that fails others cannot be believed either.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from joy311.bench.devices import Joy311Meter, MeterUnderTest
from joy311.bench.devices.planted import (
    CreepingOutput,
    DroppedRemainder,
    JitteryOutput,
    JumpingRegister,
    LateOutput,
    MisledMeter,
    Sees,
    SlowDisplay,
)
from joy311.bench.ratings import Ratings
from joy311.bench.source import SILENCE, Programme, Signal, Stretch, Wave, sine
from joy311.device.current_sensor import CurrentTransformer
from joy311.errors import InvalidInput
from joy311.metrology.sum_mode import SumMode
from joy311.metrology.thresholds import Thresholds

Plant = Callable[[Joy311Meter, object], MeterUnderTest]
"""Spoils a meter; the second argument is its seed, for faults older than its calibration."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One planted fault.

    Parameters
    ----------
    key, title : str
        Its name, and what is broken.
    fails : frozenset of str
        The clauses that must find it, and no others.
    plant : callable
        Breaks it.
    """

    key: str
    title: str
    fails: frozenset[str]
    plant: Plant


def plant_fault(key: str, meter: Joy311Meter, seed: object) -> MeterUnderTest:
    """Return a meter with the fault called `key`.

    Raises
    ------
    InvalidInput
        If there is no such fault.
    """
    fault = FAULTS.get(key)
    if fault is None:
        raise InvalidInput(f"{key!r} is no planted fault; there are {', '.join(FAULTS)}", field="fault")
    return fault.plant(meter, seed)


def _rebuilt(change: Callable[[Joy311Meter], dict[str, Any]]) -> Plant:
    """Change the front end before the factory calibrates it."""

    def plant(meter: Joy311Meter, seed: object) -> MeterUnderTest:
        return Joy311Meter.off_the_line(meter.ratings, seed, replace(meter.parameters, **change(meter)))

    return plant


def _drifted(change: Callable[[Joy311Meter], dict[str, Any]]) -> Plant:
    """Change the front end after the factory calibrated it."""
    return lambda meter, _: replace(meter, parameters=replace(meter.parameters, **change(meter)))


def _changed(change: Callable[[Joy311Meter], dict[str, Any]]) -> Plant:
    """Change what the meter is set to."""
    return lambda meter, _: replace(meter, **change(meter))


def _misled(sees: Callable[[Ratings], Sees]) -> Plant:
    return lambda meter, _: MisledMeter(meter, sees(meter.ratings))


def _each(change: Callable[[Signal], Signal]) -> Callable[[Ratings], Sees]:
    """See every stretch changed in the same way."""
    return lambda _: lambda programme: _mapped(programme, change)


def _mapped(programme: Programme, change: Callable[[Signal], Signal]) -> Programme:
    return tuple(Stretch(change(stretch.signal), stretch.seconds) for stretch in programme)


def _scaled(signal: Signal, volts: float = 1.0, amperes: float = 1.0) -> Signal:
    u, i = signal.volts, signal.amperes
    return replace(
        signal,
        volts=(u[0].times(volts), u[1].times(volts), u[2].times(volts)),
        amperes=(i[0].times(amperes), i[1].times(amperes), i[2].times(amperes)),
    )


def _all_gains(factor: float) -> Callable[[Joy311Meter], dict[str, Any]]:
    def gains(meter: Joy311Meter) -> dict[str, Any]:
        gain = meter.parameters.gain
        return {"gain": (*(factor * each for each in gain[:3]), *gain[3:])}

    return gains


def _weak_second_phase(meter: Joy311Meter) -> dict[str, Any]:
    gain = list(meter.parameters.gain)
    gain[4] *= 0.975
    return {"gain": tuple(gain)}


def _sensors(**numbers: float) -> Callable[[Joy311Meter], dict[str, Any]]:
    def sensors(meter: Joy311Meter) -> dict[str, Any]:
        return {
            "sensors": tuple(
                replace(sensor, **numbers) if isinstance(sensor, CurrentTransformer) else sensor
                for sensor in meter.parameters.sensors
            )
        }

    return sensors


def _swapped_voltages(signal: Signal) -> Signal:
    u1, u2, u3 = signal.volts
    return replace(signal, volts=(u1, u3, u2))


def _reversed_second(signal: Signal) -> Signal:
    i1, i2, i3 = signal.amperes
    return replace(signal, amperes=(i1, i2.times(-1.0), i3))


def _fundamental_volts(signal: Signal) -> Signal:
    a, b, c = (
        Wave(tuple(tone for tone in wave.tones if tone.order == 1), wave.dc, wave.gate)
        for wave in signal.volts
    )
    return replace(signal, volts=(a, b, c))


def _rms_times_cosine(signal: Signal) -> Signal:
    def plain(wave: Wave) -> Wave:
        if not wave.tones:
            return wave
        return sine(wave.rms, wave.tones[0].angle_rad)

    u, i = signal.volts, signal.amperes
    return replace(
        signal,
        volts=(plain(u[0]), plain(u[1]), plain(u[2])),
        amperes=(plain(i[0]), plain(i[1]), plain(i[2])),
    )


def _two_cycles_of_four(signal: Signal) -> Signal:
    a, b, c = (replace(wave, gate=None) for wave in signal.amperes)
    return replace(signal, amperes=(a, b, c))


def _fixed_sequence(signal: Signal) -> Signal:
    second = signal.volts[1].tones
    reversed_now = bool(second) and math.sin(second[0].angle_rad) > 0.5
    return _swapped_voltages(signal) if reversed_now else signal


def _supplied_by_first(signal: Signal) -> Signal:
    return signal if signal.volts[0].tones else replace(signal, volts=(SILENCE,) * 3)


def _frequency_dependent(ratings: Ratings) -> Sees:
    def change(signal: Signal) -> Signal:
        return _scaled(signal, amperes=1.0 + 0.5 * (signal.frequency_hz / ratings.frequency_hz - 1.0))

    return lambda programme: _mapped(programme, change)


def _voltage_dependent(gain: Callable[[float], float]) -> Callable[[Ratings], Sees]:
    """See currents scaled by a function of the voltage's part of nominal."""

    def sees(ratings: Ratings) -> Sees:
        def change(signal: Signal) -> Signal:
            part = max(wave.rms for wave in signal.volts) / ratings.un_v
            return _scaled(signal, amperes=gain(part))

        return lambda programme: _mapped(programme, change)

    return sees


def _magnetised(ratings: Ratings) -> Sees:
    def sees(programme: Programme) -> Programme:
        stretches = []
        hurt = False
        for stretch in programme:
            stretches.append(Stretch(_scaled(stretch.signal, amperes=0.97 if hurt else 1.0), stretch.seconds))
            hurt = hurt or max(wave.rms for wave in stretch.signal.amperes) > 10.0 * ratings.imax_a
        return tuple(stretches)

    return sees


def _later_phase(meter: Joy311Meter) -> dict[str, Any]:
    a, b, c = (angle + 0.0075 for angle in meter.calibration.phase_rad)
    return {"calibration": replace(meter.calibration, phase_rad=(a, b, c))}


def _high_thresholds(meter: Joy311Meter) -> dict[str, Any]:
    own = meter.thresholds
    return {"thresholds": Thresholds(4.0 * own.current_a, 4.0 * own.power_w)}


def _thick_path(meter: Joy311Meter) -> dict[str, Any]:
    case = meter.parameters.case
    # As warm as before, so that only the burden is wrong.
    return {"case": replace(case, path_ohm=0.05, kelvin_per_watt=case.kelvin_per_watt * case.path_ohm / 0.05)}


_TABLE: tuple[tuple[str, str, str, Plant], ...] = (
    ("phase-error", "voltage delayed by 0.43 degrees", "balanced operating-range", _changed(_later_phase)),
    (
        "gain-drift",
        "voltage dividers drifted by 1.4 % after calibration",
        "balanced operating-range",
        _drifted(_all_gains(1.014)),
    ),
    (
        "weak-phase",
        "current of L2 reads 2.5 % low",
        "single-phase balance-difference",
        _drifted(_weak_second_phase),
    ),
    (
        "swapped-phases",
        "voltages of L2 and L3 swapped",
        # A phase-fired current lags, so that a wrong voltage weighs it differently than a sine.
        "balanced single-phase balance-difference operating-range voltage-unbalance odd-harmonics starting",
        _misled(_each(_swapped_voltages)),
    ),
    (
        "reversed-current",
        "current of L2 reversed, and the sum arithmetic",
        # Bursts switch the phases at different zero crossings: a cycle of L2 alone nets to nothing.
        "balanced single-phase balance-difference operating-range voltage-unbalance sub-harmonics starting",
        lambda meter, _: MisledMeter(
            replace(meter, sum_mode=SumMode.ARITHMETIC),
            lambda programme: _mapped(programme, _reversed_second),
        ),
    ),
    (
        "dropped-remainder",
        "each cycle's energy cut to whole 2**-15 Wh",
        "balanced single-phase operating-range voltage frequency starting",
        _changed(lambda _: {"output": lambda _: DroppedRemainder(2.0**-15)}),
    ),
    ("high-threshold", "starts at four times its threshold", "starting", _changed(_high_thresholds)),
    (
        "creeping",
        "a pulse every 200 s without load",
        "no-load",
        _changed(lambda _: {"output": lambda _: CreepingOutput(200.0)}),
    ),
    (
        "saturating-transformer",
        "current transformers of a core that no direct current may enter",
        "dc-even-harmonics",
        _rebuilt(_sensors(time_constant_s=2.0, saturation_a=1.0, magnet_bias_a_per_at=0.0)),
    ),
    (
        "unshielded-core",
        "a magnet reaches the current transformers",
        "dc-magnet",
        _drifted(_sensors(magnet_bias_a_per_at=0.15)),
    ),
    (
        "field-pickup",
        "a loop of wire at L1 picks up the alternating field",
        "ac-magnet",
        _drifted(lambda _: {"field_pickup_a_per_mt": (1.0, 0.0, 0.0, 0.0)}),
    ),
    (
        "warm-reference",
        "reference of 400 ppm/K that the calibration knows nothing of",
        "temperature self-heating",
        _drifted(lambda _: {"reference_ppm_per_k": 400.0}),
    ),
    (
        "hot-winding",
        "windings that warm up by 100 K at maximum current",
        "self-heating",
        _rebuilt(_sensors(kelvin_per_a2=1e-2)),
    ),
    ("resonance", "gain rises with frequency", "frequency", _misled(_frequency_dependent)),
    (
        "voltage-coefficient",
        "gain rises by 0.9 % for 10 % of voltage",
        "voltage operating-range",
        _misled(_voltage_dependent(lambda part: 1.0 + 0.09 * (part - 1.0))),
    ),
    (
        "brown-out",
        "reads 20 % high once its supply sags below 80 %",
        "voltage-low operating-range",
        _misled(_voltage_dependent(lambda part: 1.2 if part < 0.79 else 1.0)),
    ),
    (
        "narrow-range",
        "reads 3.2 % high beyond 12 % of the nominal voltage",
        "voltage-extended operating-range",
        _misled(_voltage_dependent(lambda part: 1.032 if 0.12 < abs(part - 1.0) < 0.4 else 1.0)),
    ),
    (
        "fixed-sequence",
        "pairs voltages and currents by an assumed sequence",
        "phase-sequence",
        _misled(_each(_fixed_sequence)),
    ),
    (
        "single-supply",
        "fed by L1 alone",
        "voltage-unbalance",
        _misled(_each(_supplied_by_first)),
    ),
    (
        "fundamental-only",
        "voltage behind a filter that only the fundamental passes",
        "fifth-harmonic",
        _misled(_each(_fundamental_volts)),
    ),
    (
        "rms-times-cosine",
        "multiplies RMS values and the cosine of the fundamentals",
        "fifth-harmonic dc-even-harmonics odd-harmonics sub-harmonics",
        _misled(_each(_rms_times_cosine)),
    ),
    (
        "dozing",
        "looks at two cycles of every four",
        "sub-harmonics",
        _misled(_each(_two_cycles_of_four)),
    ),
    (
        "spike-sensitive",
        "spikes on the mains drive the converters to their ends",
        "fast-transients",
        _drifted(lambda _: {"burst_per_kv": (1e4,) * 3 + (100.0,) * 4}),
    ),
    (
        "coupled-relay",
        "the relay's coil induces a current in L1",
        "accessories",
        _drifted(lambda _: {"accessory_a_per_v": (3e-5, 0.0, 0.0, 0.0)}),
    ),
    (
        "remanence",
        "reads 3 % low after an overcurrent",
        "overcurrent",
        _misled(_magnetised),
    ),
    (
        "hungry-supply",
        "voltage circuits that take 2.6 W",
        "voltage-circuits",
        _rebuilt(lambda meter: {"case": replace(meter.parameters.case, supply_w=2.6)}),
    ),
    ("poor-contact", "current path of 50 milliohm", "current-circuits", _rebuilt(_thick_path)),
    (
        "slow-boot",
        "no pulse for eight seconds after power-up",
        "start-up",
        _changed(lambda _: {"output": lambda _: LateOutput(8.0)}),
    ),
    (
        "slow-display",
        "the display loses 5 Wh of a kilowatt-hour",
        "constant",
        _changed(lambda _: {"output": lambda _: SlowDisplay(0.995)}),
    ),
    (
        "jitter",
        "pulses late by up to 12 ms",
        "repeatability",
        _changed(lambda _: {"output": lambda seed: JitteryOutput(0.012, seed)}),
    ),
    ("short-pulse", "pulses of 0.1 ms", "test-output", _changed(lambda _: {"pulse_s": 1e-4})),
    (
        "jumping-register",
        "100 Wh more after each interruption",
        "dips",
        _changed(lambda meter: {"output": lambda _: JumpingRegister(100, 0.2 * meter.ratings.un_v)}),
    ),
)

FAULTS: dict[str, Fault] = {
    key: Fault(key, title, frozenset(fails.split()), plant) for key, title, fails, plant in _TABLE
}
"""Every planted fault by its key."""
