"""What stays after a migration that failed, and what to type next."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bridge.execution.attempt import Phase
from bridge.execution.causes import Blame, blame
from bridge.execution.shown import shown
from bridge.execution.transaction import Commit
from bridge.execution.work import Work
from bridge.files.mode import Mode
from bridge.reporting.numbers import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """What is known about a migration that did not come to its end."""

    stem: str
    path: str
    direction: str
    error: BaseException
    work: Work
    phase: Phase
    #: Stems that this run has applied or reverted, and recorded, before this one.
    done: Sequence[str]
    #: What to type after it was mended.
    command: str
    #: Whether it ran only to be rolled back.
    rehearsal: bool = False
    #: Whether it ran in a database that is dropped in the end, as the command says: then nothing
    #: stays, and nothing is to be told of that.
    scratch: bool = False

    @property
    def _downgrades(self) -> bool:
        return self.direction != "upgrade"

    @property
    def _driver_error(self) -> BaseException:
        """Return the error with the cause; bridge wraps that of a file's COMMIT."""
        by = self.work.lost_by
        return by if by is not None and self.error.__cause__ is by else self.error

    @property
    def _in_the_record(self) -> bool:
        """Whether it was the record that failed, and not the file."""
        forgetting = self.work.forgetting
        if forgetting is not None and (forgetting.failed or forgetting.done):
            return forgetting.failed
        # A rehearsal asks there for what a COMMIT would check.
        return self.phase in {Phase.RECORD, Phase.COMMIT} and not self.rehearsal

    def _blame(self) -> Blame:
        if self.work.sent.own_locks.found or isinstance(self.error, SystemExit):
            return Blame.FILE
        if self.work.closed_by_file:
            return Blame.FILE
        found = blame(self._driver_error, self.direction)
        if self.work.gone:
            return Blame.ELSEWHERE if found is Blame.ELSEWHERE else Blame.NOBODY
        if self._in_the_record:
            return Blame.NOBODY if found is Blame.NOBODY else Blame.ELSEWHERE
        return found

    def _what_stays(self) -> str:
        if self.scratch:
            return ""
        if self.rehearsal:
            return "This was a rehearsal: everything was rolled back, and nothing is recorded."
        if self._is_under_way:
            return self._what_nobody_knows()
        invalid = f"{self.work.invalid}\n" if self.work.invalid else ""
        return f"{invalid}{self._of_this_file()} {self._how_recorded()}{self._of_others()}"

    @property
    def _is_under_way(self) -> bool:
        """Whether nobody knows of the last COMMIT, with the record in it."""
        return self.phase is Phase.COMMIT and self.work.gone

    def _what_nobody_knows(self) -> str:
        unknown = "The connection broke while the COMMIT was under way, so it is not known whether"
        if self.work.mode is Mode.AUTOCOMMIT and self.direction == "upgrade":
            return (
                f"{unknown} it is recorded that {self.stem} was applied. All that the file did "
                f"stays.{self._of_others()}"
            )
        if self._is_forgotten:
            return (
                f"{unknown} what {self.stem} did last was committed. It is recorded as not "
                f"applied.{self._of_others()}"
            )
        return (
            f"{unknown} {self.stem} was committed; its record was in the same transaction, so the "
            f"next run will know.{self._of_commits()}{self._of_others()}"
        )

    def _how_recorded(self) -> str:
        if self.direction == "upgrade":
            return "It is not recorded as applied."
        recorded = True if self.work.external else self._is_recorded
        if recorded is None:
            return (
                "Whether it is still recorded as applied is not known: eai migrate status shows it."
            )
        if recorded:
            return "It is still recorded as applied."
        when = (
            "was part of its first commit"
            if self.work.committed
            else "was written before its first statement"
        )
        return f"It is recorded as not applied, which {when}. It may be only partly reverted."

    @property
    def _is_recorded(self) -> bool | None:
        forgetting = self.work.forgetting
        return forgetting.recorded if forgetting is not None else True

    @property
    def _is_forgotten(self) -> bool:
        """Whether a downgrade has not come to its end, but is recorded as if it had."""
        return self._downgrades and self._is_recorded is False

    @property
    def _recorded_as(self) -> str:
        return "applied" if self.direction == "upgrade" else "reverted"

    def _of_this_file(self) -> str:
        if self.work.external:
            return (
                "It ran in the transaction of the connection that was handed in. Roll that "
                "transaction back."
            )
        if self.work.mode is Mode.AUTOCOMMIT:
            lost = f" {_of_lost_answer(self.work.unknown)}" if self.work.unknown else ""
            return (
                "It runs without a transaction, so what it did before this point stays, and "
                f"nothing was rolled back.{lost}"
            )
        stays = self._of_commits()
        if self.work.unknown is not None:
            said = f"{stays} {_of_lost_answer(self.work.unknown)}"
        else:
            said = f"{stays} Everything {'after it' if stays else 'it did'} was rolled back."
        if self.work.sent.own_locks.others:
            said += " What it did over another connection may stay."
        if self.work.prepared:
            said += " What it did in two phases may stay: pg_prepared_xacts has what still waits."
        return said.strip()

    def _of_commits(self) -> str:
        """Say what stays for certain; begins with a space, unless it is empty."""
        count = len(self.work.committed)
        if not count:
            return ""
        line = self.work.committed[-1].line
        place = f", the last at line {line}" if count > 1 else f", at line {line}"
        return (
            f" It had made {counted(count, 'commit')}{place if line else ''}: what it did up to "
            "there stays."
        )

    def _of_others(self) -> str:
        if not self.done or self.work.external:
            return ""
        verb, stay = ("was", "stays") if len(self.done) == 1 else ("were", "stay")
        return f" {', '.join(self.done)} {verb} {self._recorded_as} before it and {stay} so."

    def _again(self) -> str:
        work = self.work
        beside = work.sent.own_locks.others or work.prepared
        partly = work.committed or work.unknown or beside or work.mode is Mode.AUTOCOMMIT
        return "make sure that it can run again from its beginning, and " if partly else ""

    def _what_next(self) -> str:
        found = self._blame()
        if self.scratch:
            of_file = found in {Blame.FILE, Blame.ALREADY}
            return f"{'Correct the file, and' if of_file else 'To try again,'} {self._to_do()}"
        if self._is_to_look_first:
            return self._look_first()
        if self._is_forgotten:
            return self._both_ways("correct the file, " if found is Blame.FILE else "")
        if self._in_the_record and self.work.mode is Mode.AUTOCOMMIT and not self._downgrades:
            look = "Type: eai migrate status\nIf it is pending there"
            when = look if self.work.gone else "After that"
            return f"{when}, record it without running it again: {self._record()}"
        again, to_do = self._again(), self._to_do()
        if found is Blame.FILE:
            return f"Correct the file, {again or 'and '}{to_do}"
        if found is Blame.ALREADY:
            return f"{self._if_it_is_done()}, {again or 'and '}{to_do}"
        then = f"{again}{to_do}"
        return f"After that, {then}" if found is Blame.ELSEWHERE else then[:1].upper() + then[1:]

    def _look_first(self) -> str:
        """Say what to type where only the record tells what was reverted."""
        status = f"Type: eai migrate status\nIf {self.stem} is applied there, {self._to_do()}"
        if self._is_under_way:
            reverted = self._to_do(done=len(self.done) + 1)
            return f"{status}\nIf it is pending there, {reverted}"
        return f"{status}\nIf it is pending there: {self._both_ways('')}"

    @property
    def _is_to_look_first(self) -> bool:
        if self.direction == "upgrade" or self._is_recorded is not None:
            return False
        # To go back to a place by its name may be repeated.
        return not self._is_under_way or _STEPS.fullmatch(self.command) is not None

    def _if_it_is_done(self) -> str:
        if self.direction == "upgrade":
            return (
                "If this database has all of its work already (made by hand or by another tool, or "
                "its row was deleted), record it without running it: "
                f"{self._record()}\n"
                "If not, let the file cope with what is there (IF NOT EXISTS), or remove that"
            )
        return (
            "If all of it is reverted in this database already (by hand or by another tool), "
            f"record that without running it: eai migrate mark {self.stem} --pending\n"
            "If not, let the file cope with that (IF EXISTS)"
        )

    def _both_ways(self, first: str) -> str:
        """Say what to type after a downgrade that is recorded but did not finish."""
        return (
            f"To finish the downgrade: {first}make sure that its downgrade() can run again from "
            f"its beginning, and type: eai migrate mark {self.stem} --applied\n"
            f"Then {self._to_do()}\n"
            "To apply it again instead: make sure that its upgrade() can run on what is left, and "
            f"{self._upgrade()}"
        )

    def _record(self) -> str:
        return f"eai migrate mark {self.stem} --applied"

    def _upgrade(self) -> str:
        return "upgrade." if " downgrade " not in self.command else "type: eai migrate"

    def _to_do(self, *, done: int | None = None) -> str:
        if self.direction == "upgrade":
            return f"type: {self.command}"
        if " downgrade " not in self.command:
            return "downgrade again."  # a program's call; the command would upgrade
        relative = _STEPS.fullmatch(self.command)
        if relative is None:
            return f"type: {self.command}"
        # It counts from where the database is now.
        left = int(relative[2]) - (len(self.done) if done is None else done)
        return f"type: {relative[1]} -{left}" if left > 0 else "there is nothing left to do."


#: A command that says how many to revert.
_STEPS = re.compile(r"(.*) -(\d+)")


def _of_lost_answer(commit: Commit) -> str:
    last = "\n".join(f"    {line}" for line in shown(commit.after or ""))
    look = f"\n{last}\nLook whether what that did is in the database." if last else ""
    if commit.alone:
        return (
            "The connection broke while a statement outside of transactions was under way, so it "
            f"is not known whether it was done{':' if last else '.'}{look}"
        )
    where = f" of line {commit.line}" if commit.line else ""
    return (
        f"The connection broke while the COMMIT{where} was under way, so it is not known whether "
        "what the file did up to there was committed."
        f"{' The last statement before it was:' if last else ''}{look}"
    )
