"""A serial line bit by bit: what characters look like on the wire, and what a receiver makes of it.

Seven data bits, even parity, one stop bit, the lowest bit first; the line rests high. Everything is an
integer nanosecond, so that a receiver at another speed hears what a real one would.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from pathlib import Path

from joy311.errors import InvalidInput
from joy311.instant import SECOND_NS

DATA_BITS = 7
BITS_PER_CHARACTER = 10
"""Start, seven data bits, parity and stop."""

_REST_CHARACTERS = 2
_LARGEST_FILE = 1 << 28


@dataclass(frozen=True, slots=True)
class Waveform:
    """The level of a line over time.

    Parameters
    ----------
    edges_ns : tuple of int
        Instants at which the level changes, in order; the line is high before the first [ns].
    ends_ns : int
        Instant at which the last stop bit and a rest behind it are over [ns].
    """

    edges_ns: tuple[int, ...]
    ends_ns: int

    def is_high(self, instant_ns: int) -> bool:
        """Return whether the line is high at an instant."""
        return bisect_right(self.edges_ns, instant_ns) % 2 == 0


@dataclass(frozen=True, slots=True)
class Character:
    """One character as a receiver took it.

    Parameters
    ----------
    value : int
        The seven data bits.
    parity_right : bool
        Whether the number of ones is even.
    framed : bool
        Whether the stop bit was high.
    """

    value: int
    parity_right: bool = True
    framed: bool = True

    @property
    def clean(self) -> bool:
        """Whether a receiver would trust it."""
        return self.parity_right and self.framed


def waveform(
    characters: bytes, speed_bd: int, *, begins_ns: int = 0, parity_wrong_at: int | None = None
) -> Waveform:
    """Return the waveform of `characters`, sent one right behind the other.

    Parameters
    ----------
    characters : bytes
        Below 128 each.
    speed_bd : int
        Bits per second [Bd].
    begins_ns : int
        Instant of the first start bit [ns].
    parity_wrong_at : int, optional
        Index of a character whose parity bit is inverted.

    Raises
    ------
    InvalidInput
        If a character has more than seven bits, or the speed is not positive.
    """
    if speed_bd <= 0:
        raise InvalidInput(f"a speed of {speed_bd} Bd; it is positive", field="speed")
    edges: list[int] = []
    high = True
    for index, character in enumerate(characters):
        if character >= 1 << DATA_BITS:
            raise InvalidInput(f"character {index} is {character}; seven bits end at 127")
        parity = (character.bit_count() & 1) ^ (index == parity_wrong_at)
        # From the start bit upwards: 0, the data, the parity, and 1.
        bits = character << 1 | parity << 8 | 1 << 9
        for bit in range(BITS_PER_CHARACTER):
            level = bool(bits >> bit & 1)
            if level != high:
                edges.append(begins_ns + (index * BITS_PER_CHARACTER + bit) * SECOND_NS // speed_bd)
                high = level
    bits_in_all = (len(characters) + _REST_CHARACTERS) * BITS_PER_CHARACTER
    return Waveform(tuple(edges), begins_ns + bits_in_all * SECOND_NS // speed_bd)


def receive(line: Waveform, speed_bd: int) -> list[Character]:
    """Return what a receiver at `speed_bd` takes from `line`: it samples each bit in its middle."""
    heard: list[Character] = []
    edges = line.edges_ns
    cursor_ns = 0
    while True:
        index = bisect_left(edges, cursor_ns)
        # Edges with an even index fall: each begins a character, or is noise.
        index += index % 2
        if index >= len(edges):
            return heard
        began_ns = edges[index]

        def is_high(bit: int, began_ns: int = began_ns) -> bool:
            return line.is_high(began_ns + (2 * bit + 1) * SECOND_NS // (2 * speed_bd))

        if is_high(0):
            cursor_ns = began_ns + 1
            continue
        bits = sum(is_high(1 + bit) << bit for bit in range(DATA_BITS + 1))
        heard.append(Character(bits & 0x7F, bits.bit_count() % 2 == 0, is_high(BITS_PER_CHARACTER - 1)))
        cursor_ns = began_ns + (2 * BITS_PER_CHARACTER - 1) * SECOND_NS // (2 * speed_bd)


def as_heard(characters: bytes, sent_bd: int, heard_bd: int) -> bytes:
    """Return what a receiver at `heard_bd` makes of `characters` at `sent_bd`; damaged ones become NUL."""
    if sent_bd == heard_bd:
        return characters
    sent = waveform(bytes(character & 0x7F for character in characters), sent_bd)
    return bytes(character.value if character.clean else 0 for character in receive(sent, heard_bd))


def write_samples(line: Waveform, path: Path, rate_hz: int) -> None:
    """Write `line` as a logic analyser would: one byte for each sample, its lowest bit the level.

    ``sigrok-cli -I binary:numchannels=1:samplerate=RATE -i FILE`` reads it.

    Raises
    ------
    InvalidInput
        If the file would have more than 2**28 samples.
    OSError
        If it cannot be written.
    """
    samples = line.ends_ns * rate_hz // SECOND_NS
    if samples > _LARGEST_FILE:
        raise InvalidInput(f"{samples} samples; the most is {_LARGEST_FILE}", field="rate")
    with path.open("wb") as file:
        written = 0
        high = True
        for edge_ns in (*line.edges_ns, line.ends_ns):
            until = edge_ns * rate_hz // SECOND_NS
            file.write((b"\x01" if high else b"\x00") * (until - written))
            written = until
            high = not high
