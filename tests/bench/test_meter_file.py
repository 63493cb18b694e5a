"""Meters described in files, by people who make mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from joy311.bench.devices import Joy311Meter, PlainMeter
from joy311.bench.devices.planted import MisledMeter
from joy311.bench.meter_file import meter_by_name
from joy311.bench.ratings import Ratings
from joy311.device.calibration_bench import save_calibration
from joy311.device.current_sensor import Shunt
from joy311.errors import InvalidInput, StorageError
from joy311.metrology.calibration import Calibration

RATINGS = Ratings()


def meter(tmp_path: Path, text: str) -> object:
    path = tmp_path / "meter.toml"
    path.write_text(text, encoding="utf-8")
    return meter_by_name(str(path), RATINGS, 1)


def test_numbers_before_and_after_calibration_take_their_places(tmp_path: Path) -> None:
    made = meter(
        tmp_path,
        """
        name = "bent"
        seed = 4
        [front_end]
        bits = 16
        noise = 0.0
        sensors = [{kind = "shunt", ppm_per_k = 50}, {kind = "shunt"}, {kind = "shunt"}, {kind = "shunt"}]
        case = {supply_w = 0.5}
        [drift]
        gain = [1.01, 1, 1, 1, 1, 1, 1]
        [thresholds]
        power_w = 9.0
        """,
    )
    assert isinstance(made, Joy311Meter)
    assert made.name == "bent"
    assert made.parameters.bits == 16
    assert made.parameters.noise == (0.0,) * 7
    assert made.parameters.sensors[0] == Shunt(ppm_per_k=50.0)
    assert made.parameters.case.supply_w == 0.5
    assert made.parameters.gain[0] == 1.01
    assert made.thresholds.power_w == 9.0


def test_a_calibration_record_is_read_from_beside_the_file(tmp_path: Path) -> None:
    record = Calibration(u_gain=(1.01, 1.0, 1.0))
    save_calibration(record, tmp_path / "mine.cal")
    made = meter(tmp_path, 'calibration = "mine.cal"')
    assert isinstance(made, Joy311Meter)
    assert made.calibration == record
    (tmp_path / "mine.cal").write_bytes(b"torn")
    with pytest.raises(StorageError):
        meter(tmp_path, 'calibration = "mine.cal"')


def test_a_file_may_plant_a_fault_or_bend_a_plain_meter(tmp_path: Path) -> None:
    assert isinstance(meter(tmp_path, 'calibration = "nominal"\nfault = "dozing"'), MisledMeter)
    plain = meter(tmp_path, 'kind = "plain"\n[plain]\nlag_rad = 0.01')
    assert isinstance(plain, PlainMeter)
    assert plain.lag_rad == 0.01


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind = 'sundial'", "sundial"),
        ("colour = 'red'", "colour"),
        ("seed = 'four'", "seed"),
        ("seed = true", "seed"),
        ("this is not toml", "no meter file"),
        ("[front_end]\nbitz = 16", "bitz"),
        ("[front_end]\nbits = 99", "99"),
        ("[front_end]\ngain = [1, 2]", "gain"),
        ("[front_end]\ngain = 'high'", "gain"),
        ("[front_end]\nsensors = [{kind = 'coil'}]", "kind"),
        ("front_end = 3", "3"),
        ("kind = 'plain'\n[front_end]\nbits = 16", "front_end"),
        ("calibration = 'nominal'\nfault = 'gremlins'", "gremlins"),
        ("calibration = 7", "calibration"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        meter(tmp_path, text)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"nowhere\.toml"):
        meter_by_name(str(tmp_path / "nowhere.toml"), RATINGS, 1)


def test_a_fault_goes_only_with_a_sound_joy311() -> None:
    with pytest.raises(InvalidInput, match="sound JOY311"):
        meter_by_name("plain", RATINGS, 1, fault="jitter")
    with pytest.raises(InvalidInput, match="no planted fault"):
        meter_by_name("plain", RATINGS, 1, fault="gremlins")
