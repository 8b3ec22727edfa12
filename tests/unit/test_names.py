"""Whose name is this: every way to write a file's name that a person would still read as it."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from bridge.config.settings import Settings
from bridge.files.plain_file import PlainFile
from bridge.ledger.history import Row
from bridge.ledger.names import Names, canonical, number_of, slug_of
from bridge.ledger.preflight import Command, preflight
from bridge.ledger.reconcile import State

if TYPE_CHECKING:
    from collections.abc import Callable

#: Names of which some differ in little, and which no two mean the same migration.
FOLDER = (
    "001_create_users",
    "002_add.column",
    "002_add.index",
    "003_v1.2_fix",
    "004_v1.3_fix",
    "010_y",
    "0100_y",
    "031_a",
    "031_b",
    "041_a_b",
    "042_Straße",
    "043_naïve ΟΔΟΣ",
    "044_add_v2",
    "045_add_2",
    "046_ﬁx",
    "2024_01_02_init",
    "2024_01_03_init",
    "20240102_init",
)


@dataclass(frozen=True)
class Spelling:
    """A name as somebody has written it, and whether nothing but the number is left of it."""

    name: str
    is_number: bool = False

    def but(self, name: str) -> Spelling:
        return replace(self, name=name)


def _full_width(name: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" < c <= "~" and c not in "./\\:" else c for c in name)


# What becomes of the name itself, one after the other.
ITSELF: dict[str, Callable[[str], str]] = {
    "upper case": str.upper,
    "title case": str.title,
    "NFC": lambda name: unicodedata.normalize("NFC", name),
    "NFD": lambda name: unicodedata.normalize("NFD", name),
    "NFKC": lambda name: unicodedata.normalize("NFKC", name),
    "full width": _full_width,
    "without zeros": lambda name: name.lstrip("0"),
    "more zeros": lambda name: f"00{name}",
    "hyphens": lambda name: name.replace("_", "-"),
    "blanks": lambda name: name.replace("_", " "),
    "two blanks": lambda name: name.replace("_", "  "),
    "dots": lambda name: name.replace("_", "."),
    "doubled": lambda name: name.replace("_", "__"),
    "one doubled": lambda name: name.replace("_", "___", 1),
    "a hyphen with blanks": lambda name: name.replace("_", " - ", 1),
    "tabs": lambda name: name.replace("_", "\t"),
    "invisible inside": lambda name: name.replace("_", "_\u200b"),
    "a soft hyphen": lambda name: name[:5] + "\xad" + name[5:],
}
NUMBERED = {
    "v": lambda name: f"v{name}",
    "V": lambda name: f"V{name}",
    "version": lambda name: f"version_{name}",
}
ENDS = ("\u200b", "\ufeff", "\xa0", " ", "  ", "\t", "\n", "\r\n", "\u3000", "\ufe0f", "_", "\x00")
SUFFIXES = (".py", ".PY", ".pyc", ".sql", ".up.sql", ".sql.gz", ".py.bak", ".py~", ".", ".Sql ")
FOLDERS = (
    "migrations/",
    "./",
    "/srv/app-1.2/2024/",
    "C:\\app\\migrations\\",
    "app.migrations.",
    "app.v1.migrations.",
    "my-app.",
    "app:",
    "app.migrations:",
    "app:migrations/",
    "Ünï.",
)
QUOTES = ('""', "''", "``", "«»", "“”", "[]", "()", "„“")


@st.composite
def spellings(draw: st.DrawFn, stem: str) -> Spelling:
    """Some way to write it, of one change or of many."""
    found = Spelling(stem)
    if draw(st.booleans()) and draw(st.booleans()):
        digits = stem[: len(stem) - len(stem.lstrip("0123456789"))]
        found = Spelling(draw(st.sampled_from((digits, str(int(digits)), f"0{digits}"))), True)
    else:
        for made in draw(st.lists(st.sampled_from(list(ITSELF)), max_size=3, unique=True)):
            found = found.but(ITSELF[made](found.name))
    if draw(st.booleans()):
        found = found.but(NUMBERED[draw(st.sampled_from(list(NUMBERED)))](found.name))
    around = st.sampled_from(("end", "suffix", "folder", "quotes"))
    for kind in draw(st.lists(around, max_size=4)):
        if kind == "end":
            before, after = draw(st.sampled_from(ENDS)), draw(st.sampled_from(("", *ENDS)))
            found = found.but(f"{before}{found.name}{after}")
        elif kind == "suffix":
            found = found.but(found.name + draw(st.sampled_from(SUFFIXES)))
        elif kind == "folder":
            found = found.but(draw(st.sampled_from(FOLDERS)) + found.name)
        else:
            left, right = tuple(draw(st.sampled_from(QUOTES)))
            found = found.but(f"{left}{found.name}{right}")
    return found


def sharing(stem: str) -> set[str]:
    """The files with the number of this one."""
    return {other for other in FOLDER if number_of(other) == number_of(stem)}


@given(st.data())
def test_every_spelling_of_a_name_means_its_file_and_no_other(data: st.DataObject) -> None:
    stem = data.draw(st.sampled_from(FOLDER))
    spelling = data.draw(spellings(stem))
    found = Names.of(FOLDER).meant_by(spelling.name)
    if spelling.is_number:
        assert set(found) == sharing(stem)
    else:
        assert found == (stem,)


@pytest.mark.parametrize(
    ("stems", "name", "meant"),
    [
        # The exact name, whatever else it could be.
        (("1_a", "01_a", "001_a"), "01_a", ("01_a",)),
        (("031", "031_a"), "031", ("031",)),
        (("004_x", "004_x.py"), "004_x.py", ("004_x.py",)),
        (("004_add", "004_add.column"), "004_add.column.py", ("004_add.column",)),
        (("004_add", "004_add.column"), "004_add.py", ("004_add",)),
        # The nearest one.
        (("1_a", "01_a"), "1_a.py", ("1_a",)),
        (("1_a", "01_a"), "01_A", ("01_a",)),
        (("1_a", "01_a"), "001_a", ("01_a", "1_a")),
        (("010_y", "100_y"), "100_y.py", ("100_y",)),
        (("010_y", "100_y"), "10-y", ("010_y",)),
        (("2024_001_x", "001_x"), "2024/001_x.py", ("2024_001_x",)),
        (("001_x",), "2024/001_x.py", ("001_x",)),
        # Numbers.
        (("031_a", "031_b"), "31", ("031_a", "031_b")),
        (("031_a", "031_b"), "migrations/0031.py", ("031_a", "031_b")),
        (("010_y", "100_y"), "100", ("100_y",)),
        (("010_y", "100_y"), "10", ("010_y",)),
        (("002_x",), "app.v1.migrations.app:002", ("002_x",)),
        # What a runner leaves of a name with dots.
        (("003_v1.2_fix",), "003_v1", ("003_v1.2_fix",)),
        (("003_v1.2_fix", "003_v1.3_fix"), "003_v1.py", ("003_v1.2_fix", "003_v1.3_fix")),
        (("003_v1.2_fix", "003_v1.3_fix"), "003-v1-3-fix", ("003_v1.3_fix",)),
        # Not distinct to Alembic.
        (("001_ü",), "001_ß", ("001_ü",)),
    ],
)
def test_the_exact_name_is_meant_before_the_nearest_and_all_others(
    stems: tuple[str, ...], name: str, meant: tuple[str, ...]
) -> None:
    assert Names.of(stems).meant_by(name) == meant


@pytest.mark.parametrize(
    "name",
    [
        "",
        "base",
        "create_users",
        "001_create_user",
        "001_create_users_2",
        "001_create_users.2",
        "002_create_users",
        "011_create_users",
        "1001_create_users",
        "001_drop_users",
        "001x",
        "1.0",
        "1.0.py",
        "v1.1",
        "V1.1.py",
        "2",
        "01/02_x",
        "043_naive οδοσ",
        "044_add",
        "\u200b",
    ],
)
def test_the_name_of_another_migration_means_no_file(name: str) -> None:
    found = ("001_create_users", "043_naïve οδοσ", "044_add_v2", "045_add_2")
    assert Names.of(found).meant_by(name) == ()


@pytest.mark.parametrize(
    ("name", "number", "slug"),
    [
        ("001_a", 1, "a"),
        ("100_a", 100, "a"),
        ("2000_a_2000", 2000, "a_2000"),
        ("008_add_v2", 8, "add_v2"),
        ("008_a_001", 8, "a_001"),
        ("V1__Add Users", 1, "add_users"),
        ("version_007", 7, ""),
        ("add", None, "add"),
        ("0", 0, ""),
    ],
)
def test_a_name_is_its_number_and_words(name: str, number: int | None, slug: str) -> None:
    assert (number_of(name), slug_of(name)) == (number, slug)


@given(st.text(), st.text())
def test_of_any_two_names_each_means_itself_by_its_exact_name(one: str, other: str) -> None:
    names = Names.of([one, other])
    assert (names.meant_by(one), names.meant_by(other)) == ((one,), (other,))


@given(st.text())
def test_no_spelling_in_which_nothing_can_be_read_means_a_file(name: str) -> None:
    if not canonical(name):
        assert Names.of(FOLDER).meant_by(name) == ()


# What follows from it


FORMS: dict[str, Callable[[str], str]] = {
    "stem": str,
    "file": "{}.py".format,
    "path": "migrations/{}.py".format,
    "path without suffix": "app\\migrations\\{}".format,
    "number": lambda stem: str(number_of(stem)),
    "padded number": lambda stem: stem.split("_")[0],
}
#: Without numbers that several have, which a ledger of numbers cannot name.
TOLD_APART = tuple(stem for stem in FOLDER if len(sharing(stem)) == 1)
FILES = tuple(PlainFile("migrations", stem) for stem in TOLD_APART)


def recorded(*names: str, ours: bool = False) -> State:
    return State(
        ledger="schema_migrations",
        version_table="alembic_version",
        exists=True,
        ours=ours,
        rows=tuple(Row(version=name) for name in names),
        certain=True,
        pointers=(),
    )


def typed(state: State, statement: str) -> State:
    """What a ledger holds after the statement of a message was typed."""
    prefix, where = "UPDATE schema_migrations SET version = ", " WHERE version = "
    assert statement.startswith(prefix)
    new, old = statement.removeprefix(prefix).split(where)
    names = [row.version for row in state.rows]
    assert names.count(literal(old)) == 1
    return recorded(*(literal(new) if name == literal(old) else name for name in names))


def literal(sql: str) -> str:
    """What a literal of PostgreSQL's stands for."""
    if sql.startswith("E"):
        return sql[2:-1].replace("''", "'").encode("raw_unicode_escape").decode("unicode_escape")
    return sql[1:-1].replace("''", "'")


@given(st.data(), st.sampled_from(list(FORMS)), st.booleans())
def test_a_file_whose_row_is_respelled_is_understood_or_refused_with_what_mends_it(
    data: st.DataObject, form: str, ours: bool
) -> None:
    applied = data.draw(st.lists(st.sampled_from(TOLD_APART), min_size=1, unique=True), "applied")
    stem = applied[0]
    name = data.draw(spellings(stem), "spelling").name
    others = [FORMS[form](each) for each in applied[1:]]
    state = recorded(name, *others, ours=ours)
    for _ in range(len(applied) + 1):
        found = preflight(Command.LOOK, FILES, state, Settings(folder="migrations"))
        if not found.refusals:
            break
        assert {each.id for each in found.refusals} == {"names-differ"}
        for each in found.refusals:
            statement = each.next[each.next.index("UPDATE") :].rstrip(";")
            state = typed(state, statement)
    event(f"{'understood' if state.rows[0].version == name else 'corrected'}: {form}")
    assert found.refusals == ()
    assert {entry.stem for entry in found.history.applied} == set(applied)
    assert all(entry.file for entry in found.history.applied)


@given(st.data())
def test_a_spelling_of_several_files_is_refused_with_all_of_them(data: st.DataObject) -> None:
    files = tuple(PlainFile("migrations", stem) for stem in FOLDER)
    shared = [stem for stem in FOLDER if len(sharing(stem)) > 1]
    stem = data.draw(st.sampled_from(shared), "stem")
    spelling = data.draw(spellings(stem).filter(lambda each: each.is_number), "spelling")
    others = data.draw(st.lists(st.sampled_from(FOLDER), min_size=1, unique=True), "others")
    state = recorded(spelling.name, *others)
    found = preflight(Command.LOOK, files, state, Settings(folder="migrations"))
    if sharing(stem) <= set(others):
        assert found.refusals == ()
        return
    (refusal,) = found.refusals
    assert refusal.id == "names-differ"
    assert all(f"{each}.py" in refusal.message for each in sharing(stem))
    pending = sorted(sharing(stem) - set(others))
    statement = refusal.next[refusal.next.index("UPDATE") :].split(";")[0]
    assert {row.version for row in typed(state, statement).rows} == {pending[0], *others}
    told = sharing(stem) & set(others)
    assert ("is recorded by its own name as well" in refusal.next) == bool(told)


def test_a_number_of_two_files_of_which_one_is_recorded_is_told_with_both_ways_on() -> None:
    files = tuple(PlainFile("migrations", stem) for stem in ("031_a", "031_b"))
    found = preflight(Command.LOOK, files, recorded("031_a", "31"), Settings(folder="migrations"))
    (refusal,) = found.refusals
    assert str(refusal) == (
        "schema_migrations records '31' as applied, which may be either of 031_b.py and 031_a.py: "
        "nobody can tell which of them is applied. If the file ran, it could do its work a "
        "second time. Put the whole name into the row, for example: UPDATE schema_migrations SET "
        "version = '031_b' WHERE version = '31'; 031_a.py is recorded by its own name as well: if "
        "it is that one, remove the row: DELETE FROM schema_migrations WHERE version = '31';"
    )
