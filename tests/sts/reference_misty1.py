"""MISTY1 in the recursive form of RFC 2994: slow, plain, and the oracle of the quick one."""

from __future__ import annotations

from joy311.sts.misty1 import S7, S9


def encrypt(key: int, block: int) -> int:
    schedule = _schedule(key)
    left, right = block >> 32, block & 0xFFFF_FFFF
    for turn in range(0, 8, 2):
        left, right = _fl(schedule, left, turn), _fl(schedule, right, turn + 1)
        right ^= _fo(schedule, left, turn)
        left ^= _fo(schedule, right, turn + 1)
    return _fl(schedule, right, 9) << 32 | _fl(schedule, left, 8)


def _schedule(key: int) -> tuple[list[int], list[int]]:
    words = [key >> 16 * (7 - index) & 0xFFFF for index in range(8)]
    return words, [_fi(words[index], words[(index + 1) % 8]) for index in range(8)]


def _fi(value: int, key: int) -> int:
    nine, seven = value >> 7, value & 0x7F
    nine = S9[nine] ^ seven
    seven = S7[seven] ^ nine & 0x7F
    seven ^= key >> 9
    nine ^= key & 0x1FF
    nine = S9[nine] ^ seven
    return seven << 9 | nine


def _fo(schedule: tuple[list[int], list[int]], value: int, turn: int) -> int:
    words, mixed = schedule
    left, right = value >> 16, value & 0xFFFF
    for outer, inner in ((0, 5), (2, 1), (7, 3)):
        left = _fi(left ^ words[(turn + outer) % 8], mixed[(turn + inner) % 8]) ^ right
        left, right = right, left
    return (left ^ words[(turn + 4) % 8]) << 16 | right


def _fl(schedule: tuple[list[int], list[int]], value: int, turn: int) -> int:
    words, mixed = schedule
    left, right, half = value >> 16, value & 0xFFFF, turn // 2
    if turn % 2 == 0:
        right ^= left & words[half % 8]
        left ^= right | mixed[(half + 6) % 8]
    else:
        right ^= left & mixed[(half + 2) % 8]
        left ^= right | words[(half + 4) % 8]
    return left << 16 | right
