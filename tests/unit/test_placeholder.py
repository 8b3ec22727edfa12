"""Files as `eai migrate new` wrote them: refused as long as nobody has written what they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridge.checks.source import check_source
from bridge.errors import PlainFileError
from bridge.files.conventions import Argument, Conventions
from bridge.files.functions import PLACEHOLDER
from bridge.files.header import read_header
from bridge.files.new_file import Generated, render, template_arguments
from bridge.files.plain_file import PlainFile
from support.widgets import WIDGETS

if TYPE_CHECKING:
    from pathlib import Path

TEXT = f'text("{PLACEHOLDER}")'
SENTENCE = (
    "`upgrade` is not written yet: it still has the placeholder `your SQL` of a new file. Write "
    "the SQL of this migration in its place, or `pass` if there is nothing to do."
)


def line_of(upgrade: str) -> int | None:
    """The line of the placeholder that is found in a file."""
    unwritten = read_header("f.py", "001_x", upgrade).unwritten
    return unwritten.line if unwritten else None


def new(upgrades: str = "", downgrades: str = "") -> str:
    generated = Generated(upgrades, downgrades)
    return render(None, PlainFile("", "001_x"), template_arguments("x", generated))


@pytest.mark.parametrize("argument", list(Argument))
def test_a_new_file_has_it_in_both_functions(argument: Argument) -> None:
    conventions = Conventions(argument=argument, upgrade="up", downgrade="down")
    file = PlainFile("", "001_x", conventions)
    source = render(None, file, template_arguments("x", conventions=conventions))
    assert source.count(PLACEHOLDER) == 2
    header = read_header("001_x.py", "001_x", source, conventions)
    assert header.unwritten is not None
    assert header.downgrade_fault is not None


def test_generated_work_asks_for_a_session_where_the_folder_takes_something_else() -> None:
    conventions = Conventions(argument=Argument.CURSOR)
    work = Generated("db.execute(a)", "db.execute(b)")
    arguments = template_arguments("x", work, conventions=conventions)
    source = render(None, PlainFile("", "001_x", conventions), arguments)
    header = read_header("001_x.py", "001_x", source, conventions)
    assert header.upgrade_takes is not None
    assert header.upgrade_takes.argument is Argument.SESSION
    assert "from sqlalchemy.orm import Session\n" in source


@pytest.mark.parametrize(
    ("source", "line"),
    [
        (WIDGETS, 12),
        (new(downgrades="db.execute(text('DROP TABLE a'))"), 12),
        (new("db.execute(text('CREATE TABLE a ()'))"), None),
        (WIDGETS.replace("\n", "\r\n"), 12),
        (f"def upgrade(db):\n    db.execute({TEXT})\n", 2),
        ("def upgrade(db):\n    db.execute(sqlalchemy.text( '  your SQL ' ))\n", 2),
        ("async_ = 1\ndef upgrade(db):\n    db.execute(\n        text('''your SQL''')\n    )\n", 4),
        # More was written, and this was forgotten.
        (f"def upgrade(db):\n    db.execute(text('SELECT 1'))\n    db.execute({TEXT})\n", 3),
        (f"def upgrade(db):\n    if x:\n        db.execute({TEXT})\n", 3),
        (f"upgrade = lambda db: db.execute({TEXT})\n", 1),
        # What does nothing may be meant so, and runs today.
        ("def upgrade(db): pass\n", None),
        ("def upgrade(db): ...\n", None),
        ('def upgrade(db):\n    """Apply this migration."""\n', None),
        ("def upgrade(db):\n    # your SQL\n    db.commit()\n", None),
        ("def upgrade(db):\n    db.execute(text('SELECT 1'))\n    db.commit()\n", None),
        # The words alone are nobody's placeholder.
        ("def upgrade(db):\n    db.execute(text('SELECT 1 -- your SQL'))\n", None),
        ("def upgrade(db):\n    db.execute(insert, {'label': 'your SQL'})\n", None),
        ("def upgrade(db):\n    raise NotImplementedError('your SQL')\n", None),
        # It is in another function.
        (f"def upgrade(db): pass\ndef downgrade(db):\n    db.execute({TEXT})\n", None),
        (f"def upgrade(db): db.execute({TEXT})\ndef upgrade(db): pass\n", None),
    ],
)
def test_where_a_placeholder_is_found(source: str, line: int | None) -> None:
    assert line_of(source) == line


def test_a_file_that_is_not_written_is_listed_and_does_not_run(tmp_path: Path) -> None:
    (tmp_path / "001_x.py").write_text(WIDGETS)
    file = PlainFile(str(tmp_path), "001_x")
    assert file.description == file.header.description == "add widgets"
    for refuse in (file.hold, lambda: file.runnable):
        with pytest.raises(PlainFileError) as caught:
            refuse()
        assert str(caught.value) == f"{file.path}:12: {SENTENCE}"
    (tmp_path / "001_x.py").write_text(WIDGETS.replace(PLACEHOLDER, "SELECT 1"))
    file = PlainFile(str(tmp_path), "001_x")
    assert file.runnable == file.hold()
    assert file.header.has_downgrade


def test_a_downgrade_that_is_not_written_is_none_and_keeps_nothing_from_running(
    tmp_path: Path,
) -> None:
    (tmp_path / "001_x.py").write_text(WIDGETS.replace(PLACEHOLDER, "SELECT 1", 1))
    file = PlainFile(str(tmp_path), "001_x")
    assert not file.hold().has_downgrade
    assert str(file.header.downgrade_fault) == (
        f"{file.path}:20: `downgrade` is not written yet: it still has the placeholder `your SQL` "
        "of a new file. Write the SQL that undoes this migration in its place, or remove "
        "`downgrade`."
    )


def test_check_tells_of_both() -> None:
    found = check_source("m/001_x.py", WIDGETS).problems
    assert [(each.id, each.line) for each in found] == [
        ("not-written", 12),
        ("wrong-downgrade", 20),
    ]
    assert found[0].advice == (
        "Write the SQL of this migration in its place, or `pass` if there is nothing to do."
    )
    assert found[1].advice == (
        "Write the SQL that undoes this migration in its place, or remove `downgrade`."
    )
