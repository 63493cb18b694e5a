"""A meter described in a file: which kind, how its front end differs, and which fault is planted in it.

TOML. ``kind`` is ``"joy311"`` (default), ``"plain"`` or ``"class2"``; ``name`` and ``seed`` are optional.
``[front_end]`` overrides numbers of the front end before the factory calibrates, ``[drift]`` after it;
``calibration`` is ``"factory"`` (default), ``"nominal"``, or the file of a calibration record.
``[thresholds]`` and ``fault`` come last. ``[plain]`` overrides numbers of a plain meter.
"""

from __future__ import annotations

import tomllib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

from joy311.bench.devices import Burden, Joy311Meter, MeterUnderTest, PlainMeter
from joy311.bench.faults import FAULTS, plant_fault
from joy311.bench.ratings import Ratings
from joy311.device.calibration_bench import load_calibration
from joy311.device.current_sensor import CurrentTransformer, Shunt
from joy311.device.front_end import FrontEndParameters
from joy311.device.thermal import Case, Crystal
from joy311.errors import InvalidInput
from joy311.metrology.calibration import Calibration
from joy311.metrology.thresholds import Thresholds

T = TypeVar("T")

MOST_BYTES = 1 << 20

_COMMON = {"kind", "name", "seed"}
_KEYS = {
    "joy311": _COMMON | {"front_end", "drift", "calibration", "thresholds", "fault"},
    "plain": _COMMON | {"plain"},
    "class2": _COMMON | {"plain"},
}
_NESTED: dict[str, type] = {"case": Case, "crystal": Crystal, "burden_per_phase": Burden}
_NOT_YOURS = {"ratings", "name"}
_SENSORS = {"transformer": CurrentTransformer, "shunt": Shunt}


def meter_by_name(which: str, ratings: Ratings, seed: int, *, fault: str | None = None) -> MeterUnderTest:
    """Return the meter that a command line names.

    Parameters
    ----------
    which : str
        ``nominal``, ``plain``, ``class2``, or the path of a meter file.
    ratings : Ratings
        What stands on its label.
    seed : int
        Where its parts come from, unless the file has a seed.
    fault : str, optional
        Key of a fault to plant in it.

    Raises
    ------
    InvalidInput
        If there is no such file, something in it cannot be meant, or the fault does not go with the meter.
    """
    if fault is not None and fault not in FAULTS:
        raise InvalidInput(f"{fault!r} is no planted fault; there are {', '.join(FAULTS)}", field="fault")
    meter: MeterUnderTest
    match which:
        case "nominal":
            meter = Joy311Meter.off_the_line(ratings, seed)
        case "plain":
            meter = PlainMeter(ratings)
        case "class2":
            meter = PlainMeter.class_2(ratings)
        case _:
            meter = read_meter(Path(which), ratings, seed)
    if fault is None:
        return meter
    if not isinstance(meter, Joy311Meter):
        raise InvalidInput(f"the fault {fault} can only be planted in a sound JOY311", field="fault")
    return plant_fault(fault, meter, seed)


def read_meter(path: Path, ratings: Ratings, seed: int) -> MeterUnderTest:
    """Return the meter that a file describes.

    Raises
    ------
    InvalidInput
        If there is no such file, or something in it cannot be meant.
    """
    document = _document(path)
    kind = document.get("kind", "joy311")
    if kind not in _KEYS:
        raise InvalidInput(f"{path.name}: kind {kind!r} must be one of {', '.join(_KEYS)}", field="kind")
    unknown = document.keys() - _KEYS[kind]
    if unknown:
        raise InvalidInput(f"{path.name}: {', '.join(sorted(unknown))} means nothing to a {kind} meter")
    name = document.get("name", path.stem)
    own_seed = document.get("seed", seed)
    if not isinstance(name, str) or not isinstance(own_seed, int) or isinstance(own_seed, bool):
        raise InvalidInput(f"{path.name}: name must be a text and seed a whole number")
    if kind != "joy311":
        plain = PlainMeter(ratings) if kind == "plain" else PlainMeter.class_2(ratings)
        return replace(_overridden(path, plain, document.get("plain", {}), "plain"), name=name)
    return _joy311(path, document, ratings, own_seed, name)


def _document(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InvalidInput(f"the meter {path} cannot be read: {error.strerror}", field="meter") from error
    if len(content) > MOST_BYTES:
        raise InvalidInput(
            f"{path.name} has more than {MOST_BYTES} bytes and is no meter file", field="meter"
        )
    try:
        return tomllib.loads(content.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidInput(f"{path.name} is no meter file: {error}", field="meter") from error


def _joy311(path: Path, document: dict[str, Any], ratings: Ratings, seed: int, name: str) -> MeterUnderTest:
    built = _overridden(path, FrontEndParameters.nominal(seed), document.get("front_end", {}), "front_end")
    calibration = document.get("calibration", "factory")
    if not isinstance(calibration, str):
        raise InvalidInput(f"{path.name}: calibration {calibration!r} must be a text", field="calibration")
    if calibration == "factory":
        meter = Joy311Meter.off_the_line(ratings, seed, built)
    else:
        record = (
            Calibration.nominal() if calibration == "nominal" else load_calibration(path.parent / calibration)
        )
        meter = Joy311Meter(ratings, built, record, Thresholds.of(ratings.un_v, ratings.ib_a))
    drifted = _overridden(path, meter.parameters, document.get("drift", {}), "drift")
    thresholds = _overridden(path, meter.thresholds, document.get("thresholds", {}), "thresholds")
    meter = replace(meter, parameters=drifted, thresholds=thresholds, name=name)
    if "fault" in document:
        return plant_fault(str(document["fault"]), meter, seed)
    return meter


def _overridden(path: Path, whole: T, numbers: Any, table: str) -> T:
    known = {field.name for field in fields(whole) if field.name not in _NOT_YOURS}  # type: ignore[arg-type]
    if not isinstance(numbers, dict) or numbers.keys() - known:
        wrong = ", ".join(sorted(numbers.keys() - known)) if isinstance(numbers, dict) else repr(numbers)
        raise InvalidInput(f"{path.name}: [{table}] has no {wrong}; it has {', '.join(sorted(known))}")
    try:
        changes = {key: _value(key, value, getattr(whole, key)) for key, value in numbers.items()}
        return replace(whole, **changes)  # type: ignore[type-var]
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{path.name}: [{table}] cannot be used: {error}") from error


def _value(key: str, value: Any, before: Any) -> Any:
    if key == "sensors":
        return tuple(_sensor(each) for each in value)
    if key in _NESTED:
        return replace(before, **{name: float(number) for name, number in value.items()})
    if isinstance(before, tuple) and before and isinstance(before[0], tuple):
        rows = tuple(tuple(float(number) for number in row) for row in value)
        if [len(row) for row in rows] != [len(row) for row in before]:
            raise ValueError(f"{key} must be {len(before)} rows of {len(before[0])} numbers")
        return rows
    if isinstance(before, tuple):
        numbers = (value,) * len(before) if isinstance(value, (int, float)) else tuple(value)
        if len(numbers) != len(before):
            raise ValueError(f"{key} must be one number or {len(before)}, not {len(numbers)}")
        return tuple(float(number) for number in numbers)
    return type(before)(value)


def _sensor(table: dict[str, Any]) -> CurrentTransformer | Shunt:
    kind = _SENSORS.get(table.get("kind", ""))
    if kind is None:
        raise ValueError(f"a sensor's kind must be one of {', '.join(_SENSORS)}")
    numbers = {key: float(value) for key, value in table.items() if key != "kind"}
    sensor: CurrentTransformer | Shunt = kind(**numbers)
    return sensor
