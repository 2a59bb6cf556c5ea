"""The ledger of a run: a row is committed or it never happened.

`RUN/ledger.sqlite` (WAL, synchronous=FULL) has one writer, the coordinator. An item's files are
written beside, synced, moved to `RUN/items/<key>/`, and only then is its row committed; so a row
always has its files, and files without a row are written again.
"""

import contextlib
import fcntl
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from verixplain.errors import JobError, OutputError
from verixplain.jobs.plan import Item

VERSION = "ledger/1"

_TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS items (
    key TEXT PRIMARY KEY, position INTEGER NOT NULL, planned INTEGER NOT NULL,
    model TEXT NOT NULL, data TEXT NOT NULL, input INTEGER, question TEXT NOT NULL,
    method TEXT NOT NULL, claims TEXT NOT NULL, task TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS results (
    key TEXT PRIMARY KEY REFERENCES items(key), outcome TEXT NOT NULL, reason TEXT NOT NULL,
    seconds REAL NOT NULL, attempts INTEGER NOT NULL, finished REAL NOT NULL, host TEXT NOT NULL,
    limits TEXT NOT NULL, facts TEXT NOT NULL, files TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS claims (
    key TEXT NOT NULL REFERENCES items(key), id TEXT NOT NULL, kind TEXT NOT NULL,
    status TEXT NOT NULL, details TEXT NOT NULL, PRIMARY KEY (key, id));
"""


class Ledger:
    """One run's folder.

    Args:
        folder: RUN.
        write: whether this is the coordinator; there can be only one.
    """

    def __init__(self, folder: str | Path, write: bool = False) -> None:
        self.folder, self._lock = Path(folder), None
        path = self.folder / "ledger.sqlite"
        if not write and not path.is_file():
            raise JobError(f"{str(folder)!r} is no run: it has no ledger.sqlite")
        try:
            if write:
                (self.folder / "items").mkdir(parents=True, exist_ok=True)
                self._lock = (self.folder / ".lock").open("w")
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._base = sqlite3.connect(path, timeout=30, isolation_level=None)
            self._base.row_factory = sqlite3.Row
            if write:
                self._base.execute("PRAGMA journal_mode=WAL")
                self._base.execute("PRAGMA synchronous=FULL")
                self._base.executescript(_TABLES)
                self._set("schema", VERSION)
            if self.meta("schema") != VERSION:
                raise JobError(f"{str(folder)!r} is of {self.meta('schema')}, not {VERSION}")
        except BlockingIOError:
            raise JobError(f"another coordinator is at work on {str(folder)!r}") from None
        except OSError as error:
            raise OutputError(f"cannot write to {str(folder)!r}: {error.strerror}") from error
        except sqlite3.DatabaseError as error:
            raise OutputError(f"{str(path)!r}: {error}") from error

    def close(self) -> None:
        """Let go of the files."""
        self._base.close()
        if self._lock is not None:
            self._lock.close()

    def meta(self, name: str) -> str | None:
        """A fact about the run."""
        row = self._base.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]

    def _set(self, name: str, value: str) -> None:
        self._base.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            self._base.execute("BEGIN IMMEDIATE")
            yield self._base
            self._base.execute("COMMIT")
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                self._base.execute("ROLLBACK")
            raise OutputError(
                f"the ledger of {str(self.folder)!r} cannot be written ({error}); what is in it is "
                "complete. Free the disk and give the same command again"
            ) from error

    def begin(self, text: bytes, suffix: str, sha256: str) -> None:
        """Make this the run of a job, or hold that it is.

        Raises:
            JobError: the folder is the run of another job.
        """
        known = self.meta("job")
        if known not in (None, sha256):
            raise JobError(
                f"{str(self.folder)!r} is the run of another job (its job file was different); "
                "give another --out"
            )
        self._write(self.folder / f"job{suffix or '.toml'}", text)
        self._set("job", sha256)
        for left in (self.folder / "items").glob(".*.part"):
            shutil.rmtree(left, ignore_errors=True)

    def plan(self, items: Sequence[Item]) -> None:
        """Note what is planned; results of the same keys stay."""
        with self._transaction() as base:
            base.execute("UPDATE items SET planned = 0")
            base.executemany(
                "INSERT OR REPLACE INTO items VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        item.key,
                        position,
                        item.names["model"],
                        item.names["data"],
                        item.names["index"],
                        item.names["question"],
                        item.names["method"],
                        json.dumps(list(item.claims)),
                        json.dumps(dict(item.task), sort_keys=True, default=list),
                    )
                    for position, item in enumerate(items)
                ],
            )

    def finished(self, limits: str) -> set[str]:
        """Keys of items that need not run (again).

        An item that ran out of time or memory under other limits may run again, and so may one
        that was not run because the run ended.
        """
        rows = self._base.execute("SELECT key, outcome, limits, reason FROM results")
        again = ("timeout", "out-of-memory")
        return {
            row["key"] for row in rows if not (row["outcome"] in again and row["limits"] != limits)
        }

    def keep(self, item: Item, result: Mapping[str, Any], attempts: int, limits: str) -> None:
        """Commit an item's result, its files first.

        Raises:
            OutputError: the disk is full, or the folder cannot be written; nothing is half there.
        """
        files = result.get("files", {})
        if files:
            self._place(item.key, files)
        made = {one["id"]: one for one in result.get("claims", ())}
        failed = result["outcome"] != "done"
        claims = []
        for kind in item.claims:
            one = made.get(kind, {"id": kind, "kind": kind, "status": result["outcome"]})
            if failed and kind not in made:
                one = {**one, "reason": result["reason"]}
            details = {k: v for k, v in one.items() if k not in ("id", "kind", "status")}
            claims.append(
                (item.key, one["id"], one["kind"], one["status"], json.dumps(details, default=str))
            )
        with self._transaction() as base:
            base.execute("DELETE FROM claims WHERE key = ?", (item.key,))
            base.execute(
                "INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    item.key,
                    result["outcome"],
                    result["reason"],
                    result.get("seconds", 0.0),
                    attempts,
                    time.time(),
                    result.get("host", ""),
                    limits,
                    json.dumps({**item.facts, **result.get("facts", {})}, default=str),
                    json.dumps(sorted(files)),
                ),
            )
            base.executemany("INSERT INTO claims VALUES (?, ?, ?, ?, ?)", claims)

    def _place(self, key: str, files: Mapping[str, bytes]) -> None:
        home = self.folder / "items"
        beside, place = home / f".{key}.part", home / key
        try:
            shutil.rmtree(beside, ignore_errors=True)
            beside.mkdir()
            for name, data in files.items():
                self._write(beside / name, data)
            _sync(beside)
            shutil.rmtree(place, ignore_errors=True)
            beside.rename(place)
            _sync(home)
        except OSError as error:
            shutil.rmtree(beside, ignore_errors=True)
            raise OutputError(
                f"cannot write to {str(self.folder)!r}: {error.strerror}; what is there is "
                "complete. Free the disk and give the same command again"
            ) from error

    def _write(self, path: Path, data: bytes) -> None:
        try:
            with path.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            if path.parent == self.folder:
                raise OutputError(f"cannot write {str(path)!r}: {error.strerror}") from error
            raise

    def models(self) -> dict[str, Path]:
        """Where the models of the planned items lie, by name."""
        rows = self._base.execute("SELECT DISTINCT model, task FROM items WHERE planned = 1")
        tasks = {row["model"]: json.loads(row["task"]) for row in rows}
        return {name: Path(task["model"]["path"]) for name, task in tasks.items()}

    def rows(self) -> list[dict[str, Any]]:
        """Every planned item with its result, if it has one, and its claims; in order."""
        claims: dict[str, list[dict[str, Any]]] = {}
        for row in self._base.execute("SELECT * FROM claims ORDER BY rowid"):
            one = {"id": row["id"], "kind": row["kind"], "status": row["status"]}
            claims.setdefault(row["key"], []).append({**one, **json.loads(row["details"])})
        found = []
        query = (
            "SELECT items.*, outcome, reason, seconds, attempts, finished, host, facts, "
            "results.limits, files FROM items LEFT JOIN results USING (key) WHERE planned = 1 "
            "ORDER BY position"
        )
        for row in self._base.execute(query):
            done = row["outcome"] is not None
            planned = json.loads(row["claims"])
            missing = [{"id": kind, "kind": kind, "status": "not-run"} for kind in planned]
            found.append(
                {
                    "key": row["key"],
                    "model": row["model"],
                    "data": row["data"],
                    "index": row["input"],
                    "question": row["question"],
                    "method": row["method"],
                    "outcome": row["outcome"] if done else "not-run",
                    "reason": row["reason"] if done else "not run yet",
                    "recorded": done,
                    "seconds": row["seconds"],
                    "attempts": row["attempts"],
                    "finished": row["finished"],
                    "host": row["host"],
                    "facts": json.loads(row["facts"]) if done else {},
                    "files": json.loads(row["files"]) if done else [],
                    "claims": claims.get(row["key"], []) if done else missing,
                }
            )
        return found


def _sync(folder: Path) -> None:
    """Make a folder's names durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
