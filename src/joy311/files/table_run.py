"""A table worked through from one file to another, which goes on where it was if it is killed."""

from __future__ import annotations

import fcntl
import json
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from numpy.typing import NDArray

from joy311.errors import InvalidInput, StorageError
from joy311.files.tables import Piece, Results, Sink, Source, open_sink, open_source

PIECE_ROWS = 131_072
"""How many rows are read, worked on, written and noted together: a row group of what is written."""

_AHEAD = 2
"""How many pieces may wait on either side of the work."""

_ENCODERS = 2
"""How many pieces are turned into bytes at once: that takes longer than the work on them."""

Transform = Callable[[Mapping[str, NDArray[Any]], int], Results]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come.

    Parameters
    ----------
    rows : int
        Rows that are written and safe.
    errors : int
        Those of them that have an error.
    position, total : int
        Of the source: rows, or bytes.
    """

    rows: int
    errors: int
    position: int
    total: int


@dataclass(slots=True)
class _Journal:
    settings: dict[str, Any]
    kept: dict[str, Any]
    rows: int = 0
    errors: int = 0
    position: int = 0
    edges: list[int] = field(default_factory=list)
    """Where each piece ends in the file that is written [byte]."""


class TableRun:
    """One run from a source to a target.

    The target is written as ``<target>.partial``; a journal, ``<target>.partial.json``, says after each piece
    how far it is good. A run that was killed leaves both, and one with `resume` goes on behind the last good
    piece: the target comes out as if nothing had happened. It gets its name when it is whole.

    Parameters
    ----------
    source, target : Path
        Two files; the suffix says whether they are CSV or Parquet.
    settings : dict
        What makes two runs the same, as JSON; a run with others cannot go on.
    kept : dict
        What the first start knew and a later one shall use again, as JSON.
    resume : bool
        Whether to go on with a run that was stopped; without one it starts.
    overwrite : bool
        Whether a target, or a run that was stopped, may be replaced.
    piece_rows : int
        The size of a piece; part of the settings.

    Raises
    ------
    InvalidInput
        If the source cannot be read, the target is there already, or the stopped run was another.
    """

    def __init__(
        self,
        source: Path,
        target: Path,
        *,
        settings: Mapping[str, Any],
        kept: Mapping[str, Any],
        resume: bool,
        overwrite: bool,
        piece_rows: int = PIECE_ROWS,
    ) -> None:
        self._target = target
        self._partial = target.with_name(f"{target.name}.partial")
        self._noted = target.with_name(f"{target.name}.partial.json")
        self._piece_rows = piece_rows
        if source.resolve() == target.resolve():
            raise InvalidInput(f"{target} is the table itself: name another file for the result", field="out")
        self.source: Source = open_source(source)
        status = source.stat()
        all_settings = json.loads(json.dumps(dict(settings))) | {
            "piece_rows": piece_rows,
            "source_bytes": status.st_size,
            "source_changed_ns": status.st_mtime_ns,
        }
        old = None if overwrite else self._read_journal()
        self._finished = old is not None and target.exists() and not self._partial.exists()
        if self._finished and not resume:
            old = None
        elif old is not None and not resume:
            raise InvalidInput(
                f"a run for {target} was stopped after {old.rows} rows: --resume goes on with it, --overwrite"
                " begins again",
                field="out",
            )
        if old is None and target.exists() and not overwrite:
            raise InvalidInput(f"{target} is there already: --overwrite replaces it", field="out")
        if old is not None and old.settings != all_settings:
            other = sorted(
                name
                for name in old.settings.keys() | all_settings.keys()
                if old.settings.get(name) != all_settings.get(name)
            )
            raise InvalidInput(
                f"the run that was stopped was another one, with another {', '.join(other)}: --overwrite"
                " begins again",
                field="resume",
            )
        self._journal = old or _Journal(all_settings, dict(kept))
        self.resumed_rows = self._journal.rows
        self._failed = False

    @property
    def kept(self) -> Mapping[str, Any]:
        """What the first start knew."""
        return self._journal.kept

    def go(
        self, transform: Transform, outputs: Mapping[str, str], on_progress: Callable[[Progress], None]
    ) -> Progress:
        """Work through the table, and return how it ended.

        Parameters
        ----------
        transform : callable
            Makes results of the columns of a piece and its number of rows; runs in this thread, while others
            read ahead, encode and write.
        outputs : mapping of str to str
            The names of the results, and what they are: ``text``, ``integer`` or ``instant``.
        on_progress : callable
            Told after each piece that is safe on disk.

        Raises
        ------
        OSError
            If reading or writing fails; what was noted before stays good.
        StorageError
            If another process writes the same target.
        """
        if self._finished:
            # It was killed between giving the target its name and throwing the journal away.
            self._noted.unlink()
            return self._progress()
        sink = open_sink(self._target, self.source, outputs)
        with self._open_partial(sink) as out:
            for _ in self._steps(sink, out, transform):
                on_progress(self._progress())
            if not self._journal.edges:
                # Without a row there is a table too, with all its columns.
                nothing = self.source.nothing()
                self._append(out, sink.encode(nothing, transform(nothing.columns, 0)))
            out.write(sink.end(self._partial, self._journal.edges))
            out.flush()
            os.fsync(out.fileno())
        self._partial.replace(self._target)
        _sync_directory(self._target.parent)
        self._noted.unlink(missing_ok=True)
        return self._progress()

    def _steps(self, sink: Sink, out: IO[bytes], transform: Transform) -> Iterator[None]:
        """Work through the pieces, yielding after each that is written."""
        pieces = self.source.pieces(self._journal.position, self._piece_rows)

        def read() -> Piece | None:
            return next(pieces, None)

        with (
            ThreadPoolExecutor(1) as reading,
            ThreadPoolExecutor(_ENCODERS) as encoding,
            ThreadPoolExecutor(1) as writing,
        ):
            ahead: deque[Future[Piece | None]] = deque(reading.submit(read) for _ in range(_AHEAD))
            behind: deque[Future[None]] = deque()
            try:
                while (piece := ahead.popleft().result()) is not None:
                    ahead.append(reading.submit(read))
                    results = transform(piece.columns, piece.rows)
                    encoded = encoding.submit(sink.encode, piece, results)
                    errors = _count_errors(piece, results)
                    behind.append(writing.submit(self._write, out, encoded, piece.rows, errors, piece.end))
                    del piece, results, encoded
                    if len(behind) > _AHEAD:
                        yield behind.popleft().result()
                while behind:
                    yield behind.popleft().result()
            finally:
                for waiting in ahead:
                    waiting.cancel()
                for waiting_to_be_written in behind:
                    waiting_to_be_written.cancel()

    def _write(self, out: IO[bytes], encoded: Future[bytes], rows: int, errors: int, end: int) -> None:
        if self._failed:
            # Pieces behind one that is missing must not close the gap.
            return
        try:
            self._append(out, encoded.result())
            journal = self._journal
            journal.rows += rows
            journal.errors += errors
            journal.position = end
            self._note()
        except BaseException:
            self._failed = True
            raise

    def _append(self, out: IO[bytes], data: bytes) -> None:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
        self._journal.edges.append(out.tell())

    def _progress(self) -> Progress:
        journal = self._journal
        return Progress(journal.rows, journal.errors, journal.position, self.source.total)

    @contextmanager
    def _open_partial(self, sink: Sink) -> Iterator[IO[bytes]]:
        with self._partial.open("ab") as out:
            try:
                fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise StorageError(f"another process is writing {self._partial}") from None
            # What stands behind the last note may be torn.
            out.truncate(self._journal.edges[-1] if self._journal.edges else 0)
            out.seek(0, os.SEEK_END)
            if not self._journal.edges:
                out.write(sink.header())
                self._note()
            yield out

    def _note(self) -> None:
        """Put the journal in place of the last one, whole or not at all."""
        journal = self._journal
        document = {
            "settings": journal.settings,
            "kept": journal.kept,
            "rows": journal.rows,
            "errors": journal.errors,
            "position": journal.position,
            "edges": journal.edges,
        }
        new = self._noted.with_name(f"{self._noted.name}.new")
        with new.open("w", encoding="utf-8") as file:
            json.dump(document, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._noted)

    def _read_journal(self) -> _Journal | None:
        try:
            document = json.loads(self._noted.read_text(encoding="utf-8"))
            return _Journal(**document)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise StorageError(f"the journal {self._noted} is damaged: --overwrite begins again") from error


def _count_errors(piece: Piece, results: Results) -> int:
    wrong = results.errors != None  # noqa: E711
    wrong[list(piece.spoilt)] = True
    return int(wrong.sum())


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
