"""``joy311 read``: a meter, read over its local port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from joy311.device.optical_reader import OpticalReader
    from joy311.iec62056 import TableRequest

_RESULT_TRIES = 10
_RESULT_PAUSE_S = 0.5
_READER_PASSWORD = "00000000"


def read(
    url: Annotated[
        str,
        typer.Argument(
            help="tcp://HOST:PORT, pty://PATH, or the path of a serial port with an optical head on it.",
            show_default=False,
        ),
    ],
    everything: Annotated[
        bool, typer.Option("--all", help="Read all that the meter shows to everybody (the default).")
    ] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Read the load profile.")] = False,
    log: Annotated[bool, typer.Option("--log", help="Read the log-book.")] = False,
    token: Annotated[
        str | None,
        typer.Option("--token", metavar="DIGITS", help="Enter a token of 20 digits, - to be asked for it."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, a line for each row of a table.")
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    password: Annotated[
        str | None,
        typer.Option(
            help="Password of the level, of level 3 the key in hexadecimal; - to be asked for it.",
            envvar="JOY311_PORT_PASSWORD",
            show_default=False,
        ),
    ] = None,
    level: Annotated[
        int, typer.Option(min=1, max=3, help="1 reader, 2 utility, 3 factory; for all but the read-out.")
    ] = 1,
    address: Annotated[str, typer.Option(help="Which meter of a multi-drop line.", show_default=False)] = "",
    from_time: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="First time of a table, ISO 8601.")
    ] = None,
    to_time: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Last time of a table, ISO 8601.")
    ] = None,
    software_7e1: Annotated[
        bool, typer.Option("--software-7e1", help="Carry the parity in the eighth bit.")
    ] = False,
) -> None:
    """Read a meter over IEC 62056-21: its registers, load profile or log-book; or enter a token."""
    from joy311.device.optical_reader import OpticalReader
    from joy311.errors import InvalidInput
    from joy311.iec62056 import LOAD_PROFILE, LOG_BOOK, Level, TableRequest
    from joy311.instant import from_iso

    if everything + profile + log + (token is not None) > 1:
        raise InvalidInput("choose one of --all, --profile, --log and --token", field="all")
    if as_json and as_csv:
        raise InvalidInput("choose one of --json and --csv", field="json")
    if (from_time or to_time) and not (profile or log):
        raise InvalidInput("--from and --to are for --profile and --log", field="from")
    request = TableRequest(
        from_iso(from_time) if from_time else None,
        from_iso(to_time) if to_time else None,
        rows_in_block=500,
    )
    digits = None if token is None else _digits(token)
    secret = _secret(password, level) if profile or log or digits else ""
    with OpticalReader(url, address, software_7e1=software_7e1) as reader:
        if not (profile or log or digits):
            _print_registers(reader, as_json=as_json, as_csv=as_csv)
            return
        reader.program(Level(level), secret)
        if digits is not None:
            _enter(reader, digits, as_json=as_json, as_csv=as_csv)
        elif profile:
            _print_table(reader, LOAD_PROFILE, request, as_json=as_json, as_csv=as_csv)
        else:
            _print_table(reader, LOG_BOOK, request, as_json=as_json, as_csv=as_csv)


def _digits(token: str) -> str:
    from joy311.sts import Token20

    return Token20.parse(typer.prompt("token", err=True) if token == "-" else token).digits


def _secret(password: str | None, level: int) -> str:
    from joy311.errors import InvalidInput

    if password == "-":
        return str(typer.prompt("password", hide_input=True, err=True))
    if password is None and level > 1:
        raise InvalidInput(f"level {level} needs --password", field="password")
    return password if password is not None else _READER_PASSWORD


def _print_registers(reader: OpticalReader, *, as_json: bool, as_csv: bool) -> None:
    import json

    from rich.console import Console
    from rich.table import Table

    from joy311.errors import InvalidInput
    from joy311.iec62056 import REGISTERS, Code

    def title(code: str) -> str:
        try:
            register = REGISTERS.get(Code.parse(code).reduced)
        except InvalidInput:
            return ""
        return register.title if register is not None else ""

    identification, sets = reader.read_out()
    rows = [
        (data_set.code, title(data_set.code), index, item)
        for data_set in sets
        for index, item in enumerate(data_set.items)
    ]
    if as_json:
        document = {
            "manufacturer": identification.manufacturer,
            "identification": identification.text,
            "registers": [
                {
                    "code": data_set.code,
                    "title": title(data_set.code),
                    "values": [{"value": item.text, "unit": item.unit} for item in data_set.items],
                }
                for data_set in sets
            ],
        }
        typer.echo(json.dumps(document, indent=2))
    elif as_csv:
        _print_csv(["code", "title", "value", "unit"])
        for code, name, _, item in rows:
            _print_csv([code, name, item.text, item.unit])
    else:
        console = Console()
        head = f"{identification.manufacturer} {identification.text}"
        console.print(head, markup=False, highlight=False)
        table = Table(box=None, pad_edge=False, show_header=False)
        for justify in ("left", "right", "left", "left"):
            table.add_column(justify=justify, no_wrap=True)
        for code, name, index, item in rows:
            first = index == 0
            table.add_row(code if first else "", item.text, item.unit, name if first else "")
        console.print(table, markup=False, highlight=False)


def _print_table(
    reader: OpticalReader, code: str, request: TableRequest, *, as_json: bool, as_csv: bool
) -> None:
    import json

    from joy311.iec62056 import LOAD_PROFILE, read_log, read_profile
    from joy311.instant import to_iso

    lines = reader.table(code, request)
    channels: object = None
    if code == LOAD_PROFILE:
        for row in read_profile(lines):
            ended = to_iso(row.ended_ns)
            if as_json:
                cells = [
                    {"code": name, "value": str(value), "unit": unit}
                    for (name, unit), value in zip(row.channels, row.values, strict=True)
                ]
                typer.echo(json.dumps({"ended": ended, "status": f"{row.status:04X}", "values": cells}))
                continue
            if channels != row.channels:
                channels = row.channels
                names = [f"{name} {unit}".strip() for name, unit in row.channels]
                _print_row(["ended", "status", *names], as_csv=as_csv)
            _print_row([ended, f"{row.status:04X}", *map(str, row.values)], as_csv=as_csv)
        return
    if not as_json:
        _print_row(["time", "status", "elements"], as_csv=as_csv)
    for entry in read_log(lines):
        at, status = to_iso(entry.at_ns), f"{entry.status:08X}"
        if as_json:
            elements = [
                {"code": element.code, "value": item.text, "unit": item.unit}
                for element in entry.elements
                for item in element.items
            ]
            typer.echo(json.dumps({"time": at, "status": status, "elements": elements}))
        else:
            _print_row([at, status, " ".join(map(str, entry.elements))], as_csv=as_csv)


def _print_row(cells: list[str], *, as_csv: bool) -> None:
    if as_csv:
        _print_csv(cells)
    else:
        typer.echo("  ".join(cells))


def _print_csv(cells: list[str]) -> None:
    import csv
    import io

    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    typer.echo(line.getvalue())


def _enter(reader: OpticalReader, digits: str, *, as_json: bool, as_csv: bool) -> None:
    """Enter a token and print its result; exit with 1 where the meter does not accept it."""
    import json
    import time

    from joy311.errors import Refused
    from joy311.iec62056 import TOKEN_GATEWAY
    from joy311.sts import TokenResult

    reader.write(TOKEN_GATEWAY, digits)
    text = ""
    for _ in range(_RESULT_TRIES):
        text = reader.read(TOKEN_GATEWAY).items[0].text
        if text.strip("0"):
            break
        time.sleep(_RESULT_PAUSE_S)
    try:
        result = TokenResult(int(text))
    except ValueError:
        raise Refused(
            "NoResult", f"the meter has taken the token but gives {text[:20]!r} as its result"
        ) from None
    if as_json:
        typer.echo(json.dumps({"result": int(result), "name": result.standard_name}))
    elif as_csv:
        _print_csv(["result", "name"])
        _print_csv([str(int(result)), result.standard_name])
    else:
        typer.echo(f"{int(result)} {result.standard_name}")
    if result not in (TokenResult.ACCEPT, TokenResult.FIRST_KCT, TokenResult.SECOND_KCT):
        raise typer.Exit(1)
