"""Twenty migrations of every kind, and what a run of them may leave when it is broken off.

Each migration writes marks into `log`, a table without any constraint, so that work done twice
shows; those that are all or nothing also make a table. `check` compares two looks at a database:
before an attempt, and after whatever happened to it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.eye import Left, Marks
    from support.project import Project

#: Its key is for the ORM, and no mark is refused by it.
CREATE_LOG = "CREATE TABLE log (id bigserial PRIMARY KEY, stem text, mark text)"
#: What every database of these migrations begins with.
EMPTY = (
    "DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public; "
    f"GRANT ALL ON SCHEMA public TO PUBLIC; {CREATE_LOG}"
)

_HEAD = """\
from sqlalchemy import Text, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

class Base(DeclarativeBase):
    pass

class Log(Base):
    __tablename__ = "log"
    id: Mapped[int] = mapped_column(primary_key=True)
    stem: Mapped[str] = mapped_column(Text)
    mark: Mapped[str] = mapped_column(Text)

def mark(db, name):
    db.execute(text("INSERT INTO log (stem, mark) VALUES ('{stem}', :mark)"), {{"mark": name}})

def pause(db):
    db.execute(text("SELECT pg_sleep(0.002)"))

def slow_down_the_record(db):
    db.execute(text("CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                    "PERFORM pg_sleep(0.002); RETURN COALESCE(NEW, OLD); END $$"))
    db.execute(text("CREATE TRIGGER slow BEFORE INSERT OR DELETE ON schema_migrations "
                    "FOR EACH ROW EXECUTE FUNCTION slow()"))
"""

_ONCE = """
def upgrade(db):
    mark(db, "a")
    pause(db)
    db.execute(text("CREATE TABLE made_{stem} (n integer)"))
    mark(db, "b")
    db.commit()

def downgrade(db):
    mark(db, "-a")
    db.execute(text("DROP TABLE made_{stem}"))
    pause(db)
    mark(db, "-b")
    db.commit()
"""
_ORM = """
def upgrade(db):
    db.add(Log(stem="{stem}", mark="a"))
    db.flush()
    pause(db)
    db.execute(text("CREATE TABLE made_{stem} (n integer)"))
    db.add(Log(stem="{stem}", mark="b"))
    db.commit()

def downgrade(db):
    db.add(Log(stem="{stem}", mark="-a"))
    db.execute(text("DROP TABLE made_{stem}"))
    db.add(Log(stem="{stem}", mark="-b"))
    db.commit()
"""
_MIDDLE = """
def upgrade(db):
    mark(db, "a")
    mark(db, "b")
    db.commit()
    pause(db)
    mark(db, "c")
    db.commit()
    mark(db, "d")
    pause(db)
    db.commit()

def downgrade(db):
    mark(db, "-a")
    db.commit()
    mark(db, "-b")
    pause(db)
    mark(db, "-c")
    db.commit()
"""
_ATOMIC = """
transaction = "atomic"

def upgrade(db):
    mark(db, "a")
    db.commit()
    pause(db)
    db.execute(text("CREATE TABLE made_{stem} (n integer)"))
    mark(db, "b")
    db.commit()

def downgrade(db):
    mark(db, "-a")
    db.commit()
    db.execute(text("DROP TABLE made_{stem}"))
    mark(db, "-b")
"""
_AUTOCOMMIT = """
transaction = "autocommit"

def upgrade(db):
    mark(db, "a")
    pause(db)
    mark(db, "b")

def downgrade(db):
    mark(db, "-a")
    mark(db, "-b")
"""
# Its first statement makes it one that can run again, as a file without a transaction should be.
_INDEX = """
transaction = "autocommit"

def upgrade(db):
    mark(db, "a")
    db.execute(text("DROP INDEX CONCURRENTLY IF EXISTS log_stem"))
    db.execute(text("CREATE INDEX CONCURRENTLY log_stem ON log (stem)"))
    mark(db, "b")

def downgrade(db):
    mark(db, "-a")
    db.execute(text("DROP INDEX CONCURRENTLY IF EXISTS log_stem"))
    mark(db, "-b")
"""


@dataclass(frozen=True)
class Kind:
    """A way to write a migration."""

    body: str
    #: The marks of each of its transactions, upwards and downwards.
    up: tuple[str, ...] = ("ab",)
    down: tuple[str, ...] = ("ab",)
    #: Whether its record is in a transaction of its own, after all the others.
    apart: bool = False

    @property
    def whole(self) -> bool:
        """Whether it is all or nothing."""
        return len(self.up) == 1

    def steps(self, stem: str, *, up: bool) -> list[Marks]:
        """What is there after none, one, and so on, of its transactions."""
        sign = "" if up else "-"
        groups = [
            Counter((stem, sign + mark) for mark in g) for g in (self.up if up else self.down)
        ]
        return list(accumulate(groups, initial=Counter()))


# From it on, an instant between the work and its record is not rare.
FIRST = Kind(
    _ONCE.replace('    mark(db, "a")\n', '    slow_down_the_record(db)\n    mark(db, "a")\n')
)
ONCE = Kind(_ONCE)
NEVER = Kind(_ONCE.replace("    db.commit()\n", ""))  # the run commits, as the old runner did
ORM = Kind(_ORM)
ATOMIC = Kind(_ATOMIC)
MIDDLE = Kind(_MIDDLE, up=("ab", "c", "d"), down=("a", "bc"))
AUTOCOMMIT = Kind(_AUTOCOMMIT, up=("a", "b"), down=("a", "b"), apart=True)
INDEX = Kind(_INDEX, up=("a", "b"), down=("a", "b"), apart=True)

_ORDER = (
    *(FIRST, NEVER, ORM, MIDDLE, ATOMIC, ONCE, INDEX, ONCE, MIDDLE, NEVER),
    *(ORM, AUTOCOMMIT, ONCE, ATOMIC, MIDDLE, ONCE, ORM, NEVER, ATOMIC, ONCE),
)
TWENTY: dict[str, Kind] = {f"{n:03}_step": kind for n, kind in enumerate(_ORDER, start=1)}
STEMS = list(TWENTY)
_INDEX_STEM = next(stem for stem, kind in TWENTY.items() if kind is INDEX)


def write_twenty(project: Project) -> None:
    """Write the twenty files."""
    for stem, kind in TWENTY.items():
        project.write(stem, (_HEAD + kind.body).format(stem=stem))


def check(before: Left, after: Left, *, up: bool = True) -> None:
    """Whether an attempt that was broken off, or not, has left what it may leave.

    Nothing that was there is lost. What is recorded was done, once in this attempt, and all of
    it. Of one more migration there may be what it had committed by itself: nothing, if it commits
    once; never its last transaction, because its record is part of that.

    Downwards it is the other way round: what is still recorded is untouched, and the last one that
    is not may be taken back in part, since its record goes with its first transaction.
    """
    count = len(after.recorded)
    assert after.recorded == STEMS[:count]
    assert after.pointer == after.recorded[-1:]
    assert (count >= len(before.recorded)) == up or count == len(before.recorded)
    assert before.marks <= after.marks, "something is gone"
    gained = after.marks - before.marks
    done = STEMS[len(before.recorded) : count] if up else STEMS[count + 1 : len(before.recorded)]
    for stem in done:
        assert _of(stem, gained) == TWENTY[stem].steps(stem, up=up)[-1], stem
    # The one that may have been under way, and nothing of any other.
    under_way = STEMS[count : count + 1] if up or count < len(before.recorded) else []
    for stem in under_way:
        kind = TWENTY[stem]
        steps = kind.steps(stem, up=up)
        possible = steps[:-1] if up else steps[1:]
        assert _of(stem, gained) in (steps if kind.apart else possible), stem
    assert {stem for stem, _ in gained} <= {*done, *under_way}
    assert after.made == [stem for stem in after.recorded if TWENTY[stem].whole]
    if _INDEX_STEM in after.recorded or not (up and _INDEX_STEM in under_way):
        _check_index(after, up=up)


def _check_index(left: Left, *, up: bool) -> None:
    recorded = _INDEX_STEM in left.recorded
    # Forgotten before it was dropped, and then nobody came back to it.
    if recorded or up or left.marks[_INDEX_STEM, "-b"]:
        assert left.indexes == ({"log_stem": True} if recorded else {})


def check_all(left: Left, *, up: bool = True) -> None:
    """Whether everything is done, and what commits once was done exactly once."""
    assert left.recorded == (STEMS if up else [])
    for stem, kind in TWENTY.items():
        if kind.whole:
            marks = {mark: n for (_, mark), n in _of(stem, left.marks).items()}
            assert marks == dict.fromkeys(("a", "b") if up else ("a", "b", "-a", "-b"), 1), stem
    assert left.made == [stem for stem in left.recorded if TWENTY[stem].whole]
    _check_index(left, up=up)


def _of(stem: str, marks: Marks) -> Marks:
    return Counter({key: count for key, count in marks.items() if key[0] == stem})
