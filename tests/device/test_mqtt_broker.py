"""A meter on a real broker: found, read, given tokens; the broker dies, the publisher dies, power fails."""

from __future__ import annotations

import asyncio
import json
import queue
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from joy311.device import PhaseLoad, VirtualMeter
from joy311.device.mqtt_messages import RETAINED_REFUSED, Topics, entities
from joy311.device.mqtt_meter import PublishedVirtualMeter, Snapshot
from joy311.device.mqtt_publisher import (
    BrokerAddress,
    PublishSettings,
    mqtt_publishing,
    publish,
    require_client,
)
from joy311.errors import InvalidInput
from joy311.instant import HOUR_NS, SECOND_NS
from joy311.meter import EventCode, LogEntry, TamperKind
from joy311.sts import BaseDate, TokenResult, TransferCredit, encode, token_id_at
from tests.cli.running_meter import RunningMeter, write_factory_file
from tests.device.test_mqtt_messages import check_discovery
from tests.meters import KEY, START, credit_token, new_meter

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
ROOT = Path(__file__).parent.parent.parent
PATIENCE_S = 20.0
QUICK = PublishSettings(readings_every_s=60.0, poll_s=0.05, first_backoff_s=0.05, longest_backoff_s=0.2)
TOPICS = Topics("joy311", "12345678903")

pytestmark = pytest.mark.skipif(
    MOSQUITTO is None, reason="mosquitto is not installed: apt-get install mosquitto"
)


class Broker:
    """A mosquitto of the test's own, which can be killed and started again at the same port."""

    def __init__(self, directory: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = int(listener.getsockname()[1])
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self._configuration = directory / "mosquitto.conf"
        self._configuration.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_dest stderr\n"
        )
        self._process: subprocess.Popen[str] | None = None
        self.start()

    def start(self) -> None:
        assert MOSQUITTO is not None
        self._process = subprocess.Popen(
            [MOSQUITTO, "-c", str(self._configuration)], stderr=subprocess.PIPE, text=True
        )
        assert self._process.stderr is not None
        said = []
        for line in self._process.stderr:
            said.append(line)
            if "running" in line:
                return
        raise AssertionError(f"mosquitto did not start: {said}")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stderr is not None
            self._process.stderr.close()
            self._process = None


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    running = Broker(tmp_path)
    yield running
    running.kill()


class Subscriber:
    """Somebody else's client that writes down all it hears."""

    def __init__(self, broker: Broker) -> None:
        self.heard: list[MQTTMessage] = []
        self._new: queue.Queue[MQTTMessage] = queue.Queue()
        self._subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_message = lambda _client, _data, message: self._new.put(message)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.connect("127.0.0.1", broker.port)
        self._client.subscribe("#", qos=1)
        self._client.loop_start()
        assert self._subscribed.wait(PATIENCE_S)

    def until(self, wanted: Callable[[MQTTMessage], bool]) -> MQTTMessage:
        while True:
            message = self._new.get(timeout=PATIENCE_S)
            self.heard.append(message)
            if wanted(message):
                return message

    def found(self, wanted: Callable[[MQTTMessage], bool]) -> MQTTMessage:
        """Return the first message that is wanted, heard already or yet to come."""
        for message in self.heard:
            if wanted(message):
                return message
        return self.until(wanted)

    def said(self, topic: str, wanted: Callable[[Any], bool] = lambda _: True) -> Any:
        """Return the next document on a topic that is wanted."""
        return json.loads(
            self.until(lambda message: message.topic == topic and wanted(json.loads(message.payload))).payload
        )

    def is_online(self, online: bool) -> None:
        word = b"online" if online else b"offline"
        self.until(lambda message: message.topic == TOPICS.availability and message.payload == word)

    def send(self, payload: str, *, retain: bool = False) -> None:
        self._client.publish(TOPICS.token_command, payload, qos=1, retain=retain).wait_for_publish(PATIENCE_S)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def subscribed(broker: Broker) -> Iterator[Subscriber]:
    subscriber = Subscriber(broker)
    try:
        yield subscriber
    finally:
        subscriber.close()


@contextmanager
def publishing(
    broker: Broker, meter: VirtualMeter, told: list[str] | None = None
) -> Iterator[threading.RLock]:
    lock = threading.RLock()
    tell = told.append if told is not None else None
    with mqtt_publishing(meter, broker.url, lock=lock, settings=QUICK, tell=tell):
        yield lock


def sequences(subscriber: Subscriber, last: int) -> list[int]:
    """Return the numbers of the entries heard, once the last one was."""
    first = len(subscriber.heard)
    subscriber.said(TOPICS.event, lambda said: said["sequence"] == last)
    return [
        json.loads(message.payload)["sequence"]
        for message in subscriber.heard[first:]
        if message.topic == TOPICS.event
    ]


def test_a_home_that_comes_later_finds_the_meter_and_its_readings(broker: Broker) -> None:
    meter = new_meter()
    with subscribed(broker) as early, publishing(broker, meter):
        early.said(TOPICS.state)
        with subscribed(broker) as late:
            lasting = {message.topic for message in early.heard if message.topic != TOPICS.event}
            late.until(lambda _: lasting <= {message.topic for message in late.heard})
            assert all(message.retain for message in late.heard)
            (readings,) = [
                json.loads(message.payload) for message in late.heard if message.topic == TOPICS.state
            ]
            found = [message for message in late.heard if message.topic.startswith("homeassistant/")]
            documents = [check_discovery(message.topic, bytes(message.payload)) for message in found]
            assert {TOPICS.availability, TOPICS.state} <= lasting
        shown = {entity.register.code for entity in entities(readings)}
        assert {"15.8.0", "1.7.0", "32.7.0", "19.10.0", "96.3.10", "F.F", "19.40.0"} <= shown
        assert len(documents) == len(shown) + 3
        assert {document["device"]["serial_number"] for document in documents} == {TOPICS.number}
        assert readings["96.3.10"] == "open"
    # Nothing is retained but what describes the meter, and it has said good-bye.
    with subscribed(broker) as after:
        after.is_online(False)


def test_a_publisher_that_is_killed_has_a_last_will(broker: Broker) -> None:
    with subscribed(broker) as subscriber:
        publisher = subprocess.Popen(
            [sys.executable, "-m", "tests.device.mqtt_publisher_process", broker.url],
            stdin=subprocess.PIPE,
            cwd=ROOT,
        )
        try:
            subscriber.is_online(True)
            subscriber.said(TOPICS.state)
        finally:
            publisher.kill()
            publisher.wait()
            assert publisher.stdin is not None
            publisher.stdin.close()
        subscriber.is_online(False)
    with subscribed(broker) as late:
        late.is_online(False)


def test_what_happens_while_the_broker_is_dead_is_told_afterwards(broker: Broker) -> None:
    meter = new_meter()
    told: list[str] = []
    with publishing(broker, meter, told) as lock:
        with subscribed(broker) as subscriber:
            subscriber.said(TOPICS.state)
            broker.kill()
        with lock:
            before = meter.log()[-1].sequence if meter.log() else 0
            for kind in (TamperKind.TERMINAL_COVER, TamperKind.METER_COVER):
                for opened in (True, False):
                    meter.open_cover(kind, opened)
                    meter.advance(PhaseLoad(), meter.now + HOUR_NS)
            assert meter.enter_token(credit_token(10))[0] is TokenResult.ACCEPT
            last = meter.log()[-1].sequence
            # With the meter held nothing is told before this subscriber is there to hear it.
            broker.start()
            after = Subscriber(broker)
        assert sequences(after, last) == list(range(before + 1, last + 1))
        assert last >= before + 5
        after.said(TOPICS.state, lambda said: said["19.10.0"] == 1.0)
        with subscribed(broker) as late:
            late.is_online(True)
        after.close()
    assert any("no broker" in line for line in told)
    assert sum("publishing" in line for line in told) == 2


def test_no_entry_is_lost_and_none_comes_out_of_order(broker: Broker) -> None:
    meter = new_meter()
    with subscribed(broker) as subscriber, publishing(broker, meter) as lock:
        subscriber.said(TOPICS.state)
        with lock:
            for _ in range(30):
                meter.set_clock(meter.now)
                meter.advance(PhaseLoad(), meter.now + HOUR_NS)
            last = meter.log()[-1].sequence
        numbers = sequences(subscriber, last)
        assert numbers == list(range(numbers[0], last + 1))
        assert len(numbers) >= 30


class MeterOnPaper:
    """A published meter that is nothing but a list of entries."""

    number = TOPICS.number
    firmware = "0"
    codes = ("1.8.0",)

    def __init__(self, sequences: range) -> None:
        self.entries = tuple(LogEntry(number, START, EventCode.CLOCK_SET) for number in sequences)

    def first_sequence(self) -> int:
        return 0

    def snapshot(self, after: int) -> Snapshot:
        fresh = tuple(entry for entry in self.entries if entry.sequence > after)
        return Snapshot(True, START, {"1.8.0": 1_500}, fresh)

    def enter_token(self, text: str) -> tuple[TokenResult, int | None]:
        return TokenResult.NOT_READY, None


def test_what_the_log_has_overwritten_is_told_as_a_gap(broker: Broker) -> None:
    async def publish_until_told(subscriber: Subscriber) -> tuple[Any, list[int]]:
        stop = asyncio.Event()
        address = BrokerAddress.parse(broker.url)
        task = asyncio.create_task(publish(MeterOnPaper(range(41, 44)), address, stop=stop, settings=QUICK))
        gap = await asyncio.to_thread(subscriber.said, TOPICS.event)
        numbers = await asyncio.to_thread(sequences, subscriber, 43)
        stop.set()
        await task
        return gap, numbers

    with subscribed(broker) as subscriber:
        gap, numbers = asyncio.run(publish_until_told(subscriber))
    assert gap == {"event_type": "log_gap", "first": 1, "last": 40}
    assert numbers == [41, 42, 43]


def test_a_token_is_credited_once_however_often_it_comes(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    meter = new_meter()
    caplog.set_level("DEBUG")
    token = credit_token(50)
    told: list[str] = []
    with subscribed(broker) as subscriber, publishing(broker, meter, told) as lock:
        subscriber.said(TOPICS.state)
        grouped = " ".join(token[start : start + 4] for start in range(0, 20, 4))
        results = []
        for text in (token, grouped):
            subscriber.send(text)
            results.append(subscriber.said(TOPICS.token_result))
            with lock:
                meter.advance(PhaseLoad(), meter.now + 5 * SECOND_NS)
        assert [result["event_type"] for result in results] == ["Accept", "UsedError"]
        assert [result["credit_wh"] for result in results] == [5_000, 5_000]
        assert {result["token_ends_in"] for result in results} == {token[-4:]}
        subscriber.said(TOPICS.state, lambda said: said["19.10.0"] == 5.0)
        for nonsense in ("", "12", "x" * 70_000, "é", "1" * 21):
            subscriber.send(nonsense)
        refused = [subscriber.said(TOPICS.token_result)["event_type"] for _ in range(4)]
        assert set(refused) <= {"FormatError", "Lockout"}
        assert meter.credit_wh == 5_000
        sent = [message for message in subscriber.heard if message.topic != TOPICS.token_command]
    whole = token.encode()
    assert not any(whole in message.payload.replace(b" ", b"") for message in sent)
    assert not any(token in message.topic for message in sent)
    assert not any(token in line or grouped in line for line in [*told, *caplog.messages])


@pytest.mark.parametrize("while_listening", [False, True], ids=["before", "while listening"])
def test_a_retained_token_is_ignored_and_taken_from_the_broker(broker: Broker, while_listening: bool) -> None:
    meter = new_meter()
    token = credit_token(50)
    with subscribed(broker) as subscriber:
        if not while_listening:
            subscriber.send(token, retain=True)
        with publishing(broker, meter):
            subscriber.said(TOPICS.state)
            if while_listening:
                subscriber.send(token, retain=True)
            refusal = subscriber.found(lambda message: message.topic == TOPICS.token_result)
            assert json.loads(refusal.payload) == {
                "event_type": RETAINED_REFUSED,
                "token_ends_in": token[-4:],
            }
            subscriber.found(lambda message: message.topic == TOPICS.token_command and not message.payload)
            assert meter.credit_wh == 0
            # The same digits, sent as a command should be, are good: nothing was spent.
            subscriber.send(token)
            assert subscriber.said(TOPICS.token_result)["event_type"] == "Accept"
    with subscribed(broker) as late:
        late.is_online(False)
        assert not any(message.topic == TOPICS.token_command for message in late.heard)


def test_a_meter_without_supply_is_offline_and_tells_of_it_when_it_is_back(broker: Broker) -> None:
    meter = new_meter()
    dark = PhaseLoad((0.0, 0.0, 0.0))
    with subscribed(broker) as subscriber, publishing(broker, meter) as lock:
        subscriber.said(TOPICS.state)
        with lock:
            meter.advance(dark, meter.now + HOUR_NS)
            assert not meter.running
        subscriber.is_online(False)
        subscriber.send(credit_token(50))
        assert subscriber.said(TOPICS.token_result)["event_type"] == "NotReady"
        with lock:
            meter.advance(PhaseLoad(), meter.now + HOUR_NS)
        subscriber.is_online(True)
        subscriber.said(TOPICS.event, lambda said: said["event_type"] == "power_up")


def test_a_meter_that_runs_as_a_process_is_published_and_killed(broker: Broker, tmp_path: Path) -> None:
    key = write_factory_file(tmp_path / "factory.json")
    arguments = ("--state", str(tmp_path / "meter"), "--factory", str(key), "--mqtt", broker.url)
    token = encode(TransferCredit(0, 5, token_id_at(time.time_ns(), BaseDate.BDT_2014), 50), KEY).digits
    with subscribed(broker) as subscriber, RunningMeter(*arguments) as running:
        subscriber.said(TOPICS.state)
        subscriber.send(token)
        assert subscriber.said(TOPICS.token_result)["event_type"] == "Accept"
        subscriber.said(TOPICS.state, lambda said: said["19.10.0"] == 5.0)
        running.kill()
        subscriber.is_online(False)
    # What the meter promised over MQTT was durable before it was said.
    with subscribed(broker) as subscriber, RunningMeter(*arguments[:2], *arguments[4:]) as running:
        subscriber.said(TOPICS.event, lambda said: said["event_type"] == "power_up")
        subscriber.said(TOPICS.state, lambda said: said["19.10.0"] == 5.0)
        subscriber.send(token)
        assert subscriber.said(TOPICS.token_result)["event_type"] == "UsedError"
        assert running.stop() == 0
        subscriber.is_online(False)


def test_a_publisher_that_starts_again_tells_of_the_failure_it_missed() -> None:
    meter = new_meter()
    meter.advance(PhaseLoad((0.0, 0.0, 0.0)), meter.now + HOUR_NS)
    meter.advance(PhaseLoad(), meter.now + HOUR_NS)
    published = PublishedVirtualMeter(meter, threading.RLock())
    entries = published.snapshot(published.first_sequence()).entries
    assert entries[0].event is EventCode.POWER_DOWN
    assert EventCode.POWER_UP in {entry.event for entry in entries}


def test_publishing_ends_though_no_broker_was_ever_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    told: queue.Queue[str] = queue.Queue()
    with mqtt_publishing(
        new_meter(), f"mqtt://127.0.0.1:{port}", lock=threading.RLock(), settings=QUICK, tell=told.put
    ):
        assert "no broker" in told.get(timeout=PATIENCE_S)


def test_without_the_extra_one_learns_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiomqtt", None)
    with pytest.raises(InvalidInput, match=r"joy311\[mqtt\]"):
        require_client()
