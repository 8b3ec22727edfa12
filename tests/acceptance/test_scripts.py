"""The scripts that make the virtual environment, with a stand-in for uv that installs nothing."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from support.matrix import chosen, pins, pythons

ROOT = Path(__file__).parents[2]
LOCKS = [f"requirements-{each}.lock" for each in ("embedded", "dev", "bench", "docs")]
MATRIX = "requirements-matrix.lock"

#: Makes an environment whose programs tell their arguments; notes each of its own calls.
UV = """\
#!/bin/bash
echo "$*" >>"$LOG"
case $1 in
  venv)
    mkdir -p "${@: -1}/bin"
    ln -sf "$(command -v python3)" "${@: -1}/bin/python"
    ;;
  python) exit 1 ;;
  pip)
    [ -z "$SLOW" ] || sleep "$SLOW"
    case " $* " in *" $FAIL "*) exit 1 ;; esac
    bin=$ROOT/.venv/bin
    for argument; do
      case $argument in */bin/python) bin=${argument%/python} ;; esac
    done
    for name in eai mkdocs pytest ruff mypy lint-imports; do
      printf '#!/bin/bash\\necho "%s $* [$ALEMBIC_CONFIG]"\\n' "$name" >"$bin/$name"
      chmod +x "$bin/$name"
    done
    ;;
esac
"""


class Repository:
    def __init__(self, path: Path) -> None:
        self.path = path / "the repository"
        for name in (
            *("pyproject.toml", *LOCKS, MATRIX),
            *(f"scripts/{each}" for each in ("docs", "eai", "test", "_venv.sh")),
            "tests/support/matrix.py",
        ):
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.path / name)
        # What the stand-in installs has no requirements to be asked for.
        (self.path / "tests" / "support" / "unfit.py").write_text("print('a_tool sqlalchemy>=3')\n")
        (path / "bin").mkdir()
        (path / "bin" / "uv").write_text(UV)
        (path / "bin" / "uv").chmod(0o755)
        self.log = path / "log"
        self.elsewhere = path

    def start(self, script: str, *args: str, cwd: Path, **env: str) -> subprocess.Popen[str]:
        environ = {k: v for k, v in os.environ.items() if k not in {"ALEMBIC_CONFIG", "PYTHON"}}
        environ["PATH"] = f"{self.elsewhere / 'bin'}:{environ['PATH']}"
        return subprocess.Popen(
            [self.path / "scripts" / script, *args],
            cwd=cwd,
            env={**environ, "LOG": str(self.log), "ROOT": str(self.path), **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(
        self, script: str, *args: str, cwd: Path | None = None, **env: str
    ) -> tuple[int, str, str]:
        process = self.start(script, *args, cwd=cwd or self.path, **env)
        stdout, stderr = process.communicate(timeout=60)
        return process.returncode, stdout, stderr

    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def test_the_first_call_installs_and_later_ones_do_not(repository: Repository) -> None:
    assert repository.run("eai", "migrate", "a b") == (
        0,
        "eai migrate a b []\n",
        "eai: making .venv from requirements-embedded.lock; this happens once\n",
    )
    calls = repository.calls()
    assert [call.split()[0] for call in calls] == ["venv", "pip", "pip"]
    assert f"--require-hashes -r {repository.path}/requirements-embedded.lock" in calls[1]
    assert calls[2].endswith(f"--no-deps --no-build-isolation -e {repository.path}")
    assert repository.run("eai") == (0, "eai  []\n", "")
    assert repository.calls() == calls


def test_called_from_elsewhere_it_works_on_its_own_repository(repository: Repository) -> None:
    _, stdout, _ = repository.run("eai", cwd=repository.elsewhere)
    assert stdout == f"eai  [{repository.path}/alembic.ini]\n"
    link = repository.elsewhere / "eai"
    link.symlink_to(repository.path / "scripts" / "eai")
    told = subprocess.run([link], cwd="/", capture_output=True, text=True, check=True).stdout
    assert told == f"eai  [{repository.path}/alembic.ini]\n"
    _, stdout, _ = repository.run("eai", cwd=repository.elsewhere, ALEMBIC_CONFIG="mine.ini")
    assert stdout == "eai  [mine.ini]\n"


def test_two_first_calls_at_once_install_once(repository: Repository) -> None:
    both = [repository.start("eai", cwd=repository.path, SLOW="0.3") for _ in range(2)]
    told = [process.communicate(timeout=60)[0] for process in both]
    assert told == ["eai  []\n"] * 2
    assert len(repository.calls()) == 3


def test_a_killed_first_call_is_made_good_by_the_next(repository: Repository) -> None:
    process = repository.start("eai", cwd=repository.path, SLOW="30")
    deadline = time.monotonic() + 30
    while len(repository.calls()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    (repository.path / ".venv" / "half").touch()
    assert repository.run("eai")[:2] == (0, "eai  []\n")
    assert not (repository.path / ".venv" / "half").exists()


def test_a_failed_install_is_told_and_tried_again(repository: Repository) -> None:
    status, stdout, stderr = repository.run("eai", FAIL="--quiet")
    assert (status, stdout) == (1, "")
    assert stderr.endswith("eai: .venv could not be made; the next call tries again\n")
    assert repository.run("eai")[0] == 0


def test_another_lock_file_is_installed(repository: Repository) -> None:
    repository.run("eai")
    with (repository.path / LOCKS[0]).open("a") as lock:
        lock.write("# changed\n")
    repository.run("eai")
    assert [call.split()[0] for call in repository.calls()] == ["venv", *["pip"] * 4]


def test_the_development_environment_serves_eai_too(repository: Repository) -> None:
    repository.run("test", "tests/unit")
    calls = repository.calls()
    assert repository.run("eai") == (0, "eai  []\n", "")
    assert repository.calls() == calls


def test_the_site_is_built_in_an_environment_of_its_own(repository: Repository) -> None:
    config = repository.path / "docs" / "mkdocs.yml"
    status, stdout, _ = repository.run("docs", "--site-dir", "there")
    assert (status, stdout) == (
        0,
        f"mkdocs build --strict --config-file {config} --site-dir there []\n",
    )
    assert (repository.path / ".venv-docs").is_dir()
    assert repository.run("docs", "serve")[1] == f"mkdocs serve --config-file {config} []\n"


def test_the_site_is_built_in_the_development_environment_where_it_is(
    repository: Repository,
) -> None:
    repository.run("test", "tests/unit")
    calls = repository.calls()
    assert repository.run("docs")[0] == 0
    assert repository.calls() == calls


def test_all_checks_run_and_one_that_fails_fails_the_script(repository: Repository) -> None:
    _, stdout, _ = repository.run("test", "tests/unit", "-x")
    assert [line for line in stdout.splitlines() if line and not line.startswith("==")] == [
        "ruff check []",
        "ruff format --check []",
        "mypy --strict []",
        "lint-imports --no-logo []",
        "pytest tests/unit -x []",
    ]
    (repository.path / ".venv" / "bin" / "mypy").write_text("#!/bin/bash\nexit 1\n")
    status, stdout, stderr = repository.run("test", cwd=repository.elsewhere)
    assert status == 1
    assert stderr == "\nfailed: .venv/bin/mypy --strict\n"
    assert re.search(r"^pytest -n [345] --dist worksteal \[\]$", stdout, re.MULTILINE)
    _, stdout, _ = repository.run("test", "--all")
    assert re.search(r"^pytest --all -n [345] --dist worksteal \[\]$", stdout, re.MULTILINE)
    _, stdout, _ = repository.run("test", "--all", "tests/unit")
    assert stdout.endswith("\npytest --all tests/unit []\n")


def test_each_combination_has_its_releases_and_its_tests(repository: Repository) -> None:
    nowhere: dict[str, Any] = {
        "PATH": f"{repository.elsewhere / 'bin'}:/usr/bin:/bin",
        "PYENV_ROOT": "/nowhere",
    }
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    (repository.elsewhere / "bin" / f"python{here}").symlink_to(sys.executable)
    status, stdout, stderr = repository.run("test", "--matrix", "tests/unit", **nowhere)
    assert status == 0, stderr
    lines = stdout.splitlines()
    told = [each.partition(", ")[2] for each in lines if each.startswith(f"== Python {here}, ")]
    expected = [" ".join(pins(each)) for each in chosen([here])]
    assert told == [each or "as in requirements-dev.lock" for each in expected]
    assert lines.count("pytest tests/unit []") == len(expected) + 1
    for other in set(pythons()) - {here}:
        assert f"test: there is no Python {other} here: it is passed over\n" in stderr
    released = [each for each in repository.calls() if "releases.txt" in each]
    assert len(released) == len([each for each in expected if each])
    assert all("--require-hashes --no-deps" in each for each in released)
    calls = [each for each in repository.calls() if each.startswith("pip uninstall")]
    assert len(calls) == len(released)
    assert all(each.endswith(" a_tool") for each in calls)
    last = (repository.path / f".venv-{here}" / "releases.txt").read_text()
    found = re.findall(r"^[a-z0-9-]+==\S+", last, re.MULTILINE)
    assert sorted(found) == sorted(expected[-1].split())
    assert last.count("--hash=sha256:") >= len(expected[-1].split())


def test_a_combination_that_cannot_be_installed_fails_without_its_tests(
    repository: Repository,
) -> None:
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    nowhere: dict[str, Any] = {
        "PATH": f"{repository.elsewhere / 'bin'}:/usr/bin:/bin",
        "PYENV_ROOT": "/nowhere",
    }
    (repository.elsewhere / "bin" / f"python{here}").symlink_to(sys.executable)
    status, stdout, stderr = repository.run("test", "--matrix", "x", FAIL="--no-deps -r", **nowhere)
    assert status == 1
    first = " ".join(pins(chosen([here])[0]))
    assert f"\nfailed: .venv-{here} with {first}, " in stderr
    without = [each for each in chosen([here]) if not pins(each)]
    assert stdout.splitlines().count("pytest x []") == len(without) + 1


@pytest.mark.parametrize("name", [*LOCKS, MATRIX])
def test_a_lock_names_versions_and_hashes_but_no_address(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert not re.search(r"^\s*-(?!-hash)", text, re.MULTILINE)
    for block in re.split(r"\n(?=[a-z])", text.strip()):
        assert re.match(r"[a-z0-9-]+==\S+", block)
        assert "--hash=sha256:" in block


def test_the_other_locks_have_all_that_eai_needs_at_the_same_versions() -> None:
    embedded, dev, bench, docs = (
        set(re.findall(r"^[a-z0-9-]+==\S+", (ROOT / name).read_text(), re.MULTILINE))
        for name in LOCKS
    )
    assert embedded <= dev
    assert embedded <= bench
    assert embedded <= docs <= dev
