"""What `init` finds out about a folder from the texts of its files and of its runner."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridge.checks.runner import find_runner
from bridge.checks.survey import survey
from bridge.files.conventions import Argument, Order

if TYPE_CHECKING:
    from pathlib import Path

SESSION = "def upgrade(db):\n    db.execute(text('x'))\n    db.commit()\n"


def folder(root: Path, *texts: str) -> Path:
    place = root / "migrations"
    place.mkdir(exist_ok=True)
    for number, body in enumerate(texts, start=1):
        (place / f"{number:03}_x.py").write_text(body)
    return place


def settings(root: Path, *texts: str) -> dict[str, str]:
    return survey(folder(root, *texts), root).settings


@pytest.mark.parametrize(
    ("body", "argument"),
    [
        (SESSION, None),
        ("def upgrade(connection):\n    connection.execute(text('x'))\n", None),
        ("def upgrade(conn):\n    conn.exec_driver_sql('x')\n", "connection"),
        ("def upgrade(conn):\n    conn.execute(text('x'))\n    conn.dialect\n", "connection"),
        ("def upgrade(engine):\n    with engine.begin() as c:\n        c.execute(x)\n", "engine"),
        ("def upgrade(engine):\n    with engine.connect() as c:\n        c.commit()\n", "engine"),
        ("def upgrade(engine):\n    helpers.fill(engine)\n", "engine"),
        ("def upgrade(conn):\n    with conn.cursor() as c:\n        c.execute('x')\n", "dbapi"),
        ("def upgrade(conn):\n    conn.autocommit = True\n    conn.cursor()\n", "dbapi"),
        ("def upgrade(cur):\n    cur.execute('x')\n", "cursor"),
        ("def upgrade(cur):\n    cur.execute('x')\n    cur.fetchall()\n", "cursor"),
        ("def upgrade(cur):\n    helpers.fill(cur)\n", "cursor"),
        ("def upgrade(c: Engine):\n    c.begin()\n", None),
    ],
)
def test_what_the_functions_take(tmp_path: Path, body: str, argument: str | None) -> None:
    found = settings(tmp_path, body, body)
    assert found == ({"argument": argument} if argument else {})


def test_most_files_decide_and_the_others_are_told(tmp_path: Path) -> None:
    cursor = "def upgrade(cur):\n    cur.execute('x')\n"
    found = survey(folder(tmp_path, cursor, cursor, SESSION.replace("text('x')", "X")), tmp_path)
    assert found.settings == {"argument": "cursor"}
    problems = [each.problem for each in found.files]
    assert problems[:2] == [None, None]
    assert str(problems[2]).startswith("`upgrade` gets a cursor of the driver, which has no `com")


def test_an_annotation_counts_for_its_file(tmp_path: Path) -> None:
    cursor = "def upgrade(cur):\n    cur.execute('x')\n"
    found = survey(folder(tmp_path, cursor, SESSION.replace("(db)", "(db: Session)")), tmp_path)
    assert [(each.takes, each.annotated, each.problem) for each in found.files] == [
        (Argument.CURSOR, False, None),
        (Argument.SESSION, True, None),
    ]


@pytest.mark.parametrize(
    ("up", "down"),
    [("up", "down"), ("forward", "backward"), ("migrate", "rollback"), ("apply", "revert")],
)
def test_what_the_functions_are_called(tmp_path: Path, up: str, down: str) -> None:
    body = f"def {up}(db): pass\ndef {down}(db): pass\n"
    assert settings(tmp_path, body) == {"upgrade_function": up, "downgrade_function": down}


def test_a_helper_beside_upgrade_is_not_taken_for_it(tmp_path: Path) -> None:
    body = "def run(db): pass\ndef apply(db): pass\ndef upgrade(db): run(db)\n"
    assert settings(tmp_path, body, body) == {}


# The order


@pytest.mark.parametrize(
    ("source", "order"),
    [
        ("for f in sorted(glob('migrations/*.py')): run(f)", Order.NAME),
        ("names = os.listdir('migrations')\nnames.sort()", Order.NAME),
        ("sorted(os.listdir('migrations'), key=lambda n: int(n.split('_')[0]))", Order.NUMBER),
        ("x = listdir('migrations')\nx.sort(key=number)\ndef number(n):\n    return int(n)", "n"),
        ("natsorted(Path('migrations').glob('*.py'))", Order.NUMBER),
        ("sorted(Path('migrations').iterdir(), key=lambda p: p.name)", Order.NAME),
        ("sorted(os.listdir('elsewhere'))", None),
        ("sorted(people)  # glob migrations", None),
        ("os.listdir('migrations')", None),
        ("p = [(int(n[:3]), n) for n in listdir('migrations')]\nsorted(p)", Order.NUMBER),
        ("for n in listdir('migrations'):\n    p.append((int(n[:3]), n))\nsorted(p)", Order.NUMBER),
        (
            "for n in listdir('migrations'):\n    p.append(M(int(n)))\np.sort(key=lambda m: m.v)",
            "n",
        ),
        ("for n in listdir('migrations'):\n    p.append(M(n))\np.sort(key=lambda m: m.v)", None),
        ("port = int(environ['P'])\nsorted(listdir('migrations'), key=lambda m: m.v)", None),
        ("sorted(Path('migrations').glob('*'), key=os.path.basename)", Order.NAME),
        ("sorted(os.listdir('migrations'", None),
    ],
)
def test_the_order_in_which_the_folders_runner_sorts(
    tmp_path: Path, source: str, order: Order | str | None
) -> None:
    (tmp_path / "runner.py").write_text(source + "\n")
    wanted = Order.NUMBER if order == "n" else order
    found = find_runner(tmp_path, folder(tmp_path))
    assert (found and found.order) == wanted


def test_two_runners_that_disagree_show_nothing(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("sorted(glob('migrations/*'))\n")
    (tmp_path / "two.py").write_text("sorted(glob('migrations/*'), key=lambda n: int(n))\n")
    assert find_runner(tmp_path, folder(tmp_path)) is None


def test_a_runner_beside_the_files_counts_and_an_installed_package_does_not(
    tmp_path: Path,
) -> None:
    place = folder(tmp_path)
    installed = tmp_path / "venv" / "x"
    installed.mkdir(parents=True)
    (installed / "a.py").write_text("sorted(glob('migrations/*'))\n")
    (place / "001_a.py").write_text("sorted(glob('migrations/*'))\n")
    assert find_runner(tmp_path, place) is None
    (place / "runner.py").write_text("sorted(glob('migrations/*'), key=lambda n: int(n))\n")
    found = find_runner(tmp_path, place)
    assert found is not None
    assert (found.path, found.order) == (str(place / "runner.py"), Order.NUMBER)


@pytest.mark.parametrize(
    ("session", "autoflush"),
    [
        ("Session(engine)", True),
        ("sessionmaker(bind=engine, expire_on_commit=False)", True),
        ("orm.sessionmaker(engine, autoflush=False)", False),
        ("Session(engine, autoflush=True)", True),
        ("Session(engine, autoflush=settings.flush)", None),
        ("Session(a)\nSession(b, autoflush=False)", None),
        ("sessionmaker()", None),
        ("create_engine(url)", None),
    ],
)
def test_whether_the_runners_sessions_flush_by_themselves(
    tmp_path: Path, session: str, autoflush: bool | None
) -> None:
    source = f"for f in sorted(glob('migrations/*')):\n    pass\n{session}\n"
    (tmp_path / "runner.py").write_text(source)
    found = find_runner(tmp_path, folder(tmp_path))
    assert found is not None
    assert found.autoflush is autoflush
    wanted = {"session_autoflush": "true"} if autoflush else {}
    assert settings(tmp_path, SESSION) == wanted
    assert "session_autoflush" not in settings(tmp_path, "def upgrade(c):\n    c.fetchall()\n")


def test_the_order_is_looked_for_only_where_it_matters(tmp_path: Path) -> None:
    (tmp_path / "runner.py").write_text("sorted(glob('migrations/*'), key=lambda n: int(n))\n")
    assert "order" not in settings(tmp_path, SESSION, SESSION)
    (tmp_path / "migrations" / "1000_y.py").write_text(SESSION)
    (tmp_path / "migrations" / "999_y.py").write_text(SESSION)
    found = survey(tmp_path / "migrations", tmp_path)
    assert (found.orders_differ, found.settings) == (True, {"order": "number"})
    assert [each.stem for each in found.files][-2:] == ["999_y", "1000_y"]
