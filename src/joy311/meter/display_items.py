"""What the display can show: one table of items, and the figures that they read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from joy311.errors import InvalidInput
from joy311.meter.token_identifiers import SLOTS
from joy311.panel import Icon, fits
from joy311.panel.screen import DIGITS
from joy311.quantities import Triple
from joy311.sts import TokenResult

PHASES = 3
PAST_MONTHS = 6
"""Months before the present one whose consumption the meter keeps."""

CREDIT, TOTAL, POWER, LAST_CREDIT = 1, 2, 3, 4
"""Numbers of the items that the display itself knows."""


class Figures(Protocol):
    """The figures that items show; an item reads those that it needs and no other."""

    @property
    def credit_wh(self) -> int:
        """Credit left, below zero where it is owed [Wh]."""

    @property
    def emergency_wh(self) -> int:
        """How far the credit may run below zero [Wh]."""

    @property
    def low_credit_wh(self) -> tuple[int, int]:
        """The two levels of the low credit warning [Wh]."""

    @property
    def last_units(self) -> int:
        """Amount of the last accepted credit token [0.1 kWh]."""

    @property
    def payment_mode(self) -> int:
        """0 for prepayment, 1 for post-payment."""

    @property
    def total_wh(self) -> int:
        """The register that debits credit [Wh]."""

    @property
    def imported_wh(self) -> Triple:
        """Imported energy of each phase [Wh]."""

    @property
    def exported_wh(self) -> Triple:
        """Exported energy of each phase [Wh]."""

    @property
    def export_total_wh(self) -> int:
        """Exported energy of all phases [Wh]."""

    @property
    def month_wh(self) -> int:
        """Consumption of this month so far [Wh]."""

    @property
    def past_month_wh(self) -> tuple[int, ...]:
        """Consumption of the last months, the latest first [Wh]."""

    @property
    def power_w(self) -> int:
        """Total active power [W]."""

    @property
    def phase_power_w(self) -> Triple:
        """Active power of each phase [W]."""

    @property
    def voltage_mv(self) -> Triple:
        """Voltage of each phase [mV]."""

    @property
    def current_ma(self) -> Triple:
        """Current of each phase [mA]."""

    @property
    def power_factor_permil(self) -> Triple:
        """Power factor of each phase times 1000."""

    @property
    def frequency_mhz(self) -> int:
        """Mains frequency in millihertz [mHz]."""

    @property
    def power_limit_w(self) -> int:
        """Total active power above which the switch opens, 0 for none [W]."""

    @property
    def unbalance_limit_w(self) -> int:
        """Difference between two phases above which the switch opens, 0 for none [W]."""

    @property
    def drn(self) -> str:
        """Decoder reference number."""

    @property
    def supply_group_code(self) -> str:
        """Supply group code, six digits."""

    @property
    def tariff_index(self) -> str:
        """Tariff index, two digits."""

    @property
    def key_revision(self) -> int:
        """Key revision number."""

    @property
    def key_type(self) -> int:
        """Key type."""

    @property
    def key_expiry(self) -> int:
        """Key expiry number."""

    @property
    def encryption_algorithm(self) -> int:
        """Number of the encryption algorithm."""

    @property
    def key_change_tokens(self) -> int:
        """Number of key change tokens that the meter supports."""

    @property
    def last_token_id(self) -> int:
        """Identifier of the last accepted token."""

    @property
    def token_ids(self) -> tuple[int, ...]:
        """The identifiers in memory, in rising order."""

    @property
    def last_result(self) -> TokenResult | None:
        """Result of the last token."""

    @property
    def result_detail(self) -> str:
        """One sentence about the last result, for a person at a port."""

    @property
    def tokens_accepted(self) -> int:
        """Tokens accepted, ever."""

    @property
    def tokens_refused(self) -> int:
        """Tokens refused, ever."""

    @property
    def clock(self) -> tuple[int, int, int, int, int, int]:
        """Year, month, day, hour, minute and second of the local time."""

    @property
    def open_reasons(self) -> int:
        """Why the switch is open, as a set of bits."""

    @property
    def tampers(self) -> int:
        """Tamper conditions that are latched, as a set of bits."""

    @property
    def fault_codes(self) -> tuple[int, ...]:
        """Faults that are present, by number."""

    @property
    def error_register(self) -> int:
        """The 32 bits of the error register F.F."""

    @property
    def lockout_ns(self) -> int:
        """Time for which no token is taken any more, 0 if tokens are taken [ns]."""

    @property
    def switch_operations(self) -> int:
        """Times the load switch was driven."""

    @property
    def power_failures(self) -> int:
        """Announced power failures."""

    @property
    def software_version(self) -> str:
        """Version of the program."""


@dataclass(frozen=True, slots=True)
class WrittenFigures:
    """Figures that stand written: what a document, a test or a face without a meter shows."""

    credit_wh: int = 0
    emergency_wh: int = 0
    low_credit_wh: tuple[int, int] = (20_000, 10_000)
    last_units: int = 0
    payment_mode: int = 0
    total_wh: int = 0
    imported_wh: Triple = (0, 0, 0)
    exported_wh: Triple = (0, 0, 0)
    export_total_wh: int = 0
    month_wh: int = 0
    past_month_wh: tuple[int, ...] = (0,) * PAST_MONTHS
    power_w: int = 0
    phase_power_w: Triple = (0, 0, 0)
    voltage_mv: Triple = (230_000, 230_000, 230_000)
    current_ma: Triple = (0, 0, 0)
    power_factor_permil: Triple = (1000, 1000, 1000)
    frequency_mhz: int = 50_000
    power_limit_w: int = 0
    unbalance_limit_w: int = 0
    drn: str = "00000000000"
    supply_group_code: str = "000000"
    tariff_index: str = "01"
    key_revision: int = 1
    key_type: int = 0
    key_expiry: int = 255
    encryption_algorithm: int = 11
    key_change_tokens: int = 4
    last_token_id: int = 0
    token_ids: tuple[int, ...] = (0,) * SLOTS
    last_result: TokenResult | None = None
    result_detail: str = ""
    tokens_accepted: int = 0
    tokens_refused: int = 0
    clock: tuple[int, int, int, int, int, int] = (2026, 1, 1, 0, 0, 0)
    open_reasons: int = 0
    tampers: int = 0
    fault_codes: tuple[int, ...] = ()
    error_register: int = 0
    lockout_ns: int = 0
    switch_operations: int = 0
    power_failures: int = 0
    software_version: str = "0"


@dataclass(frozen=True, slots=True)
class NoticeTexts:
    """The texts of the conditions that the display announces by itself.

    A condition without a text of its own is shown by the number of its bit.

    Parameters
    ----------
    open_reasons : mapping of int to str
        Text of each reason to be open, by its bit (1, 2, 4 ...).
    tampers : mapping of int to str
        Text of each tamper condition, by its bit.

    Raises
    ------
    InvalidInput
        If seven segments cannot show a text.
    """

    open_reasons: Mapping[int, str] = field(default_factory=dict)
    tampers: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what the glass cannot show."""
        for name in ("open_reasons", "tampers"):
            for bit, text in getattr(self, name).items():
                if not fits(text):
                    raise InvalidInput(f"eight digits cannot show {text!r} of {bit}", field=name)

    def open_reason_texts(self, bits: int) -> tuple[str, ...]:
        """Return the text of each reason in `bits`, the lowest bit first."""
        return tuple(self.open_reasons.get(1 << place, f"OFF {place + 1:02d}") for place in _places(bits))

    def tamper_texts(self, bits: int) -> tuple[str, ...]:
        """Return the text of each tamper condition in `bits`, the lowest bit first."""
        return tuple(self.tampers.get(1 << place, f"tAnnP {place + 1:02d}") for place in _places(bits))


def fault_text(code: int) -> str:
    """Return the text of the fault `code`."""
    return f"Err {min(max(code, 0), 9999):02d}"


def _places(bits: int) -> list[int]:
    return [place for place in range(bits.bit_length()) if bits >> place & 1]


Pages = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ShownItem:
    """An item of the display.

    Parameters
    ----------
    number : int
        What the two index digits show.
    title : str
        What it is, for people.
    pages : callable
        The texts that figures and notices give, shown one after the other.
    icons : frozenset of Icon
        Symbols lit with it, its unit among them.
    codes, aliases : tuple of str
        Short codes that reach it, in the profile of three digits from 800 and in the one from 000.
    meter_test : int or None
        The class 1 meter test that asks for it.
    paged, scrolled : bool
        Whether the Enter key pages through it, and whether it takes part in the automatic scroll, unless the
        parameters say otherwise.
    live : bool
        Whether it follows the line quantities.
    """

    number: int
    title: str
    pages: Callable[[Figures, NoticeTexts], Pages]
    icons: frozenset[Icon] = frozenset()
    codes: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    meter_test: int | None = None
    paged: bool = False
    scrolled: bool = False
    live: bool = False


def decimal_text(value: int, decimals: int) -> str:
    """Return `value` counted in 10**-`decimals` as text, or the nearest that eight digits hold."""
    sign, digits = ("-", min(-value, 9_999_999)) if value < 0 else ("", min(value, 99_999_999))
    if not decimals:
        return f"{sign}{digits}"
    whole, rest = divmod(digits, 10**decimals)
    return f"{sign}{whole}.{rest:0{decimals}d}"


def kwh_text(energy_wh: int) -> str:
    """Return `energy_wh` as kWh with two decimals, cut towards minus infinity to 10 Wh.

    What is more than the display's eight digits is shown as the most that they hold.
    """
    hundredths = energy_wh // 10
    if 0 <= hundredths <= 99_999_999:
        # The credit is shown more often than all the rest together.
        return f"{hundredths // 100}.{hundredths % 100:02d}"
    return decimal_text(hundredths, 2)


def register_text(energy_wh: int) -> str:
    """Return an energy register as kWh with two decimals; like a counter it begins again after 999 999.99."""
    return kwh_text(energy_wh % 10**9)


def units_text(units: int) -> str:
    """Return a token's amount of `units` of 0.1 kWh as kWh with one decimal."""
    return decimal_text(units, 1)


def number_pages(number: str) -> Pages:
    """Return a long `number` in pages of seven digits, a hyphen where it goes on."""
    if len(number) <= DIGITS:
        return (number,)
    parts = [number[start : start + DIGITS - 1] for start in range(0, len(number), DIGITS - 1)]
    return (*(f"{part}-" for part in parts[:-1]), parts[-1])


def shown_text(text: str) -> str:
    """Return `text` as far as eight digits hold it, with a hyphen for what seven segments cannot show."""
    text = "".join(character if fits(character) else "-" for character in text)
    while not fits(text):
        text = text[:-1]
    return text


def _limit_pages(limit_w: int) -> Pages:
    return (decimal_text(limit_w, 0) if limit_w else "nonE",)


def _result_pages(figures: Figures, _: NoticeTexts) -> Pages:
    result = figures.last_result
    return ("nonE",) if result is None else (RESULT_TEXT[result], f"{result:02d}")


def _of_phase(text: Callable[[Figures, int], str], phase: int) -> Callable[[Figures, NoticeTexts], Pages]:
    return lambda figures, _: (text(figures, phase),)


def _phase_items(
    first: int,
    title: str,
    text: Callable[[Figures, int], str],
    unit: Icon | None,
    first_code: int,
    live: bool = True,
) -> list[ShownItem]:
    icons = frozenset({unit} if unit else ())
    return [
        ShownItem(
            first + phase,
            f"{title}, L{phase + 1}",
            _of_phase(text, phase),
            icons,
            (str(first_code + phase),),
            live=live,
        )
        for phase in range(PHASES)
    ]


def _past_month(month: int) -> Callable[[Figures, NoticeTexts], Pages]:
    def pages(figures: Figures, _: NoticeTexts) -> Pages:
        past = figures.past_month_wh
        return (kwh_text(past[month]) if month < len(past) else "nonE",)

    return pages


def _token_id(slot: int) -> Callable[[Figures, NoticeTexts], Pages]:
    def pages(figures: Figures, _: NoticeTexts) -> Pages:
        stored = figures.token_ids
        return (str(stored[-1 - slot]) if slot < len(stored) else "nonE",)

    return pages


RESULT_TEXT: dict[TokenResult, str] = {
    TokenResult.ACCEPT: "AccEPt",
    TokenResult.FIRST_KCT: "1St Ct",
    TokenResult.SECOND_KCT: "2nd Ct",
    TokenResult.OVERFLOW_ERROR: "OUEr",
    TokenResult.KEY_TYPE_ERROR: "tYPE Err",
    TokenResult.FORMAT_ERROR: "ForrnAt",
    TokenResult.RANGE_ERROR: "rAnGE",
    TokenResult.FUNCTION_ERROR: "Func Err",
    TokenResult.OLD_ERROR: "OLd",
    TokenResult.USED_ERROR: "USEd",
    TokenResult.KEY_EXPIRED_ERROR: "EPIrEd",
    TokenResult.DDTK_ERROR: "dEFAULt",
    TokenResult.CRC_ERROR: "rEJEct",
    TokenResult.MFR_CODE_ERROR: "CodE Err",
    TokenResult.LOCKOUT: "Loc",
    TokenResult.NOT_READY: "bUSY",
}
"""Text of each result on seven segments; the index digits show its number beside it."""

_ENERGY = frozenset({Icon.KWH})
_MONEY = frozenset({Icon.KWH, Icon.CREDIT})
_WATT = frozenset({Icon.W})
_CLOCK = frozenset({Icon.CLOCK})

_TABLE = [
    ShownItem(
        0, "error register F.F", lambda f, _: (f"{f.error_register & 0xFFFFFFFF:08X}",), codes=("859",)
    ),
    ShownItem(
        CREDIT,
        "credit",
        lambda f, _: (kwh_text(f.credit_wh),),
        _MONEY,
        ("801",),
        ("002", "059"),
        paged=True,
        scrolled=True,
    ),
    ShownItem(
        TOTAL,
        "total energy",
        lambda f, _: (register_text(f.total_wh),),
        _ENERGY,
        ("800", "851"),
        ("061",),
        meter_test=3,
        paged=True,
        scrolled=True,
    ),
    ShownItem(
        POWER,
        "power now",
        lambda f, _: (decimal_text(f.power_w, 0),),
        _WATT,
        ("807",),
        ("001",),
        meter_test=9,
        paged=True,
        scrolled=True,
        live=True,
    ),
    ShownItem(
        LAST_CREDIT,
        "last credit accepted",
        lambda f, _: (units_text(f.last_units),),
        _MONEY,
        ("817",),
        ("056",),
        paged=True,
    ),
    ShownItem(
        5,
        "date",
        lambda f, _: ("{:04d}.{:02d}.{:02d}".format(*f.clock[:3]),),
        _CLOCK,
        ("802",),
        paged=True,
        scrolled=True,
    ),
    ShownItem(
        6,
        "time",
        lambda f, _: ("{:02d}-{:02d}-{:02d}".format(*f.clock[3:]),),
        _CLOCK,
        ("803",),
        paged=True,
        scrolled=True,
    ),
    ShownItem(
        7,
        "meter number",
        lambda f, _: number_pages(f.drn),
        frozenset(),
        ("804",),
        ("000",),
        meter_test=18,
        paged=True,
    ),
    ShownItem(
        8, "emergency credit", lambda f, _: (kwh_text(f.emergency_wh),), _MONEY | {Icon.EMERGENCY}, ("810",)
    ),
    ShownItem(9, "payment mode", lambda f, _: ("POSt PAy" if f.payment_mode else "PrE PAy",), codes=("805",)),
    ShownItem(
        10,
        "why the supply is off",
        lambda f, n: n.open_reason_texts(f.open_reasons) or ("nonE",),
        codes=("806",),
    ),
    *_phase_items(11, "voltage", lambda f, p: decimal_text(f.voltage_mv[p] // 100, 1), Icon.V, 830),
    *_phase_items(14, "current", lambda f, p: decimal_text(f.current_ma[p] // 10, 2), Icon.A, 833),
    *_phase_items(17, "power", lambda f, p: decimal_text(f.phase_power_w[p], 0), Icon.W, 836),
    ShownItem(
        20,
        "frequency",
        lambda f, _: (decimal_text(f.frequency_mhz // 10, 2),),
        frozenset({Icon.HZ}),
        ("839",),
        live=True,
    ),
    ShownItem(
        21, "consumption this month", lambda f, _: (kwh_text(f.month_wh),), _ENERGY, ("814",), paged=True
    ),
    *(
        ShownItem(
            22 + month,
            f"consumption {month + 1} month{'s' if month else ''} ago",
            _past_month(month),
            _ENERGY,
            (str(820 + month),),
        )
        for month in range(PAST_MONTHS)
    ),
    *_phase_items(
        28, "imported energy", lambda f, p: register_text(f.imported_wh[p]), Icon.KWH, 841, live=False
    ),
    ShownItem(
        31,
        "exported energy",
        lambda f, _: (register_text(f.export_total_wh),),
        _ENERGY | {Icon.REVERSE},
        ("844",),
    ),
    ShownItem(
        32,
        "power factor, L1 to L3",
        lambda f, _: tuple(decimal_text(p, 3) for p in f.power_factor_permil),
        codes=("840",),
        live=True,
    ),
    ShownItem(
        33,
        "encryption algorithm",
        lambda f, _: (f"{f.encryption_algorithm:02d}",),
        codes=("850",),
        meter_test=14,
    ),
    ShownItem(
        34,
        "key change tokens supported",
        lambda f, _: (str(f.key_change_tokens),),
        codes=("852",),
        meter_test=15,
    ),
    ShownItem(
        35, "power limit", lambda f, _: _limit_pages(f.power_limit_w), _WATT, ("869",), ("014",), meter_test=7
    ),
    ShownItem(
        36,
        "phase unbalance limit",
        lambda f, _: _limit_pages(f.unbalance_limit_w),
        _WATT,
        ("845",),
        meter_test=11,
    ),
    ShownItem(
        37,
        "low credit levels, first and second",
        lambda f, _: tuple(map(kwh_text, f.low_credit_wh)),
        _MONEY | {Icon.LOW_CREDIT},
        ("846",),
    ),
    ShownItem(
        38,
        "identifier of the last token",
        lambda f, _: (str(f.last_token_id),),
        codes=("818",),
        aliases=("054", "055"),
    ),
    ShownItem(
        39,
        "supply group code",
        lambda f, _: (f.supply_group_code,),
        codes=("847",),
        aliases=("060",),
        meter_test=16,
    ),
    ShownItem(
        40, "tariff index", lambda f, _: (f.tariff_index,), codes=("809",), aliases=("058",), meter_test=5
    ),
    ShownItem(
        41,
        "key revision and type",
        lambda f, _: (f"{f.key_revision}-{f.key_type}",),
        codes=("848",),
        aliases=("057",),
        meter_test=4,
    ),
    ShownItem(42, "key expiry number", lambda f, _: (str(f.key_expiry),), codes=("849",), meter_test=17),
    ShownItem(43, "tokens accepted", lambda f, _: (decimal_text(f.tokens_accepted, 0),), codes=("853",)),
    ShownItem(44, "tokens refused", lambda f, _: (decimal_text(f.tokens_refused, 0),), codes=("854",)),
    ShownItem(45, "last result, text and number", _result_pages, codes=("819",), aliases=("078",)),
    ShownItem(
        46,
        "operations of the load switch",
        lambda f, _: (decimal_text(f.switch_operations, 0),),
        codes=("855",),
    ),
    ShownItem(
        47,
        "power failures",
        lambda f, _: (decimal_text(f.power_failures, 0),),
        codes=("856",),
        aliases=("050",),
    ),
    ShownItem(
        48, "tamper status", lambda f, n: n.tamper_texts(f.tampers) or ("nonE",), codes=("857",), meter_test=8
    ),
    ShownItem(
        49,
        "software version",
        lambda f, _: (shown_text(f.software_version),),
        codes=("858",),
        aliases=("048",),
        meter_test=10,
    ),
    *(
        ShownItem(
            50 + slot,
            f"identifier in slot {slot + 1}, newest first",
            _token_id(slot),
            codes=(str(901 + slot),),
            aliases=(str(301 + slot),),
        )
        for slot in range(SLOTS)
    ),
]

ITEMS: dict[int, ShownItem] = {item.number: item for item in _TABLE}
"""All items by number: display, short codes, meter tests and documents read this table."""

TEST_ITEMS: dict[int, int] = {item.meter_test: item.number for item in _TABLE if item.meter_test is not None}
"""The item that each class 1 meter test asks for, by the number of the test."""
