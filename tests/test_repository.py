"""What lies around the code agrees with itself."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import joy311

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def test_the_version_is_said_once_and_again() -> None:
    assert PROJECT["version"] == joy311.__version__


def test_every_dependency_is_pinned_exactly_and_from_nowhere_in_particular() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if not line.startswith("#")]
    for pin in pins:
        assert pin.url is None
        assert [specifier.operator for specifier in pin.specifier] == ["=="], pin
    named = [
        *PROJECT["dependencies"],
        *(name for extra in PROJECT["optional-dependencies"].values() for name in extra),
    ]
    needed = {canonicalize_name(Requirement(text).name) for text in named} - {"joy311"}
    assert needed <= {canonicalize_name(pin.name) for pin in pins}


def test_the_first_screen_of_the_readme_says_how_to_start() -> None:
    first_screen = "\n".join((ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:24])
    assert "make run" in first_screen
    assert "make test" in first_screen
    assert "http://127.0.0.1:8311" in first_screen


def test_every_target_that_a_document_names_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for document in DOCUMENTS:
        named = set(
            re.findall(r"`make ([a-z]+)|^make ([a-z]+)", document.read_text(encoding="utf-8"), re.MULTILINE)
        )
        assert {first or second for first, second in named} <= targets, document


def test_every_link_between_documents_leads_somewhere() -> None:
    for document in DOCUMENTS:
        text = re.sub(r"<!--.*?-->", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
        for link in re.findall(r"\]\(([^)#]+)", text):
            assert link.startswith("https://") or (document.parent / link).exists(), f"{document}: {link}"


def test_test_files_can_be_told_apart() -> None:
    files = list((ROOT / "tests").rglob("test_*.py"))
    twice = [name for name, times in Counter(file.name for file in files).items() if times > 1]
    assert twice == []
    assert [file for file in files if not (file.parent / "__init__.py").exists()] == []


def test_the_licences_stand_beside_what_they_are_for() -> None:
    data = ROOT / "src" / "joy311" / "fleet" / "data"
    for licence in (ROOT / "LICENSE", data / "LICENSE.Apache-2.0.txt"):
        assert "Apache License" in licence.read_text(encoding="utf-8")
    attribution = (data / "README.md").read_text(encoding="utf-8")
    assert all(file.name in attribution for file in data.glob("*.csv.gz"))
