"""Give Alembic a script directory in which plain files are revisions.

Alembic's commands ask a script directory for their steps by names that begin with an underscore
(tests/unit/test_private_names.py lists them); what is done then is in methods without one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from alembic.config import Config
from alembic.runtime.migration import MigrationStep, RevisionStep, StampStep
from alembic.script import Script
from alembic.script.revision import ResolutionError, RevisionMap
from alembic.util import CommandError, to_tuple

from bridge.alembic.env_py import RunsEnvPy, environment_folder
from bridge.alembic.errors import errors_for_alembic, under_command_line
from bridge.alembic.invocation import Invocation, target_of
from bridge.alembic.revision_names import as_revision, unknown_revision
from bridge.alembic.script import (
    PlainScript,
    entry_of,
    outside_environment,
    refuse_irreversible,
    refuse_others,
)
from bridge.config.settings import Settings
from bridge.errors import BridgeError
from bridge.files.folder import scan
from bridge.files.plain_file import PlainFile
from bridge.files.replaces import replaced_by
from bridge.ledger.history import Entry, History, build_history
from bridge.reporting.escaping import escaped
from bridge.reporting.events import Direction

# What writes a new file is imported when one is written: listings are typed more often.
if TYPE_CHECKING:
    from bridge.files.new_file import Generated

__all__ = ["PlainScript", "PlainScriptDirectory"]

#: Stands for an argument that the caller did not give at all.
_UNNAMED: Final = object()

Execute = Callable[[PlainFile, Direction], None]


class PlainScriptDirectory(RunsEnvPy):
    """A folder of plain files as a history of Alembic revisions."""

    def __init__(
        self, config: Config, settings: Settings, invocation: Invocation, **options: Any
    ) -> None:
        self.config = config
        self.invocation = invocation
        self.settings = settings
        #: Runs a file; set by the environment for as long as it is connected.
        self.execute: Execute | None = None
        self.outside: Callable[[PlainFile, Direction], bool] = lambda *_: False
        #: Told which migrations are about to run, or to be reverted, and may refuse. Last, why
        #: they cannot be reverted, to be raised unless more is wrong.
        self.announce: Callable[[Direction, Sequence[Entry], BridgeError | None], object] | None
        self.announce = None
        #: Told which revision is about to be stamped, None for base, and may refuse.
        self.announce_stamp: Callable[[str | None], object] | None = None
        #: What comparisons with the models have found, by the ids of the revisions to be written:
        #: makes the code of one, or None if there is nothing to do.
        self.compared: dict[str, Callable[[], Generated | None]] = {}
        super().__init__(version_locations=[settings.folder], **options)
        if settings.own_environment:
            # What a tool writes there does not belong into the installed package.
            self.dir = settings.folder
        self.revision_map = RevisionMap(self._scripts)
        files = scan(settings.folder, settings.conventions, beginning=self._writes_a_file()).files
        only = invocation.only
        self.files = tuple(file for file in files if only is None or file.stem in only)
        replaced_by(self.files)  # what is wrong there is told before anything else

    @cached_property
    def history(self) -> History:
        """The history of one database, once it was followed; the alphabetical one until then."""
        return build_history(self.files, ())

    @classmethod
    def from_plain_config(cls, config: Config) -> PlainScriptDirectory:
        """Read the settings and the folder; called in place of ``from_config``."""
        with errors_for_alembic(config):
            invocation = Invocation.in_(config) or Invocation.by_program(config)
            request = invocation.request
            settings = Settings.from_alembic(
                config, overrides=request.overrides, defaults=request.defaults
            )
            settings = settings.for_target(target_of(config, settings, request))
            for path in reversed(settings.prepend_sys_path):
                if path not in sys.path:
                    sys.path.insert(0, path)
            return cls(
                config,
                settings,
                invocation,
                folder_of_env_py=environment_folder(config, settings),
                timezone=config.get_alembic_option("timezone"),
                hooks=config.get_hooks_list(),
                messaging_opts=config.messaging_opts,
            )

    def follow(self, history: History) -> None:
        """Take over the history of one database, in place of the alphabetical one."""
        self.history = history
        self.revision_map = RevisionMap(self._scripts)

    def errors_for_alembic(self) -> AbstractContextManager[None]:
        """Turn bridge's errors into what Alembic's caller expects, inside this block."""
        return errors_for_alembic(self.config)

    def _load_revisions(self) -> Iterator[Script]:
        # For tools that make a new map of it when a file was written.
        self._follow_files(scan(self.settings.folder, self.settings.conventions).files)
        return self._scripts()

    def _follow_files(self, files: tuple[PlainFile, ...]) -> None:
        self.files = files
        rows = [entry.row for entry in self.history.entries if entry.row is not None]
        self.follow(build_history(files, rows))

    def _scripts(self) -> Iterator[Script]:
        down: str | None = None
        for entry in self.history.entries:
            yield PlainScript(self, entry, down)
            down = entry.revision

    # A file's stem may hold characters that an id cannot; both name the revision.

    def get_revisions(self, id_: Any) -> tuple[Script, ...]:
        """As Alembic's; a stem is as good as an id."""
        return super().get_revisions(self._ids(id_))

    def get_revision(self, id_: str) -> Script:
        """As Alembic's; a stem is as good as an id."""
        return super().get_revision(self._ids(id_))

    def walk_revisions(self, base: str = "base", head: str = "heads") -> Iterator[Script]:
        """As Alembic's; a stem is as good as an id."""
        return super().walk_revisions(self._ids(base), self._ids(head))

    def as_revision_number(self, id_: str | None) -> str | tuple[str, ...] | None:
        """As Alembic's; a stem is as good as an id."""
        return super().as_revision_number(self._ids(id_))

    def iterate_revisions(self, upper: Any, lower: Any, **options: Any) -> Iterator[Script]:
        """As Alembic's; a stem is as good as an id."""
        return super().iterate_revisions(self._ids(upper), self._ids(lower), **options)

    def _ids(self, given: Any) -> Any:
        if isinstance(given, (tuple, list)):
            return tuple(self._ids(one) for one in given)
        if not isinstance(given, str) or given in self.history.by_revision:
            return given
        return as_revision(given, {entry.stem for entry in self.history.entries})

    @contextmanager
    def _catch_revision_errors(self, *arguments: Any, **options: Any) -> Iterator[None]:
        with super()._catch_revision_errors(*arguments, **options):
            try:
                yield
            except ResolutionError as error:
                # Alembic says "Can't locate" even where there are too many.
                stems = {entry.stem for entry in self.history.entries}
                given, folder = str(error.argument), self.settings.folder
                to_alembic = under_command_line(self.config)
                sentence = unknown_revision(given, stems, folder, to_alembic=to_alembic)
                raise CommandError(escaped(sentence)) from error

    def _upgrade_revs(self, destination: str, current_rev: Any) -> list[RevisionStep]:
        return self.steps_up(destination, current_rev)

    def _downgrade_revs(self, destination: str, current_rev: Any) -> list[RevisionStep]:
        return self.steps_down(destination, current_rev)

    def _stamp_revs(self, revision: Any, heads: Any) -> list[StampStep]:
        if self.announce is None:
            with self.errors_for_alembic():
                raise outside_environment()
        revision = self._ids(revision)
        steps = super()._stamp_revs(revision, heads)
        if self.announce_stamp is not None:
            found = [each.revision for each in self.get_revisions(revision or "base")]
            with self.errors_for_alembic():
                self.announce_stamp(found[-1] if found else None)
        return steps

    def steps_up(self, destination: str, current_rev: Any) -> list[RevisionStep]:
        """What an upgrade from `current_rev` runs; it is announced, and refused if it has to be."""
        steps = self._steps_to_head(destination, current_rev)
        if steps is None:
            steps = super()._upgrade_revs(destination, current_rev)
        with self.errors_for_alembic():
            self._announced(Direction.UPGRADE, [entry_of(step) for step in steps])
        return steps

    def _announced(self, direction: Direction, entries: Sequence[Entry]) -> None:
        """Refuse a bad file, and all else that preflight refuses, before any file is run."""
        error = None
        for entry in entries:
            try:
                if entry.file is not None:
                    entry.file.hold()
                if direction is Direction.DOWNGRADE:
                    refuse_irreversible(entry, command=self.invocation.downgrade_command)
            except BridgeError as found:
                error = error or found
        if self.announce is not None:
            self.announce(direction, entries, error)
        elif error is not None:
            raise error

    def _steps_to_head(self, destination: str, current_rev: Any) -> list[RevisionStep] | None:
        """Return what is pending, from the history alone; None where Alembic's map is needed.

        To map a thousand revisions takes longer than to run one of them.
        """
        pointer = self.history.pointer
        at_pointer = to_tuple(current_rev, default=()) == to_tuple(pointer, default=())
        if destination not in {"head", "heads"} or not (at_pointer and self.history.entries):
            return None
        downs = (pointer, *(entry.revision for entry in self.history.pending))
        return [
            MigrationStep.upgrade_from_script(self.revision_map, PlainScript(self, entry, down))
            for entry, down in zip(self.history.pending, downs, strict=False)
        ]

    def steps_down(self, destination: str, current_rev: Any) -> list[RevisionStep]:
        """What a downgrade from `current_rev` reverts; announced, and refused if it has to be."""
        steps = super()._downgrade_revs(destination, current_rev)
        with self.errors_for_alembic():
            entries = [entry_of(step) for step in steps]
            refuse_others(entries, self.invocation.agreed)
            self._announced(Direction.DOWNGRADE, entries)
        return steps

    def generate_revision(  # noqa: PLR0917 - Alembic's signature
        self,
        revid: str,
        message: str | None,
        head: Any = None,
        splice: bool | None = False,  # noqa: FBT001, FBT002
        branch_labels: Any = None,
        version_path: Any = _UNNAMED,
        file_template: str | None = None,  # noqa: ARG002 - the name is the number and the slug
        depends_on: Any = None,
        **_rendered: Any,
    ) -> Script | None:
        """Write the next plain file and return it as a revision.

        A `revid` that a person gave becomes the file's number; twelve hexadecimal digits are
        taken for one that Alembic invented. None if a comparison has found nothing to write.
        """
        from bridge.alembic.new_revision import NewRevision, write_revision

        with self.errors_for_alembic():
            generated: Generated | None = None
            if revid in self.compared:
                generated = self.compared.pop(revid)()
                if generated is None:
                    self._tell_of_nothing()
                    return None
            asked = NewRevision(
                revid=revid,
                message=message,
                # Only ``alembic merge`` names a head, or several, and no folder.
                merges=head not in (None, "head") and version_path is _UNNAMED,
                head=head,
                splice=splice,
                labels=branch_labels,
                folder=None if version_path is _UNNAMED else version_path,
                depends_on=depends_on,
            )
            files, file = write_revision(self, asked, generated)
            self._follow_files(files)
            return self.get_revision(file.revision)

    @property
    def quiet(self) -> bool:
        """Return whether somebody else reports what was written."""
        return self.invocation.writes_file

    def _writes_a_file(self) -> bool:
        """Return whether this is `eai migrate new` or `alembic revision`; others run what is there.

        Alembic tells its own commands apart by their options only.
        """
        return self.invocation.writes_file or hasattr(self.config.cmd_opts, "rev_id")

    def _tell_of_nothing(self) -> None:
        from bridge.alembic.autogenerate.writer import NOTHING_TO_DO

        if not self.quiet:
            self.config.print_stdout(NOTHING_TO_DO)
