"""The token inspector: a page that lays twenty digits open, bit by bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path

from nicegui import ui

from joy311.errors import Joy311Error
from joy311.instant import to_datetime
from joy311.sts import DecoderKey, Token20
from joy311.sts.explanation import BitField, BitMap, Explanation, Stage, explain
from joy311.sts.key_document import parse_key_document
from joy311.sts.remedies import SLIPS_TRIED
from joy311.workbench.counter import Counter
from joy311.workbench.page import STYLE as WORKBENCH_STYLE

PATH = "/token"
STYLE = (Path(__file__).parent / "inspector.css").read_text(encoding="utf-8")

OWN_KEY, NO_KEY = "A key of yours", "No key"
ALL_TESTS = "5649 3153 7254 5031 3471"
"""The token that asks any meter with a two-digit manufacturer code for all tests."""

COLOURS = 9
"""How many colours the style sheet has for fields; no layout has more."""

_WRAPPED_COLOURS: dict[str, int | str] = {"class": 0, "displaced": 1, "block": "wrapped"}


def add_inspector(counter: Counter, decoder_keys: Mapping[str, DecoderKey]) -> None:
    """Add the page at `PATH` to the site.

    Parameters
    ----------
    counter : Counter
        The till whose newest token the page offers.
    decoder_keys : mapping of str to DecoderKey
        The keys that a person may choose by name; the first is chosen at the beginning.
    """

    @ui.page(PATH)
    def inspector() -> None:
        _build(counter, decoder_keys)


def _build(counter: Counter, decoder_keys: Mapping[str, DecoderKey]) -> None:
    ui.add_css(WORKBENCH_STYLE)
    ui.add_css(STYLE)
    ui.page_title("JOY311 token inspector")
    ui.colors(primary="#16527f", positive="#17783a", negative="#b02a30", warning="#d27a0c")

    def chosen_key() -> DecoderKey | None:
        if choice.value == NO_KEY:
            return None
        if choice.value == OWN_KEY:
            return parse_key_document(own.value or "").decoder_key if (own.value or "").strip() else None
        return decoder_keys[str(choice.value)]

    def refresh() -> None:
        own.set_visibility(choice.value == OWN_KEY)
        text = (digits.value or "").strip()
        if not text:
            result.set_content('<p class="joy-quiet">Type or paste twenty digits.</p>')
            return
        try:
            result.set_content(drawn(explain(text, chosen_key())))
        except Joy311Error as error:
            result.set_content(f'<p class="joy-refusal" role="alert">{escape(str(error))}</p>')

    def first_token() -> str:
        receipt = counter.last_receipt()
        return ALL_TESTS if receipt is None else receipt.token.grouped()

    def take(token: Callable[[], str]) -> Callable[[], None]:
        def fill() -> None:
            try:
                digits.set_value(Token20.parse(token()).grouped())
            except Joy311Error as error:
                ui.notify(str(error), type="negative")

        return fill

    with ui.element("main").classes("joy-inspector"):
        with ui.element("header").classes("joy-header"):
            with ui.element("div").classes("joy-brand"):
                ui.label("JOY311").classes("joy-logo")
                ui.label("token inspector").classes("joy-sub")
            ui.link("Workbench", "/").classes("joy-way")
        with ui.element("section").classes("joy-card joy-asked").props('aria-label="Token and key"'):
            digits = (
                ui.input("Twenty digits", value=first_token(), on_change=refresh)
                .props("outlined dense inputmode=numeric autocomplete=off spellcheck=false")
                .classes("joy-digits")
            )
            choice = (
                ui.select(
                    [*decoder_keys, OWN_KEY, NO_KEY],
                    value=next(iter(decoder_keys)),
                    label="Key",
                    on_change=refresh,
                )
                .props("outlined dense")
                .classes("joy-key-choice")
            )
            with ui.element("div").classes("joy-try"):
                for label, token in (
                    ("newest token", counter.token),
                    ("with a wrong digit", counter.wrong_digit),
                    ("all tests", lambda: ALL_TESTS),
                ):
                    ui.button(label, on_click=take(token)).props("outline dense no-caps size=sm")
            own = (
                ui.textarea("Key file: digits, or a JSON object with the key and its attributes")
                .on_value_change(refresh)
                .props("outlined dense autogrow autocomplete=off spellcheck=false")
                .classes("joy-own-key")
            )
        result = ui.html("", sanitize=False).classes("joy-result").props("data-testid=explanation")
    refresh()


def drawn(explanation: Explanation) -> str:
    """Return an explanation as HTML: verdict, bit maps, fields and what they mean."""
    plain = explanation.maps[-1] if explanation.maps[-1].stage is Stage.PLAIN else None
    maps = "".join(_map(bit_map) for bit_map in explanation.maps)
    parts = [_verdict(explanation), f'<section class="joy-card joy-maps">{maps}</section>']
    if plain is not None:
        parts.append('<div class="joy-sides">')
        parts.append(f'<section class="joy-card"><h2 class="joy-title">Fields</h2>{_fields(plain)}</section>')
        parts.append(f'<section class="joy-card"><h2 class="joy-title">Meaning</h2>{_meaning(explanation)}')
        parts.append("</section></div>")
    return "".join(parts)


def _verdict(explanation: Explanation) -> str:
    about = f"Class {explanation.token_class}, {explanation.class_name}"
    if explanation.checksum is not None and explanation.checksum.right:
        about += f" · subclass {explanation.subclass}, {explanation.title}"
    if explanation.needs_key:
        kind, sentence = "asks", f"No key: {explanation.reason}"
    elif explanation.failure is None:
        kind, sentence = "good", "Nothing is wrong with the token itself"
    else:
        kind, sentence = "bad", f"{explanation.failure.standard_name}: {explanation.reason}"
    amount = (
        f'<span class="joy-amount">{escape(explanation.amount.text)}</span>'
        if explanation.amount is not None and explanation.failure is None
        else ""
    )
    helps = "".join(
        f"<li>{escape(remedy.text)}"
        + (f": <b>{escape(remedy.token.grouped())}</b>" if remedy.token is not None else "")
        + "</li>"
        for remedy in explanation.remedies
    )
    if explanation.checksum is not None and not explanation.checksum.right:
        tried = f"{SLIPS_TRIED} slips were tried: each digit as every other, each two neighbours exchanged"
        helps += f"<li>{tried}</li>"
    return (
        f'<section class="joy-card joy-verdict joy-{kind}" role="status">'
        f"<div><b>{escape(sentence)}.</b><br>{escape(about)}</div>{amount}"
        f"{f'<ul>{helps}</ul>' if helps else ''}</section>"
    )


def _map(bit_map: BitMap) -> str:
    bits = "".join(_bits(field, _colour(bit_map, place, field)) for place, field in enumerate(bit_map.fields))
    return (
        f'<h3 class="joy-map-title">{escape(bit_map.title)}</h3>'
        f'<div class="joy-bits" data-stage="{escape(bit_map.stage.value)}">{bits}</div>'
    )


def _colour(bit_map: BitMap, place: int, field: BitField) -> int | str:
    return place % COLOURS if bit_map.stage is Stage.PLAIN else _WRAPPED_COLOURS[field.name]


def _bits(field: BitField, colour: int | str) -> str:
    spoken = field.name.replace("_", " ")
    cells = []
    for place, digit in enumerate(field.digits):
        label = f'<i class="joy-bit-name">{escape(field.short_name[: field.bits])}</i>' if not place else ""
        cells.append(
            f'<span class="joy-bit joy-field-{colour}" title="{escape(spoken)}, bit {field.high - place}">'
            f"{label}{digit}</span>"
        )
    return "".join(cells)


def _fields(bit_map: BitMap) -> str:
    rows = []
    for place, field in enumerate(bit_map.fields):
        span = f"{field.high}–{field.low}" if field.bits > 1 else f"{field.high}"
        number = "?" if field.value is None else f"{field.value}"
        sixteenths = "?" if field.value is None else f"{field.value:0{-(-field.bits // 4)}X}"
        wrong = "" if field.defined else ' class="joy-refusal"'
        rows.append(
            f'<tr><td><span class="joy-swatch joy-field-{place % COLOURS}"></span></td><td>{span}</td>'
            f"<td>{escape(field.name.replace('_', ' '))}</td><td>{number}</td>"
            f'<td class="joy-hex">{sixteenths}</td>'
            f"<td{wrong}>{escape(field.reading or field.meaning)}</td></tr>"
        )
    return (
        '<table class="joy-fields"><thead><tr><th></th><th>bits</th><th>field</th><th>value</th>'
        f'<th class="joy-hex">hex</th><th>says</th></tr></thead><tbody>{"".join(rows)}</tbody></table>'
    )


def _meaning(explanation: Explanation) -> str:
    rows: list[tuple[str, str]] = []
    if explanation.amount is not None:
        amount = explanation.amount
        rows.append(("Amount", amount.text))
        sign = "minus, " if amount.negative else ""
        parts = f"{sign}exponent {amount.exponent}, mantissa {amount.mantissa}"
        rows.append(("carried as", f"{parts}, in steps of {amount.step_text}"))
    if explanation.token_id is not None:
        reading = explanation.token_id
        rows.append(
            (
                "Token identifier",
                f"{reading.token_id}{', reserved minute' if reading.special_reserved else ''}",
            )
        )
        rows += [
            (f"from {int(base_date)}", f"{to_datetime(instant_ns):%Y-%m-%d %H:%M} UTC")
            for base_date, instant_ns in reading.instants
        ]
        rows.append(("needs", f"key expiry number {reading.least_key_expiry} or more"))
    checksum = explanation.checksum
    if checksum is not None and checksum.found is not None and checksum.expected is not None:
        rows.append((checksum.name, f"{checksum.found:04X} found, {checksum.expected:04X} expected"))
    elif checksum is not None:
        rows.append((checksum.name, f"{'right' if checksum.right else 'wrong'}; it covers a part of a key"))
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in rows)
    doubt = (
        '<p class="joy-refusal">The checksum is wrong: what the fields say is not to be trusted.</p>'
        if checksum is not None and not checksum.right
        else ""
    )
    return f'{doubt}<dl class="joy-who">{listed}</dl>'
