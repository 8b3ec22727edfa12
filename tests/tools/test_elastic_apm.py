"""elastic-apm, which puts a proxy before each connection and cursor of psycopg2's.

So do ddtrace, newrelic and other tracers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.tools_program import run_instrumented

if TYPE_CHECKING:
    from support.project import Project

BEFORE = """
import elasticapm
client = elasticapm.Client(service_name="shop", disable_send=True, cloud_provider="none")
elasticapm.instrument()
early = create_engine(URL).connect()
early.commit()
assert type(early.connection.dbapi_connection).__name__ == "PGConnectionProxy"
queued = []
client.tracer.queue_func = lambda kind, data, flush=False: queued.append(str(data))
client.begin_transaction("startup")
"""
AFTER = """
client.end_transaction("startup")
told = str(queued)
print("CREATE TABLE url" in told, "INSERT INTO engine VALUES (3, " in told)
client.close()
"""


def test_migrations_run_as_without_it_and_are_traced(project: Project) -> None:
    assert run_instrumented(project, BEFORE, AFTER) == ["True True"]
