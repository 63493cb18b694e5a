"""Bytes to messages: skips what is none, and forgets what goes on for too long."""

from __future__ import annotations

import re

from joy311.errors import InvalidInput
from joy311.iec62056.characters import ACK, EOT, ETX, NAK, SOH, STX, block_check, without_parity
from joy311.iec62056.messages import Command, Data, Identification, Message, OptionSelect, Request, Signal

LONGEST_COMMAND = 1024
"""Characters of a message that a meter takes; a longer one is damaged."""

_START = re.compile(rb"[\x01\x02\x06\x15/]")
_END = re.compile(rb"[\x03\x04]")
_LINE = re.compile(rb"/[ -~]{0,60}\r\n")
_BEGUN_LINE = re.compile(rb"/[ -~]{0,60}\r?")
_OPTION = re.compile(rb"\x06([!-~])([!-~])([!-~])\r\n")
_BEGUN_OPTION = re.compile(rb"\x06[!-~]{0,3}|\x06[!-~]{3}\r")
_REQUEST = re.compile(r"/\?([^!]*)!")
_COMMAND = re.compile(rb"([A-Z][0-9])(?:\x02(.*))?", re.DOTALL)
_SIGNALS = {ACK: Signal.ACKNOWLEDGE, NAK: Signal.REPEAT}


class Framer:
    """Collects received bytes and hands out whole messages.

    Parameters
    ----------
    longest : int
        Characters of the longest message between SOH or STX and its end.
    """

    __slots__ = ("_buffer", "_longest", "_searched")

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._buffer = bytearray()
        self._searched = 1

    @property
    def begun(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._buffer)

    def feed(self, received: bytes) -> None:
        """Take what came over the line; parity in the eighth bit does not matter."""
        self._buffer += without_parity(received)

    def clear(self) -> None:
        """Forget what was collected."""
        self._drop(len(self._buffer))

    def next(self, *, option_awaited: bool = False) -> Message | None:
        """Return the next message, None until more has come.

        Parameters
        ----------
        option_awaited : bool
            Whether ACK begins an option select message now, rather than being one by itself.
        """
        while True:
            if not self._skip_to_start():
                return None
            first = self._buffer[0]
            if first in _SIGNALS and not (option_awaited and first == ACK):
                self._drop(1)
                return _SIGNALS[first]
            if first == ACK:
                return self._option()
            if first == ord("/"):
                found = _LINE.match(self._buffer)
                if found is not None:
                    line = found[0].decode("ascii")[:-2]
                    self._drop(found.end())
                    # A line that broke off may hold the beginning of the next.
                    message = _line("/" + line.rpartition("/")[2])
                    if message is not None:
                        return message
                elif _BEGUN_LINE.fullmatch(self._buffer):
                    return None
                else:
                    self._drop(1)
                continue
            end = self._end_of_block()
            if end is None:
                if len(self._buffer) <= self._longest:
                    return None
                self.clear()
                return Signal.GARBLED
            body = bytes(self._buffer[1:end])
            restart = max(body.rfind(SOH), body.rfind(STX) if first == STX else -1)
            if restart >= 0:
                # Inside a block nothing begins anew, so what stood before was cut off.
                self._drop(restart + 1)
                continue
            return self._block(body, end)

    def _skip_to_start(self) -> bool:
        found = _START.search(self._buffer)
        self._drop(found.start() if found is not None else len(self._buffer))
        return found is not None

    def _option(self) -> Message | None:
        found = _OPTION.match(self._buffer)
        if found is not None:
            protocol, speed, mode = (group.decode("ascii") for group in found.groups())
            self._drop(found.end())
            return OptionSelect(protocol, speed, mode)
        if _BEGUN_OPTION.fullmatch(self._buffer):
            return None
        self._drop(1)
        return Signal.GARBLED

    def _end_of_block(self) -> int | None:
        found = _END.search(self._buffer, self._searched)
        if found is None:
            self._searched = max(1, len(self._buffer))
            return None
        # The block check may be any character, so it is counted and not looked for.
        return found.start() if found.end() < len(self._buffer) else None

    def _block(self, body: bytes, end: int) -> Message:
        first, last, check = self._buffer[0], self._buffer[end], self._buffer[end + 1]
        self._drop(end + 2)
        if block_check(body + bytes([last])) != check or last not in (ETX, EOT) or end > self._longest:
            return Signal.GARBLED
        if first == STX:
            return Data(body.decode("ascii"), last == EOT)
        found = _COMMAND.fullmatch(body)
        if found is None:
            # Whole, but no command that anybody knows: it deserves an answer, not a repetition.
            return Command("", None, last == EOT)
        data = None if found[2] is None else found[2].decode("ascii")
        return Command(found[1].decode("ascii"), data, last == EOT)

    def _drop(self, count: int) -> None:
        if count:
            del self._buffer[:count]
            self._searched = 1


def _line(line: str) -> Message | None:
    found = _REQUEST.fullmatch(line)
    if found is None:
        return Identification.parse(line)
    try:
        return Request(found[1])
    except InvalidInput:
        return None
