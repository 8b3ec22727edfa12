"""sentry-sdk in a service that migrates when it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.tools_program import run_instrumented

if TYPE_CHECKING:
    from support.project import Project

BEFORE = """
import sentry_sdk
from sentry_sdk.transport import Transport

told = []

class Kept(Transport):
    def capture_envelope(self, envelope):
        told.extend(str(item.payload.json) for item in envelope.items)

sentry_sdk.init("https://key@nowhere.invalid/1", traces_sample_rate=1, transport=Kept)
transaction = sentry_sdk.start_transaction(name="startup")
transaction.__enter__()
"""
AFTER = """
transaction.__exit__(None, None, None)
sentry_sdk.flush()
print("CREATE TABLE url" in str(told))
"""


def test_migrations_run_as_without_it_and_are_traced(project: Project) -> None:
    assert run_instrumented(project, BEFORE, AFTER) == ["True"]
