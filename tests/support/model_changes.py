"""Changes of models, by name: what they were, and what they become; source for `support.models`."""

from __future__ import annotations

WIDGETS = """
Table("widgets", m, Column("id", Integer, primary_key=True), Column("name", String(50)))
"""
ENUM = 'sa.Enum("happy", "it\'s sad", name="mood")'


def widgets(*more: str, name: str = "String(50)") -> str:
    """The table, with more columns or constraints or with another type of its column."""
    table = WIDGETS.strip().replace("String(50)", name)
    return f"{table[:-1]}, {', '.join(more)})\n" if more else f"{table}\n"


EVERYTHING = r"""
Table("owners", m, Column("id", sa.BigInteger, Identity(always=True), primary_key=True),
    Column("email", Text, nullable=False, unique=True), comment="Who owns: it's \"them\"")
Table("widgets", m,
    Column("id", Integer, primary_key=True),
    Column("owner_id", ForeignKey("owners.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String(50), server_default="it's \"new\" 100% :a :bb: \\:c", nullable=False),
    Column("tags", pg.ARRAY(Text), server_default=text("'{}'::text[]")),
    Column("data", pg.JSONB, server_default=text("'{\"a\": 1}'::jsonb")),
    Column("price", sa.Numeric(10, 2), comment="two\nlines\tand a tab"),
    Column("total", sa.Numeric, Computed("price * 2", persisted=True)),
    Column("at", sa.DateTime(timezone=True), server_default=text("now()")),
    Column("mood", sa.Enum("happy", "it's sad", name="mood"), server_default="happy"),
    sa.CheckConstraint("name ~ '^\\d+:[a-z]\\:x$' AND price > 0", name="ck_widgets_name"),
    sa.UniqueConstraint("owner_id", "name", name="uq_widgets"),
    Index("ix_widgets_data", "data", postgresql_using="gin"),
    Index("ix_widgets_lower", text("lower(name)"), unique=True,
        postgresql_where=text("price > 0 AND name <> '\\:x'")))
"""
QUOTED = r"""
Table('a "b" \\ %', m, Column("Order", Integer, primary_key=True),
    Column('"x', Text, server_default="\\d \\:x :y\n%(z)s"))
Table("order", m, Column("user", Integer, primary_key=True),
    Column(":c", Text, comment="\\"), Index("Ix :c", ":c"))
"""
OLD_TYPES = """
Table("t", m, Column("a", Integer, server_default="0"), Column("b", String(9)),
    Column("c", Text, server_default="5"), Column("d", Integer))
"""
NEW_TYPES = """
Table("t", m, Column("a", sa.BigInteger, server_default="0"), Column("b", String(99)),
    Column("c", Integer, server_default="7"), Column("d", Text, server_default="x"))
"""
OLD_MOODS = f"""
Table("a", m, Column("id", Integer, primary_key=True), Column("mood", {ENUM}))
Table("b", m, Column("id", Integer, primary_key=True), Column("mood", {ENUM}))
Table("c", m, Column("id", Integer, primary_key=True), Column("x", sa.Enum("l", "r", name="side")))
"""
NEW_MOODS = f"""
Table("a", m, Column("id", Integer, primary_key=True), Column("mood", {ENUM}),
    Column("moods", pg.ARRAY(sa.Enum("p", "q", name="pq"))))
Table("c", m, Column("id", Integer, primary_key=True), Column("x", Text))
"""
PEOPLE = (
    'Table("people", m, Column("id", Integer, primary_key=True), Column("boss", Integer{}){})\n'
)
REFERRING = """
Table("zoos", m, Column("id", Integer, primary_key=True))
Table("animals", m, Column("id", Integer, primary_key=True), Column("zoo", ForeignKey("zoos.id")))
Table("people", m, Column("id", Integer, primary_key=True), Column("pet", ForeignKey("animals.id")))
"""

ONE_OF_TWO = 'Table("users", m, Column("id", Integer, primary_key=True))'
CIRCLE = """
Table("users", m, Column("id", Integer, primary_key=True),
    Column("avatar", ForeignKey("files.id"{})))
Table("files", m, Column("id", Integer, primary_key=True), Column("owner", ForeignKey("users.id")))
"""
#: Three tables in a circle, one that needs them, one that they need, and one that needs itself.
CIRCLES = """
Table("a", m, Column("id", Integer, primary_key=True), Column("b", ForeignKey("b.id"), unique=True),
    Column("d", ForeignKey("d.id"), index=True), sa.CheckConstraint("b <> d", name="ck_a"))
Table("b", m, Column("id", Integer, primary_key=True), Column("c", ForeignKey("c.id")))
Table("c", m, Column("id", Integer, primary_key=True), Column("a", ForeignKey("a.id")),
    Column("b", ForeignKey("b.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED")))
Table("d", m, Column("id", Integer, primary_key=True),
    Column("d", ForeignKey("d.id", use_alter=True)))
Table("needs", m, Column("a", ForeignKey("a.id")), Column("c", ForeignKey("c.id", use_alter=True)))
"""
LONG = "a_table_with_a_name_of_more_than_forty_bytes_"
LONG_CIRCLE = f"""
Table("{LONG}é", m, Column("id", Integer, primary_key=True),
    Column("column_that_refers", ForeignKey("{LONG}b.id")))
Table("{LONG}b", m, Column("id", Integer, primary_key=True),
    Column("column_that_refers", ForeignKey("{LONG}é.id")))
"""
CIRCLE_OF_TWO_COLUMNS = """
Table("t", m, Column("x", Integer, primary_key=True), Column("y", Integer, primary_key=True),
    Column("u", Integer), sa.ForeignKeyConstraint(["x", "u"], ["two words.u.x", "two words.u.u"]))
Table("u", m, Column("x", Integer, primary_key=True), Column("u", Integer, primary_key=True),
    Column("y", Integer), sa.ForeignKeyConstraint(["x", "y"], ["t.x", "t.y"]), schema="two words")
"""
CONVENTION = 'm.naming_convention = {"fk": "fk_%(table_name)s_%(column_0_name)s_x"}\n'

#: The models before, and after.
CHANGES: dict[str, tuple[str, str]] = {
    "a table with everything": ("", EVERYTHING),
    "the same table dropped": (EVERYTHING, ""),
    "names that must be quoted": ("", QUOTED),
    "columns added and dropped": (
        widgets(
            'Column("old", Integer, nullable=False, server_default="3")',
            *(f'Column("{name}", Text)' for name in "edcba"),
        ),
        widgets('Column("new", Text, comment="Since: now")', 'Column("at", sa.Date)'),
    ),
    "nullable": (widgets(), widgets(name="String(50), nullable=False")),
    "server default": (
        widgets('Column("n", Integer, server_default="1")', 'Column("t", Text)'),
        widgets('Column("n", Integer)', "Column('t', Text, server_default='a:b \"100%\\'s\"')"),
    ),
    "type": (OLD_TYPES, NEW_TYPES),
    # Alembic warns of something that only MySQL has, and a warning fails this run.
    "type of a primary key": (widgets(), widgets().replace("Integer", "sa.BigInteger", 1)),
    "indexes": (
        widgets(
            'Column("d", pg.JSONB)', 'Index("i", "name")', 'Index("gone", text("lower(name)"))'
        ),
        widgets(
            'Column("d", pg.JSONB)',
            'Index("i", "name", unique=True)',
            'Index("ix_widgets_with_a_long_name", "name", text("id DESC"), unique=True, '
            "postgresql_where=text(\"name <> ' WHERE '\"))",
            'Index("gin", "d", postgresql_using="gin", postgresql_ops={"d": "jsonb_path_ops"})',
        ),
    ),
    "unique": (
        widgets('sa.UniqueConstraint("name", name="uq_old")'),
        widgets('sa.UniqueConstraint("name", "id", name="uq_new")'),
    ),
    "foreign keys": (
        widgets() + PEOPLE.format("", ", Column('w', ForeignKey('widgets.id', name='fk_w'))"),
        widgets()
        + PEOPLE.format(", ForeignKey('people.id', ondelete='SET NULL')", ", Column('w', Integer)"),
    ),
    "a table dropped that another has referred to": (
        REFERRING,
        'Table("people", m, Column("id", Integer, primary_key=True))',
    ),
    "tables that refer to each other": ("", CIRCLE.format("")),
    "tables that refer to each other, dropped": (CIRCLE.format(""), ""),
    "tables that refer to each other by use_alter": ("", CIRCLE.format(", use_alter=True")),
    "tables that refer to each other by a name": (
        "",
        CIRCLE.format(", use_alter=True, name='fk \"avatar\"'"),
    ),
    "tables that refer to each other under a convention": ("", CONVENTION + CIRCLE.format("")),
    "a table that refers to one that comes to refer to it": (ONE_OF_TWO, CIRCLE.format("")),
    "circles of tables": ("", CIRCLES),
    "circles of tables, dropped": (CIRCLES, ""),
    "circles of tables with long names": ("", LONG_CIRCLE),
    "a circle through two schemas": ("", CIRCLE_OF_TWO_COLUMNS),
    "a check in a new table": (
        "",
        widgets('sa.CheckConstraint("length(name) > 2 AND name ~ \'^[a-z]+$\'", name="ck")'),
    ),
    "enum types": (OLD_MOODS, NEW_MOODS),
    "a text that becomes an enum": (
        widgets(name='Text, server_default="happy"'),
        widgets(name=f'{ENUM}, server_default="happy"'),
    ),
    "comments": (
        widgets('Column("x", Text, comment="old")'),
        widgets('Column("x", Text, comment=":a \'b\'")')[:-2] + ', comment="100% new")\n',
    ),
    "a schema": (
        widgets(),
        widgets() + 'Table("t", m, Column("id", Integer, primary_key=True), '
        'Column("w", ForeignKey("widgets.id")), '
        'Column("m", sa.Enum("a", name="e", schema="new one")), schema="new one")\n'
        'Table("u", m, Column("t", ForeignKey("new one.t.id")), schema="new one")',
    ),
    "a table renamed": (
        widgets(),
        widgets().replace('"widgets"', '"gadgets"'),
    ),
    "identity": (
        widgets('Column("n", Integer, Identity(), nullable=False)'),
        widgets('Column("n", Integer, Identity(always=True, start=5), nullable=False)'),
    ),
    "a domain": (
        widgets(),
        widgets('Column("z", pg.DOMAIN("zip", Text, check="VALUE ~ \'^[0-9]+$\'"))'),
    ),
}
