"""Change one operator or number at a time in what tokens and money rest on, and see whether a test notices.

    python -m tests.mutate [--every N] [MODULE ...]

Without a module it takes those of tokens; with --every it takes each N-th change only.

cosmic-ray makes the changes. Each is tried in a process that is forked off for it and holds the changed
module in memory only, so the checkout stays as it is. A change that no test notices has to be explained, by
its new line, in docs/reference/mutation-testing.md: the exit code is 1 where one is not.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib.util
import os
import re
import resource
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from itertools import islice
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parent.parent
EXPLAINED = ROOT / "docs" / "reference" / "mutation-testing.md"
SUITES = {
    "sts": (
        ("crc", "amount", "layouts", "carrier"),
        ("layout_table", "crc", "amount", "carrier", "layouts"),
    ),
    "vending": (
        ("money", "plan", "terms", "quote", "split", "checks", "token_series"),
        ("worked_tariffs", "money", "checks", "token_series", "credit_transfer", "sale", "quote"),
    ),
}
"""Modules of a room, and the tests that have to notice: the quickest first."""

ROOM_OF = {module: room for room, (modules, _) in SUITES.items() for module in modules}
MODULES = SUITES["sts"][0]
CPU_LIMIT_S = 30
"""Of processor time, so that other work on the machine makes no change seem noticed."""
MEMORY_BYTES = 3 << 30
"""A change of an operator can ask for a number as large as the machine."""


class _Changed(MetaPathFinder, Loader):
    """Finds one module, with another source than the one on disk."""

    def __init__(self, module: str, path: Path, source: str) -> None:
        self._module = module
        self._path = path
        self._source = source

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where the module is: here, if it is the one."""
        return importlib.util.spec_from_loader(fullname, self) if fullname == self._module else None

    def exec_module(self, module: ModuleType) -> None:
        """Run the changed source."""
        exec(compile(self._source, self._path, "exec"), vars(module))


def changes(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each changed source of a module, and the new line."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator, operator_names

    source = path.read_text(encoding="utf-8")
    nodes = list(ast_nodes(get_ast(source)))
    for name in sorted(operator_names()):
        kind = get_operator(name)
        if kind.arguments():
            continue
        operator = kind()
        for occurrence in range(sum(len(list(operator.mutation_positions(node))) for node in nodes)):
            changed = mutate_code(source, operator, occurrence)
            lines = difflib.ndiff(source.splitlines(), (changed or source).splitlines())
            new = next((line[2:].strip() for line in lines if line.startswith("+ ")), "a line less")
            if changed is not None and changed != source:
                yield changed, new


def is_noticed(room: str, module: str, path: Path, source: str) -> bool:
    """Return whether a test of `room` fails, hangs or dies when `module` has another source."""
    child = os.fork()
    if child == 0:
        # A test may call exit itself: whatever happens, this process never returns from here.
        try:
            os._exit(_try(room, module, path, source))
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    return status != 0


def _try(room: str, module: str, path: Path, source: str) -> int:
    import pytest

    # Hypothesis searches the same way each time, and no slow machine fails a test.
    importlib.import_module("tests.conftest")

    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_S, CPU_LIMIT_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    sys.meta_path.insert(0, _Changed(module, path, source))
    os.chdir(ROOT)
    tests = [f"tests/{room}/test_{name}.py" for name in SUITES[room][1]]
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        os.dup2(nowhere.fileno(), 2)
        return int(pytest.main(["-x", "-q", "--noconftest", "-p", "no:cacheprovider", *tests]))


def main(modules: Sequence[str], every: int) -> int:
    """Try each `every`-th change to `modules`, print what no test noticed, return how many have no reason."""
    import hypothesis
    import pytest

    assert "joy311.sts" not in sys.modules, "what is imported already cannot be changed"
    print(f"pytest {pytest.__version__}, hypothesis {hypothesis.__version__}", flush=True)
    os.nice(15)
    explained = set(re.findall(r"^    (.*)$", EXPLAINED.read_text(encoding="utf-8"), re.MULTILINE))
    unexplained = 0
    for name in modules:
        room = ROOM_OF[name]
        path = ROOT / "src" / "joy311" / room / f"{name}.py"
        if is_noticed(room, "nothing", path, ""):
            raise SystemExit("the tests fail as they are")
        outcomes: Counter[str] = Counter()
        for source, line in islice(changes(path), every - 1, None, every):
            if is_noticed(room, f"joy311.{room}.{name}", path, source):
                outcomes["noticed"] += 1
            elif line in explained:
                outcomes["explained"] += 1
            else:
                outcomes["unexplained"] += 1
                unexplained += 1
                print(f"{name}: no test notices: {line}", flush=True)
        counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
        print(f"{name}: {counts}", flush=True)
    return unexplained


if __name__ == "__main__":
    parser = ArgumentParser(
        description="Change one operator or number at a time; see whether a test notices."
    )
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take each N-th change only")
    parser.add_argument("modules", nargs="*", metavar="MODULE", default=MODULES, help=", ".join(ROOM_OF))
    arguments = parser.parse_args()
    sys.exit(main(arguments.modules, arguments.every) != 0)
