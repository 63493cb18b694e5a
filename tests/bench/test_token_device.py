"""Tokens typed at devices of others: over HTTP, with answers of every kind."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from joy311.bench.devices.token_device import RemoteTokenDevice, TokenDevice, VirtualTokenDevice
from joy311.bench.issuer import TEST_ATTRIBUTES, TEST_VENDING_KEYS, Issuer
from joy311.bench.ratings import Ratings
from joy311.bench.whole_meter import WholeMeter
from joy311.bench.whole_test import run_token_test
from joy311.cli import app
from joy311.device import RamMemory, VirtualMeter
from joy311.errors import InvalidInput
from joy311.meter import FactoryData
from joy311.sts import DecoderKey, EncryptionAlgorithm, KeyDerivation
from joy311.sts.key_document import attribute_texts, parse_key_document

RUNNER = CliRunner()
SUBJECT = WholeMeter.of_variant(Ratings(), 1)

TEST_VENDING_KEY = TEST_VENDING_KEYS[TEST_ATTRIBUTES.key_derivation]
KEY_DOCUMENT = json.dumps(
    {**attribute_texts(TEST_ATTRIBUTES), "vending_key": TEST_VENDING_KEY.to_bytes().hex()}
)


@contextmanager
def served(answers: dict[str, Any]) -> Iterator[str]:
    """Serve paths by functions of the body, or with fixed bytes; give the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])))

        def _answer(self, body: bytes) -> None:
            answer = answers.get(self.path)
            if answer is None:
                self.send_error(404)
                return
            content = answer if isinstance(answer, bytes) else json.dumps(answer(body)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def our_meter_served() -> Iterator[str]:
    """Serve the virtual meter as the port is documented."""
    device = VirtualTokenDevice(SUBJECT.commission().meter)

    def enter(body: bytes) -> dict[str, object]:
        result = device.type_digits(json.loads(body)["token"])
        return {"result": result, "credit_wh": device.credit_wh(), "lcd": "whatever"}

    with served(
        {"/device/token": enter, "/device/state": lambda _: {"credit_wh": device.credit_wh()}}
    ) as url:
        yield url


def test_a_device_behind_http_passes_and_can_be_tested_again(tmp_path: Path) -> None:
    key = tmp_path / "key.json"
    key.write_text(KEY_DOCUMENT, encoding="utf-8")
    with our_meter_served() as url:
        options = ["--standard", "62055-41", "--device", url, "--device-key-file", str(key)]
        result = RUNNER.invoke(app, ["bench", "run", *options, "--out", str(tmp_path / "out")])
        assert result.exit_code == 0, result.output
        report = (tmp_path / "out" / "report.json").read_text(encoding="utf-8")
        keys = ("tokens-credit", "tokens-key-type")
        issuer = Issuer.for_test_meter()
        assert run_token_test(RemoteTokenDevice(url), issuer, SUBJECT, keys=keys).passed
    found = json.loads(report)
    assert found["verdict"] == "pass"
    assert found["meter"].startswith("127.0.0.1:")
    assert TEST_VENDING_KEY.to_bytes().hex() not in report


def test_a_device_that_adds_nothing_fails() -> None:
    always = {"result": "Accept", "credit_wh": 0}
    with served({"/device/token": lambda _: always, "/device/state": lambda _: always}) as url:
        device: TokenDevice = RemoteTokenDevice(url)
        done = run_token_test(device, Issuer.for_test_meter(), SUBJECT, keys=("tokens-credit", "tokens-used"))
    assert done.failed_keys == {"tokens-credit", "tokens-used"}


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({}, "404"),
        ({"/device/token": b"<html>"}, "does not answer"),
        ({"/device/token": b"[]"}, "no object"),
        ({"/device/token": b'{"result": "Yes"}'}, "no result"),
        ({"/device/token": b'{"result": ["Accept"]}'}, "no result"),
        ({"/device/token": b"{}"}, "no result"),
    ],
)
def test_an_answer_that_cannot_be_understood_is_refused(answers: dict[str, Any], said: str) -> None:
    token = Issuer.for_test_meter().credit(1)
    with served(answers) as url, pytest.raises(InvalidInput, match=said) as caught:
        RemoteTokenDevice(url).type_digits(token)
    assert token not in str(caught.value)


@pytest.mark.parametrize("state", [b"{}", b'{"credit_wh": 1.5}', b'{"credit_wh": true}'])
def test_a_credit_that_is_no_whole_number_is_refused(state: bytes) -> None:
    with served({"/device/state": state}) as url, pytest.raises(InvalidInput, match="credit_wh"):
        RemoteTokenDevice(url).credit_wh()


@pytest.mark.parametrize("url", ["127.0.0.1:80", "file:///etc/hostname", "http://"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="device"):
        RemoteTokenDevice(url)


NOW_NS = 1_800_000_000 * 10**9


def test_an_issuer_needs_a_key_and_all_attributes() -> None:
    own = Issuer.of_document(parse_key_document(KEY_DOCUMENT), NOW_NS)
    assert own.key == Issuer.for_test_meter().key
    with pytest.raises(InvalidInput, match="lacks"):
        Issuer.of_document(parse_key_document(own.key.to_bytes().hex()), NOW_NS)
    with pytest.raises(InvalidInput, match="base date"):
        Issuer.of_document(parse_key_document(KEY_DOCUMENT), 0)


def test_a_device_of_64_bits_passes_with_its_decoder_key_alone_and_gets_it_back() -> None:
    attributes = replace(
        TEST_ATTRIBUTES,
        encryption_algorithm=EncryptionAlgorithm.STA,
        key_derivation=KeyDerivation.DKGA02,
    )
    key = DecoderKey.from_bytes(bytes(range(8)), EncryptionAlgorithm.STA)
    meter = VirtualMeter.commission(RamMemory(), FactoryData(attributes, key), NOW_NS)
    document = json.dumps({**attribute_texts(attributes), "decoder_key": key.to_bytes().hex()})
    issuer = Issuer.of_document(parse_key_document(document), NOW_NS)
    done = run_token_test(VirtualTokenDevice(meter), issuer, SUBJECT)
    assert done.failed_keys == frozenset()
    clauses = {clause.key: clause for clause in done.clauses}
    assert len(clauses["tokens-key-change"].points) == 6
    assert meter.readout().attributes.key_revision == attributes.key_revision
    again = Issuer.of_document(parse_key_document(document), NOW_NS)
    assert VirtualTokenDevice(meter).type_digits(again.credit(1)) == "Accept"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--standard", "62053-99"], "62053-99"),
        (["--standard", "62055-31", "--meter", "plain"], "--meter"),
        (["--standard", "62055-31", "--meters", "3"], "--meters"),
        (["--standard", "62055-31", "--fault", "jitter"], "jitter"),
        (["--standard", "62055-31", "--category", "UC9"], "UC9"),
        (["--standard", "62055-31", "--surge", "5"], "surge_kv 5"),
        (["--standard", "62055-31", "--device", "http://127.0.0.1:9"], "62055-41"),
        (["--device", "http://127.0.0.1:9"], "62055-41"),
        (["--standard", "62055-41", "--device", "http://127.0.0.1:9"], "--device-key-file"),
    ],
)
def test_options_that_do_not_go_together_end_with_2(tmp_path: Path, options: list[str], said: str) -> None:
    result = RUNNER.invoke(app, ["bench", "run", "--out", str(tmp_path / "out"), *options])
    assert result.exit_code == 2
    assert said in result.output
    assert not (tmp_path / "out").exists()


def test_a_planted_fault_ends_with_1_and_a_report(tmp_path: Path) -> None:
    options = ["--standard", "62055-41", "--fault", "no-tests", "--out", str(tmp_path)]
    result = RUNNER.invoke(app, ["bench", "run", *options])
    assert result.exit_code == 1
    assert "verdict: fail" in result.output
    found = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert [clause["key"] for clause in found["clauses"] if clause["verdict"] == "fail"] == ["tokens-tests"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json", "report.pdf"]
