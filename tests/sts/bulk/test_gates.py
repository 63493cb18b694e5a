from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joy311.errors import InvalidInput
from joy311.sts import des, misty1, sta
from joy311.sts.bulk import long_integers, slices, substitutions
from joy311.sts.bulk.gates import BOXES, Box, gate_count, minimise, write_module

BLOCKS = st.integers(0, (1 << 64) - 1)
LONG_KEYS = st.integers(0, (1 << 128) - 1)

MOST_GATES = {
    "sta_encryption": 48,
    "sta_decryption": 49,
    "misty1_s7": 91,
    "misty1_s9": 110,
    "des_s1": 93,
    "des_s2": 78,
    "des_s3": 91,
    "des_s4": 74,
    "des_s5": 98,
    "des_s6": 75,
    "des_s7": 78,
    "des_s8": 86,
}
"""What the search found when this was written; a change may only lower it."""


@pytest.mark.parametrize("box", BOXES, ids=lambda box: box.name)
def test_the_gates_give_the_table_for_every_input(box: Box) -> None:
    # Bit j of every integer belongs to input j.
    rows = len(box.table)
    inputs = [sum((row >> bit & 1) << row for row in range(rows)) for bit in range(len(box.inputs))]
    outputs = getattr(substitutions, box.name)(*inputs)
    wanted = [
        sum((value >> bit & 1) << row for row, value in enumerate(box.table)) for bit in range(box.outputs)
    ]
    assert [output & (1 << rows) - 1 for output in outputs] == wanted


def test_the_text_is_what_the_generator_writes() -> None:
    written = Path(substitutions.__file__).read_text(encoding="utf-8")
    assert written == write_module()


@pytest.mark.parametrize("box", BOXES, ids=lambda box: box.name)
def test_the_gates_do_not_become_more(box: Box) -> None:
    assert gate_count(minimise(box.table, box.outputs, box.seed)) <= MOST_GATES[box.name]


@given(st.lists(BLOCKS, max_size=130))
def test_turning_there_and_back_changes_nothing(numbers: list[int]) -> None:
    turned = long_integers.to_slices(numbers)
    assert len(turned) == 64
    assert [
        sum((turned[bit] >> row & 1) << bit for bit in range(64)) for row in range(len(numbers))
    ] == numbers
    assert long_integers.from_slices(turned, len(numbers)) == numbers


@given(st.lists(st.tuples(BLOCKS, BLOCKS), max_size=70))
def test_sta_on_long_integers_is_the_one_token_cipher(rows: list[tuple[int, int]]) -> None:
    keys, blocks = [key for key, _ in rows], [block for _, block in rows]
    encrypted = long_integers.sta(keys, blocks, decrypt=False)
    assert encrypted == [sta.encrypt(key, block) for key, block in rows]
    assert long_integers.sta(keys, encrypted, decrypt=True) == blocks


@given(st.lists(st.tuples(LONG_KEYS, BLOCKS), max_size=70))
def test_misty1_on_long_integers_is_the_one_token_cipher(rows: list[tuple[int, int]]) -> None:
    keys, blocks = [key for key, _ in rows], [block for _, block in rows]
    encrypted = long_integers.misty1(keys, blocks, decrypt=False)
    assert encrypted == [misty1.encrypt(key.to_bytes(16, "big"), block) for key, block in rows]
    assert long_integers.misty1(keys, encrypted, decrypt=True) == blocks


def test_more_blocks_than_a_batch_are_cut_and_joined() -> None:
    blocks = list(range(0, 5000 << 40, 1 << 40))
    encrypted = long_integers.sta(blocks, blocks, decrypt=False)
    assert len(encrypted) == len(blocks)
    assert encrypted[4095:4098] == [sta.encrypt(block, block) for block in blocks[4095:4098]]
    long_keys = [block << 64 for block in blocks]
    encrypted = long_integers.misty1(long_keys, blocks, decrypt=False)
    assert encrypted[4095:4098] == [
        misty1.encrypt((block << 64).to_bytes(16, "big"), block) for block in blocks[4095:4098]
    ]


@given(BLOCKS, st.lists(BLOCKS, min_size=1, max_size=70))
def test_des_on_long_integers_is_the_one_token_cipher(key: int, blocks: list[int]) -> None:
    # A key's bit is the same for all blocks: all ones or all zeros.
    round_keys = [[-(word >> bit & 1) for bit in range(48)] for word in des.round_keys(key)]
    state = slices.des(round_keys, long_integers.to_slices(blocks))
    encrypt = des.own_block_encryptor(key.to_bytes(8, "big"))
    wanted = [int.from_bytes(encrypt(block.to_bytes(8, "big")), "big") for block in blocks]
    assert long_integers.from_slices(state, len(blocks)) == wanted


@settings(max_examples=10)
@given(st.lists(st.tuples(LONG_KEYS, BLOCKS), min_size=64, max_size=64))
def test_the_same_gates_run_on_numpy_arrays(rows: list[tuple[int, int]]) -> None:
    def arrays(numbers: list[int]) -> list[object]:
        return [np.array([bits], np.uint64) for bits in long_integers.to_slices(numbers)]

    def numbers(state: list[object]) -> list[int]:
        return long_integers.from_slices([int(np.asarray(bits)[0]) for bits in state], 64)

    low = [key & (1 << 64) - 1 for key, _ in rows]
    high = [key >> 64 for key, _ in rows]
    blocks = [block for _, block in rows]
    assert numbers(slices.sta(arrays(low), arrays(blocks), decrypt=False)) == long_integers.sta(
        low, blocks, decrypt=False
    )
    assert numbers(
        slices.misty1([*arrays(low), *arrays(high)], arrays(blocks), decrypt=True)
    ) == long_integers.misty1([key for key, _ in rows], blocks, decrypt=True)


def test_keys_and_blocks_that_do_not_match_are_refused() -> None:
    with pytest.raises(InvalidInput, match="2 keys are not for 1 blocks"):
        long_integers.sta([1, 2], [3], decrypt=False)
    with pytest.raises(InvalidInput, match="0 keys are not for 1 blocks"):
        long_integers.misty1([], [3], decrypt=True)


def test_gates_and_long_integers_need_neither_numpy_nor_numba() -> None:
    program = (
        "import sys, joy311.sts, joy311.sts.bulk\n"
        "from joy311.sts.bulk import gates, long_integers\n"
        "long_integers.sta([1], [2], decrypt=False)\n"
        "print(sorted({'numpy', 'numba', 'llvmlite'} & sys.modules.keys()))\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_the_boxes_stand_in_the_file_in_the_order_of_the_table() -> None:
    text = Path(substitutions.__file__).read_text(encoding="utf-8")
    places = [text.index(f"def {box.name}(") for box in BOXES]
    assert all(one < other for one, other in pairwise(places))
