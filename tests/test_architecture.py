"""Who may import whom: the allow-list of ARCHITECTURE.md, and no clock, chance or I/O in the pure rooms."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "joy311"

WORDS = frozenset({"errors", "instant", "energy", "quantities"})
VENDING_RULES = frozenset(
    {
        *("account", "audit", "checks", "credit_transfer", "money", "plan", "quote", "receipt"),
        *("registration", "sale", "split", "tariff", "terms", "token_series", "verification"),
    }
)
"""Modules of vending that decide; the others load, save, ask and show."""


@dataclass(frozen=True, slots=True)
class Room:
    """What one room may import; `third_party` goes by module, and "" stands for the whole room."""

    name: str
    ours: tuple[str, ...]
    third_party: tuple[tuple[str, tuple[str, ...]], ...] = ()
    pure: bool = False

    def row(self) -> str:
        """Return the room's line in the table of ARCHITECTURE.md."""
        packages = "; ".join(
            (f"`{module}`: " if module else "") + ", ".join(names) for module, names in self.third_party
        )
        cells = (self.name, ", ".join(self.ours), packages, "yes" if self.pure else "no")
        return f"| {' | '.join(cell or '-' for cell in cells)} |"


_BELOW_DEVICE = ("words", "sts", "metrology", "panel", "link", "iec62056", "meter", "ciu")
_BELOW_WORLDS = (*_BELOW_DEVICE, "device", "files")

ROOMS = {
    room.name: room
    for room in (
        Room("words", (), pure=True),
        Room(
            "sts",
            ("words",),
            (("bulk", ("llvmlite", "numba", "numpy")), ("des", ("cryptography",))),
            pure=True,
        ),
        Room("metrology", ("words",), (("", ("numba", "numpy")),), pure=True),
        Room("panel", (), pure=True),
        Room("link", ("words", "panel"), (("", ("reedsolo",)),), pure=True),
        Room("iec62056", ("words",), pure=True),
        Room("meter", ("words", "sts", "panel", "iec62056"), pure=True),
        Room("ciu", ("words", "panel"), pure=True),
        Room("vending rules", ("words", "sts"), pure=True),
        Room(
            "vending",
            ("words", "sts", "files", "vending rules"),
            (
                ("api", ("litestar", "msgspec")),
                ("security_module", ("cryptography", "msgspec", "pkcs11")),
                ("service", ("cryptography",)),
                ("store", ("alembic", "psycopg", "sqlalchemy")),
                ("web", ("nicegui",)),
            ),
        ),
        Room(
            "device",
            _BELOW_DEVICE,
            (
                ("", ("numba", "numpy", "serial")),
                ("figures", ("matplotlib",)),
                ("mqtt_publisher", ("aiomqtt", "paho")),
            ),
        ),
        Room("files", ("words",), (("", ("comtrade", "numpy", "pyarrow")),)),
        Room("bench", _BELOW_WORLDS, (("", ("numba", "numpy")), ("figures", ("matplotlib",)))),
        Room("fleet", (*_BELOW_WORLDS, "vending", "vending rules"), (("figures", ("matplotlib",)),)),
        Room(
            "workbench",
            (*_BELOW_WORLDS, "vending", "vending rules", "fleet"),
            (
                ("", ("nicegui",)),
                ("figures", ("matplotlib",)),
                ("server", ("fastapi", "litestar", "starlette", "uvicorn")),
                ("testbed", ("fastapi", "pydantic")),
            ),
        ),
        Room(
            "cli",
            (*_BELOW_WORLDS, "vending", "vending rules", "bench", "fleet", "workbench"),
            (("", ("rich", "typer")), ("pos", ("uvicorn",))),
        ),
    )
}

# fmt: off
IMPURE_MODULES = frozenset({
    "asyncio", "concurrent", "fcntl", "glob", "http", "importlib", "io", "logging", "mmap",
    "multiprocessing", "os", "pathlib", "queue", "random", "secrets", "select", "selectors", "shutil",
    "signal", "socket", "sqlite3", "ssl", "subprocess", "sys", "tempfile", "threading", "time",
    "urllib", "uuid",
})
# fmt: on
IMPURE_CALLS = frozenset({"__import__", "eval", "exec", "input", "open", "print"})
IMPURE_METHODS = frozenset({"now", "today", "utcnow"})
"""A class of datetime may be imported where its clock may not be read."""
SHAPELESS_NAMES = frozenset({"base", "common", "core", "helpers", "utils"})


def room_of(module: str) -> str | None:
    """Return the room that a dotted module stands in, None for ``joy311`` itself and ``__main__``."""
    parts = module.split(".")[1:]
    if not parts or parts[0] in {"__init__", "__main__", "__version__"}:
        return None
    if parts[0] in WORDS:
        return "words"
    if parts[0] == "vending" and parts[1:2] and parts[1] in VENDING_RULES:
        return "vending rules"
    return parts[0]


def imports(module: str, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of all imports: at the top, inside functions and for types alike."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                origin = ".".join([*module.split(".")[: -node.level], *filter(None, [origin])])
            # A module may hide behind a name: `from joy311 import meter`, `from joy311.vending import store`.
            yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)


def offences(module: str, source: str) -> list[str]:
    """Return one sentence for every line that breaks a wall; a package's own module ends in ``.__init__``."""
    tree = ast.parse(source)
    room = ROOMS.get(room_of(module) or "")
    found = []
    for line, name in imports(module, tree):
        top = name.split(".")[0]
        if top == "joy311":
            theirs = room_of(name)
            if room is None or theirs is None or theirs not in ROOMS or theirs == room.name:
                continue
            if theirs not in room.ours:
                found.append(f"{module}:{line}: {room.name} may not import {theirs}")
        elif top in sys.stdlib_module_names:
            if room is not None and room.pure and top in IMPURE_MODULES:
                found.append(f"{module}:{line}: {room.name} is pure and may not import {top}")
        elif room is None or not _allowed(module, top, room):
            found.append(f"{module}:{line}: {module} may not import {top}")
    if room is not None and room.pure:
        found += [
            f"{module}:{node.lineno}: {room.name} is pure and may not call {ast.unparse(node.func)}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and _is_impure(node.func)
        ]
    return found


def _allowed(module: str, package: str, room: Room) -> bool:
    inside = module.split(".")[2:]
    return any(package in names and (not part or part in inside) for part, names in room.third_party)


def _is_impure(function: ast.expr) -> bool:
    match function:
        case ast.Name(id=name):
            return name in IMPURE_CALLS
        case ast.Attribute(attr=name):
            return name in IMPURE_METHODS
    return False


def modules() -> Iterator[tuple[str, str]]:
    """Yield the dotted name and the source of every module of the project."""
    for path in sorted(SOURCE.rglob("*.py")):
        yield (
            ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts),
            path.read_text(encoding="utf-8"),
        )


def test_every_import_goes_down_and_pure_rooms_stay_pure() -> None:
    assert [offence for name, source in modules() for offence in offences(name, source)] == []


def test_every_module_stands_in_a_known_room() -> None:
    rooms = {room_of(name) for name, _ in modules()}
    assert {"words", "cli"} < rooms
    assert rooms - ROOMS.keys() == {None}


def test_nobody_hides_behind_a_shapeless_name() -> None:
    names = {part for name, _ in modules() for part in name.split(".")}
    assert names & SHAPELESS_NAMES == set()


@pytest.mark.parametrize(
    ("module", "source", "offence"),
    [
        ("joy311.sts.carrier", "import joy311.meter", "sts may not import meter"),
        ("joy311.panel.screen", "from joy311.errors import InvalidInput", "panel may not import words"),
        ("joy311.link.frame", "from joy311 import sts", "link may not import sts"),
        (
            "joy311.meter.app",
            "def f():\n    from joy311.metrology import phasor",
            "meter may not import metrology",
        ),
        ("joy311.vending.service", "from joy311.meter import Meter", "vending may not import meter"),
        (
            "joy311.vending.sale",
            "from joy311.vending.store import schema",
            "vending rules may not import vending",
        ),
        ("joy311.vending.sale", "from .store import schema", "vending rules may not import vending"),
        ("joy311.device.__init__", "from ..vending import service", "device may not import vending"),
        ("joy311.vending.sale", "from .money import Money\nfrom ..sts import Token20", None),
        ("joy311.device.loop", "from ..vending import service", "device may not import vending"),
        ("joy311.fleet.demo", "from joy311.cli import app", "fleet may not import cli"),
        ("joy311.errors", "import joy311.instant", None),
        ("joy311.errors", "from joy311.panel import Screen", "words may not import panel"),
        ("joy311.sts.misty1", "import numpy as np", "joy311.sts.misty1 may not import numpy"),
        ("joy311.sts.bulk", "def f():\n    import numpy", None),
        ("joy311.fleet.demo", "import matplotlib.pyplot", "joy311.fleet.demo may not import matplotlib"),
        ("joy311.fleet.figures", "import matplotlib.pyplot", None),
        ("joy311.vending.api", "import sqlalchemy", "joy311.vending.api may not import sqlalchemy"),
        ("joy311.__main__", "import numpy", "joy311.__main__ may not import numpy"),
        ("joy311.meter.app", "import time", "meter is pure and may not import time"),
        (
            "joy311.meter.app",
            "if TYPE_CHECKING:\n    from random import Random",
            "meter is pure and may not import random",
        ),
        ("joy311.sts.token_id", "import os.path", "sts is pure and may not import os"),
        ("joy311.vending.tariff", "import logging", "vending rules is pure and may not import logging"),
        ("joy311.vending.service", "import logging", None),
        ("joy311.instant", "datetime.now(UTC)", "words is pure and may not call datetime.now"),
        ("joy311.ciu.app", "def f():\n    return open('x')", "ciu is pure and may not call open"),
        ("joy311.device.loop", "import random\nopen('x')", None),
    ],
)
def test_a_planted_offence_is_found_and_nothing_else(module: str, source: str, offence: str | None) -> None:
    assert [sentence.split(": ", 1)[1] for sentence in offences(module, source)] == (
        [offence] if offence else []
    )


def test_the_document_shows_the_table_that_the_test_reads() -> None:
    document = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines()
    heading = document.index("| room | may import of ours | third-party | pure |")
    shown = []
    for line in document[heading + 2 :]:
        if not line.startswith("|"):
            break
        shown.append(line)
    assert shown == [room.row() for room in ROOMS.values()]


def test_the_document_names_the_modules_that_decide_in_vending() -> None:
    document = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    sentence = re.search(
        r"`vending rules` are the modules of `vending` that decide without\s+asking anybody: ([^.]*)\.",
        document,
    )
    assert sentence is not None
    assert set(re.findall(r"\w+", sentence[1])) - {"and"} == VENDING_RULES
