"""The journal of a meter's life: every event and what it led to, so that it can be lived again and compared.

Two files belong together. The journal itself may be shown to anybody: digits that were typed and tokens that
came are left out of it, and of what the firmware did it holds names and checks. The private file beside it,
for its owner only, holds the record that the life began with, which has the key in it, and what was left out.
"""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from joy311.device.memory import MeterMemory
from joy311.errors import InvalidInput, Refused, StorageError
from joy311.meter import (
    Action,
    AppendLog,
    AppendProfile,
    Commit,
    CommitFailed,
    Event,
    KeyPressed,
    Meter,
    PlaySound,
    PoweredUp,
    Report,
    SaveCheckpoint,
    SaveConfiguration,
    SetBacklight,
    SetLight,
    Show,
    SwitchLoad,
    TokenReceived,
)
from joy311.meter.event_record import event_line, parse_event
from joy311.panel import Key

FORMAT = 1
PRIVATE_SUFFIX = ".private"
LEFT_OUT = "*"
"""What stands in the journal in the place of a digit or a token."""

_SECRET_BYTES = 16
_CHECK_DIGITS = 16
_LONGEST_LINE = 100_000


class JournalWriter:
    """Writes the journal of one meter; call it as the `VirtualMeter`'s listener.

    Parameters
    ----------
    path : Path
        The journal; neither it nor the private file beside it may be there.
    memory : MeterMemory
        The memory that the meter starts from.
    secret : bytes
        Sixteen random bytes with which actions are checked.

    Raises
    ------
    InvalidInput
        If one of the files is there already.
    StorageError
        If they cannot be made.
    """

    def __init__(self, path: Path, memory: MeterMemory, secret: bytes) -> None:
        self._memory = memory
        self._secret = secret
        self._began = False
        self._private = _new_file(private_path(path))
        try:
            self._journal = _new_file(path)
        except (InvalidInput, StorageError):
            self._private.close()
            private_path(path).unlink()
            raise

    def __call__(self, event: Event, now: int, actions: list[Action]) -> None:
        """Write what happened; called before the actions are done, so that memory is still as it was."""
        if not self._began:
            self._begin()
        public, left_out = _masked(event)
        if left_out is not None:
            # Written first: what the journal lacks must never be lacking here.
            self._private.write(json.dumps(left_out) + "\n")
            self._private.flush()
        line: dict[str, Any] = json.loads(event_line(public, now))
        line["actions"] = [_said(action, self._secret) for action in actions]
        self._journal.write(json.dumps(line, separators=(",", ":")) + "\n")
        self._journal.flush()

    def close(self) -> None:
        """Close both files."""
        self._journal.close()
        self._private.close()

    def _begin(self) -> None:
        memory = self._memory
        try:
            record = memory.read()
        except StorageError:
            record = None
        try:
            configuration = memory.read_configuration()
        except StorageError:
            configuration = None
        checkpoint = memory.read_checkpoint()
        start = {
            "journal": FORMAT,
            "secret": self._secret.hex(),
            "record": record.hex() if record else None,
            "checkpoint": checkpoint.hex() if checkpoint else None,
            "configuration": configuration.hex() if configuration else None,
        }
        self._private.write(json.dumps(start) + "\n")
        self._private.flush()
        os.fsync(self._private.fileno())
        self._journal.write(json.dumps({"journal": FORMAT}) + "\n")
        self._began = True


@dataclass(frozen=True, slots=True)
class Replayed:
    """What was lived again.

    Parameters
    ----------
    events, actions : int
        How many events there were, and actions that were the same.
    credit_wh : int
        Credit at the end [Wh].
    """

    events: int
    actions: int
    credit_wh: int


def private_path(path: Path) -> Path:
    """Return where the private file of the journal at `path` lies."""
    return path.with_name(path.name + PRIVATE_SUFFIX)


def replay(path: Path) -> Replayed:
    """Live the journal at `path` again from the same record.

    A last line that a kill cut short is passed over.

    Raises
    ------
    InvalidInput
        If a file is missing, or is not what `JournalWriter` writes.
    Refused
        ``ReplayDiffers``, if an event leads to other actions than it did; the message names the first.
    """
    private = _lines(private_path(path))
    start = _object(next(private, (0, ""))[1], private_path(path), 1)
    secret, record, checkpoint, configuration = (
        _bytes(start, name, private_path(path))
        for name in ("secret", "record", "checkpoint", "configuration")
    )
    if start.get("journal") != FORMAT or secret is None or record is None:
        raise InvalidInput(f"{private_path(path)} holds no record that a life could begin with", field="file")
    meter: Meter | None = None
    record_before = record
    events = same = 0
    lines = _lines(path)
    if _object(next(lines, (0, ""))[1], path, 1) != {"journal": FORMAT}:
        raise InvalidInput(f"{path} is no journal of a meter", field="file")
    for number, line in lines:
        document = _object(line, path, number)
        recorded = document.pop("actions", None)
        now, event = _whole(*_parsed(document, path, number), private, path, number)
        if isinstance(event, PoweredUp):
            try:
                meter = Meter.restore(record, checkpoint, configuration)
            except StorageError as error:
                raise InvalidInput(f"{private_path(path)}: {error}", field="file") from None
        elif isinstance(event, CommitFailed):
            record = record_before
        if meter is None:
            raise InvalidInput(f"{path}, line {number}: a life begins with PoweredUp", field="file")
        actions = meter.handle(event, now)
        said = [_said(action, secret) for action in actions]
        if said != recorded:
            raise Refused(
                "ReplayDiffers",
                f"{path}, line {number}: {type(event).__name__} led to {recorded} and now leads to {said}",
            )
        events += 1
        same += len(said)
        for action in actions:
            match action:
                case Commit(content):
                    record_before, record = record, content
                case SaveCheckpoint(content):
                    checkpoint = content
                case SaveConfiguration(content):
                    configuration = content
    if meter is None:
        raise InvalidInput(f"{path} holds no event", field="file")
    return Replayed(events, same, meter.credit_wh)


def _new_file(path: Path) -> TextIO:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise InvalidInput(
            f"{path} is there already; a journal is never overwritten", field="record"
        ) from None
    except OSError as error:
        raise StorageError(f"{path} cannot be made: {error.strerror}") from error
    return os.fdopen(descriptor, "w", encoding="ascii")


def _masked(event: Event) -> tuple[Event, str | None]:
    """Return the event as anybody may see it, and what was left out."""
    match event:
        case TokenReceived(text):
            return replace(event, text=LEFT_OUT), text
        case KeyPressed(key) if key.is_digit:
            return replace(event, key=Key.DIGIT_0), key.value
    return event, None


def _whole(
    now: int, event: Event, private: Iterator[tuple[int, str]], path: Path, number: int
) -> tuple[int, Event]:
    """Return the instant and the event with what was left out."""
    match event:
        case TokenReceived():
            return now, replace(event, text=_next(private, path, number))
        case KeyPressed(key) if key.is_digit:
            digit = _next(private, path, number)
            if digit not in {each.value for each in Key if each.is_digit}:
                raise InvalidInput(f"{private_path(path)} holds no digit for line {number}", field="file")
            return now, replace(event, key=Key(digit))
    return now, event


def _next(private: Iterator[tuple[int, str]], path: Path, number: int) -> str:
    _, line = next(private, (0, ""))
    try:
        text = json.loads(line)
    except ValueError:
        text = None
    if not isinstance(text, str):
        raise InvalidInput(f"{private_path(path)} holds nothing for line {number} of {path}", field="file")
    return text


def _parsed(document: dict[str, Any], path: Path, number: int) -> tuple[int, Event]:
    try:
        return parse_event(json.dumps(document))
    except InvalidInput as error:
        raise InvalidInput(f"{path}, line {number}: {error}", field="file") from None


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the numbers and texts of all lines that are whole."""
    if not path.is_file():
        raise InvalidInput(f"there is no file {path}", field="file")
    try:
        with path.open(encoding="ascii") as file:
            number = 0
            while line := file.readline(_LONGEST_LINE):
                number += 1
                if line.endswith("\n"):
                    yield number, line
                elif len(line) >= _LONGEST_LINE:
                    raise InvalidInput(
                        f"{path}, line {number} has more than {_LONGEST_LINE} characters", field="file"
                    )
    except UnicodeDecodeError:
        raise InvalidInput(f"{path} is no text of ASCII", field="file") from None
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}", field="file") from None


def _object(line: str, path: Path, number: int) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        # The line is not repeated: it may stand beside a key.
        raise InvalidInput(f"{path}, line {number} is not a line of a journal", field="file")
    return document


def _bytes(start: dict[str, Any], name: str, path: Path) -> bytes | None:
    text = start.get(name)
    if text is None:
        return None
    try:
        return bytes.fromhex(text)
    except (TypeError, ValueError):
        raise InvalidInput(f"{path}: {name} is not hexadecimal", field="file") from None


def _said(action: Action, secret: bytes) -> str:
    """Return an action's name, and a check of its content where that is not for everybody."""
    match action:
        case (
            Commit(content)
            | SaveCheckpoint(content)
            | SaveConfiguration(content)
            | AppendLog(content)
            | AppendProfile(content)
        ):
            said = _check(content, secret)
        case Show(screen):
            # The digits that somebody types pass over the display.
            icons = ",".join(sorted(screen.icons))
            said = _check(f"{screen.text}|{screen.index}|{icons}".encode(), secret)
        case SwitchLoad(closed):
            said = "closed" if closed else "open"
        case PlaySound(sound):
            said = sound.value
        case SetLight(led, light):
            said = f"{led.value} {light.value}"
        case SetBacklight(on):
            said = "on" if on else "off"
        case Report(result, detail, door, exchange):
            said = f"{result.name} {door.name} {_check(f'{detail}|{exchange}'.encode(), secret)}"
    return f"{type(action).__name__} {said}"


def _check(content: bytes, secret: bytes) -> str:
    return hmac.digest(secret, content, "sha256").hex()[:_CHECK_DIGITS]
