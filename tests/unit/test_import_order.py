"""The revisions of a history with branches become one line, from which their ancestry is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.alembic.foreign import Revision
from bridge.errors import FilesError
from bridge.files.imported import Origin, ancestry, with_ancestors
from bridge.operations.importing.order import Place, follows, in_line, parents


def revision(id_: str, *down: str, labels: tuple[str, ...] = (), needs: str = "") -> Revision:
    return Revision(id_, f"{id_}.py", id_, down, (needs,) if needs else (), labels)


def line(*revisions: Revision, empty: str = "", **dates: str) -> list[tuple[str, ...]]:
    places = in_line(revisions, dates=dates, empty=empty.split())
    return [place.ids for place in places]


def origins(places: tuple[Place, ...]) -> list[Origin]:
    return [
        Origin(place.ids, before) for place, before in zip(places, follows(places), strict=True)
    ]


def test_a_line_stays_as_it_is() -> None:
    revisions = revision("c", "b"), revision("b", "a"), revision("a")
    assert line(*revisions) == [("a",), ("b",), ("c",)]
    assert follows(in_line(revisions, dates={}, empty=())) == ({}, {}, {})


def test_branches_are_joined_by_their_dates_then_by_their_ids() -> None:
    revisions = revision("r"), revision("z", "r"), revision("a", "r"), revision("b", "r")
    assert line(*revisions, z="1", a="2", b="2") == [("r",), ("z",), ("a",), ("b",)]
    # No date makes a child come before its parent.
    assert line(revision("r"), revision("z", "r"), r="2", z="1") == [("r",), ("z",)]


def test_a_merge_without_a_body_is_a_further_id_of_the_last_that_it_joins() -> None:
    revisions = (
        *(revision("r"), revision("a", "r"), revision("b", "r")),
        *(revision("m", "a", "b"), revision("c", "m")),
    )
    assert line(*revisions, empty="m") == [("r",), ("a",), ("b", "m"), ("c",)]
    assert line(*revisions) == [("r",), ("a",), ("b",), ("m",), ("c",)]
    found = follows(in_line(revisions, dates={}, empty=["m"]))
    assert found == ({}, {}, {"b": ("r",), "m": ("a", "b")}, {})


def test_branches_that_are_meant_to_stay_apart_are_refused_by_name() -> None:
    labelled = revision("a", labels=("net",)), revision("b", labels=("cart",), needs="a")
    with pytest.raises(FilesError, match=r"a .a\.py. has branch_labels net; b "):
        line(*labelled, revision("c", "a"))
    with pytest.raises(FilesError, match="depends_on a") as caught:
        line(revision("a"), revision("b", needs="a"), revision("c", "a"))
    assert "Nothing was written" in str(caught.value)
    with pytest.raises(FilesError, match=r"has 2 bases \(a, b\) and 2 heads \(a, b\)"):
        line(*labelled)
    # Where one head has all of it they mean nothing more than an order.
    joined = revision("r"), revision("a", "r", needs="b"), revision("b", "r", labels=("cart",))
    assert line(*joined, revision("c", "a", "b")) == [("r",), ("b",), ("a",), ("c",)]
    assert line(revision("a"), revision("b"), revision("c")) == [("a",), ("b",), ("c",)]


@st.composite
def histories(draw: st.DrawFn) -> list[Revision]:
    """Any history in which each follows some of those before it."""
    revisions: list[Revision] = []
    for number in range(draw(st.integers(1, 12))):
        known = [each.id for each in revisions]
        down = draw(st.lists(st.sampled_from(known), max_size=3, unique=True)) if known else []
        revisions.append(revision(f"id{number}", *down))
    return draw(st.permutations(revisions))


@given(histories(), st.sets(st.integers(0, 11)), st.data())
def test_the_ancestors_of_any_heads_are_those_that_alembic_knows(
    revisions: list[Revision], empty: set[int], data: st.DataObject
) -> None:
    places = in_line(
        revisions,
        dates={each.id: data.draw(st.sampled_from(["1", "2"])) for each in revisions},
        empty=[f"id{number}" for number in empty],
    )
    assert sorted(id_ for place in places for id_ in place.ids) == sorted(e.id for e in revisions)
    known = {each.id: set(parents(each)) for each in revisions}
    read = ancestry(origins(places))
    assert {id_: set(above) for id_, above in read.items()} == known
    heads = data.draw(st.lists(st.sampled_from(sorted(known)), min_size=1, unique=True))
    found, left = set(), list(heads)
    while left:
        found.add(each := left.pop())
        left += known[each]
    assert with_ancestors(heads, read) == found
    # Each comes after all that it follows.
    at = {id_: number for number, place in enumerate(places) for id_ in place.ids}
    assert all(at[above] <= at[id_] for id_, all_above in known.items() for above in all_above)
