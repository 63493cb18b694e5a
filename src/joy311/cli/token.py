"""``joy311 token``: tokens made, read, explained and held to known answers, without a shop or a meter."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joy311.cli.token_batch import batch

if TYPE_CHECKING:
    from joy311.sts import BaseDate, DecoderKey, KeyAttributes, Token
    from joy311.sts.explanation import AmountReading, Explanation, TokenIdReading
    from joy311.sts.key_document import KeyDocument

app = typer.Typer(
    no_args_is_help=True,
    help="Make, read, explain and check STS tokens. Keys come from a file or standard input only.",
)
app.command()(batch)


class Kind(Enum):
    """What can be issued under a key."""

    CREDIT = "credit"
    CURRENCY = "currency"
    POWER_LIMIT = "power-limit"
    PHASE_UNBALANCE_LIMIT = "phase-unbalance-limit"
    CLEAR_CREDIT = "clear-credit"
    CLEAR_TAMPER = "clear-tamper"
    TARIFF_RATE = "tariff-rate"
    WATER_FACTOR = "water-factor"
    EXTENDED_CONTROL = "extended-control"


class Service(Enum):
    """What credit is for, in the order of the standard's numbers."""

    ELECTRICITY = "electricity"
    WATER = "water"
    GAS = "gas"
    TIME = "time"


_LARGEST_KEY_FILE = 100_000

_JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
_DigitsArgument = Annotated[str, typer.Argument(help="The twenty digits; quote them where they have blanks.")]
_KeyFileOption = Annotated[
    Path | None,
    typer.Option(
        "--key-file", help="The key: hexadecimal digits, or a JSON object with the key and its attributes."
    ),
]
_KeyStdinOption = Annotated[bool, typer.Option("--key-stdin", help="Read the key from standard input.")]
_MeterOption = Annotated[
    str | None,
    typer.Option("--meter", help="Meter number; a key of digits alone is then a vending key."),
]
_KeyTypeOption = Annotated[
    str | None, typer.Option("--key-type", help="DITK, DDTK, DUTK or DCTK, or 0 to 3.")
]
_SupplyGroupOption = Annotated[str | None, typer.Option("--supply-group", help="Six digits.")]
_TariffIndexOption = Annotated[str | None, typer.Option("--tariff-index", help="Two digits.")]
_KeyRevisionOption = Annotated[str | None, typer.Option("--key-revision", help="1 to 9.")]
_BaseDateOption = Annotated[str | None, typer.Option("--base-date", help="1993, 2014 or 2035.")]
_AlgorithmOption = Annotated[str | None, typer.Option("--algorithm", help="STA or MISTY1, or 7 or 11.")]
_DerivationOption = Annotated[str | None, typer.Option("--derivation", help="DKGA02 or DKGA04, or 2 or 4.")]
_KeyExpiryOption = Annotated[str | None, typer.Option("--key-expiry", help="0 to 255 [default: 255]")]


@app.command()
def issue(
    kind: Annotated[Kind, typer.Argument(help="What to say to the meter.")],
    value: Annotated[
        str | None,
        typer.Option(
            "--value",
            help="kWh, m3 or minutes for credit, money for currency, watts for a limit, the register (0 to 7"
            " or all) for clear-credit; otherwise the number.",
        ),
    ] = None,
    service: Annotated[Service, typer.Option(help="Of credit and currency.")] = Service.ELECTRICITY,
    index: Annotated[int | None, typer.Option(help="Of an extended control, 0 to 63.")] = None,
    time: Annotated[
        str | None, typer.Option("--time", help="When it is issued, ISO 8601, UTC [default: now]")
    ] = None,
    token_id: Annotated[
        int | None, typer.Option("--token-id", help="The token identifier itself, in place of a time.")
    ] = None,
    special_reserved: Annotated[
        bool, typer.Option("--special-reserved", help="Take the reserved identifier 00:01 of that day.")
    ] = False,
    random: Annotated[
        int | None, typer.Option("--random", help="The four random bits, 0 to 15 [default: drawn]")
    ] = None,
    key_file: _KeyFileOption = None,
    key_stdin: _KeyStdinOption = False,
    meter: _MeterOption = None,
    key_type: _KeyTypeOption = None,
    supply_group: _SupplyGroupOption = None,
    tariff_index: _TariffIndexOption = None,
    key_revision: _KeyRevisionOption = None,
    base_date: _BaseDateOption = None,
    algorithm: _AlgorithmOption = None,
    derivation: _DerivationOption = None,
    key_expiry: _KeyExpiryOption = None,
    as_json: _JsonOption = False,
) -> None:
    """Make a credit or management token.

    Nothing is remembered from one call to the next: of two tokens for one meter within a minute the meter
    accepts one, unless --token-id keeps them apart.
    """
    from random import SystemRandom

    from joy311.sts import encode
    from joy311.sts.explanation import explain

    given = _given(
        meter,
        key_type,
        supply_group,
        tariff_index,
        key_revision,
        base_date,
        algorithm,
        derivation,
        key_expiry,
    )
    key = _require_key(key_file, key_stdin, given)
    identifier = _token_id(key, time, token_id, special_reserved)
    chance = SystemRandom().randrange(16) if random is None else random
    said = _token(kind, value, list(Service).index(service), index, chance, identifier)
    _require_permitted(key.attributes, kind, identifier)
    token = encode(said, key.decoder_key)
    explanation = explain(token.digits, key.decoder_key)
    if as_json:
        _print_json(
            {
                "token": token.digits,
                **_says(said, explanation),
                "key_check_value": key.decoder_key.key_check_value(),
            }
        )
        return
    typer.echo(token.grouped())
    typer.echo("; ".join(_spoken(said, explanation, key.base_date)))


@app.command("decode")
def decode_command(
    digits: _DigitsArgument,
    key_file: _KeyFileOption = None,
    key_stdin: _KeyStdinOption = False,
    meter: _MeterOption = None,
    key_type: _KeyTypeOption = None,
    supply_group: _SupplyGroupOption = None,
    tariff_index: _TariffIndexOption = None,
    key_revision: _KeyRevisionOption = None,
    base_date: _BaseDateOption = None,
    algorithm: _AlgorithmOption = None,
    derivation: _DerivationOption = None,
    key_expiry: _KeyExpiryOption = None,
    as_json: _JsonOption = False,
) -> None:
    """Read a token; exit code 1 where it says nothing to the meter with this key."""
    from joy311.errors import InvalidInput
    from joy311.sts import Token20, Undecodable, decode
    from joy311.sts.explanation import explain

    given = _given(
        meter,
        key_type,
        supply_group,
        tariff_index,
        key_revision,
        base_date,
        algorithm,
        derivation,
        key_expiry,
    )
    token = Token20.parse(digits)
    key, base_date_known = _opening(key_file, key_stdin, given)
    explanation = explain(token.digits, key)
    if explanation.needs_key:
        raise InvalidInput(f"{explanation.reason}: --key-file or --key-stdin", field="key")
    said = decode(token, key)
    result = explanation.failure.standard_name if explanation.failure is not None else None
    document: dict[str, Any] = {"token": token.digits, "result": result, "reason": explanation.reason or None}
    lines = [] if result is None else [f"{result}: {explanation.reason}"]
    if not isinstance(said, Undecodable):
        document |= _says(said, explanation)
        lines += _spoken(said, explanation, base_date_known)
    if as_json:
        _print_json(document)
    else:
        typer.echo("\n".join(lines))
    if result is not None:
        raise typer.Exit(1)


@app.command("explain")
def explain_command(
    digits: _DigitsArgument,
    key_file: _KeyFileOption = None,
    key_stdin: _KeyStdinOption = False,
    meter: _MeterOption = None,
    key_type: _KeyTypeOption = None,
    supply_group: _SupplyGroupOption = None,
    tariff_index: _TariffIndexOption = None,
    key_revision: _KeyRevisionOption = None,
    base_date: _BaseDateOption = None,
    algorithm: _AlgorithmOption = None,
    derivation: _DerivationOption = None,
    key_expiry: _KeyExpiryOption = None,
    as_json: _JsonOption = False,
) -> None:
    """Show every bit of a token by field and, where it fails, why and what would make it pass.

    Class 1 needs no key. A token that fails is explained like any other, so the exit code is 0.
    """
    from joy311.sts.explanation import explain

    given = _given(
        meter,
        key_type,
        supply_group,
        tariff_index,
        key_revision,
        base_date,
        algorithm,
        derivation,
        key_expiry,
    )
    key, base_date_known = _opening(key_file, key_stdin, given)
    explanation = explain(digits, key)
    if as_json:
        _print_json(_explained(explanation))
        return
    from joy311.cli.token_drawing import draw

    draw(explanation, base_date_known)


@app.command("key-change")
def key_change(
    new_key_file: Annotated[
        Path | None,
        typer.Option(
            "--new-key-file", help="The new key [default: derived from the same vending key, changed]"
        ),
    ] = None,
    new_key_type: Annotated[str | None, typer.Option(help="DITK, DDTK, DUTK or DCTK, or 0 to 3.")] = None,
    new_supply_group: Annotated[str | None, typer.Option(help="Six digits.")] = None,
    new_tariff_index: Annotated[str | None, typer.Option(help="Two digits.")] = None,
    new_key_revision: Annotated[str | None, typer.Option(help="1 to 9.")] = None,
    new_base_date: Annotated[str | None, typer.Option(help="1993, 2014 or 2035.")] = None,
    new_derivation: Annotated[str | None, typer.Option(help="DKGA02 or DKGA04, or 2 or 4.")] = None,
    new_key_expiry: Annotated[str | None, typer.Option(help="0 to 255.")] = None,
    three_tokens: Annotated[
        bool,
        typer.Option("--three-tokens", help="Tell the supply group to a meter with STA, in a third token."),
    ] = False,
    key_file: _KeyFileOption = None,
    key_stdin: _KeyStdinOption = False,
    meter: _MeterOption = None,
    key_type: _KeyTypeOption = None,
    supply_group: _SupplyGroupOption = None,
    tariff_index: _TariffIndexOption = None,
    key_revision: _KeyRevisionOption = None,
    base_date: _BaseDateOption = None,
    algorithm: _AlgorithmOption = None,
    derivation: _DerivationOption = None,
    key_expiry: _KeyExpiryOption = None,
    as_json: _JsonOption = False,
) -> None:
    """Make the set of tokens that gives a meter a new key; what --new-... does not change stays."""
    from joy311.errors import InvalidInput
    from joy311.sts import derive_decoder_key, key_change_tokens, plan_key_change
    from joy311.sts.key_document import attribute_texts, parse_attributes, parse_key_document

    given = _given(
        meter,
        key_type,
        supply_group,
        tariff_index,
        key_revision,
        base_date,
        algorithm,
        derivation,
        key_expiry,
    )
    old = _require_key(key_file, key_stdin, given)
    old_attributes = old.require_attributes()
    changes = _given(
        None,
        new_key_type,
        new_supply_group,
        new_tariff_index,
        new_key_revision,
        new_base_date,
        None,
        new_derivation,
        new_key_expiry,
    )
    if new_key_file is not None:
        new = parse_key_document(
            read_key_file(new_key_file),
            changes,
            otherwise=attribute_texts(old_attributes),
            digits_are="decoder_key" if old.vending_key is None else "vending_key",
        )
        new_key, new_attributes = new.decoder_key, new.require_attributes()
    elif old.vending_key is not None:
        new_attributes = parse_attributes(attribute_texts(old_attributes) | changes)
        new_key = derive_decoder_key(old.vending_key, new_attributes)
    else:
        raise InvalidInput("a decoder key says nothing of the next one: --new-key-file", field="new-key-file")
    change = plan_key_change(old_attributes, new_attributes, new_key, tell_supply_group=three_tokens)
    tokens = key_change_tokens(change, old.decoder_key)
    if as_json:
        _print_json(
            {
                "tokens": [token.digits for token in tokens],
                "tokens_in_set": len(tokens),
                "roll_over": change.roll_over,
                "old_key_check_value": old.decoder_key.key_check_value(),
                "new_key_check_value": new_key.key_check_value(),
                "new": attribute_texts(new_attributes),
            }
        )
        return
    for number, token in enumerate(tokens, start=1):
        typer.echo(f"{number} of {len(tokens)}   {token.grouped()}")
    base = "the base date changes: spent tokens are forgotten" if change.roll_over else "the same base date"
    typer.echo(f"new key check value {new_key.key_check_value()}; {base}")


@app.command("test-tokens")
def list_test_tokens(
    manufacturer_digits: Annotated[
        int | None,
        typer.Option(help="Only for meters with a manufacturer code of 2 or of 4 digits."),
    ] = None,
    as_json: _JsonOption = False,
) -> None:
    """List the tokens that ask any meter for a test or a display; they need no key."""
    from joy311.errors import InvalidInput
    from joy311.sts import METER_TESTS, encode, meter_test
    from joy311.sts.meter_test import CONTROL_BITS_BY_MANUFACTURER_DIGITS

    widths = CONTROL_BITS_BY_MANUFACTURER_DIGITS
    if manufacturer_digits is not None and manufacturer_digits not in widths:
        raise InvalidInput(
            f"a manufacturer code has 2 or 4 digits, not {manufacturer_digits}", field="manufacturer-digits"
        )
    shown = [count for count in widths if manufacturer_digits in (None, count)]
    tests = {0: "all tests"} | METER_TESTS
    tokens = {
        number: {count: encode(meter_test(number, control_bits=widths[count]), None) for count in shown}
        for number in tests
    }
    if as_json:
        _print_json(
            [
                {"test": number, "name": name}
                | {f"{count}_digit_manufacturer": tokens[number][count].digits for count in shown}
                for number, name in tests.items()
            ]
        )
        return
    from joy311.cli.token_drawing import draw_test_tokens

    draw_test_tokens(
        [
            (number, name, [tokens[number][count].grouped() for count in shown])
            for number, name in tests.items()
        ],
        [f"{count}-digit manufacturer" for count in shown],
    )


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="Known answers, one JSON object a line.")],
    as_json: _JsonOption = False,
) -> None:
    """Hold this program to known answers of yours; exit code 1 where a line does not agree."""
    from dataclasses import asdict

    from joy311.errors import InvalidInput
    from joy311.sts.known_answers import check_lines

    try:
        with file.open("rb") as lines:
            report = check_lines(lines)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}", field="file") from None
    if not report.by_kind:
        raise InvalidInput(f"{file} holds no known answers", field="file")
    if as_json:
        _print_json(
            {
                "passed": report.passed,
                "failed": report.failed,
                "by_kind": {
                    kind: {"passed": passed, "failed": failed}
                    for kind, (passed, failed) in report.by_kind.items()
                },
                "failures": [asdict(failure) for failure in report.failures],
            }
        )
    else:
        from joy311.cli.token_drawing import draw_report

        draw_report(report)
    if report.failed:
        raise typer.Exit(1)


def _given(
    meter: str | None,
    key_type: str | None,
    supply_group: str | None,
    tariff_index: str | None,
    key_revision: str | None,
    base_date: str | None,
    algorithm: str | None,
    derivation: str | None,
    key_expiry: str | None,
) -> dict[str, str]:
    """Return the attributes that options name, by their names in a key document."""
    named = {
        "meter_pan": meter,
        "key_type": key_type,
        "supply_group_code": supply_group,
        "tariff_index": tariff_index,
        "key_revision": key_revision,
        "base_date": base_date,
        "ea": algorithm,
        "dkga": derivation,
        "key_expiry": key_expiry,
    }
    return {name: text for name, text in named.items() if text is not None}


def _key(key_file: Path | None, key_stdin: bool, given: dict[str, str]) -> KeyDocument | None:
    """Return the key that file or standard input holds, None where neither is named."""
    import getpass
    import sys

    from joy311.errors import InvalidInput
    from joy311.sts.key_document import parse_key_document

    if key_file is not None and key_stdin:
        raise InvalidInput("name either --key-file or --key-stdin", field="key-stdin")
    if key_file is not None:
        return parse_key_document(read_key_file(key_file), given)
    if not key_stdin:
        return None
    if sys.stdin.isatty():
        return parse_key_document(getpass.getpass("Key: "), given)
    try:
        return parse_key_document(sys.stdin.read(_LARGEST_KEY_FILE + 1), given)
    except UnicodeDecodeError:
        raise InvalidInput("the key on standard input is not a text", field="key-stdin") from None


def _opening(
    key_file: Path | None, key_stdin: bool, given: dict[str, str]
) -> tuple[DecoderKey | None, BaseDate | None]:
    """Return the key to open a token with and its base date, each None where it is not known."""
    key = _key(key_file, key_stdin, given)
    return (None, None) if key is None else (key.decoder_key, key.base_date)


def _require_key(key_file: Path | None, key_stdin: bool, given: dict[str, str]) -> KeyDocument:
    from joy311.errors import InvalidInput

    key = _key(key_file, key_stdin, given)
    if key is None:
        raise InvalidInput("this needs the meter's key: --key-file or --key-stdin", field="key-file")
    return key


def read_key_file(path: Path, most_bytes: int = _LARGEST_KEY_FILE) -> str:
    """Return the text in a file of keys, with a warning where others can read it too.

    Raises
    ------
    InvalidInput
        If it cannot be read, is no text or has more than `most_bytes`; no message repeats any of it.
    """
    import stat

    from joy311.errors import InvalidInput

    try:
        with path.open("rb") as file:
            raw = file.read(most_bytes + 1)
        mode = path.stat().st_mode
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}", field="key-file") from None
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        typer.echo(f"joy311: warning: others can read the key in {path}: chmod 600 {path}", err=True)
    if len(raw) > most_bytes:
        raise InvalidInput(f"{path} has more than {most_bytes} bytes", field="key-file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        # The cause would quote the key.
        raise InvalidInput(f"{path} is not a text", field="key-file") from None


def _token_id(key: KeyDocument, time: str | None, token_id: int | None, special_reserved: bool) -> int:
    from joy311.errors import InvalidInput
    from joy311.instant import from_iso
    from joy311.sts import token_id_at

    if token_id is not None:
        if time is not None or special_reserved:
            raise InvalidInput("--token-id stands alone, without a time", field="token-id")
        return token_id
    if key.base_date is None:
        raise InvalidInput("a time needs the key's base date: --base-date", field="base-date")
    return token_id_at(
        _now() if time is None else from_iso(time), key.base_date, special_reserved=special_reserved
    )


def _now() -> int:
    import time

    return time.time_ns()


def _token(
    kind: Kind, value: str | None, service: int, index: int | None, random: int, token_id: int
) -> Token:
    from joy311 import sts

    if (index is not None) != (kind is Kind.EXTENDED_CONTROL):
        _complain("an extended control, and nothing else, has an --index", "index")
    if (value is None) != (kind is Kind.CLEAR_TAMPER):
        needs = "takes no" if value is not None else "needs a"
        _complain(f"{kind.value} {needs} --value", "value")
    text = value or "0"
    head = random, token_id
    match kind:
        case Kind.CREDIT:
            return sts.TransferCredit(service, *head, _scaled(text, 1))
        case Kind.CURRENCY:
            return sts.TransferCurrencyCredit(service, token_id, _scaled(text, 5))
        case Kind.POWER_LIMIT:
            return sts.SetMaximumPowerLimit(*head, _scaled(text, 0))
        case Kind.PHASE_UNBALANCE_LIMIT:
            return sts.SetMaximumPhasePowerUnbalanceLimit(*head, _scaled(text, 0))
        case Kind.CLEAR_CREDIT:
            return sts.ClearCredit(*head, sts.ALL_REGISTERS if text == "all" else _integer(text))
        case Kind.CLEAR_TAMPER:
            return sts.ClearTamperCondition(*head)
        case Kind.TARIFF_RATE:
            return sts.SetTariffRate(*head, _integer(text))
        case Kind.WATER_FACTOR:
            return sts.SetWaterMeterFactor(*head, _integer(text))
        case Kind.EXTENDED_CONTROL:
            return sts.SetExtendedControl(*head, index or 0, _integer(text))


def _complain(message: str, field: str) -> None:
    from joy311.errors import InvalidInput

    raise InvalidInput(message, field=field)


def _scaled(text: str, decimals: int) -> int:
    """Return a decimal number in units of ``10**-decimals``, rounded up: in the customer's favour."""
    import re

    from joy311.errors import InvalidInput

    number = re.fullmatch(r"(-?)([0-9]{1,40})(?:\.([0-9]{1,40}))?", text.strip())
    if number is None:
        raise InvalidInput(f"{text[:32]!r} is not a decimal number such as 25.5", field="value")
    sign, whole, part = number[1], number[2], number[3] or ""
    exact = int(f"{sign}{whole}{part}")
    return -(-exact * int(10**decimals) // int(10 ** len(part)))


def _integer(text: str) -> int:
    from joy311.errors import InvalidInput

    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidInput(f"{text[:32]!r} is not a whole number", field="value")
    return int(text)


def _require_permitted(attributes: KeyAttributes | None, kind: Kind, token_id: int) -> None:
    """Refuse what a security module would not make, as far as the key's attributes are known."""
    from joy311.errors import Refused
    from joy311.sts import TokenResult, credit_permitted, is_expired

    if attributes is None:
        return
    if kind in (Kind.CREDIT, Kind.CURRENCY) and not credit_permitted(attributes.key_type):
        raise Refused(
            TokenResult.DDTK_ERROR.standard_name,
            f"credit is not permitted under a {attributes.key_type.name}",
        )
    if is_expired(token_id, attributes.key_expiry):
        raise Refused(
            TokenResult.KEY_EXPIRED_ERROR.standard_name,
            f"the token identifier {token_id} lies beyond the key expiry number {attributes.key_expiry}",
        )


def _says(said: Token, explanation: Explanation) -> dict[str, Any]:
    """Return what a token says as JSON; parts of keys are left out."""
    return {
        "kind": explanation.name,
        "title": explanation.title,
        "class": explanation.token_class,
        "subclass": explanation.subclass,
        "values": _values(said),
        "token_id": explanation.token_id and _time_document(explanation.token_id),
        "amount": explanation.amount and _amount_document(explanation.amount),
    }


def _values(said: Token) -> dict[str, Any]:
    from dataclasses import fields

    return {part.name: getattr(said, part.name) for part in fields(said) if part.repr}


def _spoken(said: Token, explanation: Explanation, known: BaseDate | None) -> list[str]:
    """Return what a token says, for people, with its time from the base date that is known, or from each."""
    from joy311.instant import to_datetime

    lines = [f"{explanation.title}{f', {explanation.amount.text}' if explanation.amount else ''}"]
    spent = {"service", "units", "amount_1e5", "limit_w", "token_id"} if explanation.amount else {"token_id"}
    lines += [
        f"{name.replace('_', ' ')} {value}" for name, value in _values(said).items() if name not in spent
    ]
    if explanation.token_id is not None:
        times = ", ".join(
            f"{to_datetime(instant_ns):%Y-%m-%d %H:%M} from {int(base_date)}"
            for base_date, instant_ns in explanation.token_id.instants
            if known in (None, base_date)
        )
        lines.append(f"token identifier {explanation.token_id.token_id}: {times}")
    return lines


def _time_document(reading: TokenIdReading) -> dict[str, Any]:
    from joy311.instant import to_iso

    return {
        "value": reading.token_id,
        "times": {str(int(base_date)): to_iso(instant_ns) for base_date, instant_ns in reading.instants},
        "special_reserved": reading.special_reserved,
        "least_key_expiry": reading.least_key_expiry,
    }


def _amount_document(amount: AmountReading) -> dict[str, Any]:
    from joy311.sts.explanation import decimal

    return {
        "value": decimal(amount.units, amount.decimals),
        "unit": amount.unit,
        "negative": amount.negative,
        "exponent": amount.exponent,
        "mantissa": amount.mantissa,
        "step": decimal(amount.step, amount.decimals),
    }


def _explained(explanation: Explanation) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "token": explanation.token.digits,
        "class": explanation.token_class,
        "class_name": explanation.class_name,
        "encrypted": explanation.encrypted,
        "opened_with": explanation.opened_with and explanation.opened_with.name,
        "needs_key": explanation.needs_key,
        "subclass": explanation.subclass,
        "title": explanation.title,
        "kind": explanation.name,
        "result": explanation.failure and explanation.failure.standard_name,
        "reason": explanation.reason or None,
        "maps": [
            {
                "stage": bit_map.stage.value,
                "title": bit_map.title,
                "fields": [
                    {
                        "name": field.name,
                        "high": field.high,
                        "low": field.low,
                        "bits": field.digits,
                        "value": field.value,
                        "meaning": field.meaning,
                        "reading": field.reading,
                        "defined": field.defined,
                    }
                    for field in bit_map.fields
                ],
            }
            for bit_map in explanation.maps
        ],
        "token_id": explanation.token_id and _time_document(explanation.token_id),
        "amount": explanation.amount and _amount_document(explanation.amount),
        "checksum": explanation.checksum and asdict(explanation.checksum),
        "remedies": [
            {
                "kind": remedy.kind.value,
                "text": remedy.text,
                "token": remedy.token and remedy.token.digits,
            }
            for remedy in explanation.remedies
        ],
    }


def _print_json(document: object) -> None:
    import json

    typer.echo(json.dumps(document))
