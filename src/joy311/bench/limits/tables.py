"""Read the files of limits, and find the limit of a point."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from joy311.bench.ratings import PowerFactor, Ratings
from joy311.errors import InvalidInput, StorageError

EDITIONS = ("iec62053_21_2003", "iec62052_11_2003", "joy311_data_sheet")
"""Files that a type test of the JOY311's metrology is judged by, in the order of the report."""

WHOLE_METER_EDITIONS = {
    "62055-31": ("iec62055_31",),
    "62052-11": ("iec62052_11_2003_whole",),
    "62055-41": ("iec62055_41",),
}
"""Files that the whole meter is judged by, for each standard it is tested by."""

PORT_EDITIONS = {"62056-21": ("iec62056_21",)}
"""Files that a local port is judged by, for the standard it is tested by."""

ALL_EDITIONS = (
    *EDITIONS,
    *(file for files_ in (WHOLE_METER_EDITIONS | PORT_EDITIONS).values() for file in files_),
)
"""Every file of limits, in the order of the documentation."""

CONFIDENCES = {
    "H": "seen in a public source or measured",
    "M": "well known, its cell not seen",
    "L": "recollection, or a reading of our own",
}

_ROW_KEYS = {
    "power_factor", "from", "to", "below", "least", "most", "name", "class_1", "class_2", "both",
    "confidence", "note",
}  # fmt: skip
_WITHIN = 1e-9

Band = tuple[float, float]
"""Lower and upper limit."""


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One row of a table of limits.

    Parameters
    ----------
    name : str
        Name of a figure that is no band over currents; empty for a band.
    power_factor : str
        Power factor at which a band holds; empty for a figure.
    from_current, to_current : str
        Ends of a band, as ``"0.05 Ib"``; empty for a figure.
    to_excluded : bool
        Whether the upper end belongs to the next band.
    least, most : float
        Part of the reference value, between which a row on voltage or frequency holds.
    by_class : tuple
        Band of class 1 and of class 2; None where a class has no limit.
    confidence : str
        ``"H"``, ``"M"`` or ``"L"``, see `CONFIDENCES`.
    note : str
        What else is to be said.
    """

    name: str
    power_factor: str
    from_current: str
    to_current: str
    to_excluded: bool
    least: float
    most: float
    by_class: tuple[Band | None, Band | None]
    confidence: str
    note: str

    def holds_at(self, amperes: float, power_factor: PowerFactor, ratings: Ratings) -> bool:
        """Say whether a point lies in this band."""
        if self.name or self.power_factor != power_factor.text:
            return False
        low, high = ratings.amperes(self.from_current), ratings.amperes(self.to_current)
        margin = _WITHIN * high
        if amperes < low - margin:
            return False
        return amperes < high - margin if self.to_excluded else amperes <= high + margin


@dataclass(frozen=True, slots=True)
class Requirement:
    """What one clause asks for.

    Parameters
    ----------
    key : str
        Name within the bench: ``"balanced"``.
    edition, clause, title : str
        Where it stands, and what it is called here.
    clause_confidence : str
        How sure we are of the clause's number.
    unit : str
        Unit of its limits: ``"%"``, ``"s"``; empty where each figure has its own.
    rows : tuple of LimitRow
        Its limits.
    """

    key: str
    edition: str
    clause: str
    clause_confidence: str
    title: str
    unit: str
    rows: tuple[LimitRow, ...]

    def band(self, amperes: float, power_factor: PowerFactor, ratings: Ratings) -> Band | None:
        """Return the rated class's limits at a current [A] and power factor, None where there are none."""
        for row in self.rows:
            if row.holds_at(amperes, power_factor, ratings):
                return row.by_class[ratings.accuracy_class - 1]
        return None

    def figure(self, name: str, ratings: Ratings) -> float:
        """Return the figure called `name` for the rated class.

        Raises
        ------
        StorageError
            If the file of limits has none.
        """
        for row in self.rows:
            band = row.by_class[ratings.accuracy_class - 1]
            if row.name == name and band is not None:
                return band[1]
        raise StorageError(f"the limits of {self.key} hold no {name} for class {ratings.accuracy_class}")

    @property
    def weakest_confidence(self) -> str:
        """The confidence of the row of which we are least sure."""
        return max((row.confidence for row in self.rows), key="HML".index)


Limits = dict[str, Requirement]
"""Requirements by their key, in the order of the report."""


def load_limits(editions: tuple[str, ...] = EDITIONS) -> Limits:
    """Return the requirements of all files, in their order.

    Raises
    ------
    StorageError
        If a file holds a row that cannot be meant.
    """
    limits: Limits = {}
    for edition in editions:
        text = files("joy311.bench.limits").joinpath(f"{edition}.toml").read_text(encoding="utf-8")
        document = tomllib.loads(text)
        for entry in document["clause"]:
            if entry["key"] in limits:
                raise StorageError(f"{edition} repeats the clause {entry['key']}")
            limits[entry["key"]] = Requirement(
                entry["key"],
                document["edition"],
                entry["clause"],
                document["clause_confidence"],
                entry["title"],
                entry["unit"],
                tuple(_row(entry["key"], row) for row in entry["rows"]),
            )
    return limits


def _row(key: str, row: dict[str, Any]) -> LimitRow:
    unknown = row.keys() - _ROW_KEYS
    if unknown or row.get("confidence") not in CONFIDENCES or ("name" in row) == ("power_factor" in row):
        raise StorageError(f"a row of limits of {key} cannot be read: {row}")
    try:
        PowerFactor(row.get("power_factor", "1")).lag_rad  # noqa: B018
        reference = Ratings()
        for end in ("from", "to", "below"):
            reference.amperes(row.get(end, "Ib"))
    except (InvalidInput, ValueError) as error:
        raise StorageError(f"a row of limits of {key} cannot be read: {error}") from error
    named, both = "name" in row, row.get("both")
    return LimitRow(
        row.get("name", ""),
        row.get("power_factor", ""),
        row.get("from", ""),
        row.get("to", row.get("below", "")),
        "below" in row,
        row.get("least", 1.0),
        row.get("most", 1.0),
        (_band(row.get("class_1", both), named), _band(row.get("class_2", both), named)),
        row["confidence"],
        row.get("note", ""),
    )


def _band(value: float | list[float] | None, named: bool) -> Band | None:
    match value:
        case None:
            return None
        case [low, high]:
            return float(low), float(high)
        case _:
            half = float(value)  # type: ignore[arg-type]
            return (half, half) if named else (-half, half)
