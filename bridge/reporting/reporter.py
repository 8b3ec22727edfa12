"""The Reporter, which receives the events of a run, and the one that writes to a log.

The command line writes lines, a service writes to its log, a test keeps a list.
"""

from __future__ import annotations

import logging

from bridge.reporting import events
from bridge.reporting.numbers import counted, listed, so_far

log = logging.getLogger("bridge")

#: How many migrations a sentence names; the rest are counted.
NAMED = 20


def _escape(record: logging.LogRecord) -> bool:
    """Let no name and no message that a server has sent forge another line of the log."""
    if isinstance(record.args, tuple):
        record.args = tuple(map(_shown, record.args))
    return True


def _shown(argument: object) -> object:
    if not isinstance(argument, (str, BaseException)) or str(argument).isprintable():
        return argument
    from bridge.reporting.escaping import escaped  # most starts write what is in order

    return escaped(str(argument))


log.addFilter(_escape)


class Reporter:
    """Receives each event of a run, and does nothing; the base of those that do something.

    A team's own overrides `tell` for the events that it wants::

        from bridge import Reporter, events


        class Metrics(Reporter):
            def tell(self, event: events.Event) -> None:
                match event:
                    case events.MigrationFinished(migration=name, seconds=seconds):
                        statsd.timing(f"migration.{name}", seconds * 1000)
                    case events.Warned(message=sentence):
                        chat.post(sentence)


        bridge.upgrade(reporter=Metrics())
    """

    def tell(self, event: events.Event) -> None:
        """Receive one event; what this raises ends the run.

        The thread that migrates calls it. Another thread may tell of `MigrationBlocked`.
        """


class LogReporter(Reporter):
    """Writes to the logger ``bridge``: what a library does when nobody asked otherwise."""

    def tell(self, event: events.Event) -> None:
        """Write one event; that of a failure is left to the error that is raised after it."""
        match event:
            case events.WaitingForServer(message=sentence, seconds=seconds):
                log.warning("%s. Trying again%s.", sentence.rstrip("."), so_far(seconds))
            case (
                events.DatabaseChosen() | events.WaitingForLock() | events.Note() | events.Working()
            ):
                log.info("%s", event.message)
            case events.MigrationBlocked() | events.Warned():
                log.warning("%s", event.message)
            case events.Planned(migrations=stems, direction=direction):
                what = counted(len(stems), "migration")
                log.info("%s of %s: %s", direction, what, listed(stems, NAMED))
            case events.MigrationStarted(migration=stem, description=description):
                log.info("%s %s: %s", event.direction, stem, description)
            case events.Statement(sql=sql):
                log.debug("%s", sql)
            case events.MigrationFinished(migration=stem, seconds=seconds):
                log.info("%s %s: done in %.2f s", event.direction, stem, seconds)
            case events.RolloutEvent():
                log.log(getattr(logging, event.level.upper()), "%s", event.sentence)
