"""A power cut between money and light: what was not synchronised is lost, reordered or torn."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from joy311.device import MeterMemory, RamPages, VirtualMeter
from joy311.device.memory import MEMORY_PAGES
from joy311.errors import Joy311Error
from joy311.instant import MINUTE_NS, from_iso
from joy311.meter import CHECKPOINT_QUANTUM_WH, FactoryData
from joy311.sts import TokenResult
from joy311.vending.demonstration import HOUSEHOLD_DRN, load_demonstration
from joy311.vending.receipt import Receipt
from joy311.vending.security_module import IssuedTokens, SoftwareSecurityModule, TokenRequest
from joy311.vending.service import SaleRequest, Shop
from tests.device.power_cut import SECTOR_BYTES, CuttableStorage, PowerCut
from tests.meters import HEATER, START, credit_token, factory, type_digits

NOW = from_iso("2026-03-01T08:00:00Z")
REQUEST = SaleRequest("request-1", HOUSEHOLD_DRN, 10_000)


def lives_of_the_meter(memory: MeterMemory, told: list[str]) -> None:
    """Two tokens typed and an hour burnt, saying what was promised when it was."""
    meter = VirtualMeter.power_up(memory, START)
    for number in (0, 1):
        if type_digits(meter, credit_token(5, minute=number)) is TokenResult.ACCEPT:
            told.append(f"token {number}")
        for _ in range(3):
            meter.advance(HEATER, meter.now + MINUTE_NS)
            told.append(f"drawn {meter.readout().drawn_wh}")


@pytest.mark.parametrize("seed", range(8))
def test_the_meter_keeps_every_promise_through_a_cut_at_every_write(seed: int) -> None:
    whole = RamPages()
    VirtualMeter.commission(MeterMemory(whole), factory(), START)
    fresh = [(page, whole.read(page)) for page in range(MEMORY_PAGES) if whole.cycles(page)]
    uncut = CuttableStorage(whole, Random(0))
    lives_of_the_meter(MeterMemory(uncut), [])
    assert uncut.calls > 12
    for survived in range(uncut.calls):
        durable = RamPages()
        for page, content in fresh:
            durable.write(page, content)
        told: list[str] = []
        with pytest.raises(PowerCut):
            lives_of_the_meter(
                MeterMemory(CuttableStorage(durable, Random(f"{seed}/{survived}"), survived)), told
            )
        meter = VirtualMeter.power_up(MeterMemory(durable), START + 60 * MINUTE_NS)
        drawn = [int(line.split()[1]) for line in told if line.startswith("drawn")]
        assert meter.readout().drawn_wh > max(drawn, default=0) - CHECKPOINT_QUANTUM_WH
        for number in (0, 1):
            result = meter.enter_token(credit_token(5, minute=number))[0]
            if f"token {number}" in told:
                assert result is TokenResult.USED_ERROR
            else:
                assert result in {TokenResult.USED_ERROR, TokenResult.ACCEPT}
            assert meter.enter_token(credit_token(5, minute=number))[0] is TokenResult.USED_ERROR
        assert meter.readout().accepted_wh == 1_000


class SnapshotModule(SoftwareSecurityModule):
    """The real module, and copies of the whole shop before and after the tokens it issues."""

    shop: Path
    into: Path
    copies: list[Path]

    def snapshot(self) -> None:
        copy = self.into / f"image-{len(self.copies)}"
        shutil.copytree(self.shop, copy)
        self.copies.append(copy)

    def issue_many(self, requests: Sequence[tuple[str, TokenRequest]]) -> list[IssuedTokens | Joy311Error]:
        self.snapshot()
        issued = super().issue_many(requests)
        self.snapshot()
        return issued


def changed_files(before: Path, after: Path) -> list[Path]:
    files = [path.relative_to(after) for path in after.rglob("*") if path.is_file()]
    # The shared-memory index is no part of what a power cut leaves: it is made anew at every start.
    kept = [path for path in files if not path.name.endswith("-shm")]
    return [
        path
        for path in kept
        if not (before / path).exists() or (before / path).read_bytes() != (after / path).read_bytes()
    ]


def torn_image(before: Path, after: Path, target: Path, chance: Random) -> None:
    """Make the disk of a cut between two states: of each changed sector the old, the new or a torn one."""
    shutil.copytree(before, target, ignore=shutil.ignore_patterns("*-shm"))
    for path in changed_files(before, after):
        old = (before / path).read_bytes() if (before / path).exists() else b""
        new = (after / path).read_bytes()
        assert len(new) >= len(old), f"{path} became shorter"
        image = bytearray(old)
        end = chance.choice([len(old), len(new), chance.randint(len(old), len(new))])
        image.extend(bytes(end - len(old)))
        for at in range(0, end, SECTOR_BYTES):
            sector = new[at : min(at + SECTOR_BYTES, end)]
            fate = chance.random()
            if fate < 0.6:
                image[at : at + len(sector)] = sector
            elif fate < 0.8:
                part = sector[: chance.randrange(len(sector))]
                image[at : at + len(part)] = part
        (target / path).write_bytes(image)


def test_the_shop_finishes_every_sale_once_whatever_a_cut_tore(tmp_path: Path) -> None:
    home = tmp_path / "shop"
    load_demonstration(home, NOW, Random("keys")).close()
    snapshots = SnapshotModule.open(home / "security-module", random_source=Random("nibble"))
    snapshots.shop, snapshots.into, snapshots.copies = home, tmp_path, []
    shop = Shop.open(home, security_module=snapshots)
    shop.sell(SaleRequest("request-0", HOUSEHOLD_DRN, 5_000), NOW)
    snapshots.copies.clear()
    for copy in tmp_path.glob("image-*"):
        shutil.rmtree(copy)
    snapshots.snapshot()
    sold = shop.sell(REQUEST, NOW + MINUTE_NS)
    snapshots.snapshot()
    idle, reserved, issued, done = snapshots.copies
    assert changed_files(idle, reserved)
    assert changed_files(reserved, issued)
    assert changed_files(issued, done)

    steps = {"reserving": (idle, reserved), "issuing": (reserved, issued), "finishing": (issued, done)}
    tokens: dict[str, set[str]] = {}
    for step, (before, after) in steps.items():
        for seed in range(25):
            image = tmp_path / "cut"
            torn_image(before, after, image, Random(f"{step}/{seed}"))
            receipt = sell_again(image)
            tokens.setdefault(step, set()).add(receipt.token.digits)
            shutil.rmtree(image)
    # What the module had journalled is what every restart gives out, and a TID that was reserved is kept.
    assert tokens["finishing"] == {sold.token.digits}
    assert sold.token.digits in tokens["issuing"]
    shop.close()


def sell_again(directory: Path) -> Receipt:
    """Start on what a cut left, repeat the sale, and check that the meter takes its token once."""
    demonstration = load_demonstration(directory, NOW + 5 * MINUTE_NS, Random("restart"))
    try:
        receipt = demonstration.shop.sell(REQUEST, NOW + 5 * MINUTE_NS)
        assert demonstration.shop.sell(REQUEST, NOW + 6 * MINUTE_NS) == receipt
        earlier = demonstration.shop.receipt("request-0")
        assert earlier.token != receipt.token
        data = FactoryData(demonstration.attributes, demonstration.decoder_key())
        meter = VirtualMeter.commission(MeterMemory(RamPages()), data, NOW)
        for one in (receipt, earlier):
            assert meter.enter_token(one.token.digits)[0] is TokenResult.ACCEPT
            assert meter.enter_token(one.token.digits)[0] is TokenResult.USED_ERROR
        assert meter.credit_wh == receipt.energy_wh + earlier.energy_wh
        assert demonstration.security_module.counter == 2
        return receipt
    finally:
        demonstration.close()
