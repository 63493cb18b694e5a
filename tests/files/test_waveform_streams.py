"""Streams: what comes over a socket or standard input is what a file would have held."""

from __future__ import annotations

import io
import math
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from joy311.errors import InvalidInput, StorageError
from joy311.files.waveforms import open_waveforms
from joy311.files.waveforms.streams import LiveStream, copied_stream, is_stream, opened_stream

FS = 8000.0


def text(samples: int = 1000, *, header: str = "t,u1,i1", late: int | None = None) -> bytes:
    lines = [header]
    for n in range(samples):
        volts = 325.0 * math.sin(2 * math.pi * 50 * n / FS)
        time = (n + (1 if late is not None and n >= late else 0)) / FS
        lines.append(f"{time:.6f},{volts:.3f},{volts / 65:.4f}")
    return ("\n".join(lines) + "\n").encode()


@contextmanager
def served(content: bytes) -> Iterator[str]:
    """Serve `content` once on a port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(content)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def test_a_socket_brings_what_a_file_would_have_held() -> None:
    with served(text()) as address, opened_stream(address) as stream, copied_stream(stream) as path:
        recording = open_waveforms(path, name=address)
        assert (recording.name, recording.samples, recording.channels) == (address, 1000, ("u1", "i1"))
        block = next(recording.blocks(1000))
        copy = path
    assert not copy.exists()
    assert block[0, 40] == 325.0


@pytest.mark.parametrize("size", [1, 7, 160, 1000, 5000])
def test_a_live_stream_comes_in_blocks_of_any_size(size: int) -> None:
    live = LiveStream(io.BytesIO(text()), fs_hz=FS, name="live")
    blocks = list(live.blocks(size))
    assert all(block.shape == (6, size) for block in blocks[:-1])
    whole = np.hstack(blocks)
    assert whole.shape == (6, 1000)
    expected = LiveStream(io.BytesIO(text()), fs_hz=FS, name="live")
    assert np.array_equal(whole, next(expected.blocks(1000)))
    assert live.channels == ("u1", "i1")


def test_a_block_is_there_before_the_stream_ends() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb") as stream:
        theirs.sendall(text(160))
        live = LiveStream(stream, fs_hz=FS, name="live")
        blocks = live.blocks(80)
        assert next(blocks).shape == (6, 80)
        assert next(blocks).shape == (6, 80)
        theirs.shutdown(socket.SHUT_WR)
        assert list(blocks) == []


def test_a_live_stream_without_a_header_is_mapped_by_number() -> None:
    content = text().split(b"\n", 1)[1]
    live = LiveStream(
        io.BytesIO(content), fs_hz=FS, name="live", mapping={"t": "0", "u1": "1"}, scale={"u": 2}
    )
    block = next(live.blocks(1000))
    assert block.shape == (6, 1000)
    assert block[0, 40] == 650.0


def test_clipping_is_told_of_the_block_that_has_it() -> None:
    lines = text(480).splitlines()
    for n in range(160, 320):
        time, volts, amperes = lines[n + 1].split(b",")
        lines[n + 1] = b",".join([time, str(min(200.0, float(volts))).encode(), amperes])
    live = LiveStream(io.BytesIO(b"\n".join(lines)), fs_hz=FS, name="live")
    found = [(live.clipped, block.shape[1]) for block in live.blocks(160)]
    assert [sorted(clipped) for clipped, _ in found] == [[], ["u1"], []]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (text(late=300), "line 302: the time comes"),
        (text(20) + b"0.0025,x,1\n", "line 22: u1 is 'x'"),
        (text(20) + b"0.0025,nan,1\n", "line 22: u1 is nan"),
        (text(20) + b"0.0025,1\n", "line 22 has 2 values"),
        (text(20) + b"0.0010,1,1\n", "line 22: the time goes back"),
        (b"a,b\n1,2\n", "--map"),
        (b"", "line 1"),
        (b"\xff\xfe\n", "UTF-8"),
        (text(20) + b"1" * 70000, "line 22: longer than"),
    ],
)
def test_a_bad_line_of_a_stream_is_named(content: bytes, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        list(LiveStream(io.BytesIO(content), fs_hz=FS, name="live").blocks(64))


@pytest.mark.parametrize(
    "address", ["tcp://", "tcp://host", "tcp://host:", "tcp://host:x", "tcp://host:70000"]
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    assert is_stream(address)
    with pytest.raises(InvalidInput, match="HOST:PORT"), opened_stream(address):
        pass


def test_nobody_at_the_address_is_said_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with (
        pytest.raises(StorageError, match=f"nobody answers at 127.0.0.1:{port}"),
        opened_stream(f"tcp://127.0.0.1:{port}"),
    ):
        pass
