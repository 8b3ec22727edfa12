"""sqlalchemy-utils: its types in models, its views, and its listeners in a migration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from support.project import Project

MODELS = """\
from sqlalchemy import Column, Integer, select
from sqlalchemy.orm import declarative_base
from sqlalchemy_utils import (
    ChoiceType, EmailType, IPAddressType, JSONType, UUIDType, force_auto_coercion
)
force_auto_coercion()
Base = declarative_base()
class Person(Base):
    __tablename__ = "people"
    id = Column(Integer, primary_key=True)
    kind = Column(ChoiceType([("a", "Ada"), ("b", "Bob")]))
    address = Column(EmailType)
    host = Column(IPAddressType)
    data = Column(JSONType)
    key = Column(UUIDType)
"""
USES_THEM = """\
import models
from sqlalchemy import select
from sqlalchemy_utils.view import CreateView
def upgrade(db):
    db.add(models.Person(kind="a", address="Ada@Example.Org", data={"a": 1}, host="10.0.0.1"))
    db.commit()
    person = db.scalars(select(models.Person)).one()
    assert (person.kind.value, person.address, person.data) == ("Ada", "ada@example.org", {"a": 1})
    view = select(models.Person.id).where(models.Person.kind == "a")
    db.execute(CreateView("adas", view))
    db.commit()
"""


def test_its_types_are_compared_and_used(project: Project, engine: Engine) -> None:
    project.ini(extra="prepend_sys_path = %(here)s\ntarget_metadata = models:Base\n")
    (project.path / "models.py").write_text(MODELS)
    project.program("alembic", "revision", "--autogenerate", "-m", "people", check=True)
    project.write("002_uses", USES_THEM)
    project.alembic("upgrade", "head", check=True)
    project.program("alembic", "check", check=True)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM adas")) == 1
