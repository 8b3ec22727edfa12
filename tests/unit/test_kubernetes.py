"""The manifests of docs/pages/kubernetes.md agree with what bridge does."""

from __future__ import annotations

import re
from pathlib import Path

from bridge import errors
from bridge.config.settings import AT_START, Settings
from bridge.reporting.json import NAMES
from bridge.reporting.rollout_events import EVENTS
from support.pages import page

PAGE = page("kubernetes")
DEPLOYMENT, JOB = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def exit_codes(action: str) -> set[int]:
    """Those that lead to this action of the Job."""
    found = re.search(
        rf"action: {action}\n +onExitCodes:\n +containerName: migrate\n +operator: In\n +values: "
        r"\[([\d, ]+)\]\n",
        JOB,
    )
    assert found is not None, JOB
    return {int(code) for code in found[1].split(",")}


def classes() -> list[type[errors.BridgeError]]:
    found = [errors.BridgeError]
    for each in found:
        found += each.__subclasses__()
    return [each for each in found if each.__module__ == "bridge.errors"]


def test_the_job_tries_again_after_what_may_pass_and_after_nothing_else() -> None:
    again = {each.exit_code for each in classes() if issubclass(each, errors.TryAgain)}
    final = {each.exit_code for each in classes()} - again
    assert exit_codes("Count") == again == {75}
    # 3 is told by those who only look.
    assert exit_codes("FailJob") == final - {3} == {1, 2, 4}


def test_a_probe_has_more_patience_than_a_start() -> None:
    number = r"periodSeconds: (\d+)\n +failureThreshold: (\d+)"
    ((period, threshold),) = re.findall(number, DEPLOYMENT)
    waits = (AT_START["wait_for_server"], Settings(folder="").wait_for_lock)
    assert waits == (60.0, 300.0)
    assert int(period) * int(threshold) > sum(waits)
    assert f"(above {int(period) * int(threshold)} s)" in PAGE


def test_the_events_of_the_page_are_those_of_the_code() -> None:
    source = (Path(errors.__file__).parent / "reporting" / "json.py").read_text()
    told = set(re.findall(r'write\(\s*"([a-z.]+)"', source)) | {name for name, _ in NAMES.values()}
    told |= {each.name for each in EVENTS}
    rows = re.findall(r"^\| (`[^|]+`) \|", page("events"), re.MULTILINE)
    assert set(re.findall(r"`([a-z.]+)`", " ".join(rows))) - {"event"} == told


def test_the_image_has_no_postgresql() -> None:
    (dockerfile,) = re.findall(r"```dockerfile\n(.*?)```", PAGE, re.DOTALL)
    assert "pip install --no-cache-dir eai-bridge\n" in dockerfile


def test_the_policy_is_one_that_kubernetes_takes() -> None:
    assert "      restartPolicy: Never\n" in JOB  # else podFailurePolicy is refused
    (container,) = re.findall(r"containers:\n +- name: (\w+)\n", JOB)
    assert set(re.findall(r"containerName: (\w+)\n", JOB)) == {container}
    assert "\t" not in DEPLOYMENT + JOB
