"""Ten folders as other teams have them, each beside its team's own runner: `tests/folders`.

The team's runner alone is the measure: whatever part of the files bridge runs, the database ends
as under that runner, and each file has run once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from support.folders import Site
from support.teams import SOURCE, TEAMS, Team

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import URL

    from support.databases import Databases

    Sites = Callable[[], Site]

APPLIED, PENDING = "applied", "pending"


@dataclass(frozen=True)
class Alone:
    """What the team's own runner leaves, which ran to the end."""

    left: dict[str, object]
    #: The same without any ledger.
    bare: dict[str, object]
    #: Those of its ledger.
    columns: list[str]


@pytest.fixture(scope="module", params=TEAMS, ids=lambda team: team.name)
def team(request: pytest.FixtureRequest) -> Team:
    found: Team = request.param
    return found


@pytest.fixture
def sites(team: Team, tmp_path: Path, create_database: Callable[[], URL]) -> Sites:
    """Give at each call a copy of the team's project, with an empty database."""

    def site() -> Site:
        count = len(list(tmp_path.iterdir()))
        return Site(team, tmp_path / f"site{count}", create_database())

    return site


@pytest.fixture(scope="module")
def alone(
    team: Team, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Alone]:
    site = Site(team, tmp_path_factory.mktemp("alone") / "site", databases.take())
    site.own_runner()
    assert site.ran() == team.slugs
    left, columns = site.left(), site.columns()
    site.take_away_ledgers()
    yield Alone(left, site.left(), columns)
    databases.give_back(site.url)


def test_each_folder_is_one_of_the_teams() -> None:
    found = sorted(path.name for path in SOURCE.iterdir() if path.is_dir())
    assert found == sorted(team.name for team in TEAMS)
    for team in TEAMS:
        assert 5 <= len(team.stems) <= 12
        assert len((SOURCE / team.name / "README.md").read_text().splitlines()) == 5


def test_a_folder_half_of_which_is_applied_ends_as_under_its_own_runner(
    team: Team, alone: Alone, sites: Sites
) -> None:
    """bridge writes rows that the team's runner takes for its own, and has nothing to do."""
    site, stems, half = sites(), team.stems, len(team.stems) // 2
    site.hold(half)
    site.own_runner()
    site.hold(len(stems))
    site.eai("init")
    expected = {stem: APPLIED if place < half else PENDING for place, stem in enumerate(stems)}
    assert site.states() == expected

    site.eai()
    assert site.ran() == team.slugs
    assert site.states() == dict.fromkeys(stems, APPLIED)

    recorded = site.recorded()
    site.own_runner()
    assert (site.ran(), site.recorded()) == (team.slugs, recorded)

    site.take_away_bridge(alone.columns)
    assert site.left() == alone.left


def test_what_the_teams_runner_applies_after_bridge_is_applied_for_bridge(
    team: Team, alone: Alone, sites: Sites
) -> None:
    site, stems = sites(), team.stems
    site.hold(len(stems) // 2)
    site.own_runner()
    site.hold(len(stems) - 1)
    site.eai("init")
    site.eai()
    site.hold(len(stems))
    site.own_runner()
    assert site.states() == dict.fromkeys(stems, APPLIED)
    site.eai()
    assert site.ran() == team.slugs

    site.take_away_bridge(alone.columns)
    assert site.left() == alone.left


def test_an_empty_database_ends_as_under_the_teams_runner(
    team: Team, alone: Alone, sites: Sites
) -> None:
    """With a ledger of bridge's own."""
    site = sites()
    site.eai("init")
    site.eai()
    assert site.ran() == team.slugs
    assert site.states() == dict.fromkeys(team.stems, APPLIED)
    site.take_away_ledgers()
    assert site.left() == alone.bare


@pytest.mark.parametrize(
    "team", [team for team in TEAMS if team.downgrades], ids=lambda team: team.name, indirect=True
)
def test_what_bridge_takes_back_the_teams_runner_applies_again(
    team: Team, alone: Alone, sites: Sites
) -> None:
    site, stems = sites(), team.stems
    site.own_runner()
    site.eai("init")
    site.eai("downgrade", "--steps", "1", "--yes")
    assert site.ran() == team.slugs[:-1]
    assert site.states() == {**dict.fromkeys(stems, APPLIED), stems[-1]: PENDING}
    site.own_runner()
    assert site.ran() == team.slugs
    assert site.states() == dict.fromkeys(stems, APPLIED)
    site.take_away_bridge(alone.columns)
    assert site.left()["schema"] == alone.left["schema"]


def test_init_finds_out_what_the_folder_and_its_ledger_need(team: Team, sites: Sites) -> None:
    """It changes nothing that is there."""
    site = sites()
    site.own_runner()
    before = site.files()
    site.eai("init")
    after = site.files()
    assert {name: after[name] for name in before} == before
    assert site.settings() == team.settings


def test_a_file_whose_row_says_that_it_failed_is_not_taken_for_applied(
    tmp_path: Path, create_database: Callable[[], URL]
) -> None:
    """It is pending, or refused by name; the team's runner tries it again."""
    (team,) = (team for team in TEAMS if team.name == "own_schema")
    site = Site(team, tmp_path / "site", create_database())
    site.sql("CREATE TYPE tariff_kind AS ENUM ('in the way')")
    site.own_runner(fails=True)
    site.sql("DROP TYPE tariff_kind")
    assert site.sql("SELECT script FROM ops.migration_history WHERE NOT success") == [
        ("migrations/9_tariffs.py",)
    ]
    site.eai("init")
    told = site.status()
    states = {each["version"]: each["state"] for each in told["migrations"]}
    applied = [stem for stem, state in states.items() if state == APPLIED]
    assert applied[:3] == ["1_meters", "2_import_meters", "3_reporting"]
    assert applied[3:] == [] or any("9_tariffs" in problem for problem in told["problems"])
