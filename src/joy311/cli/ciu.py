"""``joy311 ciu run``: keypad and display in this terminal, the meter somewhere else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from joy311.device.ciu_unit import VirtualCiu

app = typer.Typer(no_args_is_help=True, help="The customer interface unit of a split meter.")

DEFAULT_MEMORY = Path("ciu.memory")


@app.callback()
def ciu() -> None:
    """Run the customer interface unit of a split meter."""


@app.command()
def run(
    url: Annotated[
        str,
        typer.Argument(
            help="The way to the meter: two-wire://host:port, plc://host:port, a serial device,"
            " socket://host:port, rfc2217://host:port or listen://host:port."
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            help="JOYU3 speaks over two wires, JOYU1 over the power line; JOYU3 where the URL does not tell."
        ),
    ] = None,
    memory: Annotated[Path, typer.Option(help="File of its non-volatile memory.")] = DEFAULT_MEMORY,
    number: Annotated[
        int | None,
        typer.Option(help="Number of a new CIU, 1 to 4294967295; without it one is drawn."),
    ] = None,
    bit_error_rate: Annotated[
        float, typer.Option(min=0.0, max=0.5, help="Share of the bits sent that are flipped, for trials.")
    ] = 0.0,
    seed: Annotated[int | None, typer.Option(help="Seed of all chance; without it one is drawn.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document a line.")] = False,
) -> None:
    """Press the keys that come on standard input and print the display whenever it changes.

    A line may hold digits and spaces, `<` for backspace and `=` for enter; an empty line is enter too, and
    `quit` or the end of the input ends the CIU.
    """
    import secrets

    from joy311.device.ciu_unit import CIU_MODELS, VirtualCiu
    from joy311.device.link_port import NoisyPort, live, medium_of, open_link
    from joy311.device.memory import FileMemory
    from joy311.errors import InvalidInput

    told = medium_of(url)
    if model is None:
        model = next(each.name for each in CIU_MODELS.values() if each.medium is told)
    if model not in CIU_MODELS:
        raise InvalidInput(f"the model {model!r} is none of {', '.join(CIU_MODELS)}", field="model")
    product = CIU_MODELS[model]
    if url.startswith(f"{told}://") and product.medium is not told:
        raise InvalidInput(f"a {model} does not speak over a {told} line", field="model")
    drawn = secrets.randbits(64) if seed is None else seed
    _, port = open_link(url, at_meter=False)
    if bit_error_rate:
        port = NoisyPort(port, bit_error_rate, drawn)
    try:
        content = FileMemory(memory)
        try:
            now = _now()
            if content.read() is None:
                unit = VirtualCiu.commission(
                    content, product, now, number=number or secrets.randbelow(2**32 - 1) + 1, seed=drawn
                )
            else:
                unit = VirtualCiu.power_up(content, product, now, seed=drawn)
            live(unit, port, until=_Terminal(unit, as_json=as_json))
        finally:
            content.close()
    finally:
        port.close()


def _now() -> int:
    import time

    return time.time_ns()


_KEY_SPACING_NS = 50_000_000
"""Time between two keys of one line [ns]; a person is slower, and the display shows each."""


class _Terminal:
    """Presses what standard input holds, and prints what the display shows; true once the input has ended."""

    def __init__(self, unit: VirtualCiu, *, as_json: bool) -> None:
        import queue
        import threading

        self._unit = unit
        self._as_json = as_json
        self._shown: object = None
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._free_ns = 0
        # Reading a terminal blocks, and the link must not wait for a person.
        threading.Thread(target=self._read, daemon=True).start()

    def __call__(self) -> bool:
        while not self._lines.empty():
            line = self._lines.get()
            if line is None:
                return True
            self._press(line)
        self._print()
        return False

    def _read(self) -> None:
        import sys

        for line in sys.stdin:
            text = line.strip()
            if text == "quit":
                break
            self._lines.put(text)
        self._lines.put(None)

    def _press(self, line: str) -> None:
        from joy311.panel import Key

        named = {"<": Key.BACKSPACE, "=": Key.ENTER} | {key.value: key for key in Key if key.is_digit}
        for character in line or "=":
            key = named.get(character)
            if key is not None:
                self._free_ns = max(_now(), self._free_ns + _KEY_SPACING_NS)
                self._unit.press(key, self._free_ns)

    def _print(self) -> None:
        screen = self._unit.screen
        shown = (screen, self._unit.link_lost, self._unit.token_pending)
        if shown == self._shown:
            return
        self._shown = shown
        if self._as_json:
            import json

            document = {
                "text": screen.text,
                "index": screen.index,
                "icons": sorted(screen.icons),
                "link_lost": self._unit.link_lost,
                "token_pending": self._unit.token_pending,
                "paired": self._unit.paired,
            }
            typer.echo(json.dumps(document))
        else:
            typer.echo(f"[{screen.text:>8}] {screen.index:>2}  {' '.join(sorted(screen.icons))}".rstrip())
