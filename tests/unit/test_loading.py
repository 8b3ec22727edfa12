"""A file is executed as a module of the package that its folder is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from bridge.execution.loading import loaded, package_of
from bridge.files.plain_file import PlainFile

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder inside of a package, the root of which can be imported from."""
    place = tmp_path / "shop_app" / "migrations"
    place.mkdir(parents=True)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    return place


def test_a_relative_import_finds_a_helper_beside_the_file_and_one_above(folder: Path) -> None:
    (folder / "_helpers.py").write_text("WORD = 'beside'\n")
    (folder.parent / "above.py").write_text("WORD = 'above'\n")
    (folder / "001_x.py").write_text(
        "from . import _helpers\nfrom ..above import WORD\n\n"
        "def upgrade(db):\n    return [_helpers.WORD, WORD]\n"
    )
    with loaded(PlainFile(str(folder), "001_x"), "upgrade") as function:
        assert function(None) == ["beside", "above"]


def test_the_package_is_that_of_the_first_place_on_the_path(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert package_of(str(folder)) == "shop_app.migrations"
    assert package_of(str(folder.parent)) == "shop_app"
    monkeypatch.syspath_prepend(str(folder.parent))
    assert package_of(str(folder)) == "migrations"
    monkeypatch.setattr(sys, "path", ["/nowhere"])
    assert package_of(str(folder)) is None


def test_a_folder_that_cannot_be_a_package_is_none(folder: Path) -> None:
    odd = folder.parent / "my-migrations"
    odd.mkdir()
    assert package_of(str(odd)) is None
    assert package_of(str(folder.parent.parent)) is None
