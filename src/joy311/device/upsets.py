"""What discharges, bursts and surges do inside a meter: bits flip, keys seem pressed, frames break.

Each function does one kind of harm, with a chance that is given, so that a run can be repeated. How much of
each a disturbance does is a table: severities to try the firmware with, not measurements of a case.
"""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence
from dataclasses import dataclass
from random import Random

from joy311.device.pages import PAGE_BYTES, Chip
from joy311.errors import InvalidInput
from joy311.panel import Key


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What one shot of a disturbance may do at most.

    Parameters
    ----------
    name : str
        What it is called.
    kilovolts : float
        Its height [kV].
    reset_share : float
        Part of the shots that reset the processor, 0 to 1.
    ram_bits : int
        Bits of the working memory that flip.
    page_bits : int
        Bits that flip in one page of the chip.
    keys : int
        Keys that seem to be pressed.
    spikes : int
        Samples of the converter that jump.
    frames : int
        Frames on a wire that break.
    """

    name: str
    kilovolts: float
    reset_share: float
    ram_bits: int
    page_bits: int
    keys: int
    spikes: int
    frames: int


DISTURBANCES = {
    disturbance.name: disturbance
    for disturbance in (
        Disturbance("discharge through air", 16.0, 0.2, 4, 1, 2, 4, 1),
        Disturbance("discharge on contact", 10.0, 0.1, 2, 1, 1, 2, 1),
        Disturbance("burst", 4.0, 0.05, 1, 0, 3, 40, 3),
        Disturbance("surge, basic", 4.0, 0.1, 2, 1, 0, 8, 1),
        Disturbance("surge, strong", 6.0, 0.3, 6, 2, 1, 16, 2),
    )
}
"""The data sheet's discharges, bursts and both configurations of surge."""


@dataclass(frozen=True, slots=True)
class Upset:
    """What one shot did; the fields are those of `Disturbance`."""

    reset: bool
    ram_bits: int
    page_bits: int
    keys: tuple[Key, ...]
    spikes: int
    frames: int


def strike(disturbance: Disturbance, chance: Random) -> Upset:
    """Return what one shot of `disturbance` does."""
    return Upset(
        reset=chance.random() < disturbance.reset_share,
        ram_bits=chance.randint(0, disturbance.ram_bits),
        page_bits=chance.randint(0, disturbance.page_bits),
        keys=false_keys(chance.randint(0, disturbance.keys), chance),
        spikes=chance.randint(0, disturbance.spikes),
        frames=chance.randint(0, disturbance.frames),
    )


def false_keys(count: int, chance: Random) -> tuple[Key, ...]:
    """Return `count` >= 0 keys that nobody pressed."""
    return tuple(chance.choices(tuple(Key), k=count))


def flip_ram_bits(image: bytearray, count: int, chance: Random) -> tuple[int, ...]:
    """Flip `count` different bits of `image` and return their numbers.

    Raises
    ------
    InvalidInput
        If the image has fewer bits.
    """
    bits = _distinct(count, len(image) * 8, chance)
    for bit in bits:
        image[bit >> 3] ^= 1 << (bit & 7)
    return bits


def flip_page_bits(chip: Chip, page: int, count: int, chance: Random) -> tuple[int, ...]:
    """Flip `count` different stored bits of one page of `chip` and return their numbers.

    Raises
    ------
    InvalidInput
        If a page has fewer bits.
    StorageError
        If there is no such page.
    """
    bits = _distinct(count, PAGE_BYTES * 8, chance)
    for bit in bits:
        chip.rot(page, bit)
    return bits


def break_frame(frame: bytes, chance: Random) -> bytes:
    """Return `frame` as it may arrive through a disturbance: bits flipped, bytes lost, doubled or made up."""
    if not frame:
        return chance.randbytes(1)
    broken = bytearray(frame)
    at = chance.randrange(len(frame))
    match chance.randrange(5):
        case 0:
            flip_ram_bits(broken, chance.randint(1, min(8, 8 * len(frame))), chance)
        case 1:
            del broken[at : at + chance.randint(1, 3)]
        case 2:
            broken[at:at] = chance.randbytes(chance.randint(1, 3))
        case 3:
            del broken[at:]
        case _:
            broken[at] ^= chance.randint(1, 255)
    return bytes(broken)


def add_spikes(samples: MutableSequence[int], count: int, full_scale: int, chance: Random) -> tuple[int, ...]:
    """Let `count` different samples jump to one end of the converter, and return their places.

    Parameters
    ----------
    samples : sequence of int
        The samples; they are changed.
    count : int
        How many of them jump.
    full_scale : int
        Largest magnitude of a sample, > 0.
    chance : random.Random
        Decides which, and to which end.

    Raises
    ------
    InvalidInput
        If there are fewer samples, or `full_scale` is not positive.
    """
    if full_scale < 1:
        raise InvalidInput(f"a full scale of {full_scale} is less than 1", field="full_scale")
    places = _distinct(count, len(samples), chance)
    for place in places:
        samples[place] = chance.choice((-full_scale, full_scale))
    return places


def written_pages(chip: Chip) -> Sequence[int]:
    """Return the pages of `chip` that hold something, where a flipped bit can do harm."""
    return [page for page in range(chip.page_count) if chip.cycles(page)]


def _distinct(count: int, most: int, chance: Random) -> tuple[int, ...]:
    if not 0 <= count <= most:
        raise InvalidInput(f"{count} is not within 0 to {most}", field="count")
    return tuple(sorted(chance.sample(range(most), count)))
