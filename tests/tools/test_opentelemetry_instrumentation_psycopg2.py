"""opentelemetry-instrumentation-psycopg2 in a service that migrates when it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.selection import few
from support.tools_program import run_instrumented
from support.tools_spans import SPANS, TOLD

if TYPE_CHECKING:
    from support.project import Project


@pytest.mark.parametrize("options", few(["enable_commenter=True", "", "capture_parameters=True"]))
def test_migrations_run_as_without_it_and_are_traced(project: Project, options: str) -> None:
    before = f"""
from opentelemetry.instrumentation.psycopg2 import Psycopg2Instrumentor
{SPANS}
Psycopg2Instrumentor().instrument(tracer_provider=provider, {options})
"""
    assert run_instrumented(project, before, TOLD) == ["True True"]


def test_connections_that_it_has_wrapped_one_by_one_are_taken(project: Project) -> None:
    before = f"""
from opentelemetry.instrumentation.psycopg2 import Psycopg2Instrumentor
from sqlalchemy import Engine, event
{SPANS}
@event.listens_for(Engine, "connect")
def wrap(driver, _record):
    Psycopg2Instrumentor.instrument_connection(driver, tracer_provider=provider)
"""
    assert run_instrumented(project, before, TOLD) == ["True True"]
