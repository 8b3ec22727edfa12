"""Tell what was found as JUnit's XML, which every CI server shows among the results of tests.

A problem for which the command fails is a test that failed. One for which it does not fail is a
test that passed, and says so; what is pending is a skipped one.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from bridge.checks.rules import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.checks.formats.report import Found, Report

#: What XML cannot hold, not even escaped, beside what `readable` has escaped already.
_NO_CHARACTERS = {0xFFFE: r"\ufffe", 0xFFFF: r"\uffff"}


def junit(report: Report) -> str:
    """Return one suite with a test for each problem, and one for each file without any."""
    faulty = {each.path for each in report.found}
    name = f"bridge {report.command}"
    counts = {
        "tests": str(len(report.found) + len(set(report.files) - faulty)),
        "failures": str(sum(each.fails for each in report.found)),
        "errors": "0",
        "skipped": str(sum(_is_skipped(each) for each in report.found)),
    }
    suites = ET.Element("testsuites", {"name": name, **counts})
    suite = ET.SubElement(suites, "testsuite", {"name": name, **counts})
    for path in report.files:
        if path not in faulty:
            ET.SubElement(suite, "testcase", _of_file(path, report.command))
    for test, found in _named(report.found):
        _add(suite, test, found)
    ET.indent(suites)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(suites, encoding="unicode")}'


def _named(found: Iterable[Found]) -> Iterable[tuple[str, Found]]:
    """Give each problem the name of a test, which no other of its file has."""
    times: Counter[tuple[str, str]] = Counter()
    for each in found:
        id_ = each.problem.id
        times[each.path, id_] += 1
        count = times[each.path, id_]
        yield id_ if count == 1 else f"{id_} ({count})", each


def _add(suite: ET.Element, test: str, found: Found) -> None:
    problem = found.problem
    text = found.text.translate(_NO_CHARACTERS)
    line = {"line": str(problem.line)} if problem.line else {}
    case = ET.SubElement(suite, "testcase", {**_of_file(found.path, test), **line})
    place = f"{found.path}:{problem.line}" if problem.line else found.path
    told = f"{place}: {text}".translate(_NO_CHARACTERS)
    if _is_skipped(found):
        ET.SubElement(case, "skipped", {"message": text})
    elif found.fails:
        about = {"type": str(problem.severity), "message": text}
        ET.SubElement(case, "failure", about).text = told
    else:
        ET.SubElement(case, "system-out").text = f"{problem.severity}: {told}"


def _is_skipped(found: Found) -> bool:
    return found.problem.severity is Severity.PENDING and not found.fails


def _of_file(path: str, test: str) -> dict[str, str]:
    path = path.translate(_NO_CHARACTERS)
    return {"classname": path, "name": test, "file": path}
