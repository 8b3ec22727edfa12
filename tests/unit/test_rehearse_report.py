"""The report of a rehearsal for a pull request, rendered as a reader of it would."""

from __future__ import annotations

import re
from html import unescape

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bridge.cli.rehearse_report import markdown
from bridge.operations.rehearsal.locks import Lock
from bridge.operations.rehearsal.rehearse import Rehearsal, Rehearsed

FIRST = Rehearsed(
    stem="002_tags",
    path="/srv/migrations/002_tags.py",
    sql="BEGIN;\nALTER TABLE orders ADD COLUMN note text;\nCOMMIT;",
    locks=(
        Lock("orders", "ACCESS EXCLUSIVE", "002_tags", 0.25),
        Lock("users", "ROW EXCLUSIVE", "002_tags", 0.1),
    ),
    held=(),
    seconds=1.5,
    statements=1,
    losses=(),
)
SECOND = Rehearsed(
    stem="003_drop",
    path="/srv/migrations/003_drop.py",
    sql="BEGIN;\nDROP TABLE users;\n-- ```\nCOMMIT;",
    locks=(),
    held=(Lock("orders", "ACCESS EXCLUSIVE", "002_tags", 0.25),),
    seconds=0.01,
    statements=1,
    losses=("all rows of users",),
)


def rendered(found: Rehearsal | None) -> str:
    text = "\n".join(markdown(found))
    page: str = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    return page


def cells(page: str) -> list[list[str]]:
    return [
        [" ".join(each.split()) for each in re.findall(r"<td>(.*?)</td>", row, re.DOTALL)]
        for row in re.findall(r"<tr>(.*?)</tr>", page.partition("<tbody>")[2], re.DOTALL)
    ]


def test_it_says_which_files_which_locks_for_how_long_and_what_loses_data() -> None:
    page = rendered(Rehearsal((FIRST, SECOND)))
    assert cells(page) == [
        [
            "<code>002_tags.py</code>",
            "1.50 s",
            "1",
            (
                "<code>orders</code> ACCESS EXCLUSIVE for 0.25 s, <strong>blocks reads and writes"
                "</strong><br><code>users</code> ROW EXCLUSIVE for 0.10 s"
            ),
            "no",
        ],
        [
            "<code>003_drop.py</code>",
            "0.01 s",
            "1",
            "<code>orders</code> ACCESS EXCLUSIVE held since <code>002_tags</code>",
            "<strong>all rows of users</strong>",
        ],
    ]
    assert "Rehearsed 2 migrations with <code>eai migrate rehearse</code>, and rolled" in page


def test_each_file_has_its_statements_folded_away() -> None:
    page = rendered(Rehearsal((FIRST, SECOND)))
    blocks = re.findall(
        r'<details><summary>(.*?)</summary>\s*<pre><code class="language-sql">(.*?)</code></pre>'
        r"\s*</details>",
        page,
        re.DOTALL,
    )
    assert [(name, unescape(sql)) for name, sql in blocks] == [
        ("SQL of 002_tags.py", f"{FIRST.sql}\n"),
        ("SQL of 003_drop.py", f"{SECOND.sql}\n"),
    ]


def test_what_was_not_rehearsed_is_named_with_the_reason() -> None:
    page = rendered(Rehearsal((FIRST,), ("004_x", "005_y"), 'it says transaction = "autocommit"'))
    assert (
        "<strong>Not rehearsed:</strong> <code>004_x</code>, because it says transaction = "
        "&quot;autocommit&quot;. The files after it were not rehearsed either: "
        "<code>005_y</code>."
    ) in page


def test_nothing_pending_is_a_sentence_too() -> None:
    assert rendered(None) == "<h3>Migrations</h3>\n<p>No migration is pending.</p>\n"


NAMES = st.text(st.characters(codec="utf-8"), min_size=1)


@given(NAMES, NAMES, NAMES)
def test_no_name_leaves_its_cell(table: str, lost: str, sql: str) -> None:
    lock = Lock(table, "SHARE", "002_tags", 0.1)
    file = Rehearsed(
        "2", f"/m/{table.replace('/', '_')}.py", sql, (lock,), (), 0.1, 1, (f'rows of "{lost}"',)
    )
    page = rendered(Rehearsal((file,)))
    ((name, *_, losses),) = cells(page)
    assert name.startswith("<code>")
    assert name.endswith("</code>")
    assert losses.startswith("<strong>")
    assert page.count("<details>") == page.count("</details>") == 1
    assert page.rstrip().endswith("</details>")
