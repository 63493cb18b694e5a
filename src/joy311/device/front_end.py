"""From true volts and amperes to the codes that the metrology sees.

On its way a sample meets the current sensor, crosstalk, gain, a small delay, offset, noise, and the
converter with its two ends. Every number of a front end comes from a seed, and a stream may be cut into
blocks anywhere: the codes are the same.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joy311.device import front_end_kernel
from joy311.device.current_sensor import CurrentSensor, CurrentTransformer, Shunt, sensor_row
from joy311.device.surroundings import REFERENCE, Surroundings
from joy311.device.thermal import REFERENCE_TEMPERATURE_C, Case, Crystal, approached
from joy311.errors import InvalidInput
from joy311.metrology.channels import Scale

LEAST_BITS, MOST_BITS = 8, 24
LEAST_RATE_HZ, MOST_RATE_HZ = 1000.0, 64000.0

Three = tuple[float, float, float]
Four = tuple[float, float, float, float]
Seven = tuple[float, float, float, float, float, float, float]
_LOSSLESS = Shunt()
_CASE = Case()
_CRYSTAL = Crystal()
_NO_MIX = ((0.0,) * 7,) * 7


@dataclass(frozen=True, slots=True)
class FrontEndParameters:
    """One front end, as it left the line: `nominal` draws a production meter, `ideal` has no faults.

    Per channel means u1 u2 u3 i1 i2 i3 in; change a number with `dataclasses.replace` to plant a fault.

    Parameters
    ----------
    bits : int
        Bits of the converter, sign included.
    full_scale_v, full_scale_a : float
        Peak voltage and current of the largest code at nominal gain [V], [A].
    gain : tuple of float
        Per channel, 1 is nominal.
    offset : tuple of float
        Per channel, what the converter adds [V], [A].
    delay_s : tuple of float
        Per channel, delay of filter and converter [s], >= 0.
    noise : tuple of float
        Per channel, RMS [V], [A].
    gain_ppm_per_k, gain_ppm_per_k2 : tuple of float
        Per channel, temperature coefficients of divider or burden [ppm/K], [ppm/K^2].
    reference_ppm_per_k : float
        Temperature coefficient of the converter's reference, the same for all channels [ppm/K].
    sensors : tuple of CurrentTransformer or Shunt
        Of L1, L2, L3 and neutral.
    crosstalk : tuple of tuple of float
        Part of the column's channel that appears in the row's; [A/V] from a voltage in a current.
    field_pickup_a_per_mt : tuple of float
        RMS current that an alternating field induces in the four current channels [A/mT].
    burst_per_kv : tuple of float
        Per channel, height of what a spike of 1 kV leaves [V], [A].
    accessory_a_per_v : tuple of float
        What relay coil, interface unit and modem add to the four currents per volt of L1 [A/V].
    case : Case
        Losses, and how they warm the inside.
    crystal : Crystal
        What paces the converter.
    temperature_error_k : float
        Error of the temperature sensor on the chip [K].
    """

    bits: int = 24
    full_scale_v: float = 700.0
    full_scale_a: float = 250.0
    gain: Seven = (1.0,) * 7
    offset: Seven = (0.0,) * 7
    delay_s: Seven = (0.0,) * 7
    noise: Seven = (0.0,) * 7
    gain_ppm_per_k: Seven = (0.0,) * 7
    gain_ppm_per_k2: Seven = (0.0,) * 7
    reference_ppm_per_k: float = 0.0
    sensors: tuple[CurrentSensor, CurrentSensor, CurrentSensor, CurrentSensor] = (_LOSSLESS,) * 4
    crosstalk: tuple[Seven, Seven, Seven, Seven, Seven, Seven, Seven] = _NO_MIX
    field_pickup_a_per_mt: Four = (0.0,) * 4
    burst_per_kv: Seven = (0.0,) * 7
    accessory_a_per_v: Four = (0.0,) * 4
    case: Case = _CASE
    crystal: Crystal = _CRYSTAL
    temperature_error_k: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what no converter is."""
        if not LEAST_BITS <= self.bits <= MOST_BITS:
            raise InvalidInput(f"a converter of {self.bits} bits; it must have {LEAST_BITS} to {MOST_BITS}")
        if not (self.full_scale_v > 0 and self.full_scale_a > 0):
            raise InvalidInput(
                f"full scales {self.full_scale_v} V and {self.full_scale_a} A must be above zero"
            )
        if min(self.delay_s) < 0 or min(self.noise) < 0:
            raise InvalidInput(f"delays {self.delay_s} and noise {self.noise} must be zero or more")

    @classmethod
    def ideal(cls, bits: int = 24, *, noise_lsb: float = 0.0) -> FrontEndParameters:
        """Return a front end without faults but those of its quantiser.

        Parameters
        ----------
        bits : int
            Bits of the converter.
        noise_lsb : float
            RMS noise of every channel, in codes.
        """
        plain = cls(bits=bits)
        volts, amperes = noise_lsb * plain.volts_per_code, noise_lsb * plain.amperes_per_code
        return cls(bits=bits, noise=(volts,) * 3 + (amperes,) * 4)

    @classmethod
    def nominal(cls, seed: object, *, shunts: bool = False) -> FrontEndParameters:
        """Return a production meter: the design's values with the scatter of its parts.

        Parameters
        ----------
        seed : object
            Names the meter; the same seed gives the same meter.
        shunts : bool
            Shunts instead of DC-tolerant current transformers.
        """
        draw = random.Random(f"{seed}/front-end")

        def normal(count: int, middle: float, sigma: float) -> list[float]:
            return [middle + sigma * max(-3.0, min(3.0, draw.gauss(0.0, 1.0))) for _ in range(count)]

        def seven(volts: tuple[float, float], amperes: tuple[float, float]) -> Seven:
            u1, u2, u3 = normal(3, *volts)
            i1, i2, i3, i_n = normal(4, *amperes)
            return (u1, u2, u3, i1, i2, i3, i_n)

        def four(middle: float, sigma: float) -> Four:
            a, b, c, d = normal(4, middle, sigma)
            return (a, b, c, d)

        mix = [[0.0] * 7 for _ in range(7)]
        for row in range(7):
            for column in range(7):
                if row != column:
                    into_volts, from_volts = row < 3, column < 3
                    sigma = {
                        (True, True): 5e-5,
                        (True, False): 2e-5,
                        (False, True): 1e-6,
                        (False, False): 2e-4,
                    }[into_volts, from_volts]
                    mix[row][column] = normal(1, 0.0, sigma)[0]
        return cls(
            gain=seven((1.0, 4e-3), (1.0, 4e-3)),
            offset=seven((0.0, 0.05), (0.0, 0.02)),
            delay_s=seven((10e-6, 0.5e-6), (10e-6, 0.5e-6)),
            noise=seven((0.012, 0.001), (0.003, 0.0002)),
            gain_ppm_per_k=seven((0.0, 10.0), (0.0, 15.0)),
            gain_ppm_per_k2=seven((0.0, 0.05), (0.0, 0.05)),
            reference_ppm_per_k=normal(1, 0.0, 8.0)[0],
            sensors=(
                _nominal_sensor(draw, shunts),
                _nominal_sensor(draw, shunts),
                _nominal_sensor(draw, shunts),
                _nominal_sensor(draw, shunts),
            ),
            crosstalk=tuple(tuple(row) for row in mix),  # type: ignore[arg-type]
            field_pickup_a_per_mt=four(0.0, 0.02),
            burst_per_kv=seven((2.0, 0.2), (0.05, 0.005)),
            accessory_a_per_v=four(0.0, 5e-7),
            crystal=Crystal(normal(1, 0.0, 8.0)[0], 25.0, -0.034),
            temperature_error_k=normal(1, 0.0, 0.5)[0],
        )

    @property
    def volts_per_code(self) -> float:
        """Volts of one code at nominal gain [V]."""
        return self.full_scale_v / self.top_code

    @property
    def amperes_per_code(self) -> float:
        """Amperes of one code at nominal gain [A]."""
        return self.full_scale_a / self.top_code

    @property
    def top_code(self) -> int:
        """Largest code; the smallest is its negative."""
        return (1 << (self.bits - 1)) - 1

    def voltage_burden(self, volts: float) -> tuple[float, float]:
        """Return what one phase's voltage circuit takes at `volts` RMS: active [W], apparent [VA]."""
        rise = (volts / 230.0) ** 2
        return self.case.supply_w, max(self.case.supply_w, self.case.supply_va * rise)

    def current_burden(self, amperes: float) -> float:
        """Return what one phase's current circuit takes at `amperes` RMS [VA]."""
        return self.case.path_ohm * amperes**2


class FrontEnd:
    """A front end at work: it has a temperature, flux in its cores, and a stream behind it.

    Parameters
    ----------
    parameters : FrontEndParameters
        The front end.
    seed : object
        Names the run: noise and spikes come from it.
    """

    __slots__ = (
        "_before",
        "_case",
        "_clipped",
        "_count",
        "_delayed",
        "_drive",
        "_flux",
        "_gain",
        "_keys",
        "_live_gain",
        "_live_rate",
        "_lsb",
        "_mix",
        "_noise",
        "_offset",
        "_pairs",
        "_ppm",
        "_rises",
        "_sensors",
        "_squares",
        "_surroundings",
        "parameters",
        "seed",
    )

    def __init__(self, parameters: FrontEndParameters, seed: object) -> None:
        self.parameters = parameters
        self.seed = seed
        self._gain = np.array(parameters.gain)
        self._offset = np.array(parameters.offset)
        self._noise = np.array(parameters.noise)
        self._lsb = np.array((parameters.volts_per_code,) * 3 + (parameters.amperes_per_code,) * 4)
        self._ppm = np.array(
            [
                [1e-6 * (own + parameters.reference_ppm_per_k) for own in parameters.gain_ppm_per_k],
                [1e-6 * own for own in parameters.gain_ppm_per_k2],
            ]
        )
        self._mix = np.array(parameters.crosstalk)
        np.fill_diagonal(self._mix, 0.0)
        self._pairs = np.argwhere(self._mix != 0.0)
        self._sensors = np.array([sensor_row(sensor) for sensor in parameters.sensors])
        case = parameters.case
        self._case = np.array(
            [case.kelvin_per_watt, 1.0 / case.time_constant_s, case.supply_w, case.path_ohm]
        )
        chance = random.Random(f"{seed}/front-end/noise")
        self._keys = np.array([chance.getrandbits(64) for _ in range(8)], dtype=np.uint64)
        self._rises = np.zeros(5)
        self._clear_stream()
        self._surroundings = REFERENCE

    def _clear_stream(self) -> None:
        self._count = 0
        self._flux = np.zeros(4)
        self._drive = np.zeros(4)
        self._delayed = np.zeros(7)
        self._before = np.zeros(7)
        self._squares = np.zeros(7)
        self._live_gain = np.zeros(7)
        self._live_rate = np.zeros(4)
        self._clipped = np.zeros(7, dtype=np.int64)

    @property
    def scale(self) -> Scale:
        """What the designer wrote down for a code, before any calibration."""
        volts, amperes = self.parameters.volts_per_code, self.parameters.amperes_per_code
        return Scale((volts,) * 3, (amperes,) * 3, amperes, self.parameters.top_code)

    @property
    def samples(self) -> int:
        """Samples converted since the stream began."""
        return self._count

    @property
    def clipped_samples(self) -> tuple[int, ...]:
        """Samples per channel that met an end of the converter since the stream began."""
        return tuple(int(count) for count in self._clipped)

    @property
    def inside_temperature_c(self) -> float:
        """Temperature of the air inside the case [degrees Celsius]."""
        return self._surroundings.temperature_c + float(self._rises[0])

    @property
    def sensed_temperature_c(self) -> float:
        """What the sensor on the chip says, by which a meter compensates [degrees Celsius]."""
        return self.inside_temperature_c + self.parameters.temperature_error_k

    def sampling_hz(self, fs_hz: float) -> float:
        """Return the rate at which this crystal samples where the meter believes in `fs_hz` [Hz].

        Give the source this rate and `convert` the same block: that is how a crystal's error reaches energy.
        """
        return fs_hz * (1.0 + 1e-6 * self.parameters.crystal.ppm_at(self.inside_temperature_c))

    def convert(
        self, block: NDArray[np.float64], fs_hz: float, surroundings: Surroundings = REFERENCE
    ) -> NDArray[np.int32]:
        """Return the codes of the next samples of the stream.

        Parameters
        ----------
        block : float64 array, shape (6 or 7, n)
            True voltages and currents, rows as in `joy311.metrology.channels` [V], [A].
        fs_hz : float
            Sampling rate [Hz].
        surroundings : Surroundings
            What else acts on the meter during the block.

        Returns
        -------
        int32 array, shape (6 or 7, n)
            Codes; `scale` says what they mean nominally.

        Raises
        ------
        InvalidInput
            If the block's shape or the rate is not usable, or a sample is not finite.
        """
        if block.ndim != 2 or block.shape[0] not in (6, 7):
            raise InvalidInput(f"a block of shape {block.shape} must have 6 or 7 rows of samples")
        if not LEAST_RATE_HZ <= fs_hz <= MOST_RATE_HZ:
            raise InvalidInput(
                f"a sampling rate of {fs_hz} Hz must lie within {LEAST_RATE_HZ:g} to {MOST_RATE_HZ:g} Hz"
            )
        block = np.ascontiguousarray(block, dtype=np.float64)
        if not np.isfinite(np.sum(block)) and not np.isfinite(block).all():
            raise InvalidInput("a block holds a sample that is not a finite number")
        parameters = self.parameters
        codes = np.empty(block.shape, dtype=np.int32)
        self._surroundings = surroundings
        ambient_k = surroundings.temperature_c - REFERENCE_TEMPERATURE_C
        front_end_kernel.refresh(
            ambient_k, self._gain, self._ppm, self._sensors, self._rises, self._live_gain, self._live_rate
        )
        delay = np.array(parameters.delay_s) * fs_hz
        burst = surroundings.burst
        front_end_kernel.convert(
            block,
            codes,
            self._count,
            1.0 / fs_hz,
            self._mix,
            self._pairs,
            self._gain,
            self._ppm,
            self._offset,
            self._noise,
            self._lsb,
            parameters.top_code,
            (1.0 - delay) / (1.0 + delay),
            self._sensors,
            self._case,
            self._keys,
            ambient_k,
            surroundings.magnet_at,
            surroundings.field_mt * np.array(parameters.field_pickup_a_per_mt),
            surroundings.field_hz / fs_hz,
            surroundings.field_phase_rad,
            (0, 0)
            if burst is None
            else (max(1, round(burst.period_s * fs_hz)), round(burst.length_s * fs_hz)),
            np.array(parameters.burst_per_kv) * (0.0 if burst is None else burst.kilovolts),
            np.array(parameters.accessory_a_per_v) * float(surroundings.accessories),
            self._flux,
            self._drive,
            self._delayed,
            self._before,
            self._rises,
            self._squares,
            self._live_gain,
            self._live_rate,
            self._clipped,
        )
        self._count += block.shape[1]
        return codes

    def soak(
        self,
        duration_s: float,
        volts: Three = (0.0, 0.0, 0.0),
        amperes: Four = (0.0, 0.0, 0.0, 0.0),
        surroundings: Surroundings = REFERENCE,
    ) -> None:
        """Let time pass without samples: only temperatures move on.

        Parameters
        ----------
        duration_s : float
            How long [s]; ``math.inf`` until nothing changes.
        volts, amperes : tuple of float
            RMS values on the meter during that time, the neutral's current last [V], [A].
        surroundings : Surroundings
            What else acts on the meter.
        """
        self._surroundings = surroundings
        case = self.parameters.case
        watts = sum(case.supply_w for u in volts if u > 50.0) + case.path_ohm * sum(i * i for i in amperes)
        self._rises[0] = approached(
            float(self._rises[0]), case.kelvin_per_watt * watts, duration_s, case.time_constant_s
        )
        for number, (sensor, current) in enumerate(zip(self.parameters.sensors, amperes, strict=True), 1):
            self._rises[number] = approached(
                float(self._rises[number]),
                sensor.kelvin_per_a2 * current**2,
                duration_s,
                sensor.thermal_time_constant_s,
            )

    def restart(self, *, cold: bool = False) -> None:
        """Begin a new stream at sample zero, with empty filters and cores and the noise from its start.

        Parameters
        ----------
        cold : bool
            Whether the inside is as cold as the air, too; else it keeps its warmth.
        """
        self._clear_stream()
        if cold:
            self._rises[:] = 0.0


def _nominal_sensor(draw: random.Random, shunts: bool) -> CurrentSensor:
    def normal(middle: float, sigma: float) -> float:
        return middle + sigma * max(-3.0, min(3.0, draw.gauss(0.0, 1.0)))

    if shunts:
        return Shunt(
            ppm_per_k=normal(30.0, 15.0),
            ppm_per_k2=normal(-0.1, 0.03),
            kelvin_per_a2=normal(6e-4, 5e-5),
        )
    return CurrentTransformer(
        # 2.2 degrees of lead at 50 Hz: a core of low permeability, which tolerates a direct current.
        time_constant_s=normal(0.0828, 0.003),
        saturation_a=normal(80.0, 3.0),
        softness=normal(0.02, 0.004),
        knee_a=0.2,
        winding_share=0.6,
        magnet_bias_a_per_at=normal(0.02, 0.004),
        kelvin_per_a2=normal(3e-4, 3e-5),
    )
