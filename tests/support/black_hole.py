"""A network of two machines that loses packets: what no proxy can do, whose kernel answers.

The other machine is a network namespace of this one's; making one needs root, and iproute2.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Network:
    """A machine from which this one is reached at `host`, over a line that can be broken."""

    name: str
    host: str
    other: str

    @property
    def command(self) -> list[str]:
        """What is written before a command that is to run on the other machine."""
        return ["ip", "netns", "exec", self.name]

    def swallow(self) -> None:
        """Lose every packet to the other machine from now on: what it sends is never answered."""
        _ip("route", "add", "blackhole", f"{self.other}/32")


@contextmanager
def network() -> Iterator[Network]:
    """Make the two machines; the test is skipped where that cannot be done."""
    if shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("to lose packets needs root, and ip (on Debian: apt-get install iproute2)")
    number = os.getpid() % (1 << 14)
    name = f"bridge{number}"
    block = f"10.231.{number >> 6}.{(number & 63) << 2}"
    prefix, _, last = block.rpartition(".")
    here, there = (f"{prefix}.{int(last) + each}" for each in (1, 2))
    inside = ("-n", name)
    try:
        _ip("netns", "add", name)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespace can be made here: {error.stderr.strip()}")
    try:
        _ip("link", "add", f"{name}h", "type", "veth", "peer", "name", f"{name}o", "netns", name)
        _ip("address", "add", f"{here}/30", "dev", f"{name}h")
        _ip("link", "set", f"{name}h", "up")
        _ip(*inside, "address", "add", f"{there}/30", "dev", f"{name}o")
        _ip(*inside, "link", "set", f"{name}o", "up")
        # Known for good: that nobody answers is not to be told by the system's own protocol.
        mac = _ip("-br", "link", "show", f"{name}h").split()[2]
        _ip(*inside, "neigh", "replace", here, "lladdr", mac, "dev", f"{name}o", "nud", "permanent")
        yield Network(name, here, there)
    finally:
        for left in (("route", "delete", "blackhole", there), ("link", "delete", f"{name}h")):
            subprocess.run(["ip", *left], capture_output=True, check=False)
        _ip("netns", "delete", name)


def _ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout
