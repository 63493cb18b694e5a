from __future__ import annotations

import resource
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from joy311.workbench.bench import LOW_CREDIT_WH
from joy311.workbench.event_table import COLUMNS
from joy311.workbench.server import is_ours
from tests.workbench.running import STARTS_S, Workbench, command, running


@pytest.fixture(scope="module")
def workbench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    with running(tmp_path_factory.mktemp("bench")) as workbench:
        yield workbench


@pytest.fixture
def client(workbench: Workbench) -> Iterator[httpx.Client]:
    with workbench.client() as client:
        yield client


def sell(client: httpx.Client, meter: str, request_id: str) -> str:
    body = {"meter": meter, "amount": "100.00", "request_id": request_id}
    answer = client.post("/api/v1/sales", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


def give(client: httpx.Client, token: str) -> dict[str, Any]:
    answer = client.post("/device/token", json={"token": token})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_the_lifespan_of_the_api_ran_and_every_path_of_its_document_answers(client: httpx.Client) -> None:
    document = client.get("/api/v1/openapi.json").json()
    meter = client.get("/device/state").json()["meter"]
    token = sell(client, meter, "every-path")
    bodies: dict[str, dict[str, str]] = {
        "/api/v1/quotes": {"meter": meter, "amount": "100.00"},
        "/api/v1/sales": {"meter": meter, "amount": "100.00", "request_id": "every-path"},
        "/api/v1/tokens/verify": {"meter": meter, "token": token},
    }
    answered = {}
    for path, operations in document["paths"].items():
        url = path.replace("{drn}", meter).replace("{request_id}", "every-path")
        for method in operations:
            body = bodies[path] if method == "post" else None
            answered[f"{method} {path}"] = client.request(method, url, json=body).status_code
    assert len(answered) >= 6
    assert {status for status in answered.values() if status not in (200, 201)} == set(), answered


def test_each_token_gets_its_own_result_at_the_door(client: httpx.Client) -> None:
    state = client.get("/device/state").json()
    good, second, third = (sell(client, state["meter"], f"door-good-{number}") for number in range(3))
    wrong = good[:9] + str((int(good[9]) + 1) % 10) + good[10:]
    neighbours = sell(client, "00311000020", "door-neighbour")
    # The third wrong one in a row would lock the meter; one that it takes lets it forget the others.
    tokens = {"good": good, "again": good, "wrong": wrong, "neighbour": neighbours, "second": second}
    tokens |= {"nineteen": good[:19], "letters": "x" * 20, "third": third, "nothing": ""}
    answers = {name: give(client, token) for name, token in tokens.items()}
    assert {name: (answer["result"], answer["code"], answer["lcd"]) for name, answer in answers.items()} == {
        "good": ("Accept", 1, "AccEPt"),
        "again": ("UsedError", 10, "USEd"),
        "wrong": ("CRCError", 13, "rEJEct"),
        "neighbour": ("CRCError", 13, "rEJEct"),
        "second": ("Accept", 1, "AccEPt"),
        "nineteen": ("FormatError", 6, "LEn 19"),
        "letters": ("FormatError", 6, "LEttEr"),
        "third": ("Accept", 1, "AccEPt"),
        "nothing": ("FormatError", 6, "LEn 0"),
    }
    after = client.get("/device/state").json()
    # What is left of each payment is carried to the next, and makes the third token a little larger.
    assert after["credit_accepted_wh"] == state["credit_accepted_wh"] + 2 * 3_400 + 3_500
    assert after["tokens_refused"] == state["tokens_refused"] + 6
    assert after["supply_on"]
    assert after["last_result"] == "FormatError"


def test_the_state_says_what_a_bench_may_ask_of_a_meter(client: httpx.Client) -> None:
    state = client.get("/device/state").json()
    assert state["running"]
    assert state["mode"] == "prepayment"
    assert (state["tampers"], state["faults"], state["error_register"]) == ([], [], "00000000")
    assert state["lockout_s"] == 0
    assert state["settings"]["low_credit_level_1_wh"] == LOW_CREDIT_WH[0]
    assert state["wiring"]["phases"] == [True, True, True]


def test_the_event_log_can_be_fetched_as_csv(client: httpx.Client) -> None:
    answer = client.get("/device/log.csv")
    assert answer.headers["Content-Type"].startswith("text/csv")
    header, first, *_ = answer.text.splitlines()
    assert header == ",".join(COLUMNS)
    assert "The supply returned" in first


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        '{"token": 12345678901234567890}',
        '{"token": null}',
        '{"token": NaN}',
        '{"token": ["12345678901234567890"]}',
        f'{{"token": "{"12345678901234567890" * 11}"}}',
        '{"token": "\\ud80012345678901234567890"}',
        '["12345678901234567890"]',
        '{"token": "12345678901234567890',
    ],
)
def test_what_is_no_text_is_turned_away_at_the_door_and_not_sent_back(
    client: httpx.Client, body: str
) -> None:
    before = client.get("/device/state").json()
    answer = client.post("/device/token", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["msg"]
    assert "12345678901234567890" not in answer.text
    after = client.get("/device/state").json()
    assert after["tokens_refused"] == before["tokens_refused"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "joy311.example"},
        {"Host": "127.0.0.1.example:8311"},
        {"Origin": "http://elsewhere.example"},
        {"Origin": "null"},
    ],
)
def test_another_sites_page_in_the_same_browser_is_turned_away(
    client: httpx.Client, headers: dict[str, str]
) -> None:
    for path in ("/", "/device/state", "/api/v1/health"):
        assert client.get(path, headers=headers).status_code == 403


def test_a_websocket_of_another_sites_page_is_not_ours() -> None:
    def scope(host: bytes, origin: bytes) -> dict[str, Any]:
        return {"type": "websocket", "headers": [(b"host", host), (b"origin", origin)]}

    assert is_ours(scope(b"127.0.0.1:8311", b"http://127.0.0.1:8311"))
    assert is_ours(scope(b"localhost:8311", b"http://localhost:8311"))
    assert not is_ours(scope(b"127.0.0.1:8311", b"http://127.0.0.1:8312"))
    assert not is_ours(scope(b"rebound.example:8311", b"http://rebound.example:8311"))


def test_it_listens_on_this_machine_only(workbench: Workbench) -> None:
    port = int(workbench.url.rsplit(":", 1)[1])
    inodes = set()
    for link in Path(f"/proc/{workbench.process.pid}/fd").iterdir():
        target = str(link.readlink())
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    listening = [
        row.split()[1]
        for table in ("tcp", "tcp6")
        for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if row.split()[3] == "0A" and row.split()[9] in inodes
    ]
    assert listening == [f"0100007F:{port:04X}"]


def test_a_busy_port_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = str(busy.getsockname()[1])
        line = command("--port", port, "--data", str(tmp_path / "data"))
        ended = subprocess.run(line, capture_output=True, text=True, timeout=STARTS_S, check=False)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1
    assert f"port {port} of 127.0.0.1 cannot be used" in ended.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_cleanly_and_resumes_the_same_meter(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path, "--speed", "60") as first, first.client() as client:
        give(client, sell(client, client.get("/device/state").json()["meter"], "one"))
        before = client.get("/device/state").json()
        assert first.end(number) == 0
    with running(tmp_path) as second, second.client() as client:
        after = client.get("/device/state").json()
    assert after["credit_wh"] == before["credit_wh"] == 3_400
    assert after["supply_on"]
    assert after["now"] >= before["now"]


def test_a_full_disk_stops_the_bench_in_one_line(tmp_path: Path) -> None:
    with running(tmp_path) as workbench:
        with workbench.client() as client:
            assert client.get("/device/state").status_code == 200
        # From here on every write to a file fails, as on a full disk.
        resource.prlimit(workbench.process.pid, resource.RLIMIT_FSIZE, (0, 0))
        _, said = workbench.process.communicate(timeout=STARTS_S)
        assert workbench.process.returncode == 1
        assert said.startswith("joy311: ")
        assert said.count("\n") == 1
        assert "cannot be written" in said


def test_a_killed_workbench_keeps_what_was_bought(tmp_path: Path) -> None:
    with running(tmp_path, "--speed", "3600") as first, first.client() as client:
        give(client, sell(client, client.get("/device/state").json()["meter"], "one"))
        before = client.get("/device/state").json()
        assert first.end(signal.SIGKILL) == -signal.SIGKILL
    with running(tmp_path) as second, second.client() as client:
        after = client.get("/device/state").json()
        assert after["credit_wh"] == 3_400
        assert after["now"] >= before["now"]
        # The shop's clock went on as well: it sells again.
        give(client, sell(client, after["meter"], "two"))
        assert client.get("/device/state").json()["credit_accepted_wh"] == 6_800
