"""What docs/pages/many-tenants.md shows agrees with what bridge does."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from bridge import errors
from bridge.operations.rollout.choosing import parse_shard
from support.pages import page

PAGE = page("many-tenants")


@pytest.fixture
def job() -> Any:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    return yaml.safe_load(text)["spec"]


def test_the_job_has_as_many_pods_as_shards(job: Any) -> None:
    (container,) = job["template"]["spec"]["containers"]
    command = container["command"]
    shard = command[command.index("--shard") + 1]
    assert job["completionMode"] == "Indexed"
    for index in range(job["completions"]):
        # $(NAME) is what Kubernetes replaces in a command.
        parsed = parse_shard(shard.replace("$(JOB_COMPLETION_INDEX)", str(index)))
        assert (parsed.index, parsed.of) == (index, job["completions"])


def test_a_shard_is_tried_again_after_what_may_pass_and_after_nothing_else(job: Any) -> None:
    rules = {each["action"]: each.get("onExitCodes") for each in job["podFailurePolicy"]["rules"]}
    classes = [each for each in vars(errors).values() if isinstance(each, type)]
    kinds = [each for each in classes if issubclass(each, errors.BridgeError)]
    again = {each.exit_code for each in kinds if issubclass(each, errors.TryAgain)}
    # 3 is told by those who only look.
    final = {each.exit_code for each in kinds} - again - {3}
    assert set(rules["Count"]["values"]) == again
    assert set(rules["FailIndex"]["values"]) == final
    # Without these, Kubernetes takes no such policy.
    assert job["template"]["spec"]["restartPolicy"] == "Never"
    assert "backoffLimitPerIndex" in job
    (container,) = job["template"]["spec"]["containers"]
    assert {rule["containerName"] for rule in rules.values() if rule} == {container["name"]}


def test_the_recipes_are_python() -> None:
    recipes = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(recipes) == 3
    for recipe in recipes:
        compile(recipe, "recipe", "exec")
