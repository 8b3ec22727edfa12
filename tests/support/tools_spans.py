"""OpenTelemetry with spans that stay in memory."""

#: Begins a program: `provider` collects into `spans`.
SPANS = """\
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
"""

#: Ends it: whether what a file did through SQLAlchemy was traced, and below it.
TOLD = """\
told = str([dict(span.attributes) for span in spans.get_finished_spans()])
print("CREATE TABLE url" in told, "INSERT INTO engine VALUES (%s, %s)" in told)
"""
