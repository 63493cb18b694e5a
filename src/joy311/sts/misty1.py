"""EA11, the MISTY1 cipher: eight rounds on 64 bits under a key of 128.

Its inner function FI takes sixteen bits through two tables with a key word between them; the tables have
65 536 entries each and are built on first use.

Source: RFC 2994
"""

from __future__ import annotations

from functools import cache

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

_MASK = 0xFFFF


@cache
def _inner_tables() -> tuple[list[int], list[int]]:
    """Return F and G, with FI(x, k) = G[F[x] ^ k].

    F is what happens to nine bits on the left and seven on the right before the key word, G what happens to
    seven on the left and nine on the right behind it. Both are sums of a part for each side.
    """
    left = [(nine & 0x7F) << 9 | nine for nine in S9]
    right = [(seven ^ value) << 9 | value for value, seven in enumerate(S7)]
    before = [a ^ b for a in left for b in right]
    after = [a ^ nine for a in range(0, 128 * 0x201, 0x201) for nine in S9]
    return before, after


def _key_words(key: int) -> tuple[list[int], list[int]]:
    """Return the eight words of the 128-bit `key` and those made of each and its neighbour by FI."""
    before, after = _inner_tables()
    words = [key >> shift & _MASK for shift in range(112, -1, -16)]
    mixed = [after[before[word] ^ words[index - 7]] for index, word in enumerate(words)]
    return words, mixed


def encrypt(key: int, block: int) -> int:
    """Return the 64-bit `block` encrypted under the 128-bit `key`.

    Source: RFC 2994
    """
    before, after = _inner_tables()
    words, mixed = _key_words(key)
    words += words
    mixed += mixed
    a, b, c, d = block >> 48, block >> 32 & _MASK, block >> 16 & _MASK, block & _MASK
    for turn in range(0, 8, 2):
        # FL on both halves, then FO of the left half into the right and FO of the right into the left.
        half = turn >> 1
        b ^= a & words[half]
        a ^= b | mixed[half + 6]
        d ^= c & mixed[half + 2]
        c ^= d | words[half + 4]
        x = after[before[a ^ words[turn]] ^ mixed[turn + 5]] ^ b
        y = after[before[b ^ words[turn + 2]] ^ mixed[turn + 1]] ^ x
        d ^= after[before[x ^ words[turn + 7]] ^ mixed[turn + 3]] ^ y
        c ^= y ^ words[turn + 4]
        x = after[before[c ^ words[turn + 1]] ^ mixed[turn + 6]] ^ d
        y = after[before[d ^ words[turn + 3]] ^ mixed[turn + 2]] ^ x
        b ^= after[before[x ^ words[turn + 8]] ^ mixed[turn + 4]] ^ y
        a ^= y ^ words[turn + 5]
    b ^= a & words[4]
    a ^= b | mixed[10]
    d ^= c & mixed[6]
    c ^= d | words[8]
    return c << 48 | d << 32 | a << 16 | b


def decrypt(key: int, block: int) -> int:
    """Return the 64-bit `block` decrypted under the 128-bit `key`.

    Source: RFC 2994
    """
    before, after = _inner_tables()
    words, mixed = _key_words(key)
    words += words
    mixed += mixed
    c, d, a, b = block >> 48, block >> 32 & _MASK, block >> 16 & _MASK, block & _MASK
    c ^= d | words[8]
    d ^= c & mixed[6]
    a ^= b | mixed[10]
    b ^= a & words[4]
    for turn in range(6, -1, -2):
        # The same steps as `encrypt`, last one first.
        x = after[before[c ^ words[turn + 1]] ^ mixed[turn + 6]] ^ d
        y = after[before[d ^ words[turn + 3]] ^ mixed[turn + 2]] ^ x
        b ^= after[before[x ^ words[turn + 8]] ^ mixed[turn + 4]] ^ y
        a ^= y ^ words[turn + 5]
        x = after[before[a ^ words[turn]] ^ mixed[turn + 5]] ^ b
        y = after[before[b ^ words[turn + 2]] ^ mixed[turn + 1]] ^ x
        d ^= after[before[x ^ words[turn + 7]] ^ mixed[turn + 3]] ^ y
        c ^= y ^ words[turn + 4]
        half = turn >> 1
        c ^= d | words[half + 4]
        d ^= c & mixed[half + 2]
        a ^= b | mixed[half + 6]
        b ^= a & words[half]
    return a << 48 | b << 32 | c << 16 | d
