"""``joy311 pos``: the point of sale on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from joy311.vending.money import Currency
    from joy311.vending.receipt import Receipt
    from joy311.vending.security_module import SoftwareSecurityModule
    from joy311.vending.service import Shop

app = typer.Typer(
    no_args_is_help=True, help="Sell tokens: register, quote, sell, print receipts, serve the API."
)

DEFAULT_PORT = 8312

_DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data", help="Directory of the shop [default: ~/.local/share/joy311]", envvar="JOY311_DATA"
    ),
]
_DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        help="postgresql://user@host/name [default: a SQLite file in the shop's directory]",
        envvar="JOY311_DATABASE",
        show_envvar=False,
    ),
]
_ModuleOption = Annotated[
    Path | None,
    typer.Option(
        "--security-module",
        help="Socket of a security module's process [default: the keys in the shop's directory]",
        envvar="JOY311_SECURITY_MODULE",
    ),
]
_JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
_MeterOption = Annotated[str, typer.Option("--meter", help="Meter number, 11, 13 or 18 digits.")]
_AmountOption = Annotated[str, typer.Option("--amount", help="What the customer pays, such as 500.00.")]


@app.command()
def init(
    data: _DataOption = None,
    database: _DatabaseOption = None,
    demonstration: Annotated[
        bool, typer.Option("--demonstration", help="Make the ready-made shop with two meters.")
    ] = False,
    utility: Annotated[str | None, typer.Option(help="Name on the receipt.")] = None,
    tax_reference: Annotated[str, typer.Option(help="The utility's tax number on the receipt.")] = "",
    currency: Annotated[str | None, typer.Option(help="Three letters, such as KES.")] = None,
    decimals: Annotated[int | None, typer.Option(help="Decimal places of the currency's minor unit.")] = None,
    supply_group: Annotated[str | None, typer.Option(help="Supply group code, six digits.")] = None,
    tariff: Annotated[str | None, typer.Option(help="Name of the tariff.")] = None,
    price: Annotated[str | None, typer.Option(help="Price of 1 kWh, a decimal number.")] = None,
    tax_name: Annotated[str | None, typer.Option(help="Name of the tax, such as VAT.")] = None,
    tax_rate: Annotated[str | None, typer.Option(help="Tax in percent, a decimal number.")] = None,
    tax_basis: Annotated[
        str | None, typer.Option(help="Does the price hold it: inclusive or exclusive.")
    ] = None,
    rounding: Annotated[str | None, typer.Option(help="half up, half even, down or up.")] = None,
    minimum: Annotated[str | None, typer.Option(help="Least payment.")] = None,
    maximum: Annotated[str | None, typer.Option(help="Greatest payment.")] = None,
    as_json: _JsonOption = False,
) -> None:
    """Make a shop: its utility, one supply group with a new random key, and one flat tariff."""
    from joy311.errors import InvalidInput

    directory = _directory(data)
    if demonstration:
        if database is not None:
            raise InvalidInput("the demonstration lives in a file: leave out --database", field="database")
        _init_demonstration(directory, as_json)
        return
    wanted: dict[str, Any] = {
        "utility": utility,
        "currency": currency,
        "decimals": decimals,
        "supply-group": supply_group,
        "tariff": tariff,
        "price": price,
        "tax-name": tax_name,
        "tax-rate": tax_rate,
        "tax-basis": tax_basis,
        "rounding": rounding,
        "minimum": minimum,
        "maximum": maximum,
    }
    missing = [f"--{name}" for name, value in wanted.items() if value is None]
    if missing:
        raise InvalidInput(f"a shop needs {' '.join(missing)} (or --demonstration)", field=missing[0])
    _init_shop(directory, database, wanted, tax_reference, as_json)


def _init_demonstration(directory: Path, as_json: bool) -> None:
    from contextlib import closing
    from random import SystemRandom

    from joy311.vending.demonstration import load_demonstration

    with closing(load_demonstration(directory, _now(), SystemRandom())) as demo:
        _print(
            {"data": str(directory), "meters": [demo.meter, demo.neighbour]},
            f"The shop in {directory} is ready. Meters: {demo.meter}, {demo.neighbour}",
            as_json,
        )


def _init_shop(
    directory: Path, database: str | None, wanted: dict[str, Any], tax_reference: str, as_json: bool
) -> None:
    from contextlib import closing
    from random import SystemRandom

    from joy311.errors import InvalidInput
    from joy311.sts import BaseDate, EncryptionAlgorithm, KeyDerivation, KeyType, VendingKey
    from joy311.vending.money import Currency, Rounding, parse_decimal
    from joy311.vending.registration import Utility
    from joy311.vending.security_module import SoftwareSecurityModule, VendingKeyAttributes
    from joy311.vending.service import Shop
    from joy311.vending.tariff import FlatTariff, TaxBasis

    def chosen(kind: type[TaxBasis] | type[Rounding], option: str) -> Any:
        try:
            return kind(wanted[option])
        except ValueError:
            choices = ", ".join(kind)
            raise InvalidInput(
                f"--{option} {wanted[option]!r} is not one of: {choices}", field=option
            ) from None

    money = Currency(wanted["currency"], wanted["decimals"])
    flat = FlatTariff(
        name=wanted["tariff"],
        currency=money,
        price_per_kwh=parse_decimal(wanted["price"], field="price"),
        tax_name=wanted["tax-name"],
        tax_rate_percent=parse_decimal(wanted["tax-rate"], field="tax-rate"),
        tax_basis=chosen(TaxBasis, "tax-basis"),
        rounding=chosen(Rounding, "rounding"),
        minimum_tender_minor=money.parse(wanted["minimum"], field="minimum"),
        maximum_tender_minor=money.parse(wanted["maximum"], field="maximum"),
    )
    group = VendingKeyAttributes(
        supply_group_code=wanted["supply-group"],
        key_revision=1,
        key_type=KeyType.DUTK,
        base_date=BaseDate.BDT_2014,
        key_derivation=KeyDerivation.DKGA04,
        encryption_algorithm=EncryptionAlgorithm.MISTY1,
        key_expiry=255,
    )
    named = Utility(wanted["utility"], money, tax_reference)
    if Shop.exists(directory, database):
        raise InvalidInput(f"there is a shop in {directory} already", field="data")
    random_source = SystemRandom()
    module: SoftwareSecurityModule = SoftwareSecurityModule.open(
        _module_directory(directory), random_source=random_source
    )
    with closing(module):
        # The key comes first; one that is there already was left by an init that died before its shop was.
        check_value = module.vending_keys().get(group) or module.load_vending_key(
            group, VendingKey.from_bytes(random_source.randbytes(20))
        )
        Shop.create(
            directory,
            utility=named,
            supply_group=group,
            tariff=flat,
            security_module=module,
            database_url=database,
        ).close()
    _print(
        {"data": str(directory), "supply_group": group.supply_group_code, "key_check_value": check_value},
        f"The shop in {directory} is ready. Supply group {group.supply_group_code}, "
        f"key check value {check_value}",
        as_json,
    )


@app.command("add-customer")
def add_customer(
    name: Annotated[str, typer.Argument(help="Name on the receipt.")],
    customer_id: Annotated[
        str | None, typer.Option("--id", help="Identifier [default: the next free]")
    ] = None,
    data: _DataOption = None,
    database: _DatabaseOption = None,
    as_json: _JsonOption = False,
) -> None:
    """Register a customer."""
    with _open_shop(data, database) as shop:
        customer = shop.add_customer(name=name, customer_id=customer_id)
    _print(
        {"customer_id": customer.customer_id, "name": customer.name},
        f"Customer {customer.customer_id}: {customer.name}",
        as_json,
    )


@app.command("add-meter")
def add_meter(
    meter: Annotated[str, typer.Argument(help="Meter number, 11, 13 or 18 digits.")],
    customer: Annotated[str, typer.Option("--customer", help="The customer's identifier.")],
    tariff: Annotated[str, typer.Option("--tariff", help="Name of the tariff.")],
    tariff_index: Annotated[str, typer.Option("--tariff-index", help="Two digits, part of the meter's key.")],
    supply_group: Annotated[
        str | None, typer.Option("--supply-group", help="Supply group code [default: the only one]")
    ] = None,
    data: _DataOption = None,
    database: _DatabaseOption = None,
    as_json: _JsonOption = False,
) -> None:
    """Register a meter under the newest key of a supply group."""
    from joy311.vending.registration import parse_meter_number

    meter_pan = parse_meter_number(meter)
    with _open_shop(data, database) as shop:
        group = shop.supply_group(supply_group)
        attributes = group.of_meter(meter_pan, tariff_index)
        registered = shop.add_meter(meter, customer, attributes, tariff, _now())
    _print(
        {
            "meter": registered.drn,
            "customer_id": registered.customer.customer_id,
            "supply_group": group.supply_group_code,
            "key_revision": group.key_revision,
            "tariff_index": tariff_index,
            "tariff": registered.tariff_name,
        },
        f"Meter {registered.drn} of {registered.customer.name}, supply group {group.supply_group_code}",
        as_json,
    )


@app.command()
def quote(
    meter: _MeterOption,
    amount: _AmountOption,
    data: _DataOption = None,
    database: _DatabaseOption = None,
    as_json: _JsonOption = False,
) -> None:
    """Say what a payment would buy now; nothing changes."""
    from joy311.vending.sale import CARRY_LABEL, Line, format_kwh

    with _open_shop(data, database) as shop:
        offer = shop.quote(meter, shop.utility.currency.parse(amount), _now())
    printed = (*offer.lines, Line(offer.tax_label, offer.tax_minor), Line(CARRY_LABEL, offer.carry_minor))
    money = offer.currency
    rows = [f"{line.label}  {money.format(line.amount_minor)}" for line in printed]
    _print(
        {
            "energy_wh": offer.energy_wh,
            "currency": money.code,
            "tender_minor": offer.tender_minor,
            "lines": _lines(printed, money),
            "tax_minor": offer.tax_minor,
            "carry_minor": offer.carry_minor,
        },
        "\n".join(
            [f"{format_kwh(offer.units)} kWh for {money.format(offer.tender_minor)} {money.code}", *rows]
        ),
        as_json,
    )


@app.command()
def sell(
    meter: _MeterOption,
    amount: _AmountOption,
    request_id: Annotated[
        str | None,
        typer.Option(
            "--request-id", help="Repeat a sale under its id: it never sells twice [default: a new one]"
        ),
    ] = None,
    columns: Annotated[int, typer.Option(help="Columns of the paper, 32 or 48.")] = 32,
    data: _DataOption = None,
    database: _DatabaseOption = None,
    as_json: _JsonOption = False,
) -> None:
    """Sell a token and print the receipt."""
    from uuid import uuid4

    from joy311.vending.service import SaleRequest

    _check_columns(columns)
    with _open_shop(data, database) as shop:
        tender_minor = shop.utility.currency.parse(amount)
        if request_id is None:
            # Printed before the sale, so that a sale that is cut off can be repeated.
            request_id = str(uuid4())
            typer.echo(f"request id {request_id}", err=True)
        sold = shop.sell(SaleRequest(request_id, meter, tender_minor), _now())
    _print_receipt(sold, columns, as_json)


@app.command()
def receipt(
    request_id: Annotated[str | None, typer.Option("--request-id", help="The sale's request id.")] = None,
    meter: Annotated[
        str | None, typer.Option("--meter", help="Or the meter, for its newest receipt.")
    ] = None,
    columns: Annotated[int, typer.Option(help="Columns of the paper, 32 or 48.")] = 32,
    data: _DataOption = None,
    database: _DatabaseOption = None,
    as_json: _JsonOption = False,
) -> None:
    """Print the receipt of a sale again; the token is the same."""
    from joy311.errors import InvalidInput

    _check_columns(columns)
    with _open_shop(data, database) as shop:
        if request_id is not None and meter is None:
            found = shop.receipt(request_id)
        elif meter is not None and request_id is None:
            found = shop.last_receipt(meter)
        else:
            raise InvalidInput("name either --request-id or --meter", field="request-id")
    _print_receipt(found, columns, as_json)


@app.command()
def verify(
    meter: _MeterOption,
    token: Annotated[str, typer.Option("--token", help="The twenty digits, blanks allowed.")],
    data: _DataOption = None,
    database: _DatabaseOption = None,
    as_json: _JsonOption = False,
) -> None:
    """Say what the shop knows of a token; exit code 1 where it was not sold to this meter."""
    from joy311.sts import TokenResult

    with _open_shop(data, database) as shop:
        verification = shop.verify(meter, token)
    result = verification.result.standard_name
    _print(
        {
            "result": result,
            "finding": verification.finding.value,
            "message": verification.message,
            "energy_wh": verification.energy_wh,
            "other_meter": verification.masked_meter,
        },
        f"{result}: {verification.message}",
        as_json,
    )
    if verification.result is not TokenResult.ACCEPT:
        raise typer.Exit(1)


@app.command()
def upgrade(data: _DataOption = None, database: _DatabaseOption = None) -> None:
    """Bring the shop's tables to those of this program."""
    from joy311.vending.service import Shop

    directory = _directory(data)
    Shop.upgrade(directory, database_url=database)
    typer.echo(f"The shop in {directory} has the newest tables.")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The new file.")],
    data: _DataOption = None,
    database: _DatabaseOption = None,
) -> None:
    """Write the whole shop to a file, while it sells; keys are not in it."""
    with _open_shop(data, database) as shop:
        rows = shop.back_up(file)
    typer.echo(f"{rows} rows are in {file}.")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that backup wrote.")],
    data: _DataOption = None,
    database: _DatabaseOption = None,
) -> None:
    """Make the shop that a backup holds; before it sells, `resolve` says what the backup forgot."""
    from joy311.vending.service import Shop

    directory = _directory(data)
    rows = Shop.restore(directory, file, database)
    typer.echo(f"{rows} rows are back in {directory if database is None else 'the database'}.")


@app.command()
def resolve(data: _DataOption = None, database: _DatabaseOption = None, module: _ModuleOption = None) -> None:
    """Finish sales whose process died, and name what the module issued and no book knows."""
    from joy311.errors import Joy311Error

    with _open_shop(data, database, module) as shop:
        finished, orphans = shop.books.resolve(_now())
    for outcome in finished:
        if isinstance(outcome, Joy311Error):
            typer.echo(f"not finished: {outcome}")
        else:
            typer.echo(f"finished: request {outcome.request_id}, receipt {outcome.receipt_number}")
    for request_id in orphans:
        typer.echo(f"orphan: request {request_id}")
    typer.echo(f"{len(finished)} unfinished sales, {len(orphans)} orphans.")


@app.command("verify-audit")
def verify_audit(
    data: _DataOption = None, database: _DatabaseOption = None, module: _ModuleOption = None
) -> None:
    """Seal the audit log up to now and prove it; exit code 1 where anything was edited or is missing."""
    found = 0
    with _open_shop(data, database, module) as shop:
        sealed = shop.books.seal(_now())
        for finding in shop.books.verify():
            found += 1
            typer.echo(f"{finding.place}: {finding.fault}")
    typer.echo(f"{sealed} rows sealed, {found} findings.")
    if found:
        raise typer.Exit(1)


@app.command("add-key")
def add_key(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    scopes: Annotated[
        str, typer.Option(help="What it may: read, quote, sell, verify; commas between.")
    ] = "read,quote,sell,verify",
    vendor: Annotated[str, typer.Option(help="The vendor that it sells for.")] = "house",
    requests_a_minute: Annotated[int, typer.Option(help="How often it may ask.")] = 600,
    data: _DataOption = None,
    database: _DatabaseOption = None,
) -> None:
    """Make an API key and print it: it is shown this once."""
    with _open_shop(data, database) as shop:
        key = shop.clients.create_key(
            name=name,
            vendor=vendor,
            scopes=tuple(scopes.split(",")),
            requests_a_minute=requests_a_minute,
            now=_now(),
        )
    typer.echo(key)


@app.command()
def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port; 0 takes a free one.")] = DEFAULT_PORT,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that share the port.")] = 1,
    ask_for_keys: Annotated[
        bool, typer.Option("--ask-for-keys", help="Answer only who brings an API key.")
    ] = False,
    data: _DataOption = None,
    database: _DatabaseOption = None,
    module: _ModuleOption = None,
) -> None:
    """Serve the API on this machine only (127.0.0.1)."""
    import os
    from contextlib import suppress

    import uvicorn

    from joy311.errors import StorageError
    from joy311.vending.api import create_api, worker
    from joy311.vending.api.app import PREFIX
    from joy311.vending.api.loopback import HOST, listen

    with _open_shop(data, database, module) as shop, listen(port) as listening, suppress(KeyboardInterrupt):
        address = f"http://{HOST}:{listening.getsockname()[1]}{PREFIX}"
        if workers > 1:
            from uvicorn.supervisors import Multiprocess

            shop.check()
            os.environ |= {
                worker.DIRECTORY: str(_directory(data)),
                worker.DATABASE: database or "",
                worker.SOCKET: str(module or ""),
                worker.KEYS: str(int(ask_for_keys)),
                worker.LANES: str(2 * workers),
            }
            config = uvicorn.Config(
                f"{worker.__name__}:create", factory=True, workers=workers, lifespan="on", log_level="warning"
            )
            typer.echo(f"joy311 pos serve: {address}  ({workers} workers; Ctrl-C stops them)")
            Multiprocess(config, [listening]).run()
            return
        api = create_api(shop, _now, asks_for_keys=ask_for_keys, announces=True)
        server = uvicorn.Server(uvicorn.Config(api, lifespan="on", log_level="warning"))
        typer.echo(f"joy311 pos serve: {address}  (Ctrl-C stops it)")
        server.run(sockets=[listening])
        if not server.started:
            raise StorageError("the API could not start; the lines above say why")


def _directory(data: Path | None) -> Path:
    return data if data is not None else Path.home() / ".local" / "share" / "joy311"


def _module_directory(directory: Path) -> Path:
    from joy311.vending.demonstration import SECURITY_MODULE_DIRECTORY

    return directory / SECURITY_MODULE_DIRECTORY


def _now() -> int:
    import time

    return time.time_ns()


def _open_shop(
    data: Path | None, database: str | None, socket: Path | None = None, lanes: int = 1
) -> AbstractContextManager[Shop]:
    from contextlib import contextmanager

    @contextmanager
    def opened() -> Iterator[Shop]:
        from contextlib import closing
        from random import SystemRandom

        from joy311.errors import Refused
        from joy311.vending.security_module import (
            SecurityModuleClient,
            SoftwareSecurityModule,
            WholeSecurityModule,
        )
        from joy311.vending.service import Shop

        directory = _directory(data)
        if not Shop.exists(directory, database):
            raise Refused("UnknownShop", f"there is no shop in {directory}: make one with joy311 pos init")
        module: WholeSecurityModule
        if socket is None:
            module = SoftwareSecurityModule.open(_module_directory(directory), random_source=SystemRandom())
        else:
            module = SecurityModuleClient(socket)
        with (
            closing(module),
            Shop.open(directory, security_module=module, database_url=database, lanes=lanes) as shop,
        ):
            yield shop

    return opened()


def _check_columns(columns: int) -> None:
    from joy311.errors import InvalidInput
    from joy311.vending.receipt import PAPER_COLUMNS

    if columns not in PAPER_COLUMNS:
        raise InvalidInput(f"--columns {columns} is not one of {PAPER_COLUMNS}", field="columns")


def _print_receipt(receipt: Receipt, columns: int, as_json: bool) -> None:
    from joy311.instant import to_iso

    _print(
        {
            "receipt_number": receipt.receipt_number,
            "request_id": receipt.request_id,
            "issued_at": to_iso(receipt.issued_at),
            "customer": receipt.customer,
            "meter": receipt.meter,
            "token": receipt.token.digits,
            "energy_wh": receipt.energy_wh,
            "currency": receipt.currency.code,
            "tender_minor": receipt.tender_minor,
            "lines": _lines(receipt.printed_lines, receipt.currency),
            "tax_minor": receipt.tax_minor,
            "carry_minor": receipt.carry_minor,
        },
        receipt.as_text(columns).rstrip("\n"),
        as_json,
    )


def _lines(lines: tuple[tuple[str, int], ...], currency: Currency) -> list[dict[str, Any]]:
    return [
        {"label": label, "amount": currency.format(minor), "amount_minor": minor} for label, minor in lines
    ]


def _print(document: dict[str, Any], text: str, as_json: bool) -> None:
    import json

    typer.echo(json.dumps(document) if as_json else text)
