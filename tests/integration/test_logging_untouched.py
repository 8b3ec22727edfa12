"""The logging of an application is its own: a run reads it and changes nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.books import Books

if TYPE_CHECKING:
    from support.project import Project

#: As `alembic init` writes them: run through fileConfig they silence every other logger.
SECTIONS = """
    [loggers]
    keys = root,bridge

    [handlers]
    keys = console

    [formatters]
    keys =

    [logger_root]
    level = CRITICAL
    handlers = console

    [logger_bridge]
    level = CRITICAL
    handlers = console
    qualname = bridge
    propagate = 0

    [handler_console]
    class = StreamHandler
    args = (sys.stdout,)
    """

#: An application and uvicorn configure logging; bridge runs in every way it has; all is compared.
APPLICATION = """
    import asyncio, io, json, logging, logging.config, os, sys, warnings
    import uvicorn.config
    from sqlalchemy import create_engine  # sets the level of its own logger

    told = io.StringIO()
    logging.config.dictConfig(uvicorn.config.LOGGING_CONFIG)
    form = "%(name)s|%(levelname)s|%(message)s"
    logging.basicConfig(stream=told, level=logging.INFO, format=form)
    logging.captureWarnings(True)
    logging.getLogger("app").setLevel(logging.DEBUG)
    logging.getLogger("app.quiet").disabled = True
    logging.getLogger("app.alone").propagate = False
    logging.getLogger("app.alone").addHandler(logging.NullHandler())
    logging.getLogger("sqlalchemy.engine").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("alembic").addFilter(lambda record: True)
    logging.getLogger("app.new")

    def looks(logger):
        # Alembic adds a NullHandler, as a library should, when it is imported.
        handlers = [h for h in logger.handlers if type(h) is not logging.NullHandler]
        return [logger.level, logger.propagate, logger.disabled, list(map(id, handlers)),
                list(map(id, logger.filters)),
                [[h.level, id(h.formatter), id(getattr(h, "stream", None))] for h in handlers]]

    def everything():
        found = {n: looks(l) for n, l in logging.root.manager.loggerDict.items()
                 if isinstance(l, logging.Logger)}
        found["root"] = looks(logging.root)
        found["all"] = [logging.root.manager.disable, id(logging.lastResort), id(sys.excepthook),
                        id(logging.getLogRecordFactory()), id(logging.getLoggerClass()),
                        id(warnings.showwarning), logging.raiseExceptions,
                        id(sys.stdout), id(sys.stderr)]
        return found

    before = everything()
    import bridge

    url = os.environ["DATABASE_URL"]
    bridge.status()
    bridge.upgrade(to="+1")
    bridge.upgrade(create_engine(url), to="+1")
    asyncio.run(bridge.upgrade_async())
    try:
        open("migrations/004_d.py", "w").write("def upgrade(db): 1/0\\n")
        bridge.upgrade()
    except bridge.BridgeError:
        pass
    after = everything()
    new = [looks(logging.getLogger(n)) for n in after.keys() - before.keys()]
    print(json.dumps({
        "changed": [n for n in before if before[n] != after[n]],
        "new": [n for n in after.keys() - before.keys()
                if looks(logging.getLogger(n))[:4] != [0, True, False, []]],
        "told": told.getvalue().splitlines(),
    }))
    """


@pytest.mark.parametrize("sections", ["", SECTIONS], ids=["none", "in alembic.ini"])
def test_every_logger_and_handler_stays_as_it_was(project: Project, sections: str) -> None:
    Books(project).files("001_a", "002_b", "003_c")
    project.ini(extra=sections)
    done = project.python(APPLICATION, check=True)
    found = json.loads(done.stdout)
    assert done.stderr == ""
    assert found["changed"] == []
    assert found["new"] == []
    applied = [line for line in found["told"] if line.startswith("bridge|INFO|upgrade 00")]
    assert [line.split()[1].rstrip(":") for line in applied if ": done in" in line] == [
        "001_a",
        "002_b",
        "003_c",
    ]
    assert any(line.startswith("bridge|INFO|database bridge_test") for line in found["told"])
