"""EA11, the MISTY1 cipher: eight rounds on 64 bits under a key of 128.

Its inner function FI takes sixteen bits through two tables with a key word between them; the tables have
65 536 entries each and are built on first use.

Source: RFC 2994
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from functools import cache
from struct import Struct

S7 = tuple(
    bytes.fromhex(
        "1B32335A3B1017545B1A72736B2C66491F24136C372E3F4A5D0F405625511C040B46200D7B3544422B1E41144B79156F"
        "0E550936740C6753280A7E38020760291912652F303908685F782A4C6445753D594803577C4F623C1D215E276A704D3A"
        "016D6E6318772305267600312D7A7F61502211064716524E713E6943345C587D"
    )
)
_S9_DIGITS = (
    "1C30CB15319F1E30E90FB0351810B91171EB13300902D0D30C714A03707E0EB1641931D80A311E05502C01D1A2163118"
    "14B1521D200F02B03013A0E511113818E0630E30C81F401B00109D0F81A016D1F301C14607D0D10821EA18312D0F419E"
    "1D30DD1E21281E00EC05909101112F0260DC0B018C10F1F70E716C0B60F90D815110114C1030B815412B1AE01707100C"
    "04705807F1A413412908415D19D1B21A304807C0511CA02313D1A716503B0420DA1920CE0C106B09F1F112C1840FA196"
    "1E116917D03118010A0941DA18613E11C0601751CF06711906506809915000800717C0B70240190DE1270DB0E41A9052"
    "10909019C1C10281B313516A1760DF1E51880C516E1DE1B10C31DF0360EE1EE0F009304909A1B606908112500B05E0B4"
    "1491C717403E13B1B708E1C60AE0100951EF04E0F21FD0850FD0F60A016F08308A15609B13C1071670981D01E90031FE"
    "0BD1220890D218F01203306A1420ED17011B0E214F15813114705D1131CD0791611A517909E1B40CC02213201A0E8004"
    "1871ED1970391BF1D702718B0C609C0D014E06C0341F206E0CA0250BA1910FE01310602F1AD1721DB0C010B1D60F51EC"
    "10D0761141AB07510C1E415905411F04B0C41BE0F70290A400E1F007704D17A08608B0B31710BF10E10409715B160168"
    "0D70BB0661CE0FC0921C506F01604A0A11390AF0F119000A1AA14317B05618D1660D41FB14D19419A0871F81230A71B8"
    "14103C1F914002A15511A1A11980D51261AF06112E1571DC07218A0AA0961150EF04507B08D14505305F1780B202E020"
    "1D503F1C91E71AC0440380140B116B0AB0B505A1821C81D40181770640CF06D10019913015A0051201BB1BD0E004F0D6"
    "13F1C412A0150060FF19B0A604308805015F1E812107317E0BC0C20C91731891F50741CC1E61A819501F04100D1BA032"
    "03D1D10800A80571B91621480D910506207A0211FF1121081C00A911D1B01A60CD0F305C10205B1D91441F60AD0A503A"
    "1CB13617F0460E101E1DD0E61371FA18508C08F0401B50BE0780000AC11015E1240021BC0A20EA0701FC11615C04C1C2"
)
S9 = tuple(int(_S9_DIGITS[start : start + 3], 16) for start in range(0, len(_S9_DIGITS), 3))

_split_key: Callable[[bytes], tuple[int, ...]] = Struct(">8H").unpack
"""The eight words of a key of sixteen bytes; FI makes eight more of each and its neighbour."""


def encrypt(key: bytes, block: int) -> int:
    """Return the 64-bit `block` encrypted under the `key` of 16 bytes.

    Source: RFC 2994
    """
    before, after = _inner_tables()
    k0, k1, k2, k3, k4, k5, k6, k7 = _split_key(key)
    m0, m1 = after[before[k0] ^ k1], after[before[k1] ^ k2]
    m2, m3 = after[before[k2] ^ k3], after[before[k3] ^ k4]
    m4, m5 = after[before[k4] ^ k5], after[before[k5] ^ k6]
    m6, m7 = after[before[k6] ^ k7], after[before[k7] ^ k0]
    a, b, c, d = block >> 48, block >> 32 & 0xFFFF, block >> 16 & 0xFFFF, block & 0xFFFF
    # Four times four lines of FL on both halves and eight of FO across and back, written out, as a loop
    # takes twice the time.
    b ^= a & k0
    a ^= b | m6
    d ^= c & m2
    c ^= d | k4
    x = after[before[a ^ k0] ^ m5] ^ b
    y = after[before[b ^ k2] ^ m1] ^ x
    d ^= after[before[x ^ k7] ^ m3] ^ y
    c ^= y ^ k4
    x = after[before[c ^ k1] ^ m6] ^ d
    y = after[before[d ^ k3] ^ m2] ^ x
    b ^= after[before[x ^ k0] ^ m4] ^ y
    a ^= y ^ k5
    b ^= a & k1
    a ^= b | m7
    d ^= c & m3
    c ^= d | k5
    x = after[before[a ^ k2] ^ m7] ^ b
    y = after[before[b ^ k4] ^ m3] ^ x
    d ^= after[before[x ^ k1] ^ m5] ^ y
    c ^= y ^ k6
    x = after[before[c ^ k3] ^ m0] ^ d
    y = after[before[d ^ k5] ^ m4] ^ x
    b ^= after[before[x ^ k2] ^ m6] ^ y
    a ^= y ^ k7
    b ^= a & k2
    a ^= b | m0
    d ^= c & m4
    c ^= d | k6
    x = after[before[a ^ k4] ^ m1] ^ b
    y = after[before[b ^ k6] ^ m5] ^ x
    d ^= after[before[x ^ k3] ^ m7] ^ y
    c ^= y ^ k0
    x = after[before[c ^ k5] ^ m2] ^ d
    y = after[before[d ^ k7] ^ m6] ^ x
    b ^= after[before[x ^ k4] ^ m0] ^ y
    a ^= y ^ k1
    b ^= a & k3
    a ^= b | m1
    d ^= c & m5
    c ^= d | k7
    x = after[before[a ^ k6] ^ m3] ^ b
    y = after[before[b ^ k0] ^ m7] ^ x
    d ^= after[before[x ^ k5] ^ m1] ^ y
    c ^= y ^ k2
    x = after[before[c ^ k7] ^ m4] ^ d
    y = after[before[d ^ k1] ^ m0] ^ x
    b ^= after[before[x ^ k6] ^ m2] ^ y
    a ^= y ^ k3
    b ^= a & k4
    a ^= b | m2
    d ^= c & m6
    c ^= d | k0
    return c << 48 | d << 32 | a << 16 | b


def decrypt(key: bytes, block: int) -> int:
    """Return the 64-bit `block` decrypted under the `key` of 16 bytes: the same steps, last one first.

    Source: RFC 2994
    """
    before, after = _inner_tables()
    k0, k1, k2, k3, k4, k5, k6, k7 = _split_key(key)
    m0, m1 = after[before[k0] ^ k1], after[before[k1] ^ k2]
    m2, m3 = after[before[k2] ^ k3], after[before[k3] ^ k4]
    m4, m5 = after[before[k4] ^ k5], after[before[k5] ^ k6]
    m6, m7 = after[before[k6] ^ k7], after[before[k7] ^ k0]
    c, d, a, b = block >> 48, block >> 32 & 0xFFFF, block >> 16 & 0xFFFF, block & 0xFFFF
    c ^= d | k0
    d ^= c & m6
    a ^= b | m2
    b ^= a & k4
    x = after[before[c ^ k7] ^ m4] ^ d
    y = after[before[d ^ k1] ^ m0] ^ x
    b ^= after[before[x ^ k6] ^ m2] ^ y
    a ^= y ^ k3
    x = after[before[a ^ k6] ^ m3] ^ b
    y = after[before[b ^ k0] ^ m7] ^ x
    d ^= after[before[x ^ k5] ^ m1] ^ y
    c ^= y ^ k2
    c ^= d | k7
    d ^= c & m5
    a ^= b | m1
    b ^= a & k3
    x = after[before[c ^ k5] ^ m2] ^ d
    y = after[before[d ^ k7] ^ m6] ^ x
    b ^= after[before[x ^ k4] ^ m0] ^ y
    a ^= y ^ k1
    x = after[before[a ^ k4] ^ m1] ^ b
    y = after[before[b ^ k6] ^ m5] ^ x
    d ^= after[before[x ^ k3] ^ m7] ^ y
    c ^= y ^ k0
    c ^= d | k6
    d ^= c & m4
    a ^= b | m0
    b ^= a & k2
    x = after[before[c ^ k3] ^ m0] ^ d
    y = after[before[d ^ k5] ^ m4] ^ x
    b ^= after[before[x ^ k2] ^ m6] ^ y
    a ^= y ^ k7
    x = after[before[a ^ k2] ^ m7] ^ b
    y = after[before[b ^ k4] ^ m3] ^ x
    d ^= after[before[x ^ k1] ^ m5] ^ y
    c ^= y ^ k6
    c ^= d | k5
    d ^= c & m3
    a ^= b | m7
    b ^= a & k1
    x = after[before[c ^ k1] ^ m6] ^ d
    y = after[before[d ^ k3] ^ m2] ^ x
    b ^= after[before[x ^ k0] ^ m4] ^ y
    a ^= y ^ k5
    x = after[before[a ^ k0] ^ m5] ^ b
    y = after[before[b ^ k2] ^ m1] ^ x
    d ^= after[before[x ^ k7] ^ m3] ^ y
    c ^= y ^ k4
    c ^= d | k4
    d ^= c & m2
    a ^= b | m6
    b ^= a & k0
    return a << 48 | b << 32 | c << 16 | d


@cache
def _inner_tables() -> tuple[array[int], array[int]]:
    """Return F and G, with FI(x, k) = G[F[x] ^ k].

    F is what happens to nine bits on the left and seven on the right before the key word, G what happens to
    seven on the left and nine on the right behind it. Both are sums of a part for each side.
    """
    left = [(nine & 0x7F) << 9 | nine for nine in S9]
    right = [(seven ^ value) << 9 | value for value, seven in enumerate(S7)]
    # Two bytes an entry: both tables stay in a processor's second cache, where lists of objects would not.
    before = array("H", [a ^ b for a in left for b in right])
    after = array("H", [a ^ nine for a in range(0, 128 * 0x201, 0x201) for nine in S9])
    return before, after
