"""opentelemetry-instrumentation-sqlalchemy in a service that migrates when it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.tools_program import run_instrumented
from support.tools_spans import SPANS, TOLD

if TYPE_CHECKING:
    from support.project import Project


@pytest.mark.long
@pytest.mark.parametrize("options", ["", "enable_commenter=True"])
def test_migrations_run_as_without_it_and_are_traced(project: Project, options: str) -> None:
    before = f"""
import sqlalchemy
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
{SPANS}
SQLAlchemyInstrumentor().instrument(tracer_provider=provider, skip_dep_check=True, {options})
create_engine = sqlalchemy.create_engine
"""
    assert run_instrumented(project, before, TOLD.replace("(%s, %s)", "(1,")) == ["True True"]


def test_both_instrumentations_work_together(project: Project) -> None:
    before = f"""
import sqlalchemy
from opentelemetry.instrumentation.psycopg2 import Psycopg2Instrumentor
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
{SPANS}
options = {{"tracer_provider": provider, "enable_commenter": True, "skip_dep_check": True}}
Psycopg2Instrumentor().instrument(**options)
SQLAlchemyInstrumentor().instrument(**options)
create_engine = sqlalchemy.create_engine
"""
    assert run_instrumented(project, before, TOLD) == ["True True"]
