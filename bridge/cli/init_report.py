"""Say what `eai migrate init` has found and done: in lines, or as JSON."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge.files.conventions import Argument

if TYPE_CHECKING:
    from bridge.checks.survey import Survey
    from bridge.operations.init import Setup
    from bridge.operations.recognise import Recognised

_CALLED = {
    Argument.SESSION: "a Session",
    Argument.CONNECTION: "a Connection",
    Argument.ENGINE: "an Engine",
    Argument.DBAPI: "the driver's connection",
    Argument.CURSOR: "a cursor of the driver",
}
#: How many files that could not run are shown.
_MOST_SHOWN = 10


@dataclass(frozen=True)
class Report:
    """What was found and done, in the order in which it is told."""

    setup: Setup
    survey: Survey
    #: What to type to migrate.
    command: str
    recognised: Recognised | None = None

    @property
    def settings(self) -> dict[str, str]:
        """All that was found out and is not the default."""
        ledger = self.recognised.settings if self.recognised else {}
        return {**self.survey.settings, **ledger}

    def about_files(self) -> Iterator[str]:
        """Say what was written, and what the files are like."""
        setup = self.setup
        config, folder = _shown(setup.config), _shown(setup.folder)
        if not (self.survey.files or setup.foreign_config):
            yield self._without_files(config, folder)
            return
        if setup.new_config:
            yield f"Wrote {config}."
        elif not setup.foreign_config:
            yield f"{config} is set up already, and was not changed."
        if setup.new_folder:
            yield f"Made the folder {folder}, with its guide {folder}/README.md."
        else:
            yield f"The migrations are in {folder}: {self._files()}."
            if setup.new_guide:
                yield f"Wrote the guide {folder}/README.md."
        if self.survey.files:
            yield from self._table()
        if setup.foreign_config:
            yield from self._lines_to_add()

    def _without_files(self, config: str, folder: str) -> str:
        """Say in one line what was written, and that there is nothing to say of migrations."""
        setup, guide = self.setup, f"{folder}/README.md"
        wrote = [config] if setup.new_config else []
        if setup.new_folder:
            wrote.append(f"the folder {folder} with its guide {guide}")
        elif setup.new_guide:
            wrote.append(f"the guide {guide}")
        done = f"Wrote {' and '.join(wrote)}." if wrote else f"{config} is set up already."
        if self.lacks_migrations:
            command = f"{self.command} check"
            return f"{done} No file in {folder} is a migration yet; what they lack says: {command}"
        return f"{done} There is no migration yet."

    def _files(self) -> str:
        files = self.survey.files
        if not files:  # beside a configuration for something else
            return "no migration yet"
        first, last = files[0].stem, files[-1].stem
        return f"{first}.py" if len(files) == 1 else f"{len(files)} files, {first}.py to {last}.py"

    @property
    def lacks_migrations(self) -> bool:
        """Whether there are files, and none of them is a migration, so that nothing can run."""
        if self.survey.files:
            return False
        try:
            names = [path.name for path in self.setup.folder.iterdir()]
        except OSError:
            return False
        return any(name.endswith(".py") and name[0] not in "._" for name in names)

    def _table(self) -> Iterator[str]:
        survey, conventions = self.survey, self.survey.conventions
        rows = [("functions", f"{conventions.upgrade}, {conventions.downgrade}")]
        rows += [("they take", self._takes()), ("order", self._order())]
        yield ""
        for name, what in rows:
            said = [
                f"{setting} = {value}"
                for setting, value in survey.settings.items()
                if setting in _SETTINGS_OF[name]
            ]
            setting = f"  ({', '.join(said)})" if said else ""
            yield f"  {name:11}{what}{setting}"
        wrong = [each for each in survey.files if each.problem is not None]
        if wrong:
            count = len(wrong)
            yield f"  {count} could not run as {'it stands' if count == 1 else 'they stand'}:"
        for each in wrong[:_MOST_SHOWN]:
            line = f":{each.line}" if each.line else ""
            yield f"    {each.stem}.py{line}: {each.problem}"
        if len(wrong) > _MOST_SHOWN:
            yield f"    and {len(wrong) - _MOST_SHOWN} more: {self.command} check"

    def _takes(self) -> str:
        counts = Counter(each.takes for each in self.survey.files)
        if len(counts) == 1:
            return _CALLED[next(iter(counts))]
        return ", ".join(f"{_CALLED[kind]} ({count})" for kind, count in counts.most_common())

    def _order(self) -> str:
        survey = self.survey
        if not survey.orders_differ:
            return "as their names sort"
        if survey.runner is None or "order" not in survey.settings:
            return (
                "unclear: the names sort otherwise than the numbers count. Set order = number or "
                "order = name"
            )
        count = "numbers count" if survey.settings["order"] == "number" else "names sort"
        return f"as their {count}, by {_shown(Path(survey.runner))}"

    def _lines_to_add(self) -> Iterator[str]:
        setup = self.setup
        yield (
            f"{_shown(setup.config)} exists, and was not changed. Put these lines into it, in "
            "place of its own:"
        )
        yield ""
        yield from (f"    {line}" for line in setup.lines(self.settings))
        yield ""
        yield "If another environment of Alembic uses that file, give the plain files their own:"
        yield f"    {self.command.partition(' --config ')[0]} --config plain.ini init"

    def about_database(self) -> Iterator[str]:
        """Say what the database has recorded."""
        assert self.recognised is not None  # noqa: S101 - else nobody asks
        yield ""
        yield f"In the {self.recognised.where}:"
        yield from (f"  {line}" for line in self.recognised.lines)
        if self.setup.new_config and self.recognised.settings:
            said = ", ".join(f"{name} = {value}" for name, value in self._of_ledger())
            yield f"  Wrote into {_shown(self.setup.config)}: {said}."

    def _of_ledger(self) -> list[tuple[str, str]]:
        return [*self.recognised.settings.items()] if self.recognised else []

    def what_next(self, *, names_a_database: bool) -> Iterator[str]:
        """Say what to add to a configuration that was there, and what to type."""
        if self.setup.foreign_config:
            return
        lacking = self.setup.lines(self.settings) if not self.setup.new_config else []
        if lacking:
            yield ""
            yield f"Put into {_shown(self.setup.config)}, which was not changed:"
            yield from (f"    {line}" for line in lacking)
        steps = self._steps(names_a_database=names_a_database)
        width = max(len(typed) for typed, _ in steps)
        yield ""
        yield "Next:"
        yield from (f"  {typed:{width}}  # {why}" for typed, why in steps)

    def _steps(self, *, names_a_database: bool) -> list[tuple[str, str]]:
        """Return what to type next, and why."""
        command = self.command
        url = "export DATABASE_URL=postgresql://user@host/name"
        name = [] if names_a_database else [(url, "name the database")]
        new, run = f'{command} new "add widgets"', (command, "run it")
        check = (f"{command} check", "check the files")
        status = (f"{command} status", "show what the database has")
        records = self.recognised is not None and self.recognised.rows
        if self.lacks_migrations:
            return [check, (new, "write a migration")]
        if not self.survey.files:
            # Another folder is meant, or another database: a run would be refused.
            return [status] if records else [(new, "write the first migration"), *name, run]
        steps = [
            check,
            *name,
            status,
            (f"{command} --dry-run", "list what would run"),
        ]
        if records:
            steps.append((f"{command} repair", "correct names in the ledger"))
        return [*steps, run, (new, "write the next migration")]

    def to_json(self) -> dict[str, Any]:
        """Return the documented form; its keys stay as they are."""
        setup, survey = self.setup, self.survey
        return {
            "config": str(setup.config),
            "wrote_config": setup.new_config,
            "folder": str(setup.folder),
            "made_folder": setup.new_folder,
            "settings": self.settings,
            "to_add": [] if setup.new_config else setup.lines(self.settings),
            "orders_differ": survey.orders_differ,
            "files": [
                {
                    "stem": each.stem,
                    "takes": str(each.takes),
                    "annotated": each.annotated,
                    "problem": each.problem,
                    "line": each.line,
                }
                for each in survey.files
            ],
            "database": self.recognised.to_json() if self.recognised else None,
        }


#: The settings that a row of the table is about.
_SETTINGS_OF = {
    "functions": {"upgrade_function", "downgrade_function"},
    "they take": {"argument", "session_autoflush"},
    "order": {"order"},
}


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return os.fspath(path)
