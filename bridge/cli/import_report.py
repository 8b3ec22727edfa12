"""Say what `eai migrate import` has found and done: in lines, or as JSON."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge.operations.init import Setup
from bridge.operations.schema.difference import DIFFERENT
from bridge.reporting.escaping import in_one_line
from bridge.reporting.numbers import counted

if TYPE_CHECKING:
    from bridge.operations.importing.plan import Import
    from bridge.operations.importing.proof import Proof
    from bridge.operations.importing.source import Source


@dataclass(frozen=True)
class Report:
    """What became of an Alembic project."""

    source: Source
    wanted: Import
    #: None where nothing was run.
    proof: Proof | None
    #: Whether the files were written.
    wrote: bool
    #: Where the command was typed.
    root: Path

    @property
    def exit_code(self) -> int:
        """0, or 4 where the two runs differ."""
        return DIFFERENT if self._differs else 0

    @property
    def _differs(self) -> bool:
        return self.proof is not None and bool(self.proof.differences)

    def lines(self) -> Iterator[str]:
        """Say it for a person to read."""
        if self.proof is not None and self._differs:
            yield from self._difference(self.proof)
            return
        files = self.wanted.files
        did = "Wrote" if self.wrote else "Would write"
        count = sum(len(each.place.ids) for each in files)
        folder = self._shown(self.wanted.folder)
        revisions = counted(count, "revision")
        yield f"{did} {counted(len(files), 'file')} into {folder}, of {revisions}:"
        width = max(len(each.stem) for each in files)
        for each in files:
            yield f"  {each.stem + '.py':{width + 3}}  {', '.join(each.place.ids)}"
        if beside := [each.name for each in self.wanted.beside]:
            yield f"And, as a revision looks for files beside itself: {', '.join(beside)}."
        yield ""
        yield from self._proved()
        for each in files:
            if each.plain.autocommit:
                yield (
                    f"{each.stem} uses autocommit_block(): here all of that file runs outside of "
                    "transactions. Move the rest into a file of its own if it is to be all or "
                    "nothing."
                )
        yield ""
        yield from self._settings()

    def _difference(self, proof: Proof) -> Iterator[str]:
        yield from map(in_one_line, proof.differences)
        yield ""
        way = f"taken back as far as {proof.at}" if proof.reverted else "run from the beginning"
        yield (
            f"Alembic and the plain files make different things, {way}. Nothing was written. "
            "Correct the revision; or, if the difference is as you want it: --no-proof"
        )

    def _proved(self) -> Iterator[str]:
        proof = self.proof
        if proof is None:
            yield "Nothing was run, so nothing is proved."
            return
        yield (
            "Proved in scratch databases: Alembic's own run of the revisions and that of these "
            "files leave the same schema and the same rows."
        )
        back = counted(len(proof.reverted), "file")
        if proof.stopped and not proof.reverted:
            yield f"Not taken back: {proof.stopped}."
        elif proof.stopped:
            yield f"The same on the way down, for {back}. Further down: {proof.stopped}."
        else:
            yield f"The same on the way down, for {back}, to the beginning."
        if proof.not_compared:
            names = ", ".join(proof.not_compared)
            yield f"Not compared, as they differ between two runs of Alembic's: {names}."
        if proof.by_order:
            yield (
                "The order of the branches matters: in the order that Alembic chooses for a new "
                "database, and not in that in which the revisions were written, this is different:"
            )
            yield from (f"  {line}" for line in map(in_one_line, proof.by_order))

    def _settings(self) -> Iterator[str]:
        config = self._shown(self.source.config)
        yield f"Put these lines into {config}, which was not changed, in place of its own:"
        yield ""
        yield from (f"    {line}" for line in self._to_add())
        yield ""
        env_py = self._shown(self.wanted.project.env_py)
        yield f"To keep {env_py} and its options, leave script_location as it is, add"
        yield "plain_files = true, and let env.py end with this in place of what runs migrations:"
        yield ""
        yield "    import bridge"
        yield ""
        yield "    bridge.run_environment(context, target_metadata=target_metadata)"
        yield ""
        yield (
            "Databases that Alembic has migrated need nothing done: eai migrate status says so. "
            "Releases that use Alembic alone run beside this one until the first new file is "
            "applied."
        )

    def _to_add(self) -> list[str]:
        setup = Setup(
            config=self.source.config,
            new_config=False,
            foreign_config=True,
            folder=self.wanted.folder,
            new_folder=False,
            new_guide=False,
        )
        return setup.lines(self.wanted.settings)

    def _shown(self, path: Path) -> str:
        relative = os.path.relpath(path, self.root)
        return str(path) if relative.startswith("..") else relative

    def to_json(self) -> dict[str, Any]:
        """Return the documented form; its keys stay as they are."""
        return {
            "folder": str(self.wanted.folder),
            "wrote": self.wrote,
            "files": [each.to_json() for each in self.wanted.files],
            "beside": [each.name for each in self.wanted.beside],
            "proof": self.proof.to_json() if self.proof else None,
            "config": str(self.source.config),
            "to_add": self._to_add(),
        }
