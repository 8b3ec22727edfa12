"""alembic-autoscan, which imports the models that are lying about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.alembic_books import write_three

if TYPE_CHECKING:
    from support.project import Project

BASE = """\
from sqlalchemy.orm import DeclarativeBase
class Base(DeclarativeBase):
    pass
"""
MODEL = """\
from sqlalchemy import Integer
from sqlalchemy.orm import mapped_column
from shop.base import Base
class {name}(Base):
    __tablename__ = "{table}"
    id = mapped_column(Integer, primary_key=True)
"""
#: What alembic.ini names in place of the Base.
ALL = """\
from alembic_autoscan import import_models
from shop.base import Base
def metadata():
    import_models()
    return Base.metadata
"""


def test_all_models_are_compared(project: Project) -> None:
    write_three(project)
    package = project.path / "shop"
    for folder in (package, package / "inner"):
        folder.mkdir()
        (folder / "__init__.py").touch()
    (package / "base.py").write_text(BASE)
    (package / "all.py").write_text(ALL)
    (package / "one.py").write_text(MODEL.format(name="One", table="one"))
    (package / "inner" / "four.py").write_text(MODEL.format(name="Four", table="four"))
    project.ini(extra="prepend_sys_path = %(here)s\ntarget_metadata = shop.all:metadata\n")
    project.alembic("upgrade", "head", check=True)
    project.program("alembic", "revision", "--autogenerate", "-m", "compare", check=True)
    written = (project.migrations / "004_compare.py").read_text()
    assert "CREATE TABLE four" in written
    assert "CREATE TABLE one" not in written
