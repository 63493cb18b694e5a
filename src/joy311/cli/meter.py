"""``joy311 meter``: one meter or several as a process, their logs, and how long their memory lasts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joy311.cli.meter_console import Console
    from joy311.device.meter_process import Load, MeterHome, MeterProcess
    from joy311.iec62056 import PortSettings
    from joy311.meter import Configuration, FactoryData

app = typer.Typer(no_args_is_help=True, help="Run a meter, and look into its memory.")

DEFAULT_LOAD = "0"
DEFAULT_REACTION_MS = 300
_REFERENCE_REACTION_MS = 200
_MOST_CONFIGURATION_BYTES = 100_000


@app.callback()
def meter() -> None:
    """Run a meter, and look into its memory."""


@app.command()
def run(
    state: Annotated[
        list[Path],
        typer.Option(
            help="Directory of a meter; several for several meters on one line.", show_default=False
        ),
    ],
    factory: Annotated[
        list[Path] | None,
        typer.Option(
            help="Key document of a new meter, one for each --state in the same order.", show_default=False
        ),
    ] = None,
    demo: Annotated[
        Path | None,
        typer.Option(
            help="Directory of the demonstration's shop, made if need be; new meters get the keys of its"
            " household and its neighbour.",
            show_default=False,
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Configuration, JSON or TOML by its name.", show_default=False)
    ] = None,
    load: Annotated[
        str,
        typer.Option(
            help="Watts in all, watts of three phases as 1000,0,500, household, or a CSV file.",
            metavar="SPEC",
        ),
    ] = DEFAULT_LOAD,
    speed: Annotated[float, typer.Option(help="How much faster than real time.")] = 1.0,
    optical: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            help="Local port: tcp://HOST:PORT, pty://PATH or a serial port.",
            show_default=False,
        ),
    ] = None,
    ciu: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Way to the customer interface unit of the first meter: two-wire://HOST:PORT,"
            " plc://HOST:PORT, listen://HOST:PORT, socket://HOST:PORT or a serial port.",
            show_default=False,
        ),
    ] = None,
    mqtt: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Broker to publish to: mqtt://HOST, mqtts:// by TLS, with USER:PASSWORD@, :PORT and /BASE.",
            envvar="JOY311_MQTT_URL",
            show_default=False,
        ),
    ] = None,
    mode: Annotated[str, typer.Option(help="Protocol mode of the port: A, B or C.")] = "C",
    baud: Annotated[int, typer.Option(help="Speed that the port offers [Bd].")] = 9600,
    reaction_ms: Annotated[
        int, typer.Option(help="Pause before each answer of the port, 20 to 1500 ms.")
    ] = DEFAULT_REACTION_MS,
    push_s: Annotated[
        int | None, typer.Option(help="Send the read-out unasked so often (s), mode D.", show_default=False)
    ] = None,
    bus: Annotated[
        bool, typer.Option("--bus", help="Let a TCP port take several readers, as a bus does.")
    ] = False,
    strict_baud: Annotated[
        bool, typer.Option("--strict-baud", help="Garble on a pseudo-terminal what comes at the wrong speed.")
    ] = False,
    software_7e1: Annotated[
        bool, typer.Option("--software-7e1", help="Carry the parity in the eighth bit.")
    ] = False,
    record: Annotated[
        Path | None,
        typer.Option(
            help="Write every event down, for joy311 meter replay; what is secret goes to FILE.private.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document a line.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not print the display.")] = False,
) -> None:
    """Run a meter until it is stopped by quit, Ctrl-C or SIGTERM; commands come on standard input."""
    import signal
    from contextlib import suppress

    from joy311.cli.meter_console import Console
    from joy311.device.meter_process import MeterProcess
    from joy311.errors import InvalidInput, Joy311Error

    factory = factory or []
    optical = optical or []
    if record is not None and len(state) > 1:
        raise InvalidInput("--record writes down one meter", field="record")
    if len({path.resolve() for path in state}) != len(state):
        raise InvalidInput("each meter has a directory of its own", field="state")
    if factory and (demo is not None or len(factory) > len(state)):
        raise InvalidInput("one --factory for each --state, or --demo", field="factory")
    configuration = _configuration(config) if config is not None else None
    connected = parse_load(load)
    settings = _port_settings(mode, baud, reaction_ms, push_s)
    MeterProcess.check_speed(speed)
    homes = _homes(state, factory, demo, configuration)
    process: MeterProcess | None = None
    try:
        process = _process(homes, connected, speed, configuration, record, watched=not quiet and speed <= 1.0)
        for sign in (signal.SIGINT, signal.SIGTERM):
            signal.signal(sign, lambda *_, running=process: running.stop())
        _say_meters(process, as_json=as_json)
        manufacturer = "JOY" if reaction_ms >= _REFERENCE_REACTION_MS else "JOy"
        for url in optical:
            where = process.serve(
                url,
                settings,
                manufacturer=manufacturer,
                several=bus,
                strict_baud=strict_baud,
                software_7e1=software_7e1,
            )
            _say({"port": where}, f"port {where}", as_json=as_json)
        if ciu is not None:
            where = process.serve_ciu(ciu)
            _say({"ciu": where}, f"ciu {where}", as_json=as_json)
        if mqtt is not None:
            process.publish(mqtt, lambda line: typer.echo(line, err=True))
        terminal = _Terminal(process, Console(process, parse_load), as_json=as_json, quiet=quiet)
        process.run(terminal)
    finally:
        if process is not None:
            process.close()
        else:
            for home in homes:
                with suppress(Joy311Error):
                    home.close()


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="What joy311 meter run --record wrote.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Live a recorded life again and compare what it leads to; exit with 1 where that differs."""
    from joy311.device.meter_journal import replay as live_again

    lived = live_again(file)
    document = {"events": lived.events, "actions": lived.actions, "credit_wh": lived.credit_wh}
    text = f"{lived.events} events led to the same {lived.actions} actions; credit {lived.credit_wh} Wh"
    _say(document, text, as_json=as_json)


@app.command()
def events(
    state: Annotated[Path, typer.Option(help="Directory of the meter.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, a line for each entry.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Print the event log, oldest entry first; the meter may be running."""
    import csv
    import json
    import sys

    from joy311.device.meter_process import snapshot
    from joy311.errors import InvalidInput, StorageError
    from joy311.instant import to_iso
    from joy311.meter import LogEntry

    if as_json and as_csv:
        raise InvalidInput("choose one of --json and --csv", field="json")
    _require_directory(state)
    names = ("sequence", "time", "event", "name", "phase", "value", "title")
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if as_csv:
        writer.writerow(names)
    for row in snapshot(state).log():
        try:
            entry = LogEntry.from_bytes(row)
        except StorageError:
            continue
        event = entry.event
        values = (
            entry.sequence,
            to_iso(entry.at_ns),
            int(event),
            event.name,
            entry.phase,
            entry.value,
            event.title,
        )
        if as_json:
            typer.echo(json.dumps(dict(zip(names, values, strict=True))))
        elif as_csv:
            writer.writerow(values)
        else:
            detail = f" L{entry.phase}" * bool(entry.phase) + f" {entry.value}" * bool(entry.value)
            typer.echo(f"{entry.sequence:>6}  {to_iso(entry.at_ns)}  {event.title}{detail}")


@app.command()
def wear(
    state: Annotated[
        Path | None, typer.Option(help="Directory of a meter, to show its own wear too.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, a line for each row.")] = False,
) -> None:
    """Print how long the memory lasts: at full load without a pause, and in a household."""
    import json

    from joy311.device.meter_process import snapshot
    from joy311.device.pages import ENDURANCE_CYCLES
    from joy311.device.wear import LIFE_YEARS, LIVES, wear_rows
    from joy311.meter import CHECKPOINT_QUANTUM_WH

    if state is not None:
        _require_directory(state)
    if not as_json:
        typer.echo(
            f"cycles of the most worn page after {LIFE_YEARS} years, of {ENDURANCE_CYCLES} that it bears"
        )
    for life in LIVES:
        if not as_json:
            typer.echo(life.name)
        for row in wear_rows(life, CHECKPOINT_QUANTUM_WH):
            name = row.region.name.lower()
            if as_json:
                document = {
                    "life": row.life,
                    "region": name,
                    "writes_a_day": row.writes_a_day,
                    "cycles": row.cycles,
                    "share": row.share,
                }
                typer.echo(json.dumps(document))
            else:
                typer.echo(f"  {name:<14} {row.cycles:>10.0f}  {row.share:>7.2%}")
    if state is None:
        return
    if not as_json:
        typer.echo(f"the meter in {state} so far")
    for region in snapshot(state).wear().regions:
        name = region.region.name.lower()
        if as_json:
            typer.echo(json.dumps({"state": str(state), "region": name, "cycles": region.most_cycles}))
        else:
            typer.echo(f"  {name:<14} {region.most_cycles:>10}  {region.share:>7.2%}")


def parse_load(spec: str) -> Load:
    """Return the load that a person named: watts, three of them, ``household`` or a CSV file.

    Raises
    ------
    InvalidInput
        If it is none of these, or beyond what the meter bears.
    """
    from joy311.device.meter_process import MOST_WATTS, ConstantLoad, RecordedLoad
    from joy311.errors import InvalidInput
    from joy311.files import read_load_profile

    text = spec.strip().removesuffix("W").strip()
    try:
        powers = [float(part) for part in text.split(",")]
    except ValueError:
        powers = []
    if len(powers) == 1:
        return ConstantLoad((powers[0] / 3,) * 3)
    if len(powers) == 3:
        return ConstantLoad((powers[0], powers[1], powers[2]))
    if powers or not text:
        raise InvalidInput(f"{len(powers)} powers; a load has one or three", field="load")
    if text == "household":
        from joy311.fleet.demo import shipped_profile

        profile = shipped_profile()
    else:
        profile = read_load_profile(Path(spec), limit_w=int(3 * MOST_WATTS))
    return RecordedLoad(profile.start_ns, profile.interval_ns, tuple(profile.energies_wh()))


def _configuration(path: Path) -> Configuration:
    import json
    import tomllib

    from joy311.errors import InvalidInput
    from joy311.meter import Configuration

    if not path.is_file():
        raise InvalidInput(f"there is no file {path}", field="config")
    content = path.read_bytes()
    if len(content) > _MOST_CONFIGURATION_BYTES:
        raise InvalidInput(
            f"{path} has {len(content)} bytes, and the most is {_MOST_CONFIGURATION_BYTES}", field="config"
        )
    try:
        text = content.decode("utf-8")
        document = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path} cannot be read: {error}", field="config") from None
    configuration = Configuration.from_mapping(document)
    if len(configuration.to_bytes()) > _memory_of_configuration():
        raise InvalidInput(f"{path} holds more than the meter's memory takes", field="config")
    return configuration


def _memory_of_configuration() -> int:
    from joy311.meter.configuration import MOST_BYTES

    return MOST_BYTES


def _port_settings(mode: str, baud: int, reaction_ms: int, push_s: int | None) -> PortSettings:
    from joy311.errors import InvalidInput
    from joy311.iec62056 import Mode, PortSettings, Speed
    from joy311.instant import MILLISECOND_NS, SECOND_NS

    speeds = {speed.bd: speed for speed in Speed}
    if mode not in {each.value for each in Mode}:
        raise InvalidInput(f"the mode {mode!r} is none of A, B, C", field="mode")
    if baud not in speeds:
        raise InvalidInput(f"{baud} Bd is none of {', '.join(map(str, speeds))}", field="baud")
    return PortSettings(
        Mode(mode),
        speeds[baud],
        reaction_ms * MILLISECOND_NS,
        push_period_ns=None if push_s is None else push_s * SECOND_NS,
    )


def _homes(
    states: list[Path], factories: list[Path], demo: Path | None, configuration: Configuration | None
) -> list[MeterHome]:
    """Return the directories, each with a meter in it; new ones are commissioned."""
    import time

    from joy311.device.meter_process import MeterHome
    from joy311.errors import InvalidInput

    made = [_factory_data(path) for path in factories]
    homes: list[MeterHome] = []
    try:
        for place, directory in enumerate(states):
            if not directory.exists() and place >= len(made) and demo is None:
                raise InvalidInput(
                    f"no meter lives in {directory}; --factory or --demo gives a new one its keys",
                    field="state",
                )
            home = MeterHome(directory)
            homes.append(home)
            if home.commissioned:
                continue
            if demo is not None:
                data = _demonstration_data(demo, place)
            elif place < len(made):
                data = made[place]
            else:
                raise InvalidInput(
                    f"no meter lives in {directory}; --factory or --demo gives a new one its keys",
                    field="state",
                )
            home.commission(data, configuration, time.time_ns())
    except BaseException:
        for home in homes:
            home.close()
        raise
    return homes


def _factory_data(path: Path) -> FactoryData:
    from joy311.errors import InvalidInput
    from joy311.meter import FactoryData
    from joy311.sts.key_document import LONGEST_DOCUMENT, parse_key_document

    if not path.is_file():
        raise InvalidInput(f"there is no file {path}", field="factory")
    with path.open("rb") as file:
        content = file.read(LONGEST_DOCUMENT + 1)
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError:
        raise InvalidInput(f"{path} is no key document", field="factory") from None
    document = parse_key_document(text)
    return FactoryData(document.require_attributes(), document.decoder_key)


def _demonstration_data(directory: Path, place: int) -> FactoryData:
    import time
    from contextlib import closing
    from secrets import SystemRandom

    from joy311.errors import InvalidInput
    from joy311.meter import FactoryData
    from joy311.vending.demonstration import load_demonstration

    with closing(load_demonstration(directory, time.time_ns(), SystemRandom())) as shop:
        owners = ((shop.attributes, shop.meter), (shop.neighbour_attributes, shop.neighbour))
        if place >= len(owners):
            raise InvalidInput(f"the demonstration has {len(owners)} meters", field="demo")
        attributes, drn = owners[place]
        return FactoryData(attributes, shop.decoder_key(drn))


def _process(
    homes: list[MeterHome],
    load: Load,
    speed: float,
    configuration: Configuration | None,
    record: Path | None,
    *,
    watched: bool,
) -> MeterProcess:
    import time

    from joy311.device.meter_process import LivingMeter, MeterProcess

    meters = [
        LivingMeter(home, load, time.time_ns(), watched=watched, configuration=configuration, journal=record)
        for home in homes
    ]
    return MeterProcess(meters, speed=speed)


class _Terminal:
    """Carries out what standard input holds and prints what the displays show; true once somebody quits."""

    def __init__(self, process: MeterProcess, console: Console, *, as_json: bool, quiet: bool) -> None:
        import queue
        import threading

        self._process = process
        self._console = console
        self._as_json = as_json
        self._quiet = quiet
        self._shown: dict[int, object] = {}
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        # Reading a terminal blocks, and a meter does not wait for a person.
        threading.Thread(target=self._read, daemon=True).start()

    def __call__(self) -> bool:
        while not self._lines.empty() and not self._console.ended:
            said = self._console.said(self._lines.get())
            if said:
                _say({"said": said}, said, as_json=self._as_json)
        if not self._quiet:
            for place in range(len(self._process.meters)):
                self._print(place)
        return self._console.ended

    def _read(self) -> None:
        import sys

        # The end of the input is no command: a meter in the background has none.
        for line in sys.stdin:
            self._lines.put(line)
            self._process.wake()

    def _print(self, place: int) -> None:
        meter = self._process.meters[place].meter
        screen = meter.screen
        if screen == self._shown.get(place):
            return
        self._shown[place] = screen
        several = len(self._process.meters) > 1
        name = f"{place + 1} " if several else ""
        icons = sorted(screen.icons)
        text = f"{name}[{screen.text:>8}] {screen.index:>2}  {' '.join(icons)}".rstrip()
        document = {"screen": screen.text, "index": screen.index, "icons": icons, "meter": place + 1}
        _say(document, text, as_json=self._as_json)


def _say_meters(process: MeterProcess, *, as_json: bool) -> None:
    from joy311.errors import StorageError

    for living in process.meters:
        try:
            drn = living.meter.meter.drn
        except StorageError:
            drn = "without a record"
        directory = str(living.home.directory)
        _say({"meter": drn, "state": directory}, f"meter {drn} in {directory}", as_json=as_json)


def _say(document: Mapping[str, object], text: str, *, as_json: bool) -> None:
    import json
    import sys

    typer.echo(json.dumps(document) if as_json else text)
    # Whoever reads through a pipe waits for the port.
    sys.stdout.flush()


def _require_directory(path: Path) -> None:
    from joy311.errors import InvalidInput

    if not path.is_dir():
        raise InvalidInput(f"there is no directory {path}", field="state")
