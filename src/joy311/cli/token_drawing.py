"""How ``joy311 token`` draws: bit maps and tables, legible in 80 columns and without colour."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from joy311.instant import to_datetime
from joy311.sts import BaseDate
from joy311.sts.explanation import AmountReading, BitField, BitMap, Explanation, Stage, TokenIdReading
from joy311.sts.known_answers import Report
from joy311.sts.remedies import SLIPS_TRIED, RemedyKind

COLOURS = ("cyan", "yellow", "green", "magenta", "bright_blue", "red")
"""The colours of fields, one after another."""

FAILURES_SHOWN = 20
"""How many failures a person is shown; the JSON document has all."""

_WRAPPED_COLOURS = {"class": "cyan", "displaced": "yellow", "block": "default"}


def console() -> Console:
    """Return what prints to the standard output of this moment, in colour where that is a terminal."""
    return Console(highlight=False, emoji=False, markup=False)


def draw(explanation: Explanation, known: BaseDate | None) -> None:
    """Print all that a token says, and which of its times holds where the base date of the key is known."""
    out = console()
    out.print(Text(explanation.token.grouped(), style="bold"))
    out.print(f"class {explanation.token_class:<8}{explanation.class_name}")
    if explanation.checksum is not None and explanation.checksum.right:
        out.print(f"subclass {explanation.subclass:<5}{explanation.title}")
    for bit_map in explanation.maps:
        out.print()
        _draw_map(out, bit_map)
    out.print()
    if explanation.needs_key:
        out.print(f"No key: {explanation.reason}.")
        return
    _draw_fields(out, explanation.maps[-1])
    if explanation.token_id is not None:
        _draw_token_id(out, explanation.token_id, known)
    if explanation.amount is not None:
        _draw_amount(out, explanation.amount)
    if explanation.checksum is not None and explanation.checksum.found is None:
        out.print(f"{explanation.checksum.name:<18}not shown: it covers a part of a key")
    elif explanation.checksum is not None:
        checksum = explanation.checksum
        out.print(f"{checksum.name:<18}{checksum.found:04X} found, {checksum.expected:04X} expected")
    _draw_verdict(out, explanation)


def _draw_map(out: Console, bit_map: BitMap) -> None:
    out.print(Text(bit_map.title, style="bold"))
    names, bits = Text(" "), Text(" ")
    for place, field in enumerate(bit_map.fields):
        colour = _colour(bit_map, place, field)
        names.append(" " + field.short_name[: field.bits].ljust(field.bits), style=colour)
        bits.append(" " + field.digits, style=colour)
    names.rstrip()
    # A bit map is not broken, whatever the width.
    out.print(names, soft_wrap=True)
    out.print(bits, soft_wrap=True)
    if bit_map.stage is not Stage.PLAIN:
        out.print(f"  hex {_hexadecimal(bit_map)}", style="dim")


def _hexadecimal(bit_map: BitMap) -> str:
    """Return the class and the 64 bits of the block, or all that is transmitted."""
    bits = "".join(field.digits for field in bit_map.fields)
    if bit_map.stage is Stage.TRANSMITTED:
        return f"{int(bits, 2):017X}"
    return f"{int(bits[:2], 2):X} {int(bits[2:], 2):016X}"


def _colour(bit_map: BitMap, place: int, field: BitField) -> str:
    if bit_map.stage is Stage.PLAIN:
        return COLOURS[place % len(COLOURS)]
    return _WRAPPED_COLOURS[field.name]


def _draw_fields(out: Console, bit_map: BitMap) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1))
    for heading in ("bits", "field", "hex", "decimal"):
        table.add_column(heading, no_wrap=True, justify="left" if heading == "field" else "right")
    table.add_column("says", overflow="fold")
    for place, field in enumerate(bit_map.fields):
        span = f"{field.high}-{field.low}" if field.bits > 1 else f"{field.high}"
        table.add_row(
            span,
            field.name.replace("_", " "),
            "?" if field.value is None else f"{field.value:0{-(-field.bits // 4)}X}",
            "?" if field.value is None else f"{field.value}",
            Text(field.reading or field.meaning, style="" if field.defined else "red"),
            style=_colour(bit_map, place, field),
        )
    out.print(table)
    out.print()


def _draw_token_id(out: Console, reading: TokenIdReading, known: BaseDate | None) -> None:
    label = f"token identifier  {reading.token_id}"
    remark = ", the reserved minute of its day" if reading.special_reserved else ""
    out.print(f"{label}{remark}")
    for base_date, instant_ns in reading.instants:
        mark = "   the base date of this key" if base_date is known else ""
        out.print(f"  from {int(base_date)}       {to_datetime(instant_ns):%Y-%m-%d %H:%M} UTC{mark}")
    out.print(f"  needs           a key expiry number of {reading.least_key_expiry} or more")


def _draw_amount(out: Console, amount: AmountReading) -> None:
    sign = ", negative" if amount.negative else ""
    out.print(f"amount            {amount.text}")
    out.print(f"  carried as      exponent {amount.exponent}, mantissa {amount.mantissa}{sign}")
    out.print(f"  in steps of     {amount.step_text}")


def _draw_verdict(out: Console, explanation: Explanation) -> None:
    if explanation.failure is None:
        out.print(Text("\nNothing is wrong with the token itself.", style="green"))
        if explanation.token_id is not None:
            out.print("Whether it is used, old or not permitted, only the meter can tell.")
        return
    out.print(Text(f"\n{explanation.failure.standard_name}: {explanation.reason}.", style="bold red"))
    for remedy in explanation.remedies:
        token = "" if remedy.token is None else f":\n    {remedy.token.grouped()}"
        out.print(f"  {remedy.text}{token}")
    if explanation.checksum is not None and not explanation.checksum.right:
        if not any(remedy.kind in (RemedyKind.DIGIT, RemedyKind.EXCHANGE) for remedy in explanation.remedies):
            out.print(
                f"  No other digit in one place and no exchange of neighbours helps: {SLIPS_TRIED} tried."
            )
        out.print("  What the fields say above is not to be trusted.")


def draw_test_tokens(rows: list[tuple[int, str, list[str]]], headings: list[str]) -> None:
    """Print the test tokens: number, name and the token in each format."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1))
    table.add_column("test", justify="right")
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    table.add_column("asks for")
    for number, name, tokens in rows:
        table.add_row(str(number), *tokens, name)
    console().print(table)


def draw_report(report: Report) -> None:
    """Print how many known answers of each kind agree, and what is wrong with the others."""
    out = console()
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1))
    table.add_column("kind")
    table.add_column("passed", justify="right")
    table.add_column("failed", justify="right")
    for kind, (passed, failed) in report.by_kind.items():
        table.add_row(Text(kind), str(passed), Text(str(failed), style="bold red" if failed else ""))
    table.add_section()
    table.add_row(
        "all", str(report.passed), Text(str(report.failed), style="bold red" if report.failed else "")
    )
    out.print(table)
    for failure in report.failures[:FAILURES_SHOWN]:
        name = f" {failure.id}" if failure.id else f" {failure.kind}"
        out.print(f"line {failure.line}{name}: {failure.reason}")
    if len(report.failures) > FAILURES_SHOWN:
        out.print(f"and {len(report.failures) - FAILURES_SHOWN} more: --json lists them all")
