from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.sts import des, misty1, sta
from tests.sts import reference_misty1, reference_sta

TABLES = (sta.SUBSTITUTION_1, sta.SUBSTITUTION_2, sta.PERMUTATION)
BLOCKS = st.integers(0, (1 << 64) - 1)
LONG_KEYS = st.integers(0, (1 << 128) - 1)


def test_the_tables_are_permutations() -> None:
    for table in TABLES:
        assert sorted(table) == list(range(len(table)))
    assert sorted(misty1.S7) == list(range(128))
    assert sorted(misty1.S9) == list(range(512))


@given(BLOCKS, BLOCKS)
def test_sta_agrees_with_the_plain_one(key: int, block: int) -> None:
    encrypted = sta.encrypt(key, block)
    assert encrypted == reference_sta.encrypt(key, block, *TABLES)
    assert sta.decrypt(key, encrypted) == block == reference_sta.decrypt(key, encrypted, *TABLES)


@given(LONG_KEYS, BLOCKS)
def test_misty1_agrees_with_the_plain_one(key: int, block: int) -> None:
    key_bytes = key.to_bytes(16, "big")
    encrypted = misty1.encrypt(key_bytes, block)
    assert encrypted == reference_misty1.encrypt(key, block)
    assert misty1.decrypt(key_bytes, encrypted) == block


@pytest.mark.parametrize(
    ("plain", "encrypted"),
    [(0x0123456789ABCDEF, 0x8B1DA5F56AB3D07C), (0xFEDCBA9876543210, 0x04B68240B13BE95D)],
)
def test_misty1_of_rfc_2994(plain: int, encrypted: int) -> None:
    key = 0x00112233445566778899AABBCCDDEEFF
    key_bytes = key.to_bytes(16, "big")
    assert misty1.encrypt(key_bytes, plain) == encrypted == reference_misty1.encrypt(key, plain)
    assert misty1.decrypt(key_bytes, encrypted) == plain


@pytest.mark.parametrize(
    ("key", "plain", "encrypted"),
    [
        ("0000000000000000", "0000000000000000", "8CA64DE9C1B123A7"),
        ("133457799BBCDFF1", "0123456789ABCDEF", "85E813540F0AB405"),
        ("FFFFFFFFFFFFFFFF", "FFFFFFFFFFFFFFFF", "7359B2163E4EDC58"),
        ("0123456789ABCDEF", "4E6F772069732074", "3FA40E8A984D4815"),
    ],
)
def test_des_known_answers(key: str, plain: str, encrypted: str) -> None:
    for make in (des.own_block_encryptor, des.block_encryptor):
        assert make(bytes.fromhex(key))(bytes.fromhex(plain)).hex().upper() == encrypted


@given(st.binary(min_size=8, max_size=8), st.binary(min_size=8, max_size=8))
def test_our_own_des_agrees_with_the_package(key: bytes, block: bytes) -> None:
    pytest.importorskip("cryptography")
    assert des.own_block_encryptor(key)(block) == des.block_encryptor(key)(block)


def run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


def test_importing_sts_loads_no_heavy_package_and_builds_no_table() -> None:
    assert (
        run(
            "import sys, joy311.sts\n"
            "heavy = {'numpy', 'numba', 'cryptography', 'sqlalchemy', 'asyncio'} & set(sys.modules)\n"
            "from joy311.sts import des, misty1, sta\n"
            "tables = sta._encryption_rows, sta._decryption_rows, misty1._inner_tables, des._permuted_boxes\n"
            "print(sorted(heavy), [table.cache_info().currsize for table in tables])"
        )
        == "[] [0, 0, 0, 0]"
    )


def test_dkga02_works_without_the_cryptography_package() -> None:
    program = """
import sys
sys.modules["cryptography"] = None
from joy311.sts import *
attributes = KeyAttributes(
    MeterPAN("600727000000000009"), KeyType.DUTK, "123456", "01", 1,
    BaseDate.BDT_1993, EncryptionAlgorithm.STA, KeyDerivation.DKGA02,
)
print(derive_decoder_key(VendingKey.from_bytes(bytes([0xAB]) * 8), attributes).to_bytes().hex().upper())
"""
    assert run(program) == "E653341F9D5BF36F"
