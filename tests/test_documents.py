"""The pages that a program writes are those that it would write now."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import pytest
from typer.testing import CliRunner

from joy311.cli import app

DOCS = Path(__file__).parent.parent / "docs"
PAGES: dict[Path, str] = runpy.run_path(str(DOCS / "generate.py"))["pages"]()
LIFE = DOCS / "explanation" / "the-life-of-a-token.md"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_page_is_up_to_date(path: Path) -> None:
    assert path.read_text("utf-8") == PAGES[path], "run python docs/generate.py"
    assert "$" not in re.sub(r"```.*?```", "", PAGES[path], flags=re.DOTALL)


def test_what_the_life_of_a_token_says_to_type_shows_that_token(tmp_path: Path) -> None:
    text = LIFE.read_text("utf-8")
    key_file = tmp_path / "nobodys-key.json"
    key_file.write_text(text.partition("<<'END'\n")[2].partition("END\n")[0], "utf-8")
    key_file.chmod(0o600)
    command = re.search(r'joy311 token explain "([\d ]+)" --key-file', text)
    assert command
    result = CliRunner().invoke(app, ["token", "explain", command[1], "--key-file", str(key_file), "--json"])
    said = json.loads(result.stdout)
    assert said["result"] is None
    assert f"**{said['amount']['value']} kWh**" in text
    assert f"**{said['token_id']['value']}**" in text
    assert f"**{said['checksum']['found']:04X}**" in text
    # Page and terminal draw the same bits.
    sent, _, plain = (" ".join(field["bits"] for field in bit_map["fields"]) for bit_map in said["maps"])
    assert sent in text
    assert plain[:-16] in text
