"""The security module: tokens out, never a key, one token a request."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from joy311.errors import InvalidInput, Refused, StorageError
from joy311.sts import (
    BaseDate,
    EncryptionAlgorithm,
    KeyDerivation,
    KeyType,
    MeterPAN,
    Token20,
    TransferCredit,
    VendingKey,
    decode,
    derive_decoder_key,
)
from joy311.vending.security_module import (
    CreditRequest,
    DiskFile,
    SoftwareSecurityModule,
    VendingKeyAttributes,
)
from joy311.vending.security_module.journal import Journal
from tests.vending.shops import Death, MortalFile, Steps

KEY_BYTES = bytes.fromhex("abababababababab949494949494949401234567")
METER = MeterPAN.parse("00311000012")
GROUP = VendingKeyAttributes(
    supply_group_code="201457",
    key_revision=1,
    key_type=KeyType.DUTK,
    base_date=BaseDate.BDT_2014,
    key_derivation=KeyDerivation.DKGA04,
    encryption_algorithm=EncryptionAlgorithm.MISTY1,
    key_expiry=255,
)
REQUEST = CreditRequest(GROUP.of_meter(METER, "01"), service=0, token_id=6_397_315, units=172)


def opened(directory: Path, seed: int = 1) -> SoftwareSecurityModule:
    return SoftwareSecurityModule.open(directory, random_source=random.Random(seed))


@pytest.fixture
def module(tmp_path: Path) -> Iterator[SoftwareSecurityModule]:
    with closing(opened(tmp_path)) as module:
        module.load_vending_key(GROUP, VendingKey.from_bytes(KEY_BYTES))
        yield module


def journal_lines(directory: Path) -> list[str]:
    return (directory / "journal.jsonl").read_text().splitlines()


def test_a_token_carries_what_was_asked_under_the_meters_key(module: SoftwareSecurityModule) -> None:
    issued = module.issue_credit_token("r1", REQUEST)
    key = derive_decoder_key(VendingKey.from_bytes(KEY_BYTES), REQUEST.attributes)
    token = decode(issued.token, key)
    assert isinstance(token, TransferCredit)
    assert (token.service, token.token_id, token.units) == (0, 6_397_315, 172)
    assert issued.counter == 1


def test_a_repeated_request_gets_the_same_token_and_counter(
    module: SoftwareSecurityModule, tmp_path: Path
) -> None:
    first = module.issue_credit_token("r1", REQUEST)
    second = module.issue_credit_token("r2", replace(REQUEST, token_id=REQUEST.token_id + 1))
    assert module.issue_credit_token("r1", REQUEST) == first
    with closing(opened(tmp_path, seed=2)) as reopened:
        assert reopened.issue_credit_token("r1", REQUEST) == first
        assert reopened.issue_credit_token("r2", replace(REQUEST, token_id=REQUEST.token_id + 1)) == second
    assert (first.counter, second.counter) == (1, 2)
    assert len(journal_lines(tmp_path)) == 3


@pytest.mark.parametrize("change", [{"units": 173}, {"token_id": 6_397_316}, {"service": 1}])
def test_a_request_id_with_other_content_is_refused(
    module: SoftwareSecurityModule, change: dict[str, Any]
) -> None:
    module.issue_credit_token("r1", REQUEST)
    with pytest.raises(Refused) as caught:
        module.issue_credit_token("r1", replace(REQUEST, **change))
    assert caught.value.code == "RequestIdReused"
    assert module.counter == 1


@pytest.mark.parametrize(
    ("key_type", "code"),
    [
        (KeyType.DDTK, "DDTKCredit"),
        (KeyType.DCTK, "KeyTypeNotVendable"),
        (KeyType.DITK, "KeyTypeNotVendable"),
    ],
)
def test_credit_is_refused_under_every_key_type_but_unique(
    module: SoftwareSecurityModule, key_type: KeyType, code: str
) -> None:
    request = replace(REQUEST, attributes=replace(REQUEST.attributes, key_type=key_type))
    for ask in (module.check_credit_token, lambda wanted: module.issue_credit_token("r1", wanted)):
        with pytest.raises(Refused) as caught:
            ask(request)
        assert caught.value.code == code
    assert module.counter == 0


@pytest.mark.parametrize(
    "change",
    [
        {"supply_group_code": "201458"},
        {"key_revision": 2},
        {"base_date": BaseDate.BDT_2035},
        {"encryption_algorithm": EncryptionAlgorithm.STA},
    ],
)
def test_a_key_that_was_not_loaded_is_not_found(
    module: SoftwareSecurityModule, change: dict[str, Any]
) -> None:
    attributes = replace(REQUEST.attributes, **change)
    with pytest.raises(Refused) as caught:
        module.check_credit_token(replace(REQUEST, attributes=attributes))
    assert caught.value.code == "VendingKeyNotFound"


def test_a_token_beyond_the_keys_expiry_is_refused(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as module:
        module.load_vending_key(replace(GROUP, key_expiry=97), VendingKey.from_bytes(KEY_BYTES))
        last = (97 << 16) + 0xFFFF
        module.check_credit_token(replace(REQUEST, token_id=last))
        with pytest.raises(Refused) as caught:
            module.check_credit_token(replace(REQUEST, token_id=last + 1))
    assert caught.value.code == "VendingKeyExpired"


@pytest.mark.parametrize(
    "change", [{"units": -1}, {"units": 18_201_625}, {"token_id": 1 << 24}, {"service": 4}]
)
def test_what_no_token_can_carry_is_refused(module: SoftwareSecurityModule, change: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        module.check_credit_token(replace(REQUEST, **change))
    with pytest.raises(InvalidInput):
        module.issue_credit_token("r1", replace(REQUEST, **change))
    assert module.counter == 0


def test_a_loaded_key_is_kept_and_cannot_be_replaced(module: SoftwareSecurityModule, tmp_path: Path) -> None:
    key = VendingKey.from_bytes(KEY_BYTES)
    assert module.load_vending_key(GROUP, key) == key.key_check_value()
    with pytest.raises(Refused) as caught:
        module.load_vending_key(GROUP, VendingKey.from_bytes(bytes(20)))
    assert caught.value.code == "VendingKeyExists"
    with closing(opened(tmp_path)) as reopened:
        assert reopened.vending_keys() == {GROUP: key.key_check_value()}


def test_a_key_of_another_derivation_is_refused(module: SoftwareSecurityModule) -> None:
    with pytest.raises(InvalidInput, match="DKGA02"):
        module.load_vending_key(replace(GROUP, key_revision=2), VendingKey.from_bytes(bytes(8)))


def test_a_second_process_finds_a_key_that_was_loaded_after_it_opened(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as early, closing(opened(tmp_path)) as late:
        late.load_vending_key(GROUP, VendingKey.from_bytes(KEY_BYTES))
        assert early.issue_credit_token("r1", REQUEST).counter == 1


def test_two_modules_on_one_directory_share_counter_and_requests(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as one, closing(opened(tmp_path, seed=2)) as other:
        one.load_vending_key(GROUP, VendingKey.from_bytes(KEY_BYTES))
        issued = one.issue_credit_token("r1", REQUEST)
        assert other.issue_credit_token("r1", REQUEST) == issued
        assert other.issue_credit_token("r2", REQUEST).counter == 2
        assert one.issue_credit_token("r3", REQUEST).counter == 3


def test_files_are_for_their_owner_only_and_the_journal_holds_no_key(
    module: SoftwareSecurityModule, tmp_path: Path
) -> None:
    module.issue_credit_token("r1", REQUEST)
    for name in ("keys.json", "journal.jsonl"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    assert KEY_BYTES.hex() not in (tmp_path / "journal.jsonl").read_text().lower()
    assert KEY_BYTES.hex() not in repr(module).lower()


def test_no_whole_token_shows_in_what_is_printed(module: SoftwareSecurityModule, tmp_path: Path) -> None:
    issued = module.issue_credit_token("r1", REQUEST)
    with closing(Journal(DiskFile(tmp_path / "journal.jsonl"))) as journal, journal.exclusive():
        entry = journal.find("r1")
    assert entry is not None
    assert entry.tokens == (issued.token,)
    for shown in (repr(entry), str(entry), repr(issued), str(issued)):
        assert issued.token.digits not in shown.replace(" ", "")


def test_a_key_file_open_to_others_is_not_read(module: SoftwareSecurityModule, tmp_path: Path) -> None:
    (tmp_path / "keys.json").chmod(0o640)
    with pytest.raises(StorageError, match="0640"):
        opened(tmp_path)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"format": 2, "keys": []}', '{"format": 1, "keys": [{}]}']
)
def test_a_damaged_key_file_is_an_error_that_quotes_nothing(tmp_path: Path, content: str) -> None:
    opened(tmp_path).close()
    (tmp_path / "keys.json").write_text(content)
    (tmp_path / "keys.json").chmod(0o600)
    with pytest.raises(StorageError, match="key file"):
        opened(tmp_path)


def test_a_torn_last_line_is_no_issue_and_is_cut_off(module: SoftwareSecurityModule, tmp_path: Path) -> None:
    first = module.issue_credit_token("r1", REQUEST)
    journal = tmp_path / "journal.jsonl"
    whole = journal.read_bytes()
    module.issue_credit_token("r2", REQUEST)
    added = journal.read_bytes()[len(whole) :]
    for kept in range(len(added)):
        journal.write_bytes(whole + added[:kept])
        with closing(opened(tmp_path)) as reopened:
            assert reopened.counter == 1
            assert reopened.issue_credit_token("r1", REQUEST) == first
        assert journal.read_bytes() == whole


def test_a_last_line_whose_blocks_never_reached_the_disk_is_cut_off(
    module: SoftwareSecurityModule, tmp_path: Path
) -> None:
    module.issue_credit_token("r1", REQUEST)
    journal = tmp_path / "journal.jsonl"
    whole = journal.read_bytes()
    for tail in (bytes(100), bytes(99) + b"\n", b'{"check":"' + bytes(80) + b'"}\n'):
        journal.write_bytes(whole + tail)
        with closing(opened(tmp_path)) as reopened:
            assert reopened.counter == 1
        assert journal.read_bytes() == whole


def test_a_torn_first_line_makes_a_new_journal(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_bytes(b'{"check":"00')
    with closing(opened(tmp_path)) as module:
        assert module.counter == 0
    assert len(journal_lines(tmp_path)) == 1


def test_an_edited_missing_moved_or_invented_line_is_damage(
    module: SoftwareSecurityModule, tmp_path: Path
) -> None:
    for number in range(1, 4):
        module.issue_credit_token(f"r{number}", replace(REQUEST, token_id=number))
    journal = tmp_path / "journal.jsonl"
    header, *issues = journal.read_text().splitlines(keepends=True)
    token = json.loads(issues[1])["token"]
    other = str(Token20((Token20.parse(token).value + 1) % (1 << 66)))
    damages = {
        "edited": [header, issues[0], issues[1].replace(token, other), issues[2]],
        "edited last": [header, *issues[:2], issues[2].replace('"r3"', '"r4"')],
        "missing": [header, issues[0], issues[2]],
        "moved": [header, issues[1], issues[0], issues[2]],
        "doubled": [header, *issues, issues[2]],
        "headless": issues,
        "no object": [header, "[]\n", *issues],
        "text": [header, *issues, "hello\n"],
        "endless": [header, *issues, "x" * 5000],
    }
    for name, lines in damages.items():
        journal.write_text("".join(lines))
        with pytest.raises(StorageError, match="damaged"):
            pytest.fail(f"{name}: {opened(tmp_path)!r}")


def test_a_journal_of_a_newer_format_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_text('{"check":"x","counter":0,"format":3}\n')
    with pytest.raises(StorageError, match="format 3"):
        opened(tmp_path)


def test_a_journal_that_shrinks_while_it_is_open_is_an_error(
    module: SoftwareSecurityModule, tmp_path: Path
) -> None:
    whole = (tmp_path / "journal.jsonl").read_bytes()
    module.issue_credit_token("r1", REQUEST)
    (tmp_path / "journal.jsonl").write_bytes(whole)
    with pytest.raises(StorageError, match="shrank"):
        module.issue_credit_token("r2", REQUEST)


def test_after_a_full_disk_nothing_is_issued_until_the_module_is_opened_again(tmp_path: Path) -> None:
    class FullDisk(DiskFile):
        full = False

        def append(self, data: bytes) -> None:
            if self.full:
                super().append(data[:10])
                raise OSError(28, "No space left on device")
            super().append(data)

    disks: list[FullDisk] = []

    def mount(path: Path) -> DiskFile:
        disks.append(FullDisk(path))
        return disks[-1]

    with closing(
        SoftwareSecurityModule.open(tmp_path, random_source=random.Random(1), open_journal=mount)
    ) as module:
        module.load_vending_key(GROUP, VendingKey.from_bytes(KEY_BYTES))
        disks[0].full = True
        with pytest.raises(StorageError, match="No space left"):
            module.issue_credit_token("r1", REQUEST)
        disks[0].full = False
        with pytest.raises(StorageError, match="open the module again"):
            module.issue_credit_token("r1", REQUEST)
    with closing(opened(tmp_path)) as module:
        assert module.issue_credit_token("r1", REQUEST).counter == 1


def test_a_death_at_any_step_of_an_issue_leaves_one_token_or_none(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as module:
        module.load_vending_key(GROUP, VendingKey.from_bytes(KEY_BYTES))
    deaths = []
    for last in range(1, 100):
        request_id = f"r{last}"
        steps = Steps(last)

        def mortal(path: Path, steps: Steps = steps) -> MortalFile:
            return MortalFile(path, steps)

        given = []
        try:
            module = SoftwareSecurityModule.open(
                tmp_path, random_source=random.Random(last), open_journal=mortal
            )
            with closing(module):
                given.append(module.issue_credit_token(request_id, REQUEST))
        except Death as death:
            deaths.append(str(death))
        with closing(opened(tmp_path, seed=1000 + last)) as survivor:
            found = survivor.issue_credit_token(request_id, REQUEST)
            assert found.counter == last
            assert given in ([], [found])
            assert survivor.issue_credit_token(request_id, REQUEST) == found
        if not steps.dead:
            break
    assert {"append nothing", "append a part", "append all", "sync", "unlock"} <= set(deaths)
    ids = [json.loads(line).get("request_id") for line in journal_lines(tmp_path)[1:]]
    assert ids == [f"r{number}" for number in range(1, len(deaths) + 2)]
