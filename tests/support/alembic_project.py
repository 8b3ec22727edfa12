"""An ordinary project of Alembic's, as a team has it that has never heard of bridge."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent, indent

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import URL

INI = """\
[alembic]
script_location = %(here)s/alembic
path_separator = os
prepend_sys_path = %(here)s
sqlalchemy.url = driver://user:pass@localhost/dbname
"""

#: As `alembic init` writes it, but for the logging.
ENV_PY = """\
from sqlalchemy import engine_from_config, pool

from alembic import context

config = context.config
target_metadata = None


def run_migrations_online():
    connectable = engine_from_config(
        config.get_section(config.config_ini_section, {}),
        prefix="sqlalchemy.",
        poolclass=pool.NullPool,
    )
    with connectable.connect() as connection:
        context.configure(
            connection=connection, target_metadata=target_metadata, transaction_per_migration=True
        )
        with context.begin_transaction():
            context.run_migrations()


run_migrations_online()
"""

#: As Alembic's template has it.
REVISION = '''\
"""{message}

Revision ID: {id}
Revises: {revises}
Create Date: {date}

"""
from alembic import op
import sqlalchemy as sa
{imports}

# revision identifiers, used by Alembic.
revision = {id!r}
down_revision = {down!r}
branch_labels = {labels!r}
depends_on = {depends_on!r}

{helpers}
def upgrade():
{upgrade}


def downgrade():
{downgrade}
'''


@dataclass
class AlembicProject:
    """A folder with an alembic.ini, an env.py and versions."""

    path: Path
    url: URL | None = None
    #: The ids, in the order in which they were written.
    ids: list[str] = field(default_factory=list)

    @classmethod
    def create(cls, path: Path, url: URL | None = None) -> AlembicProject:
        project = cls(path, url)
        project.versions.mkdir(parents=True)
        project.ini.write_text(INI)
        (path / "alembic" / "env.py").write_text(ENV_PY)
        return project

    @property
    def versions(self) -> Path:
        return self.path / "alembic" / "versions"

    @property
    def ini(self) -> Path:
        return self.path / "alembic.ini"

    def revision(
        self,
        id_: str,
        message: str = "something",
        *,
        down: str | tuple[str, ...] | None = "",
        upgrade: str = "pass",
        downgrade: str = "pass",
        labels: object = None,
        depends_on: object = None,
        imports: str = "",
        helpers: str = "",
        date: str | None = None,
    ) -> Path:
        """Write one; it follows the one written before, unless `down` says otherwise."""
        if down == "":
            down = self.ids[-1] if self.ids else None
        self.ids.append(id_)
        slug = "_".join(message.lower().split())
        revises = down if isinstance(down, str | None) else ", ".join(down)
        text = REVISION.format(
            message=message,
            id=id_,
            revises=revises or "",
            date=date or f"2021-03-{len(self.ids):02} 10:00:00.000000",
            down=down,
            labels=labels,
            depends_on=depends_on,
            imports=imports,
            helpers=dedent(helpers),
            upgrade=indent(dedent(upgrade).strip(), "    "),
            downgrade=indent(dedent(downgrade).strip(), "    "),
        )
        file = self.versions / f"{id_}_{slug}.py"
        file.write_text(text)
        return file

    def config(self, url: URL | None = None) -> Config:
        config = Config(self.ini)
        there = (url or self.url or URL.create("x")).render_as_string(hide_password=False)
        config.set_main_option("sqlalchemy.url", there.replace("%", "%%"))
        return config

    def upgrade(self, to: str = "heads", url: URL | None = None) -> None:
        """Run Alembic's own command, as releases do that know nothing of bridge."""
        command.upgrade(self.config(url), to)

    def heads(self) -> set[str]:
        return set(ScriptDirectory.from_config(self.config()).get_heads())


def tutorial(project: AlembicProject) -> None:
    """The account table of Alembic's tutorial, and its second revision."""
    project.revision(
        "1975ea83b712",
        "create account table",
        upgrade="""
            op.create_table(
                "account",
                sa.Column("id", sa.Integer, primary_key=True),
                sa.Column("name", sa.String(50), nullable=False),
                sa.Column("description", sa.Unicode(200)),
            )
        """,
        downgrade='op.drop_table("account")',
    )
    project.revision(
        "ae1027a6acf0",
        "Add a column",
        upgrade='op.add_column("account", sa.Column("last_transaction_date", sa.DateTime))',
        downgrade='op.drop_column("account", "last_transaction_date")',
    )


def branches(project: AlembicProject) -> None:
    """The two branches of Alembic's page on branches, and their merge."""
    tutorial(project)
    project.revision(
        "27c6a30d7c24",
        "add shopping cart table",
        down="1975ea83b712",
        upgrade='op.create_table("cart", sa.Column("id", sa.Integer, primary_key=True))',
        downgrade='op.drop_table("cart")',
    )
    project.revision("53fffde5ad5", "merge both", down=("ae1027a6acf0", "27c6a30d7c24"))
    project.revision(
        "a1b2c3d4e5f6",
        "after the merge",
        upgrade='op.add_column("cart", sa.Column("total", sa.Numeric))',
        downgrade='op.drop_column("cart", "total")',
    )


def independent(project: AlembicProject) -> None:
    """Two bases with labels, one of which depends on a revision of the other."""
    project.revision("3782d9986ced", "create base", labels=("networking",))
    project.revision(
        "55af2cb1c267",
        "create cart",
        down=None,
        labels=("shoppingcart",),
        depends_on="3782d9986ced",
    )


def data(project: AlembicProject) -> None:
    """Rows by bulk_insert, by execute and by a Session; an enum type; a batch."""
    tutorial(project)
    project.revision(
        "b00000000001",
        "seed accounts",
        helpers="""
            # The table as it is at this point; models change.
            account = sa.table("account", sa.column("id", sa.Integer), sa.column("name"))

        """,
        upgrade="""
            op.bulk_insert(account, [{"id": 1, "name": "one"}, {"id": 2, "name": "two"}])
            op.execute(account.update().where(account.c.name == op.inline_literal("two"))
                       .values({"name": op.inline_literal("2: second")}))
        """,
        downgrade='op.execute("DELETE FROM account")',
    )
    project.revision(
        "b00000000002",
        "kinds",
        upgrade="""
            kind = sa.Enum("private", "business", name="kind")
            kind.create(op.get_bind())
            op.add_column("account", sa.Column("kind", kind, server_default="private"))
        """,
        downgrade="""
            op.drop_column("account", "kind")
            sa.Enum(name="kind").drop(op.get_bind())
        """,
    )
    project.revision(
        "b00000000003",
        "another kind",
        upgrade="""
            with op.get_context().autocommit_block():
                op.execute("ALTER TYPE kind ADD VALUE 'public'")
        """,
    )
    project.revision(
        "b00000000004",
        "kinds of rows",
        imports="from sqlalchemy.orm import Session",
        upgrade="""
            session = Session(bind=op.get_bind())
            names = session.execute(sa.text("SELECT name FROM account ORDER BY id")).scalars()
            for number, name in enumerate(names.all()):
                session.execute(
                    sa.text("UPDATE account SET kind = 'public', last_transaction_date = now() "
                            "WHERE name = :name"), {"name": name})
            session.commit()
            with op.batch_alter_table("account") as batch:
                batch.add_column(sa.Column("note", sa.Text))
                batch.alter_column("name", type_=sa.String(80))
        """,
        downgrade="""
            with op.batch_alter_table("account") as batch:
                batch.alter_column("name", type_=sa.String(50))
                batch.drop_column("note")  # and its values
        """,
    )


def large(project: AlembicProject) -> None:
    """Thirty revisions with three branches, merges, data and a way back for most."""
    count = 0

    def add(down: object = "", *, merge: bool = False) -> str:
        nonlocal count
        count += 1
        id_ = f"{count * 7919:012x}"
        given: dict[str, str] = {} if merge else _steps(count)
        project.revision(
            id_,
            f"merge {count}" if merge else f"step {count}",
            down=down,  # type: ignore[arg-type]
            date=f"2022-0{1 + count // 28}-{1 + count % 28:02} 09:00:00",
            **given,
        )
        return id_

    trunk = [add() for _ in range(6)][-1]
    for length in (2, 4, 3):
        left = right = trunk
        for _ in range(length):  # people work at the same time
            left, right = add(left), add(right)
        trunk = add((left, right), merge=True)
        trunk = add(trunk)
    add(trunk)


def _steps(number: int) -> dict[str, str]:
    table = f"t{number}"
    numbers = f"SELECT generate_series(1, {number})"
    kinds = [
        """
            op.create_table(
                "{table}",
                sa.Column("id", sa.Integer, primary_key=True),
                sa.Column("at", sa.DateTime, server_default=sa.func.now()),
            )
            op.execute("INSERT INTO {table} (id) {numbers}")
        """,
        """
            op.execute("CREATE TYPE e_{table} AS ENUM ('a', 'b')")
            op.execute("CREATE VIEW {table} AS SELECT 'a'::e_{table} AS e")
        """,
        """
            named = op.create_table(
                "{table}",
                sa.Column("id", sa.Integer, primary_key=True),
                sa.Column("name", sa.Text),
            )
            op.create_index("{table}_name", "{table}", ["name"])
            rows = op.get_bind().execute(sa.text("{numbers}")).scalars().all()
            op.bulk_insert(named, [{{"name": f"n{{row}}"}} for row in rows])
        """,
    ]
    back = [
        'op.drop_table("{table}")',
        'op.execute("DROP VIEW {table}")\nop.execute("DROP TYPE e_{table}")',
        'op.drop_index("{table}_name")\nop.drop_table("{table}")',
    ]
    upgrade, downgrade = (
        each[number % 3].format(table=table, numbers=numbers) for each in (kinds, back)
    )
    return {"upgrade": upgrade, "downgrade": downgrade}
