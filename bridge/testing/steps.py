"""Run each migration up, down and up again, in one database."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from bridge.errors import BridgeError
from bridge.operations.schema.difference import unified
from bridge.testing.schema import schema_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL

    from bridge.files.plain_file import PlainFile
    from bridge.testing.databases import Databases
    from bridge.testing.project import Project


@dataclass
class Steps:
    """Where the database of the steps is; it is used by one test after the other."""

    databases: Databases
    project: Project
    _url: URL | None = None
    #: How many migrations are applied in it.
    _at: int = 0
    #: Its schema, where that is known.
    _schema: str | None = None

    def check(self, stem: str) -> None:
        """Take the step of this migration; fails or skips the test."""
        files = self.project.files()
        number = next(number for number, file in enumerate(files) if file.stem == stem)
        file = files[number]
        if file.replaces:
            pytest.skip(f"{stem}.py replaces others, and cannot be taken back")
        if not file.header.has_downgrade:
            pytest.skip(f"{stem}.py has no downgrade")
        try:
            self._reach(files, number)
            self._step(file, back_to=files[number - 1].revision if number else "base")
        except BaseException:
            self._give_up()
            raise

    def _reach(self, files: tuple[PlainFile, ...], number: int) -> None:
        """Be in front of a migration: with those before it applied, and no others."""
        if self._url is None or self._at > number:
            self._give_up()
            self._url = self.databases.create()
        if self._at < number:
            with _failing(f"The migrations before {files[number].stem}.py do not run."):
                self.project.upgrade(self._url, to=files[number - 1].revision)
            self._at, self._schema = number, None

    def _step(self, file: PlainFile, *, back_to: str) -> None:
        name, url = f"{file.stem}.py", self._url
        assert url is not None  # noqa: S101 - the caller has reached it
        before = self._schema or self._read(url)
        with _failing(f"{name}: upgrade failed."):
            self.project.upgrade(url, to=file.revision)
        first = self._read(url)
        with _failing(f"{name}: downgrade failed."):
            self.project.downgrade(url, to=back_to)
        _compare(
            f"{name}: downgrade does not bring back the schema that was there before upgrade.",
            (before, "before upgrade"),
            (self._read(url), "after downgrade"),
        )
        with _failing(f"{name}: upgrade failed the second time, after a downgrade."):
            self.project.upgrade(url, to=file.revision)
        _compare(
            f"{name}: upgrade gives another schema the second time, after a downgrade.",
            (first, "after the first upgrade"),
            (self._read(url), "after the second upgrade"),
        )
        self._at, self._schema = self._at + 1, first

    def _read(self, url: URL) -> str:
        return schema_of(url, self.project.settings())

    def _give_up(self) -> None:
        if self._url is not None:
            self.databases.drop(self._url)
        self._url, self._at, self._schema = None, 0, None


def _compare(sentence: str, one: tuple[str, str], other: tuple[str, str]) -> None:
    if diff := unified(one[0], other[0], named=(one[1], other[1])):
        pytest.fail(f"{sentence}\n{diff}", pytrace=False)


@contextmanager
def _failing(sentence: str) -> Iterator[None]:
    """Fail the test with this sentence before what bridge says."""
    try:
        yield
    except BridgeError as error:
        raise pytest.fail.Exception(f"{sentence}\n{error}", pytrace=False) from None
