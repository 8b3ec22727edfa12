"""The pictures of a terminal show what is printed today."""

from __future__ import annotations

from support.pictures import HERE, pictures


def test_each_picture_is_what_a_run_shows_now() -> None:
    """After a change of what is printed: scripts/pictures, and look at them."""
    made = pictures()
    assert {path.name for path in HERE.glob("*.svg")} == {*made, "growth.svg"}
    for name, svg in made.items():
        assert (HERE / name).read_text(encoding="utf-8") == svg, f"{name}: type scripts/pictures"
