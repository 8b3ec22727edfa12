from __future__ import annotations

import ast
import errno
import hashlib
import os
import re
import string
import sys
import warnings
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import FilesError, PlainFileError
from bridge.files.header import Header, meant_for
from bridge.files.plain_file import PlainFile, name_keys, text_checksum
from bridge.files.stems import revision_id

UPGRADE = "def upgrade(db):\n    pass\n"


def write(folder: Path, text: str | bytes, stem: str = "004_new_feature") -> PlainFile:
    data = text if isinstance(text, bytes) else text.encode()
    (folder / f"{stem}.py").write_bytes(data)
    return PlainFile(str(folder), stem)


def header(folder: Path, text: str | bytes, stem: str = "004_new_feature") -> Header:
    file = write(folder, text, stem)
    listed = file.description
    assert listed == file.header.description  # however it was read
    return file.header


def complaint(folder: Path, text: str | bytes) -> str:
    """The message for a file, without the path it begins with."""
    file = write(folder, text)
    with pytest.raises(PlainFileError) as caught:
        _ = file.header
    message = str(caught.value)
    assert message.startswith(file.path + ":")
    return message.removeprefix(file.path)


# The name


def test_a_file_is_its_folder_and_its_stem() -> None:
    file = PlainFile("some/migrations", "004_new_feature")
    assert file.path == os.path.join("some/migrations", "004_new_feature.py")  # noqa: PTH118
    assert file.revision == "004_new_feature"
    assert file.number == "004"


def test_making_a_file_opens_nothing() -> None:
    assert PlainFile("/nowhere", "004_x") == PlainFile("/nowhere", "004_x")
    assert len({PlainFile("/nowhere", "004_x"), PlainFile("/nowhere", "004_x")}) == 1
    assert PlainFile("/nowhere", "004_x") != PlainFile("/elsewhere", "004_x")


def test_a_listing_does_not_look_for_faults_where_it_can_do_without(tmp_path: Path) -> None:
    file = write(tmp_path, "description = 'Add things'\ndef upgrade(db:\n")
    assert file.description == "Add things"
    with pytest.raises(PlainFileError, match="not valid Python"):
        _ = file.header
    with pytest.raises(PlainFileError, match="not valid Python"):
        _ = write(tmp_path, "description = ('Add things'\ndef upgrade(db:\n").description


def test_a_file_that_is_held_stays_as_it_was(tmp_path: Path) -> None:
    first, second = f"description = 'one'\n{UPGRADE}", f"transaction = 'atomic'\n{UPGRADE}"
    file = write(tmp_path, first)
    assert file.hold().description == "one"
    write(tmp_path, second)
    assert (file.source(), file.checksum()) == (first, text_checksum(first))
    assert (file.header.transaction, file.description) == (None, "one")
    assert file == PlainFile(file.folder, file.stem)
    assert file.hold().transaction == "atomic"
    assert (file.source(), file.checksum()) == (second, text_checksum(second))
    write(tmp_path, "def upgrade(db:\n")
    with pytest.raises(PlainFileError, match="not valid Python"):
        file.hold()


def test_a_file_that_is_held_is_compiled_once(tmp_path: Path) -> None:
    file = write(tmp_path, UPGRADE)
    code = file.hold().code
    write(tmp_path, "raise RuntimeError\n")
    assert file.code() is code
    assert code is not None
    assert code.co_filename == file.path
    module: dict[str, object] = {}
    exec(file.code(), module)
    assert callable(module["upgrade"])


@pytest.mark.parametrize(
    ("line", "warning"), [("'\\d'", DeprecationWarning), ("1 is 1", SyntaxWarning)]
)
def test_a_file_of_which_python_warns_is_compiled_for_its_run_and_warns_then(
    tmp_path: Path, line: str, warning: type[Warning]
) -> None:
    if sys.version_info >= (3, 12):
        warning = SyntaxWarning
    file = write(tmp_path, f"{UPGRADE}    {line}\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert file.hold().code is None
        with pytest.raises(SyntaxError):
            file.code()
    with pytest.warns(warning):
        file.code()


def test_the_header_does_not_change_what_a_file_is(tmp_path: Path) -> None:
    file = write(tmp_path, UPGRADE)
    _ = file.header
    assert file == PlainFile(str(tmp_path), "004_new_feature")
    assert repr(file) == f"PlainFile(folder={str(tmp_path)!r}, stem='004_new_feature')"


@pytest.mark.parametrize(
    ("stem", "number"),
    [
        ("004", "004"),
        ("031a_x", "031"),
        ("20240131_x", "20240131"),
        ("helper", ""),
        ("1\u0663", "1"),
    ],
)
def test_the_number_is_the_leading_digits(stem: str, number: str) -> None:
    assert PlainFile("f", stem).number == number


@pytest.mark.parametrize(
    ("stem", "revision"),
    [
        ("004-new-feature", "004_new_feature"),
        ("1.2_x", "1_2_x"),
        ("004 a@b+c:d", "004_a_b_c_d"),
        ("004_gr\u00f6\u00dfe", "004_gr__e"),
    ],
)
def test_characters_alembic_cannot_have_become_underscores(stem: str, revision: str) -> None:
    assert revision_id(stem) == revision


@given(st.text())
def test_a_revision_id_is_legal_and_mapping_it_again_changes_nothing(stem: str) -> None:
    revision = revision_id(stem)
    assert set(revision) <= set(string.ascii_letters + string.digits + "_")
    assert revision_id(revision) == revision
    assert len(revision) == len(stem)


@given(st.text(max_size=8), st.text(max_size=8))
def test_names_with_one_revision_id_share_a_key(one: str, other: str) -> None:
    same = revision_id(one).lower() == revision_id(other).lower()
    assert not same or set(name_keys(one)) & set(name_keys(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("004_A", "004_a"),
        ("004-a", "004_a"),
        ("004_\u00e9", "004_e\u0301"),
        ("004_\u00c9", "004_e\u0301"),
        ("004_\u00df", "004_\u00fc"),
        ("004_e\u0301", "004_e-"),
        ("004_\u00df", "004_SS"),
    ],
)
def test_names_that_a_person_or_a_file_system_could_confuse_share_a_key(
    one: str, other: str
) -> None:
    assert set(name_keys(one)) & set(name_keys(other))


def test_different_names_share_no_key() -> None:
    stems = ["004_a", "004_b", "0004_a", "004a", "004__a", "004_\u00e9x", "004_e\u0301yy"]
    keys = [key for stem in stems for key in name_keys(stem)]
    assert len(keys) == len(set(keys))


# Reading never executes


def test_reading_the_header_executes_nothing(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    text = (
        f"open({str(marker)!r}, 'w')\n"
        "import no_such_module_anywhere\n"
        "raise SystemExit(9)\n"
        "description = 'harmless'\n"
        f"def upgrade(db, x=open({str(marker)!r}, 'w')):\n    pass\n"
    )
    file = write(tmp_path, text)
    assert file.header.description == "harmless"
    assert file.shape().upgrade
    assert len(file.checksum()) == 64
    assert not marker.exists()
    assert "no_such_module_anywhere" not in sys.modules


def test_the_header_is_read_once(tmp_path: Path) -> None:
    file = write(tmp_path, UPGRADE)
    first = file.header
    Path(file.path).unlink()
    assert file.header is first


def test_a_file_that_was_mended_is_read_again(tmp_path: Path) -> None:
    file = write(tmp_path, "")
    with pytest.raises(PlainFileError):
        _ = file.header
    write(tmp_path, UPGRADE)
    assert file.header.description == "new feature"


# The docstring and the description


def test_the_example_of_the_guide(tmp_path: Path) -> None:
    text = '''"""
Migration: Add New Feature
Description of what this migration does.
"""

description = "Add new feature support"

def upgrade(db):
    """Apply this migration."""
    from sqlalchemy import text

    # Your migration code here
    db.execute(text("CREATE TABLE IF NOT EXISTS new_table (...)"))
    db.commit()
'''
    assert header(tmp_path, text) == Header(
        docstring="Migration: Add New Feature\nDescription of what this migration does.",
        description="Add new feature support",
        transaction=None,
        has_downgrade=False,
        breaking=False,
    )


@pytest.mark.parametrize(
    ("code", "description"),
    [
        ("description = 'x'", "x"),
        ("description: str = 'x'", "x"),
        ("description = ('one '\n    'two')", "one two"),
        ("description = (\n    'one'\n)", "one"),
        ("description = '''one\ntwo'''", "one\ntwo"),
        ("description = 'first'\ndescription = 'last'", "last"),
        ("name = description = 'x'", "x"),
        ("description, transaction = 'x', 'atomic'", "x"),
        ("[breaking, (description, other)] = [True, ('x', 1)]", "x"),
        ("if True:\n    description = 'x'", "x"),
        ("try:\n    description = 'x'\nfinally:\n    pass", "x"),
        ("description = 'null \\x00 and half \\ud83d'", "null \ufffd and half \ufffd"),
    ],
)
def test_a_constant_description_is_read(tmp_path: Path, code: str, description: str) -> None:
    assert header(tmp_path, f"{code}\n{UPGRADE}").description == description


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_any_literal_description_comes_back_as_it_was_written(written: str) -> None:
    from bridge.files.header import read_header

    text = f"description = {ast.unparse(ast.Constant(written))}\n{UPGRADE}"
    expected = written if written.strip() else "new feature"
    assert read_header("f.py", "004_new_feature", text).description == expected


@pytest.mark.parametrize(
    "code",
    [
        "description = f'{1}'",
        "description = 'a' + 'b'",
        "description = make()",
        "description = 42",
        "description = None",
        "description = ('a', 'b')",
        "description = {[]: 1}",
        "description = '  '",
        "description = 'x'\ndescription += 'y'",
        "description: str",
        "description, other = pair()",
        "first, *description = 'a', 'b'",
        "from texts import description",
        "def description(): pass",
        "def helper():\n    description = 'inner'",
        "class C:\n    description = 'inner'",
        "if __name__ == '__main__':\n    description = 'by hand'",
        "if '__main__' == __name__:\n    description = 'by hand'",
        "",
    ],
)
def test_without_a_constant_description_the_docstring_speaks(tmp_path: Path, code: str) -> None:
    text = f'"""\n\n  Migration:  Add things \n\nMore.\n"""\n{code}\n{UPGRADE}'
    assert header(tmp_path, text).description == "Add things"


def test_the_else_of_the_main_block_counts(tmp_path: Path) -> None:
    text = f"if __name__ == '__main__':\n    pass\nelse:\n    description = 'x'\n{UPGRADE}"
    assert header(tmp_path, text).description == "x"


@pytest.mark.parametrize(
    ("docstring", "description"),
    [
        ("Add things.", "Add things."),
        ("migration:add things", "add things"),
        ("Migration:\nAdd things", "Add things"),
        ("Migration of users", "Migration of users"),
        ("Migration:", "new feature"),
        ("   ", "new feature"),
    ],
)
def test_the_first_line_of_the_docstring_loses_its_prefix(
    tmp_path: Path, docstring: str, description: str
) -> None:
    assert header(tmp_path, f'"""{docstring}"""\n{UPGRADE}').description == description


@pytest.mark.parametrize(
    ("stem", "description"),
    [("004_new_feature", "new feature"), ("004", "004"), ("004-a_b", "-a b"), ("004_", "004_")],
)
def test_without_any_text_the_slug_speaks(tmp_path: Path, stem: str, description: str) -> None:
    assert header(tmp_path, UPGRADE, stem).description == description


def test_the_long_text_is_the_docstring_or_else_the_description(tmp_path: Path) -> None:
    assert header(tmp_path, f'"""One\n\n    Two"""\n{UPGRADE}').longdoc == "One\n\nTwo"
    assert header(tmp_path, f'description = "x"\n{UPGRADE}').longdoc == "x"
    assert header(tmp_path, f'"""half \\ud83d"""\n{UPGRADE}').longdoc == "half \ufffd"


# Encodings and line endings


@pytest.mark.parametrize(
    "data",
    [
        "description = 'gr\u00f6\u00dfe'\n".encode() + UPGRADE.encode(),
        b"\xef\xbb\xbf" + "description = 'gr\u00f6\u00dfe'\n".encode() + UPGRADE.encode(),
        "# coding: latin-1\ndescription = 'gr\u00f6\u00dfe'\n".encode("latin-1") + UPGRADE.encode(),
        ("description = 'gr\u00f6\u00dfe'\n" + UPGRADE).replace("\n", "\r\n").encode(),
        ("description = 'gr\u00f6\u00dfe'\n" + UPGRADE).replace("\n", "\r").encode(),
        ("\f\ndescription = 'gr\u00f6\u00dfe'\n\f\n" + UPGRADE).encode(),
    ],
    ids=["utf-8", "bom", "latin-1", "crlf", "cr", "form-feed"],
)
def test_a_file_is_read_in_its_own_encoding_and_line_endings(tmp_path: Path, data: bytes) -> None:
    assert header(tmp_path, data).description == "gr\u00f6\u00dfe"


def test_an_invalid_escape_does_not_warn_when_a_listing_reads_it(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert header(tmp_path, f"pattern = '\\d'\n{UPGRADE}").transaction is None


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"x = '\xff'\n", "invalid or missing encoding declaration"),
        (b"# coding: latin-9000\n", "unknown encoding: latin-9000"),
        (b"# coding: hex\n", "'hex' is not a text encoding"),
        (b"# a\n# b\nx = '\xff'\n", "'utf-8' codec can't decode byte 0xff"),
        (UPGRADE.encode("utf-16"), "invalid or missing encoding declaration"),
    ],
)
def test_a_file_that_cannot_be_decoded(tmp_path: Path, data: bytes, reason: str) -> None:
    message = complaint(tmp_path, data)
    assert message.startswith(f": this file cannot be decoded: {reason}")
    assert message.endswith(
        ". Save it as UTF-8, or name its encoding in the first line: # -*- coding: latin-1 -*-"
    )


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "004_x.py").symlink_to(tmp_path / "nowhere")
    file = PlainFile(str(tmp_path), "004_x")
    with pytest.raises(FilesError) as caught:
        file.checksum()
    assert str(caught.value) == (
        f"{file.path}: this file cannot be read: No such file or directory. It was removed, or is "
        "a link to a file that does not exist: put the file back, or remove the link."
    )


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "004_x.py").touch()
    file = PlainFile(str(tmp_path), "004_x")
    denied = PermissionError(errno.EACCES, "Permission denied")  # as root never meets it
    with patch("os.open", side_effect=denied), pytest.raises(FilesError) as caught:
        file.source()
    assert str(caught.value) == (
        f"{file.path}: this file cannot be read: Permission denied. Give the user that runs "
        "migrations the right to read it."
    )


# Files that are not Python


def test_a_syntax_error_names_its_line(tmp_path: Path) -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    message = complaint(tmp_path, "x = 1\ndef upgrade(db:\n    pass\n")
    assert message.startswith(f":2: this is not valid Python {version}: ")
    assert message.endswith(". Correct the file.")


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (f"{UPGRADE}    break\n", 3, "'break' outside loop"),
        (f"{UPGRADE}return\n", 3, "'return' outside function"),
        (f"{UPGRADE}await x\n", 3, "'await' outside function"),
        (f"{UPGRADE}nonlocal x\n", 3, "nonlocal declaration not allowed at module level"),
        (f"{UPGRADE}    x = 1\n    global x\n", 4, "name 'x' is assigned to before global"),
        ("def upgrade(db, db):\n    pass\n", 1, "duplicate"),
        (
            f"x = 1\nfrom __future__ import annotations\n{UPGRADE}",
            2,
            "from __future__ imports must",
        ),
        (f"from __future__ import braces\n{UPGRADE}", 1, "not a chance"),
    ],
)
def test_what_python_parses_and_cannot_compile_is_refused_before_it_runs(
    tmp_path: Path, text: str, line: int, said: str
) -> None:
    message = complaint(tmp_path, text)
    assert message.startswith(f":{line}: this is not valid Python ")
    assert said in message
    assert message.endswith(". Correct the file.")


@pytest.mark.filterwarnings("error")
def test_a_warning_of_the_compiler_is_no_reason_to_refuse_a_file(tmp_path: Path) -> None:
    file = write(tmp_path, f"{UPGRADE}    assert (1, 'always true')\n    '\\d'\n    1 is 1\n")
    assert file.header.description == "new feature"


def test_a_null_character_is_an_error_that_names_its_line(tmp_path: Path) -> None:
    assert complaint(tmp_path, f"{UPGRADE}\0") == (
        ":3: this file holds a null character, so it is not Python source. Save it again as "
        "UTF-8, or restore it from version control."
    )


def test_text_that_python_cannot_take_is_an_error(tmp_path: Path) -> None:
    message = complaint(tmp_path, b"# coding: raw_unicode_escape\nx = '\\ud800'\n")
    assert "this is not valid Python" in message
    assert "surrogates not allowed. Correct the file." in message


@pytest.mark.parametrize("text", ["x = " + "-" * 200_000 + "1\n", "x = " + "+".join("1" * 100_000)])
def test_a_file_nested_too_deeply_is_an_error_and_no_traceback(tmp_path: Path, text: str) -> None:
    message = complaint(tmp_path, text + "\n" + UPGRADE)
    assert message == (
        ": this file is nested too deeply for Python to read. Write its long expressions as "
        "several shorter ones."
    )
    with pytest.raises(PlainFileError, match="nested too deeply"):
        PlainFile(str(tmp_path), "004_new_feature").shape()


def test_too_many_parentheses_are_pythons_own_complaint(tmp_path: Path) -> None:
    assert "too many nested parentheses" in complaint(tmp_path, "(" * 300 + ")" * 300)


def test_a_long_sum_of_texts_is_read(tmp_path: Path) -> None:
    """Reading may not need more of the stack than running the file does."""
    long = "+".join("'x'" for _ in range(400))
    text = f"sql = {long}\ndescription = 'x'\ndef upgrade(db):\n    return {long}\n"
    assert header(tmp_path, text).description == "x"


# upgrade and downgrade


@pytest.mark.parametrize("text", ["", "\n", "'''Only a docstring.'''", "def helper(db): pass"])
def test_a_migration_without_upgrade_is_an_error(tmp_path: Path, text: str) -> None:
    assert complaint(tmp_path, text) == (
        ": this migration defines no `upgrade`. Add `def upgrade(db):` to it, or, if it is not a "
        "migration, begin its name with `_`."
    )


def test_an_upgrade_inside_of_something_else_does_not_count(tmp_path: Path) -> None:
    text = (
        f"class C:\n    def upgrade(db): pass\ndef outer():\n    {UPGRADE.replace(chr(10), ' ')}\n"
        "upgrade: object\nif __name__ == '__main__':\n    upgrade = print\nthing.upgrade = print\n"
    )
    assert "defines no `upgrade`" in complaint(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        "def upgrade(db): pass",
        "def upgrade(session, /): pass",
        "def upgrade(db, verbose=False): pass",
        "def upgrade(db=None, other=None): pass",
        "def upgrade(*args): pass",
        "def upgrade(db, *args, **kwargs): pass",
        "def upgrade(db, *, batch=100): pass",
        "upgrade = lambda db: None",
        "upgrade = make_upgrade('users')",
        "upgrade = helpers.upgrade",
        "upgrade: object = other",
        "a = upgrade = other",
        "upgrade, downgrade = make_both()",
        "from _helpers import upgrade",
        "from _helpers import create as upgrade",
        "import upgrade",
        "from _helpers import *",
        "class upgrade:\n    def __init__(self, db): pass",
        "@decorated\ndef upgrade(): pass",
        "@synchronous\nasync def upgrade(db): pass",
        "if new:\n    def upgrade(db): pass\nelse:\n    upgrade = old",
        "try:\n    from fast import upgrade\nexcept ImportError:\n    upgrade = None",
        "try:\n    pass\nfinally:\n    def upgrade(db): pass",
        "try:\n    pass\nexcept* ValueError:\n    def upgrade(db): pass",
        "with context():\n    def upgrade(db): pass",
        "with context() as upgrade: pass",
        "for upgrade in functions: pass",
        "while True:\n    def upgrade(db): pass\n    break",
        "match thing:\n    case 1:\n        def upgrade(db): pass",
        "upgrade = None\ndef upgrade(db): pass",
        "def upgrade(db):\n    def inner():\n        yield 1\n    return inner",
    ],
)
def test_an_upgrade_that_may_be_callable_is_accepted(tmp_path: Path, text: str) -> None:
    assert header(tmp_path, text).description == "new feature"


ASYNC = (
    "`NAME` is `async def`: calling it would run nothing. Write `def NAME(db):` and use the "
    "Session it gets without `await`."
)
YIELDS = (
    "`NAME` contains `yield`: calling it would run nothing. Take the `yield` out, so that it is an "
    "ordinary function."
)
CONSTANT = "`NAME` is a constant, not a function. Write `def NAME(db):`."
CALLED = (
    "`NAME` is called with one argument, the Session, but is defined as `NAME(%s)`. Write "
    "`def NAME(db):`."
)


@pytest.mark.parametrize("name", ["upgrade", "downgrade"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("async def NAME(db): pass", ASYNC),
        ("def NAME(db):\n    db.execute(1)\n    if db:\n        yield", YIELDS),
        ("def NAME(db):\n    x = yield from db", YIELDS),
        ("NAME = 'CREATE TABLE'", CONSTANT),
        ("NAME = ['CREATE']", CONSTANT),
        ("NAME = f'{1}'", CONSTANT),
        ("if x:\n    NAME = 1\nelse:\n    NAME = 2", CONSTANT),
        ("def NAME(): pass", CALLED % ""),
        ("def NAME(db, engine): pass", CALLED % "db, engine"),
        ("def NAME(db, *, engine): pass", CALLED % "db, *, engine"),
        ("def NAME(**kwargs): pass", CALLED % "**kwargs"),
        ("NAME = lambda: None", CALLED % ""),
    ],
)
def test_a_function_that_cannot_run_is_an_error(
    tmp_path: Path, name: str, text: str, expected: str
) -> None:
    other = "" if name == "upgrade" else UPGRADE
    code = text.replace("NAME", name)
    line = 1 + other.count("\n") + (3 if code.startswith("if x") else 0)
    if name == "upgrade":
        told = complaint(tmp_path, other + code)
    else:
        # An old folder must run unedited, whatever its never-called downgrades look like.
        told = str(header(tmp_path, other + code).downgrade_fault).partition(".py")[2]
    assert told == f":{line}: {expected.replace('NAME', name)}"


def test_the_last_definition_counts(tmp_path: Path) -> None:
    assert "is a constant" in complaint(tmp_path, f"{UPGRADE}upgrade = None\n")


@pytest.mark.parametrize(
    ("text", "has_downgrade"),
    [
        ("", False),
        ("downgrade = None", False),
        ("def downgrade(db): pass\ndowngrade = None", False),
        ("def helper():\n    def downgrade(db): pass", False),
        ("def downgrade(db): pass", True),
        ("downgrade = upgrade", True),
        ("from _helpers import downgrade", True),
        ("if x:\n    def downgrade(db): pass", True),
    ],
)
def test_whether_a_file_can_be_taken_back(tmp_path: Path, text: str, has_downgrade: bool) -> None:
    assert header(tmp_path, f"{UPGRADE}{text}\n").has_downgrade is has_downgrade


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (UPGRADE, True),
        ("upgrade = make()", True),
        ("if x:\n    def upgrade(): pass", True),
        ("async def upgrade(): pass", True),
        ("upgrade = True", False),
        ("from alembic.command import upgrade", False),
        ("from _helpers import *", False),
        ("def upgrade_all(): pass", False),
        ("", False),
    ],
)
def test_whether_any_file_defines_upgrade(tmp_path: Path, text: str, expected: bool) -> None:
    assert (write(tmp_path, text, "helper").shape().upgrade is not None) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def up(conn): pass", "up"),
        ("async def forwards(db): pass", "forwards"),
        ("def run(db): pass\ndef apply(db): pass\ndef up(db): pass", "up"),
        ("if x:\n    def migrate(db): pass", "migrate"),
        ("up = make()", None),
        ("from helpers import up", None),
        ("class up: pass", None),
        ("class A:\n    def up(self): pass", None),
        ("if __name__ == '__main__':\n    def run(): pass", None),
        ("", None),
    ],
)
def test_what_another_runner_would_call(tmp_path: Path, text: str, expected: str | None) -> None:
    other = write(tmp_path, text, "helper").shape().other
    assert (other and other.name) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("description = 'x'", True), ("description = make()", False), ("descriptions = 'x'", False)],
)
def test_whether_any_file_describes_itself(tmp_path: Path, text: str, expected: bool) -> None:
    assert write(tmp_path, text, "helper").shape().described is expected


# transaction and breaking


@pytest.mark.parametrize(
    ("code", "transaction"),
    [
        ("", None),
        ("transaction = 'default'", "default"),
        ("transaction = 'atomic'", "atomic"),
        ("transaction: str = ('auto'\n    'commit')", "autocommit"),
        ("transaction = 'atomic'\ntransaction = 'autocommit'", "autocommit"),
        ("with x:\n    transaction = 'atomic'", "atomic"),
        ("import transaction", None),
        ("from zope import transaction", None),
        ("def transaction(): pass", None),
        ("class transaction: pass", None),
        ("with begin() as transaction: pass", None),
        ("if __name__ == '__main__':\n    transaction = begin()", None),
        ("def helper(db):\n    transaction = db.begin()", None),
    ],
)
def test_the_transaction_mode(tmp_path: Path, code: str, transaction: str | None) -> None:
    assert header(tmp_path, f"{code}\n{UPGRADE}").transaction == transaction


@pytest.mark.parametrize("value", ["'atomc'", "'Atomic'", "''", "None", "True", "['atomic']"])
def test_another_transaction_mode_is_an_error_that_lists_the_three(
    tmp_path: Path, value: str
) -> None:
    assert complaint(tmp_path, f"{UPGRADE}transaction = {value}") == (
        f':3: `transaction` is {value}. Write one of "default", "atomic", "autocommit", or leave '
        "the line out for the folder's default."
    )


@pytest.mark.parametrize(
    "code",
    [
        "transaction = MODE",
        "transaction = f'atomic'",
        "transaction, other = settings",
        "transaction += 'x'",
        "transaction = 'atomic' if x else 'default'",
    ],
)
def test_a_transaction_mode_that_must_be_run_to_be_known_is_an_error(
    tmp_path: Path, code: str
) -> None:
    assert complaint(tmp_path, f"{UPGRADE}{code}") == (
        ":3: `transaction` must be known without running the file. Write it once, outside of any "
        'block, as one of "default", "atomic", "autocommit".'
    )


@pytest.mark.parametrize("name", ["transaction", "breaking"])
def test_a_setting_that_depends_on_something_is_an_error(tmp_path: Path, name: str) -> None:
    value = "'atomic'" if name == "transaction" else "True"
    message = complaint(tmp_path, f"{UPGRADE}if x:\n    {name} = {value}")
    assert message.startswith(f":4: `{name}` must be known without running the file.")


@pytest.mark.parametrize(
    ("code", "breaking"),
    [("", False), ("breaking = True", True), ("breaking: bool = False", False)],
)
def test_whether_a_file_is_breaking(tmp_path: Path, code: str, breaking: bool) -> None:
    assert header(tmp_path, f"{code}\n{UPGRADE}").breaking is breaking


@pytest.mark.parametrize("value", ["1", "'yes'", "None"])
def test_breaking_is_true_or_false(tmp_path: Path, value: str) -> None:
    assert complaint(tmp_path, f"breaking = {value}\n{UPGRADE}") == (
        f":1: `breaking` is {value}. Write True or False, or leave the line out."
    )


def test_breaking_that_must_be_run_to_be_known_is_an_error(tmp_path: Path) -> None:
    assert complaint(tmp_path, f"breaking = bool(1)\n{UPGRADE}") == (
        ":1: `breaking` must be known without running the file. Write it once, outside of any "
        "block, as True or False."
    )


# Misspelt names


@pytest.mark.parametrize(
    ("code", "meant"),
    [
        ("transation = 'atomic'", "transaction"),
        ("trasnaction = 'atomic'", "transaction"),
        ("transcation: str = 'atomic'", "transaction"),
        ("Transaction = 'atomic'", "transaction"),
        ("descripton = 'x'", "description"),
        ("desription = 'x'", "description"),
        ("discription = 'x'", "description"),
        ("desciprtion = 'x'", "description"),
        ("brekaing = True", "breaking"),
        ("def downgrad(db): pass", "downgrade"),
        ("def donwgrade(db): pass", "downgrade"),
        ("downgarde = upgrade", "downgrade"),
        ("if x:\n    breakng = True", "breaking"),
    ],
)
def test_a_name_that_is_nearly_one_of_ours_is_an_error(
    tmp_path: Path, code: str, meant: str
) -> None:
    line = 2 + len(code.splitlines())
    name = next(word for word in code.replace(":", " ").replace("(", " ").split() if is_near(word))
    assert complaint(tmp_path, f"{UPGRADE}{code}\n") == (
        f":{line}: `{name}` looks like a misspelling of `{meant}`, which this file does not have. "
        f"Rename it to `{meant}`; if it is meant to be something else, give it a name that is "
        "less alike."
    )


def is_near(word: str) -> bool:
    return meant_for(word) is not None


@pytest.mark.parametrize(
    "code", ["def upgarde(db): pass", "upgade = make()", "def ugprade(): pass"]
)
def test_a_misspelt_upgrade_is_named_instead_of_a_missing_one(tmp_path: Path, code: str) -> None:
    assert "looks like a misspelling of `upgrade`" in complaint(tmp_path, code)


@pytest.mark.parametrize(
    "code",
    [
        "descriptions = 'x'",
        "transactions = 'transactions'",
        "transactional = 'x'",
        "prescription = 'x'",
        "subscription = 'x'",
        "decryption = 'x'",
        "descriptor = 'x'",
        "translation = 'x'",
        "transition = 'x'",
        "tracking = True",
        "ranking = True",
        "banking = True",
        "_breaking = True",
        "breaking_change = True",
        "DESCRIPTION = 'x'",
        "TRANSACTION = 'transactions'",
        "class Transaction: pass",
        "from app.models import Transaction",
        "Transaction = Base.classes.transaction",
        "transation = 3",
        "def upgrade_users(db): pass",
        "def _upgrade(db): pass",
        "def upgrades(db): pass",
        "def upgraded(db): pass",
        "def upgarde(db): pass",
        "def downgrade_users(db): pass",
        "def degrade(db): pass",
        "def update(db): pass",
        "downgrad = 'x'",
        "description = 'x'\ndescripton = 'y'",
    ],
)
def test_innocent_names_are_left_alone(tmp_path: Path, code: str) -> None:
    text = f"{UPGRADE}{code}\n"
    assert header(tmp_path, text).transaction is None


OURS = ("upgrade", "downgrade", "description", "transaction", "breaking")


@given(st.sampled_from(OURS), st.data())
def test_one_slip_of_the_pen_is_recognised(name: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(name) - 2))
    dropped = name[:at] + name[at + 1 :]
    swapped = name[:at] + name[at + 1] + name[at] + name[at + 2 :]
    assert meant_for(dropped) == name
    assert meant_for(swapped) == (name if swapped != name else None)


@given(st.sampled_from(OURS), st.text("abc_", max_size=3), st.text("abc_", max_size=3))
def test_a_name_with_one_of_ours_inside_is_a_name_of_its_own(
    name: str, before: str, after: str
) -> None:
    assert meant_for(before + name + after) is None


# The checksum


def test_the_checksum_is_the_sha256_of_the_uniform_text(tmp_path: Path) -> None:
    import hashlib

    file = write(tmp_path, b"\xef\xbb\xbfx = 1  \r\n\r\n\ty = 2\t\r\n\r\n")
    assert file.checksum() == hashlib.sha256(b"x = 1\n\n\ty = 2").hexdigest()
    assert file.checksum() == text_checksum(file.source())


lines = st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])))
blanks = st.sampled_from(["", " ", "\t ", "  "])


@given(lines, st.data())
def test_line_endings_and_trailing_white_space_do_not_count(
    text: list[str], data: st.DataObject
) -> None:
    ending = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    spaced = ending.join(line + data.draw(blanks) for line in text)
    spaced += data.draw(st.sampled_from(["", ending, ending + " " + ending]))
    assert text_checksum(spaced) == text_checksum("\n".join(text))


@given(lines, lines)
def test_any_other_difference_counts(one: list[str], other: list[str]) -> None:
    def bare(text: list[str]) -> list[str]:
        return "\n".join(line.rstrip(" \t\f\v") for line in text).rstrip("\n").split("\n")

    same = text_checksum("\n".join(one)) == text_checksum("\n".join(other))
    assert same == (bare(one) == bare(other))


@pytest.mark.parametrize("changed", ["x  = 1", " x = 1", "x = 1\n\ny = 2", "x = 2", "X = 1"])
def test_white_space_elsewhere_counts(changed: str) -> None:
    assert text_checksum(changed) != text_checksum("x = 1\ny = 2")
    assert text_checksum(changed) != text_checksum("x = 1")


@given(st.text(alphabet=" \t\f\v\n\rab"))
def test_a_checksum_is_that_of_the_lines_without_the_blanks_at_their_ends(text: str) -> None:
    lines = re.split(r"\r\n|\r|\n", text)
    uniform = "\n".join(re.sub(r"[ \t\f\v]+\Z", "", line) for line in lines).rstrip("\n")
    assert text_checksum(text) == hashlib.sha256(uniform.encode()).hexdigest()


def test_halves_of_surrogate_pairs_have_a_checksum_too() -> None:
    assert len(text_checksum("\ud800")) == 64


pieces = st.sampled_from(
    [b"x = 1", b"'", b" ", b"\t", b"\n", b"\r\n", b"# coding: latin-1\n", b"\xe9", "é".encode()]
)
texts = st.builds(
    lambda start, rest: start + b"".join(rest),
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
    st.lists(pieces, max_size=6),
)


def checksum_or_none(file: PlainFile) -> str | None:
    try:
        return file.checksum()
    except PlainFileError:
        return None


@given(texts, texts, st.lists(pieces, max_size=2))
def test_a_file_has_a_checksum_if_that_is_its_own_however_quickly_it_was_told(
    tmp_path_factory: pytest.TempPathFactory, one: bytes, other: bytes, end: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("pairs")
    for then, now in ((one, one), (one, other), (one, one + b"".join(end))):
        recorded = checksum_or_none(write(folder, then))
        if recorded is None:
            continue
        file = write(folder, now)
        own = checksum_or_none(file)
        if own is None:
            with pytest.raises(PlainFileError):
                file.has(recorded)
        else:
            assert file.has(recorded) == (own == recorded)


def test_what_was_read_for_replaces_is_not_read_again_to_be_compared(tmp_path: Path) -> None:
    (tmp_path / "004_x.py").write_text("def upgrade(db): pass\n")
    file = PlainFile(str(tmp_path), "004_x")
    checksum = file.checksum()
    assert file.replaces is None
    with patch("os.open", side_effect=AssertionError("it was opened")):
        assert file.has(checksum)
    (tmp_path / "004_x.py").write_text("def upgrade(db): ...\n")
    assert not file.has(checksum)  # the next one is told what is there then


def test_what_seems_to_be_changed_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "004_x.py").write_text("def upgrade(db): pass\n")
    file = PlainFile(str(tmp_path), "004_x")
    assert file.replaces is None
    (tmp_path / "004_x.py").write_text("def upgrade(db): ...\n")
    assert file.has(text_checksum("def upgrade(db): ...\n"))


def test_a_file_that_is_held_has_the_checksum_of_the_text_that_is_held(tmp_path: Path) -> None:
    file = write(tmp_path, UPGRADE)
    file.hold()
    before = file.checksum()
    write(tmp_path, UPGRADE + "x = 1\n")
    assert file.has(before)


def test_a_file_of_several_reads_is_read_whole(tmp_path: Path) -> None:
    for size in (1 << 16, (1 << 16) + 1, 1 << 17, 200_000):
        text = "#" * (size - 1) + "\n"
        assert write(tmp_path, text).source() == text
