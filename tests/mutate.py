"""Change one operator or number at a time in what every token rests on, and see whether a test notices.

    python -m tests.mutate [MODULE ...]

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
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parent.parent
EXPLAINED = ROOT / "docs" / "reference" / "mutation-testing.md"
MODULES = ("crc", "amount", "layouts", "carrier")
TESTS = ("layout_table", "crc", "amount", "carrier", "layouts")
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


def is_noticed(module: str, path: Path, source: str) -> bool:
    """Return whether a test fails, hangs or dies when `module` has another source."""
    child = os.fork()
    if child == 0:
        # A test may call exit itself: whatever happens, this process never returns from here.
        try:
            os._exit(_try(module, path, source))
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    return status != 0


def _try(module: str, path: Path, source: str) -> int:
    import pytest

    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_S, CPU_LIMIT_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    sys.meta_path.insert(0, _Changed(module, path, source))
    os.chdir(ROOT)
    tests = [f"tests/sts/test_{name}.py" for name in TESTS]
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        os.dup2(nowhere.fileno(), 2)
        return int(pytest.main(["-x", "-q", "--noconftest", "-p", "no:cacheprovider", *tests]))


def main(modules: Sequence[str]) -> int:
    """Try all changes to `modules`, print what no test noticed, return how many of them are not explained."""
    import hypothesis
    import pytest

    assert "joy311.sts" not in sys.modules, "what is imported already cannot be changed"
    print(f"pytest {pytest.__version__}, hypothesis {hypothesis.__version__}", flush=True)
    os.nice(15)
    explained = set(re.findall(r"^    (.*)$", EXPLAINED.read_text(encoding="utf-8"), re.MULTILINE))
    unexplained = 0
    for name in modules:
        path = ROOT / "src" / "joy311" / "sts" / f"{name}.py"
        if is_noticed("nothing", path, ""):
            raise SystemExit("the tests fail as they are")
        outcomes: Counter[str] = Counter()
        for source, line in changes(path):
            if is_noticed(f"joy311.sts.{name}", path, source):
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
    sys.exit(main(sys.argv[1:] or MODULES) != 0)
