"""A meter on MQTT: a publisher that outlives its broker, and a topic that takes tokens.

Nothing that was promised is lost: each entry of the event log goes out in order and stays due until a
broker has acknowledged it. The queue is the meter's own log, so its bound is the log's, `memory.LOG_ROWS`
entries; what a longer absence overwrites is told as a gap.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from joy311.device.mqtt_messages import (
    DEFAULT_BASE,
    DISCOVERY_PREFIX,
    QUALITY,
    Message,
    Topics,
    availability,
    discovery,
    event,
    log_gap,
    retained_refused,
    state,
    token_result,
    token_text,
)
from joy311.device.mqtt_meter import PublishedMeter, PublishedVirtualMeter, Snapshot
from joy311.device.virtual_meter import VirtualMeter
from joy311.errors import InvalidInput, StorageError

if TYPE_CHECKING:
    import aiomqtt

SCHEMES = {"mqtt": 1883, "mqtts": 8883}
"""Schemes of a broker's address and the port of each where none is named."""

FIRST_BACKOFF_S = 1.0
LONGEST_BACKOFF_S = 60.0
"""The first pause between attempts to reach a broker; each is twice the last, up to the longest [s]."""

READINGS_EVERY_S = 10.0
POLL_S = 1.0
"""How often readings go out, and how often the log is looked at for what is new [s]."""

KEEP_ALIVE_S = 10
"""The broker has the will read after one and a half times this silence [s]."""

GOODBYE_S = 5.0
"""How long the end of publishing waits for the broker [s]."""

MOST_COMMANDS = 16
"""Commands that wait to be obeyed; more at once are dropped, as a meter takes tokens one by one."""

_ANSWER_S = 10.0


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where a broker is, and who calls it.

    Parameters
    ----------
    host : str
        Its name or address.
    port : int
        Its TCP port.
    encrypted : bool
        Whether the connection is by TLS.
    username : str or None
        Who calls, None for nobody in particular.
    password : str or None
        The caller's password; it stays out of every message.
    base : str
        First level of the topics.
    """

    host: str
    port: int
    encrypted: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    base: str = DEFAULT_BASE

    @classmethod
    def parse(cls, url: str) -> BrokerAddress:
        """Return the address of ``mqtt://[USER[:PASSWORD]@]HOST[:PORT][/BASE]``; ``mqtts://`` is by TLS.

        Raises
        ------
        InvalidInput
            If `url` is not of this form.
        """
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            raise InvalidInput("the port of the broker is no number from 1 to 65535", field="mqtt") from None
        # A wrong address is not shown: it may hold a password.
        if parts.scheme not in SCHEMES or not parts.hostname or parts.query or parts.fragment or port == 0:
            raise InvalidInput(
                "the broker's address is not of the form mqtt://[USER[:PASSWORD]@]HOST[:PORT][/BASE]",
                field="mqtt",
            )
        base = parts.path.strip("/") or DEFAULT_BASE
        Topics(base, "0")
        return cls(
            parts.hostname,
            port or SCHEMES[parts.scheme],
            parts.scheme == "mqtts",
            unquote(parts.username) if parts.username else None,
            unquote(parts.password) if parts.password else None,
            base,
        )

    @property
    def where(self) -> str:
        """Host and port, for a person."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class PublishSettings:
    """How a meter is published.

    Parameters
    ----------
    discovery_prefix : str
        First level of the topics that Home Assistant watches.
    readings_every_s, poll_s : float
        How often readings go out, and how often the log is looked at [s].
    first_backoff_s, longest_backoff_s : float
        The least and the greatest pause between attempts to reach the broker [s].

    Raises
    ------
    InvalidInput
        If a time is not positive, or the greatest pause is below the least.
    """

    discovery_prefix: str = DISCOVERY_PREFIX
    readings_every_s: float = READINGS_EVERY_S
    poll_s: float = POLL_S
    first_backoff_s: float = FIRST_BACKOFF_S
    longest_backoff_s: float = LONGEST_BACKOFF_S

    def __post_init__(self) -> None:
        """Refuse what would publish never, or without pause."""
        if min(self.readings_every_s, self.poll_s, self.first_backoff_s) <= 0.0:
            raise InvalidInput("the times of publishing must be above 0 s", field="mqtt")
        if self.longest_backoff_s < self.first_backoff_s:
            raise InvalidInput(
                f"a longest pause of {self.longest_backoff_s:g} s is below the first of "
                f"{self.first_backoff_s:g} s",
                field="mqtt",
            )

    def backoff_s(self, failures: int) -> float:
        """Return the pause after so many attempts in a row that failed, one or more [s]."""
        # Thirty doublings pass every longest pause there is; the power stays small whatever was counted.
        return min(self.first_backoff_s * 2.0 ** min(failures - 1, 30), self.longest_backoff_s)


DEFAULT_SETTINGS = PublishSettings()
Tell = Callable[[str], None]


@contextlib.contextmanager
def mqtt_publishing(
    meter: VirtualMeter,
    url: str,
    *,
    lock: AbstractContextManager[object],
    catch_up: Callable[[], None] | None = None,
    settings: PublishSettings = DEFAULT_SETTINGS,
    tell: Tell | None = None,
) -> Iterator[None]:
    """Publish a meter that lives in this process, in a thread of its own, until the context ends.

    Parameters
    ----------
    meter : VirtualMeter
        The meter.
    url : str
        ``mqtt://[USER[:PASSWORD]@]HOST[:PORT][/BASE]``; ``mqtts://`` by TLS.
    lock : context manager
        Held while the meter is touched; do not hold it where the context ends.
    catch_up : callable, optional
        Lets the meter live until now.
    settings : PublishSettings, optional
        How it is published.
    tell : callable, optional
        Told, in the thread of the publisher, when the broker is reached and when it is lost.

    Raises
    ------
    InvalidInput
        If the address is of no known form, or the extra ``mqtt`` is not installed.
    StorageError
        If the meter's record is lost.
    """
    address = BrokerAddress.parse(url)
    require_client()
    published = PublishedVirtualMeter(meter, lock, catch_up)
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    def run() -> None:
        with contextlib.closing(loop):
            loop.run_until_complete(publish(published, address, stop=stop, settings=settings, tell=tell))
            loop.run_until_complete(loop.shutdown_default_executor())

    thread = threading.Thread(target=run, name=f"mqtt {published.number}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        # The loop is closed already where publishing ended by itself.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(stop.set)
        thread.join()


def require_client() -> None:
    """Make sure that the optional MQTT client is there.

    Raises
    ------
    InvalidInput
        If the extra ``mqtt`` is not installed.
    """
    try:
        import aiomqtt  # noqa: F401 - only whether it is there matters
    except ImportError:
        raise InvalidInput("MQTT needs the extra: pip install 'joy311[mqtt]'", field="mqtt") from None


async def publish(
    meter: PublishedMeter,
    address: BrokerAddress,
    *,
    stop: asyncio.Event,
    settings: PublishSettings = DEFAULT_SETTINGS,
    tell: Tell | None = None,
) -> None:
    """Publish `meter` until `stop` is set, and reach the broker again whenever it was lost.

    Parameters
    ----------
    meter : PublishedMeter
        The meter.
    address : BrokerAddress
        The broker.
    stop : asyncio.Event
        Ends publishing; the meter is said to be offline then.
    settings : PublishSettings
        How it is published.
    tell : callable, optional
        Told in a sentence when the broker is reached and when it is lost.
    """
    from aiomqtt import MqttError

    publisher = _Publisher(meter, address, settings, stop, tell or _keep_to_oneself)
    await publisher.begin()
    failures = 0
    while not stop.is_set():
        try:
            async with publisher.client() as client:
                failures = 0
                await publisher.session(client)
        except MqttError as error:
            failures += 1
            pause_s = settings.backoff_s(failures)
            publisher.tell(f"no broker at {address.where} ({error}); the next attempt is in {pause_s:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause_s)


class _Publisher:
    """One meter on its way to one broker; what a broker has acknowledged outlives the connection."""

    def __init__(
        self,
        meter: PublishedMeter,
        address: BrokerAddress,
        settings: PublishSettings,
        stop: asyncio.Event,
        tell: Tell,
    ) -> None:
        self.tell = tell
        self._meter = meter
        self._address = address
        self._settings = settings
        self._stop = stop
        self._topics = Topics(address.base, meter.number)
        self._acknowledged = 0
        self._changed = asyncio.Event()
        self._online: bool | None = None
        self._read_at: float | None = None
        self._over = False

    async def begin(self) -> None:
        """Find the entry of the log behind which publishing begins."""
        self._acknowledged = await asyncio.to_thread(self._meter.first_sequence)

    def client(self) -> aiomqtt.Client:
        """Return a client whose last will says that the meter is offline."""
        from aiomqtt import Client, ProtocolVersion, Will

        address = self._address
        will = availability(self._topics, online=False)
        return Client(
            address.host,
            address.port,
            username=address.username,
            password=address.password,
            # Two of one name would throw each other out for ever, which is what one meter must do.
            identifier=f"{DEFAULT_BASE}-{self._meter.number}",
            # Only version 5 tells a live message that is to be retained from one that is not.
            protocol=ProtocolVersion.V5,
            will=Will(will.topic, will.payload, QUALITY, will.retained),
            keepalive=KEEP_ALIVE_S,
            timeout=_ANSWER_S,
            max_queued_incoming_messages=MOST_COMMANDS,
            tls_context=ssl.create_default_context() if address.encrypted else None,
        )

    async def session(self, client: aiomqtt.Client) -> None:
        """Say everything anew, then publish and obey until `stop` is set, or fail with the connection."""
        from aiomqtt import MqttError
        from paho.mqtt.subscribeoptions import SubscribeOptions

        self._online = self._read_at = None
        self._over = False
        meter = self._meter
        for message in discovery(self._topics, meter.codes, meter.firmware, self._settings.discovery_prefix):
            await _send(client, message)
        await client.subscribe(
            self._topics.token_command, options=SubscribeOptions(qos=QUALITY, retainAsPublished=True)
        )
        self.tell(f"publishing {meter.number} to the broker at {self._address.where}")
        commands = asyncio.create_task(self._obey(client))
        turns = asyncio.create_task(self._publish(client))
        stopped = asyncio.create_task(self._stop.wait())
        try:
            done, _ = await asyncio.wait((commands, turns, stopped), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            # A cancellation that meets an acknowledgement gets lost on the way, so the tasks look here too.
            self._over = True
            for task in (commands, turns, stopped):
                task.cancel()
            await asyncio.gather(commands, turns, stopped, return_exceptions=True)
        with contextlib.suppress(MqttError, TimeoutError):
            await asyncio.wait_for(self._part(client), GOODBYE_S)

    async def _part(self, client: aiomqtt.Client) -> None:
        await self._turn(client)
        await _send(client, availability(self._topics, online=False))

    async def _publish(self, client: aiomqtt.Client) -> None:
        while not self._over:
            await self._turn(client)
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), self._settings.poll_s)

    async def _turn(self, client: aiomqtt.Client) -> None:
        """Send what is new."""
        try:
            snapshot = await asyncio.to_thread(self._meter.snapshot, self._acknowledged)
        except StorageError:
            # The meter has lost its record: it can say nothing of itself any more.
            await self._say_online(client, online=False)
            return
        news = bool(snapshot.entries) or self._online is not snapshot.powered
        await self._say_online(client, online=snapshot.powered)
        await self._send_entries(client, snapshot)
        due = self._read_at is None or _now_s() >= self._read_at + self._settings.readings_every_s
        if snapshot.powered and (news or due or self._changed.is_set()):
            await _send(client, state(self._topics, snapshot.values, snapshot.at_ns))
            self._read_at = _now_s()

    async def _send_entries(self, client: aiomqtt.Client, snapshot: Snapshot) -> None:
        for entry in snapshot.entries:
            expected = self._acknowledged + 1
            if entry.sequence > expected:
                await _send(client, log_gap(self._topics, expected, entry.sequence - 1))
            await _send(client, event(self._topics, entry))
            # Only now: a broker that dies before its acknowledgement gets the entry once more.
            self._acknowledged = entry.sequence

    async def _say_online(self, client: aiomqtt.Client, *, online: bool) -> None:
        if self._online is not online:
            await _send(client, availability(self._topics, online=online))
            self._online = online

    async def _obey(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            # An empty retained message is how the broker is told to forget one, by us or by others.
            if isinstance(message.payload, bytes) and message.payload:
                await self._take_token(client, token_text(message.payload), retained=message.retain)
            if self._over:
                return

    async def _take_token(self, client: aiomqtt.Client, text: str, *, retained: bool) -> None:
        if retained:
            for answer in retained_refused(self._topics, text):
                await _send(client, answer)
            return
        result, credit_wh = await asyncio.to_thread(self._meter.enter_token, text)
        self._changed.set()
        await _send(client, token_result(self._topics, text, result, credit_wh))


async def _send(client: aiomqtt.Client, message: Message) -> None:
    """Return once the broker has acknowledged `message`."""
    await client.publish(message.topic, message.payload, qos=QUALITY, retain=message.retained)


def _now_s() -> float:
    return asyncio.get_running_loop().time()


def _keep_to_oneself(_: str) -> None:
    """Tell nobody."""
