"""The process: who may speak to it, what it shrugs off, and what is left when it is killed."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joy311.errors import InvalidInput, Joy311Error, Refused, StorageError
from joy311.vending.security_module import DiskFile, IssuedToken, SecurityModuleClient, wire
from joy311.vending.security_module.process import only_server
from joy311.vending.security_module.server import LARGEST_PIPELINE, SOCKET_NAME
from tests.vending.security_module.modules import KEY_BYTES, REQUEST, client_of, opened, served

KILLS = 6
SOURCE = Path(__file__).parents[3]


def connected(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(20)
    connection.connect(str(path))
    return connection


def answer(connection: socket.socket) -> wire.Answer:
    """Read one answer."""
    with connection.makefile("rb", buffering=0) as stream:
        length = wire.body_length(stream.read(wire.HEADER.size))
        body = b""
        while len(body) < length:
            body += stream.read(length - len(body))
    return wire.parse_answer(body)


def issue_call(*names: str) -> bytes:
    return wire.frame(wire.Issue([(name, wire.request_to_wire(REQUEST)) for name in names]))


def test_the_socket_is_open_to_its_owner_only_and_goes_with_the_server(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with closing(opened(tmp_path / "module")) as module:
        with served(module, path):
            assert path.stat().st_mode & 0o777 == 0o600
        assert not path.exists()
        # One that a killed process left is no obstacle; a file of somebody's is.
        with served(module, path):
            path.rename(tmp_path / "left")
        (tmp_path / "left").rename(path)
        with client_of(module, path) as client:
            assert client.status().counter == 0
        path.write_text("mine")
        with pytest.raises(StorageError, match="cannot listen"), served(module, path):
            pytest.fail("it listens")
        assert path.read_text() == "mine"


def test_one_directory_has_one_server(tmp_path: Path) -> None:
    with only_server(tmp_path / "lock"):
        with pytest.raises(Refused) as caught, only_server(tmp_path / "lock"):
            pytest.fail("two serve")
        assert caught.value.code == "AlreadyRunning"
    with only_server(tmp_path / "lock"):
        pass


def test_calls_that_arrive_together_share_one_sync(tmp_path: Path) -> None:
    syncs: list[int] = []

    class CountedFile(DiskFile):
        def sync(self) -> None:
            syncs.append(1)
            super().sync()

    with closing(opened(tmp_path / "module", open_journal=CountedFile)) as module:
        with served(module, tmp_path / "socket") as path, closing(connected(path)) as connection:
            syncs.clear()
            connection.sendall(b"".join(issue_call(f"r{number}") for number in range(50)))
            answers = [answer(connection) for _ in range(50)]
        counters = [
            result.counter
            for issued in answers
            if isinstance(issued, wire.Issued)
            for result in issued.results
            if isinstance(result, wire.WireTokens)
        ]
        assert counters == list(range(1, 51))
        assert len(syncs) == 1


def test_answers_come_in_the_order_of_the_calls(tmp_path: Path) -> None:
    with (
        closing(opened(tmp_path / "module")) as module,
        served(module, tmp_path / "socket") as path,
        closing(connected(path)) as connection,
    ):
        connection.sendall(wire.frame(wire.ReadStatus()) + issue_call("a", "b") + wire.frame(wire.Find("zz")))
        kinds = [type(answer(connection)).__name__ for _ in range(3)]
    assert kinds == ["Status", "Issued", "Found"]


def framed(message: object) -> bytes:
    """Return anything at all as a frame."""
    body = msgspec.msgpack.encode(message)
    return wire.HEADER.pack(wire.VERSION, len(body)) + body


HOSTILE = {
    "another version": struct.pack(">BI", 9, 4) + b"abcd",
    "too long": struct.pack(">BI", wire.VERSION, wire.LARGEST_FRAME_BYTES + 1),
    "no document": struct.pack(">BI", wire.VERSION, 3) + b"\xc1\xc1\xc1",
    "no call": struct.pack(">BI", wire.VERSION, 1) + b"\x05",
    "deep": struct.pack(">BI", wire.VERSION, 5000) + b"\x91" * 5000,
    "unknown call": framed({"type": "reveal keys"}),
    "too many": framed(wire.Issue([("r", wire.request_to_wire(REQUEST))] * 257)),
    "negative offset": framed({"type": "read journal", "offset": -1, "check": "", "counter": 0}),
    "huge counter": framed({"type": "synchronise", "known_counter": 2**63}),
    "too many at once": wire.frame(wire.ReadStatus()) * (LARGEST_PIPELINE + 1),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_frame_is_answered_and_ends_its_connection_only(tmp_path: Path, name: str) -> None:
    with (
        closing(opened(tmp_path / "module")) as module,
        client_of(module, tmp_path / "socket") as client,
        closing(connected(tmp_path / "socket")) as connection,
    ):
        connection.sendall(HOSTILE[name])
        rejected = answer(connection)
        while isinstance(rejected, wire.Status):
            rejected = answer(connection)
        assert isinstance(rejected, wire.Rejected)
        assert rejected.failure.kind == "input"
        assert connection.recv(1) == b""
        assert client.issue("r", REQUEST).counter == 1


@pytest.fixture(scope="module")
def served_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the socket of one server for all examples of a property."""
    directory = tmp_path_factory.mktemp("served")
    with closing(opened(directory / "module")) as module, served(module, directory / "socket") as path:
        yield path


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=200), as_frame=st.booleans())
def test_any_bytes_leave_the_server_serving(served_once: Path, data: bytes, as_frame: bool) -> None:
    sent = wire.HEADER.pack(wire.VERSION, len(data)) + data if as_frame else data
    with closing(connected(served_once)) as connection:
        with suppress(BrokenPipeError):
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass
    with closing(SecurityModuleClient(served_once)) as client:
        assert client.vending_keys()


WIRE_ATTRIBUTES = wire.attributes_to_wire(REQUEST.attributes)


@pytest.mark.parametrize(
    "request_",
    [
        wire.WireCredit(msgspec.structs.replace(WIRE_ATTRIBUTES, key_type=9), 0, 1, 1),
        wire.WireCredit(msgspec.structs.replace(WIRE_ATTRIBUTES, base_date=2000), 0, 1, 1),
        wire.WireCredit(msgspec.structs.replace(WIRE_ATTRIBUTES, meter_pan="1"), 0, 1, 1),
        wire.WireCredit(msgspec.structs.replace(WIRE_ATTRIBUTES, encryption_algorithm=9), 0, 1, 1),
        wire.WireCredit(msgspec.structs.replace(WIRE_ATTRIBUTES, key_expiry=256), 0, 1, 1),
        wire.WireCredit(WIRE_ATTRIBUTES, 4, 1, 1),
        wire.WireCredit(WIRE_ATTRIBUTES, 0, -1, 1),
        wire.WireCredit(WIRE_ATTRIBUTES, 0, 1, 2**53),
        wire.WireEngineering(WIRE_ATTRIBUTES, "TransferCredit", [0, 0, 1, 1]),
        wire.WireEngineering(WIRE_ATTRIBUTES, "Set1stSectionDecoderKey", [0, 0, 0, 0, 0, 0]),
        wire.WireEngineering(WIRE_ATTRIBUTES, "ClearCredit", [0]),
        wire.WireEngineering(WIRE_ATTRIBUTES, "ClearCredit", [0, -1, -1]),
        wire.WireEngineering(WIRE_ATTRIBUTES, "InitiateMeterTest", [99, 2**50, 7]),
    ],
)
def test_a_request_that_no_client_of_ours_would_make_is_refused(
    tmp_path: Path, request_: wire.WireRequest
) -> None:
    with (
        closing(opened(tmp_path / "module")) as module,
        served(module, tmp_path / "socket") as path,
        closing(connected(path)) as connection,
    ):
        connection.sendall(wire.frame(wire.Issue([("r", request_)])) + wire.frame(wire.Check(request_)))
        issued, checked = answer(connection), answer(connection)
        assert isinstance(issued, wire.Issued)
        (failed,) = issued.results
        assert isinstance(failed, wire.Failed)
        assert isinstance(checked, wire.Rejected)
        assert {failed.kind, checked.failure.kind} <= {"input", "refused"}
        assert module.counter == 0


def test_a_client_that_never_reads_holds_up_nobody(tmp_path: Path) -> None:
    with (
        closing(opened(tmp_path / "module")) as module,
        client_of(module, tmp_path / "socket") as client,
        closing(connected(tmp_path / "socket")) as deaf,
    ):
        for number in range(6):
            client.issue_many([(f"{number}-{place}", REQUEST) for place in range(200)])
        deaf.setblocking(False)
        page = wire.frame(wire.ReadJournal(0, "", -1))
        with suppress(BlockingIOError):
            for _ in range(LARGEST_PIPELINE):
                deaf.send(page)
        assert client.issue("after", REQUEST).counter == 1201


def test_what_cannot_be_written_is_told_and_ends_the_server(tmp_path: Path) -> None:
    full = [False]
    failures: list[BaseException] = []

    class FullDisk(DiskFile):
        def append(self, data: bytes) -> None:
            if full[0]:
                raise OSError(28, "No space left on device")
            super().append(data)

    with (
        closing(opened(tmp_path / "module", open_journal=FullDisk)) as module,
        served(module, tmp_path / "socket", failures),
        closing(SecurityModuleClient(tmp_path / "socket")) as client,
    ):
        client.issue("r1", REQUEST)
        full[0] = True
        with pytest.raises(StorageError, match="No space left"):
            client.issue("r2", REQUEST)
    assert [type(failure) for failure in failures] == [StorageError]
    with closing(opened(tmp_path / "module")) as module:
        assert module.find("r2") is None
        assert module.issue("r2", REQUEST).counter == 2


def test_a_module_that_is_not_there_is_named(tmp_path: Path) -> None:
    with (
        closing(SecurityModuleClient(tmp_path / "nowhere")) as client,
        pytest.raises(StorageError, match="security-module run"),
    ):
        client.issue("r", REQUEST)
    with pytest.raises(StorageError, match="closed"):
        client.issue("r", REQUEST)


def test_a_module_that_does_not_answer_is_given_up(tmp_path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(tmp_path / "mute"))
        listener.listen()
        with (
            closing(SecurityModuleClient(tmp_path / "mute", timeout_s=0.05)) as client,
            pytest.raises(StorageError, match=r"within 0\.05 s"),
        ):
            client.issue("r", REQUEST)


def test_a_client_tells_what_it_knows_to_every_process_that_comes(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with closing(opened(tmp_path / "module")) as module, served(module, path):
        client = SecurityModuleClient(path)
        assert client.issue("r1", REQUEST).counter == 1
    with closing(opened(tmp_path / "restored")) as module, served(module, path), closing(client):
        with pytest.raises(Refused) as caught:
            client.issue("r2", REQUEST)
        assert caught.value.code == "SecurityModuleBehind"
        assert client.status().behind == 1
        assert list(client.journal()) == []


def test_errors_travel_whole() -> None:
    for error in (
        InvalidInput("no", field="units"),
        InvalidInput("no"),
        Refused("Code", "no"),
        StorageError("no"),
    ):
        back = wire.failure_from_wire(wire.failure_to_wire(error))
        assert (type(back), str(back), vars(back)) == (type(error), str(error), vars(error))
    assert isinstance(wire.failure_from_wire(wire.failure_to_wire(Joy311Error("x"))), StorageError)


def test_kill_9_at_any_instant_leaves_one_token_for_each_request(tmp_path: Path) -> None:
    chance = Random("kill the module")
    said: dict[str, IssuedToken] = {}
    asked = 0
    process = start(tmp_path, 0)
    try:
        with closing(SecurityModuleClient(tmp_path / SOCKET_NAME)) as client:
            for kill in range(KILLS):
                alive = chance.randrange(1, 60)
                for number in range(alive):
                    if number == alive - 1:
                        process.kill()
                    request_id = f"r{asked}"
                    request = replace(REQUEST, token_id=asked)
                    try:
                        said[request_id] = client.issue_credit_token(request_id, request)
                    except StorageError:
                        process.wait(timeout=20)
                        process = restarted(process, tmp_path, kill + 1)
                        said[request_id] = client.issue_credit_token(request_id, request)
                    asked += 1
                if process.poll() is not None:
                    process = restarted(process, tmp_path, 100 + kill)
            for number in range(asked):
                again = client.issue_credit_token(f"r{number}", replace(REQUEST, token_id=number))
                assert again == said[f"r{number}"]
            assert [issue.request_id for issue in client.journal()] == list(said)
    finally:
        end(process)
    journal = (tmp_path / "journal.jsonl").read_text()
    assert [json.loads(line)["counter"] for line in journal.splitlines()] == list(range(asked + 1))
    assert KEY_BYTES.hex() not in journal


def start(directory: Path, seed: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.vending.security_module.serving", str(directory), str(seed)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=SOURCE,
        env={"PYTHONPATH": f"{SOURCE / 'src'}"},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def restarted(process: subprocess.Popen[str], directory: Path, seed: int) -> subprocess.Popen[str]:
    end(process)
    return start(directory, seed)


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait(timeout=20)
    if process.stdout is not None:
        process.stdout.close()
