"""The text of a revision that is made of a plain file."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from bridge.errors import PlainFileError
from bridge.files.conventions import Argument, Conventions
from bridge.files.mode import Mode
from bridge.files.plain_file import PlainFile
from bridge.operations.eject.revision_file import Place, as_revision

PLAIN = "def upgrade(db):\n    pass\n\n\ndef downgrade(db):\n    pass\n"
IDENTIFIERS = """\
import plain_migration

# What Alembic goes by.
revision = "002_b"
down_revision = "001_a"
branch_labels = None
depends_on = None
"""


def made(
    folder: Path,
    body: str | bytes,
    *,
    conventions: Conventions | None = None,
    mode: Mode = Mode.DEFAULT,
    package: str | None = "app.migrations",
) -> str:
    data = body if isinstance(body, bytes) else dedent(body).encode()
    (folder / "002_b.py").write_bytes(data)
    file = PlainFile(str(folder), "002_b", conventions or Conventions())
    return as_revision(file, Place(down="001_a", mode=mode, package=package))


def functions(text: str) -> list[str]:
    """The lines that make something for Alembic."""
    return [line for line in text.splitlines() if "plain_migration." in line]


def test_a_file_that_begins_with_a_function_begins_with_what_alembic_goes_by(
    tmp_path: Path,
) -> None:
    text = made(tmp_path, PLAIN)
    takes = '@plain_migration.takes("session")\n'
    up, down = PLAIN.split("\n\n\n")
    assert text == f"{IDENTIFIERS}\n{takes}{up}\n\n\n{takes}{down}"
    compile(text, "002_b.py", "exec")


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ('"""Doc."""\n\n', f'"""Doc."""\n\n{IDENTIFIERS}\n'),
        ('"""Doc."""\n', f'"""Doc."""\n\n{IDENTIFIERS}\n'),
        (
            '"""Doc\nmore."""\nfrom __future__ import annotations\nimport os\n',
            f'"""Doc\nmore."""\nfrom __future__ import annotations\n\n{IDENTIFIERS}\nimport os\n',
        ),
        ("# A licence.\n\nimport os\n", f"# A licence.\n\n{IDENTIFIERS}\nimport os\n"),
    ],
)
def test_what_has_to_be_first_stays_first(tmp_path: Path, head: str, expected: str) -> None:
    assert made(tmp_path, head + PLAIN).startswith(expected)


def test_a_decorated_and_a_conditional_function_are_decorated_once_more(tmp_path: Path) -> None:
    text = made(
        tmp_path,
        """
        import os

        @os.fspath
        def upgrade(db):
            pass

        if os.name == "nt":
            def downgrade(db):
                pass
        else:
            def downgrade(db):
                upgrade(db)
        """,
    )
    takes = '@plain_migration.takes("session")'
    assert functions(text) == [takes, f"    {takes}", f"    {takes}"]
    assert f"{takes}\n@os.fspath\ndef upgrade" in text


def test_a_function_that_is_assigned_or_imported_is_wrapped_at_the_end(tmp_path: Path) -> None:
    text = made(tmp_path, "from os import fspath as upgrade\ndowngrade = lambda db: None\n")
    assert text.endswith(
        '\nupgrade = plain_migration.takes("session")(upgrade)\n'
        '\ndowngrade = plain_migration.takes("session")(downgrade)\n'
    )


@pytest.mark.parametrize(
    "downgrade",
    ["", "downgrade = None\n", "def downgrade(db):\n    db.execute(text('your SQL'))\n"],
)
def test_what_cannot_be_taken_back_refuses(tmp_path: Path, downgrade: str) -> None:
    text = made(tmp_path, f"def upgrade(db):\n    pass\n{downgrade}")
    assert text.endswith(
        'to take this migration back."""\n    plain_migration.irreversible("002_b")\n'
    )


@pytest.mark.parametrize(
    ("head", "parameter", "expected"),
    [
        ("", "db", '"session"'),
        ("from sqlalchemy import Engine\n", "e: Engine", '"engine"'),
        (
            "from psycopg2.extras import RealDictCursor\n",
            "c: RealDictCursor",
            '"cursor", "RealDictCursor"',
        ),
        ("from psycopg2.extensions import cursor\n", "c: cursor", '"cursor"'),
        ('transaction = "autocommit"\n', "db", '"session", transaction="autocommit"'),
        ('transaction = "default"\n', "db", '"session"'),
    ],
)
def test_what_a_function_takes_is_said(
    tmp_path: Path, head: str, parameter: str, expected: str
) -> None:
    text = made(tmp_path, f"{head}def upgrade({parameter}):\n    pass\n")
    assert functions(text)[0] == f"@plain_migration.takes({expected})"


def test_the_settings_of_the_folder_count(tmp_path: Path) -> None:
    conventions = Conventions(upgrade="up", downgrade="down", argument=Argument.DBAPI)
    text = made(tmp_path, "def up(c):\n    pass\n", conventions=conventions)
    assert functions(text)[0] == 'upgrade = plain_migration.takes("dbapi")(up)'
    text = made(tmp_path, PLAIN, mode=Mode.ATOMIC)
    assert functions(text)[0] == '@plain_migration.takes("session", transaction="atomic")'


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("from ._helpers import seed, more", "from plain_files._helpers import seed, more"),
        ("from . import _helpers", "from plain_files import _helpers"),
        ("from .. import models", "from app import models"),
        ("from ..models import Base", "from app.models import Base"),
        ("from ...other import x", "from ...other import x"),
        ("from app.migrations._helpers import x", "from plain_files._helpers import x"),
        ("from app.migrations_old import x", "from app.migrations_old import x"),
        ("import app.migrations._helpers as h", "import plain_files._helpers as h"),
        ("import app.migrations._helpers", "import app.migrations._helpers"),
        (
            "é = 'é'; from ._x import (a,  # b\n    c)",
            "é = 'é'; from plain_files._x import (a,  # b\n    c)",
        ),
    ],
)
def test_modules_beside_the_file_are_found_in_their_package(
    tmp_path: Path, line: str, expected: str
) -> None:
    assert f"\n{expected}\n" in made(tmp_path, f"import os\n{line}\n{PLAIN}")


def test_an_import_within_a_function_too(tmp_path: Path) -> None:
    body = "def upgrade(db):\n    if db:\n        from ._helpers import seed\n"
    assert "\n        from plain_files._helpers import seed\n" in made(tmp_path, body)


def test_an_id_of_its_own_becomes_a_comment(tmp_path: Path) -> None:
    text = made(tmp_path, f'revision = "ae10"\ndown_revision: str | None = None\n{PLAIN}')
    assert text.startswith(
        f'{IDENTIFIERS}\n# Before: revision = "ae10"\n# Before: down_revision: str | None = None\n'
    )


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (f"def depends_on():\n    pass\n{PLAIN}", 1),
        (f"import os\nrevision = os.name\n{PLAIN}", 2),
        (f"x = revision = 'a'\n{PLAIN}", 1),
        (f"x = 1; revision = 'a'\n{PLAIN}", 1),
        (f"from .import _helpers\n{PLAIN}", 1),
    ],
)
def test_what_would_be_ambiguous_is_refused(tmp_path: Path, body: str, line: int) -> None:
    with pytest.raises(PlainFileError) as caught:
        made(tmp_path, body)
    assert caught.value.line == line
