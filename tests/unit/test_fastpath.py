"""The names of tables in the one query of a start, held against SQLAlchemy's."""

from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st

from bridge.database.quoting import always_quote, quote

#: What the settings take for a name of a table, a schema or a column.
names = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters='"'), min_size=1)
words = st.text("abz_09$ABé: .", min_size=1)


@given(names | words)
@example("user")
@example("schema_migrations")
@example("My Rows")
@example("100%")
def test_a_name_is_the_same_with_and_without_the_quotes_it_does_not_need(name: str) -> None:
    """PostgreSQL folds what is not quoted to lower case, in which this name is already."""
    if quote(name) != always_quote(name):
        assert quote(name) == name
        assert re.fullmatch("[a-z_][a-z0-9_$]*", name)
