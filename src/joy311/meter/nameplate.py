"""The nameplate: one table of what is printed on the meter, for every variant of the data sheet."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum

from joy311.errors import InvalidInput

LINE_VOLTAGE_V = {120: 208, 220: 380, 230: 400, 240: 415}
"""Nominal voltage between two phases by that between phase and neutral [V], as it is customary to write."""

BASE_CURRENTS_A = (5, 10)
FREQUENCIES_HZ = (50, 60)
USE_CATEGORIES = ("UC1", "UC2", "UC3", "UC4")
SURGES_KV = (4, 6)


@dataclass(frozen=True, slots=True)
class Variant:
    """Which of the data sheet's alternatives a meter is.

    Parameters
    ----------
    nominal_voltage_v : int
        120, 220, 230 or 240 [V].
    base_current_a : int
        5 or 10 [A].
    frequency_hz : int
        50 or 60 [Hz].
    use_category : str
        Utilisation category of the load switch, ``UC1`` to ``UC4``.
    surge_kv : int
        Surge that the meter withstands, 4 or 6 [kV].

    Raises
    ------
    InvalidInput
        If the data sheet has no such meter.
    """

    nominal_voltage_v: int = 230
    base_current_a: int = 5
    frequency_hz: int = 50
    use_category: str = "UC1"
    surge_kv: int = 4

    def __post_init__(self) -> None:
        """Refuse what is not on the data sheet."""
        for name, known in (
            ("nominal_voltage_v", tuple(LINE_VOLTAGE_V)),
            ("base_current_a", BASE_CURRENTS_A),
            ("frequency_hz", FREQUENCIES_HZ),
            ("use_category", USE_CATEGORIES),
            ("surge_kv", SURGES_KV),
        ):
            value = getattr(self, name)
            if value not in known:
                choices = ", ".join(map(str, known))
                raise InvalidInput(f"{name} {value!r} is none of {choices}", field=name)


@dataclass(frozen=True, slots=True)
class Identity:
    """Which meter it is.

    Parameters
    ----------
    drn : str
        Decoder reference number, 11 or 13 digits; it is the serial number too.
    year : int
        Year of manufacture, 2000 to 2099.
    supply_group_code : str
        Supply group code at the factory, six digits, or empty where it is not printed.
    tariff_index : str
        Tariff index at the factory, two digits, or empty.
    key_revision : int
        Key revision number at the factory, 1 to 9, or 0 where it is not printed.

    Raises
    ------
    InvalidInput
        If a number has the wrong length or is not digits.
    """

    drn: str
    year: int = 2026
    supply_group_code: str = ""
    tariff_index: str = ""
    key_revision: int = 0

    def __post_init__(self) -> None:
        """Refuse numbers that no plate carries."""
        for name, lengths in (("drn", (11, 13)), ("supply_group_code", (0, 6)), ("tariff_index", (0, 2))):
            value = getattr(self, name)
            if len(value) not in lengths or (value and not (value.isascii() and value.isdigit())):
                wanted = " or ".join(map(str, lengths))
                raise InvalidInput(f"{name} {value!r} is not {wanted} digits", field=name)
        if not 2000 <= self.year <= 2099:
            raise InvalidInput(f"the year {self.year} is outside 2000 to 2099", field="year")
        if not 0 <= self.key_revision <= 9:
            raise InvalidInput(
                f"the key revision number {self.key_revision} is outside 0 to 9", field="key_revision"
            )


class Place(StrEnum):
    """Where on the meter a line is printed."""

    HEAD = "head"
    PLATE = "plate"
    SIGN = "sign"
    NUMBER = "number"
    COVER = "cover"


@dataclass(frozen=True, slots=True)
class Marking:
    """A line of the nameplate.

    Parameters
    ----------
    name : str
        What it is, for people and for whoever looks for it.
    text : str
        What is printed; for the sign of double insulation its meaning, as the sign itself is drawn.
    place : Place
        Where it is printed.
    declared : bool
        Whether it is a property of casing, insulation or electronics that no software can show.
    data_sheet : str
        The line of the data sheet that a marking repeats, as ``docs/compliance.md`` has it; empty where it
        says more than one.
    """

    name: str
    text: str
    place: Place
    declared: bool = False
    data_sheet: str = ""


def _declared(name: str, text: str, data_sheet: str, place: Place = Place.COVER) -> Marking:
    return Marking(name, text, place, True, data_sheet)


def _shown(name: str, text: str, data_sheet: str, place: Place = Place.COVER) -> Marking:
    return Marking(name, text, place, False, data_sheet)


MARKINGS: tuple[Marking, ...] = (
    Marking("type", "JOY311", Place.HEAD),
    Marking("kind", "Three Phase Prepaid Electricity Meter", Place.HEAD),
    Marking("maker", "JOY", Place.HEAD),
    Marking("token standard", "STS EA 07/11", Place.HEAD),
    Marking("voltage", "3×{nominal_voltage_v}/{line_voltage_v} V", Place.PLATE),
    Marking("frequency", "{frequency_hz} Hz", Place.PLATE),
    Marking("current", "{base_current_a}(100) A", Place.PLATE),
    Marking("accuracy class", "Class 1", Place.PLATE),
    Marking("meter constant", "1000 imp/kWh", Place.PLATE),
    Marking("utilisation category", "{use_category}", Place.PLATE),
    Marking("connection", "3 phases, 4 wires", Place.PLATE),
    _declared("ingress protection", "IP 54", "IP Rating IP 54", Place.PLATE),
    Marking("meter standards", "IEC 62052-11  62053-21  62055-31", Place.PLATE),
    Marking("communication standards", "IEC 62055-41  62056-21", Place.PLATE),
    _shown("operating temperature", "−30…+60 °C", "Operating Temperature -30~60℃", Place.PLATE),
    Marking("protective class", "double insulated", Place.SIGN, True),
    Marking("serial number", "{drn}", Place.NUMBER),
    Marking("year", "{year}", Place.NUMBER),
    Marking("supply group code", "SGC {supply_group_code}", Place.NUMBER),
    Marking("tariff index", "TI {tariff_index}", Place.NUMBER),
    Marking("key revision number", "KRN {key_revision}", Place.NUMBER),
    _declared("insulation", "Insulation 4 kV rms, 1 min", "Insulation Level 4kV rms for 1 minute"),
    _shown("withstand voltage", "Withstands 450 V for 48 h", "Max Withstand Voltage 450V (48hr)"),
    _shown(
        "electrostatic discharge",
        "ESD 16 kV air, 10 kV contact",
        "Electrostatic Discharge 16kV air discharge; 10kV contact discharge",
    ),
    _shown("fast transient burst", "Burst 4 kV", "Immunity to Fast Transient Burst 4kV"),
    _shown("surge", "Surge {surge_kv} kV", "Surge Immunity 4kV or 6kV alternative"),
    _declared("cable", "Cable up to Φ 9.5 mm", "Maximum Cable Size Φ9.5 mm"),
    _shown("display size", "LCD 87 mm × 34 mm", "LCD Size: 87mm x 34mm"),
    _shown("distance", "2-wire or PLC, over 200 m", "Communication distance: over 200m"),
    _shown("installation", "Indoor or outdoor, wall-mounted", "Installation indoor or outdoor wall-mounted"),
    _shown(
        "reach",
        "Meter or CIU within the customer's reach",
        "Meter or CIU inside the house, within the customer's reach",
    ),
    _shown(
        "environment",
        "Residential, commercial, light industrial",
        "Residential, commercial and light industrial environments",
    ),
    _declared("weight", "1900 g without CIU", "Weight (without CIU) 1900g"),
    _declared("storage temperature", "Storage −40…+70 °C", "Storage Temperature -40~70℃"),
    _declared("humidity", "Humidity 95 %, annual mean 75 %", "Relative Humidity 95%; annual mean 75%"),
)
"""Everything that is printed, with the variant's and the meter's figures still to be filled in."""

_OPTIONAL = {
    "supply group code": "supply_group_code",
    "tariff index": "tariff_index",
    "key revision number": "key_revision",
}


def nameplate(variant: Variant, identity: Identity) -> tuple[Marking, ...]:
    """Return all markings of a meter in the order of printing; optional ones that it has not are left out."""
    figures = asdict(variant) | asdict(identity)
    figures["line_voltage_v"] = LINE_VOLTAGE_V[variant.nominal_voltage_v]
    return tuple(
        Marking(
            marking.name,
            marking.text.format(**figures),
            marking.place,
            marking.declared,
            marking.data_sheet,
        )
        for marking in MARKINGS
        if marking.name not in _OPTIONAL or figures[_OPTIONAL[marking.name]]
    )
