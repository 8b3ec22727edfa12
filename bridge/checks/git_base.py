"""Read the migrations of another branch with git.

It runs the `git` of this machine, changes nothing and fetches nothing.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from importlib.util import decode_source
from typing import TYPE_CHECKING, Final

from bridge.errors import UsageError
from bridge.files.plain_file import text_checksum
from bridge.files.stems import numbered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Seconds; a file system that hangs must not hold up a commit for ever.
_TIMEOUT: Final = 60

#: What git tells a hook about its repository. With one of these it takes the working directory for
#: the top of the tree.
_OF_A_HOOK: Final = frozenset(
    {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR"}
)
_MODULE: Final = re.compile(r"([^/]+)\.py")
_LINK: Final = "120000"


@dataclass(frozen=True, slots=True)
class GitBase:
    """The migrations of a branch: the checksum of each text, by its stem."""

    #: As it was given: `origin/main`.
    ref: str
    #: Where this work tree left the branch.
    fork: Mapping[str, str]
    #: Where the branch is now.
    tip: Mapping[str, str]


def read_base(folder: str, ref: str) -> GitBase:
    """Read the migrations that `folder` has on the branch `ref`.

    Raises UsageError, which says what to type, if the folder is in no git repository, or git
    does not know the branch or where the two parted.
    """
    if ref.startswith("-") or not ref.strip():
        raise UsageError(f"--base {ref!r} is not a branch or a commit of git.")
    _git(folder, "rev-parse", "--git-dir")
    tip = _ask(folder, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
    if tip is None:
        raise _unknown(folder, ref)
    fork = _ask(folder, "merge-base", tip, "HEAD")
    if fork is None:
        raise _unrelated(folder, ref)
    listings = [_blobs(folder, commit) for commit in (fork, tip)]
    checksums = _checksums(
        folder, sorted({blob for listing in listings for blob in listing.values()})
    )
    before, now = ({stem: checksums[blob] for stem, blob in each.items()} for each in listings)
    return GitBase(ref, before, now)


def read_migration(folder: str, ref: str, stem: str) -> bytes:
    """Read the file of one migration that `read_base` has found on the branch."""
    return _git(folder, "cat-file", "blob", f"{ref}:./{stem}.py")


def _unknown(folder: str, ref: str) -> UsageError:
    remote, slash, branch = ref.partition("/")
    if slash and remote in (_ask(folder, "remote") or "").split():
        fetch = f"git fetch {remote} {branch}:refs/remotes/{ref}"
        if _is_shallow(folder):
            fetch = f"git fetch --unshallow {remote} && {fetch}"
        return UsageError(f"git does not know {ref} in this clone. Fetch it first: {fetch}")
    return UsageError(
        f"git does not know {ref}. Name a branch, a tag or a commit that is in this clone (git "
        "branch --all lists its branches)."
    )


def _unrelated(folder: str, ref: str) -> UsageError:
    if _ask(folder, "rev-parse", "--verify", "--quiet", "HEAD") is None:
        return UsageError(
            f"This repository has no commit yet, so there is nothing to compare with {ref}."
        )
    if _is_shallow(folder):
        return UsageError(
            f"This clone is shallow, and its history ends before it meets {ref}. Fetch the rest: "
            "git fetch --unshallow"
        )
    return UsageError(
        f"{ref} and the commit that is checked out have no history in common, so nobody can tell "
        "which migrations are new. Name the branch that this one began from."
    )


def _is_shallow(folder: str) -> bool:
    return _ask(folder, "rev-parse", "--is-shallow-repository") == "true"


def _blobs(folder: str, commit: str) -> dict[str, str]:
    """List the blob of each migration in a commit, by stem; none if it has no such folder."""
    found: dict[str, str] = {}
    for entry in os.fsdecode(_git(folder, "ls-tree", "-z", commit)).split("\0"):
        about, _, name = entry.partition("\t")
        match = _MODULE.fullmatch(name)
        mode, kind, blob = [*about.split(), "", "", ""][:3]
        if match and kind == "blob" and mode != _LINK:
            found[match[1]] = blob
    return {stem: found[stem] for stem in numbered(found)}


def _checksums(folder: str, blobs: Sequence[str]) -> dict[str, str]:
    """Read the checksum of each blob's text."""
    if not blobs:
        return {}
    out = _git(folder, "cat-file", "--batch", stdin="".join(f"{blob}\n" for blob in blobs))
    found: dict[str, str] = {}
    place = 0
    for blob in blobs:
        head = out.index(b"\n", place)
        size = int(out[place:head].split()[-1])
        found[blob] = _checksum_of(out[head + 1 : head + 1 + size])
        place = head + size + 2
    return found


def _checksum_of(data: bytes) -> str:
    try:
        return text_checksum(decode_source(data))
    except (SyntaxError, LookupError, ValueError):
        return text_checksum(data.decode("latin-1"))


def _ask(folder: str, *arguments: str) -> str | None:
    """Return what git answers; None if it fails."""
    done = _run(folder, arguments, b"")
    return None if done.returncode else done.stdout.decode(errors="replace").strip()


def _git(folder: str, *arguments: str, stdin: str = "") -> bytes:
    done = _run(folder, arguments, stdin.encode())
    if done.returncode == 0:
        return done.stdout
    reason = (done.stderr.decode(errors="replace").strip() or "no reason given").splitlines()[0]
    if "not a git repository" in reason:
        raise UsageError(
            f"{folder} is in no git repository, so there is no base to compare it with. Leave "
            "--base out, or run this in a clone."
        )
    raise UsageError(f"git cannot read the repository of {folder}: {reason}")


def _run(folder: str, arguments: Sequence[str], stdin: bytes) -> subprocess.CompletedProcess[bytes]:
    environ = {name: value for name, value in os.environ.items() if name not in _OF_A_HOOK}
    try:
        return subprocess.run(
            ["git", "-C", folder, *arguments],
            input=stdin,
            env=environ | {"LC_ALL": "C"},
            capture_output=True,
            check=False,
            timeout=_TIMEOUT,
        )
    except FileNotFoundError:
        raise UsageError("--base needs git, which is not installed here.") from None
    except subprocess.TimeoutExpired:
        raise UsageError(
            f"git did not answer within {_TIMEOUT} seconds: git {' '.join(arguments)}"
        ) from None
