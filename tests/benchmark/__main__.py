"""Measure bridge beside stock Alembic, the old runner, yoyo-migrations and bare psycopg2.

Run by scripts/bench. What the parts do: folders (the migrations), server (PostgreSQL), peers and
calls (who is compared), worker (a process for each), checking (nothing fast and wrong wins), bench
(rounds), in_process, processes, importing and targets (the scenarios), results, goals,
table, chart and machine; schemas is a benchmark of its own, which is run alone.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.engine import make_url

from benchmark import goals, in_process, machine, processes, schemas, table, targets
from benchmark.bench import Bench
from benchmark.checking import WrongResultError
from benchmark.importing import importing
from benchmark.peers import FLOOR, PEERS, Peer
from benchmark.results import Results
from benchmark.server import Database, Databases, own_server

if TYPE_CHECKING:
    from collections.abc import Sequence

PARTS: Final = ("noop", "process", "apply", "pending", "history", "import", "targets")
#: Not among them: it has nothing to do with the others, and a server of another kind.
SCHEMAS: Final = "schemas"
SIZES: Final = (10, 100, 1000, 5000)
HERE: Final = Path(__file__).parent
#: On the page of the figures.
PICTURE: Final = HERE.parents[1] / "docs" / "pages" / "pictures" / "growth.svg"
EXAMPLES: Final = """\
examples:
  scripts/bench --save                            all of it, into the files of the repository
  scripts/bench --save --only apply --sizes 1000  a part of it, in place of what is there of that
  scripts/bench --only apply --peers bridge,alembic --rounds 3 --json /tmp/apply.json
  scripts/bench --only schemas --sizes 1000,5000  many schemas of one database: what they cost

There are 25 rounds where nothing is pending, and nine of a fresh apply, two of 5000; each has
the peers in another order. The other parts are measured with N=1000, or with the greatest of
--sizes if that is not among them.
"""


def main(arguments: Sequence[str] | None = None, peers: Sequence[Peer] = PEERS) -> int:
    """Measure, print and write; 1 if a peer has not done its work."""
    given = _parse(arguments, peers)
    if SCHEMAS in given.only:
        return _many_schemas(given)
    chosen = _choose(given.peers, peers)
    try:
        with ExitStack() as stack:
            server = (
                Database(make_url(given.database_url))
                if given.database_url
                else stack.enter_context(own_server())
            )
            lasting = bool(given.database_url)
            databases = stack.enter_context(Databases(server, lasting=lasting))
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bridge-bench-")))
            about = machine.describe(chosen, databases.version())
            bench = Bench(chosen, databases, home, given.sizes, given.rounds, _say)
            complete = _complete(bench, given.only)
    except WrongResultError as error:
        _say(f"Error: {error}")
        return 1
    except KeyboardInterrupt:
        _say("Interrupted.")
        return 130
    print(about, "", *table.lines(bench.results, chosen), "", sep="\n")
    print(*targets.lines(bench.results), "", *goals.lines(bench.results), sep="\n")
    if not complete:
        _say("Interrupted: this is what was measured until then, and nothing was saved.")
        return 130
    _write(bench, about, given)
    return 0


def _complete(bench: Bench, only: Sequence[str]) -> bool:
    """Run these parts; False if somebody has interrupted them."""
    try:
        measure(bench, only)
    except KeyboardInterrupt:
        return False
    return True


def measure(bench: Bench, parts: Sequence[str] = PARTS) -> None:
    """Run these parts; what one has applied serves the next."""
    for size in sorted(bench.sizes):
        if "apply" in parts:
            in_process.fresh_apply(bench, size)
        if "noop" in parts:
            in_process.no_op(bench, size)
            in_process.no_op_warm(bench, size)
        if size == bench.main_size:
            if "process" in parts:
                processes.no_op(bench, size)
                processes.one_pending(bench, size)
                processes.fresh_apply(bench, size)
            if "pending" in parts:
                in_process.one_pending(bench, size)
            if "apply" in parts:
                in_process.fresh_apply_of_one_each(bench, size)
                in_process.fresh_apply_without_byte_code(bench, size)
            if "history" in parts:
                processes.history(bench, size)
    if "import" in parts:
        importing(bench)
    if "targets" in parts:
        targets.targets(bench)


def _many_schemas(given: argparse.Namespace) -> int:
    """Measure what many schemas of one database cost, and print it as it comes."""
    try:
        with ExitStack() as stack:
            server = stack.enter_context(own_server(**schemas.SETTINGS))
            databases = stack.enter_context(Databases(server, lasting=False))
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bridge-bench-")))
            print(machine.describe([], databases.version()), flush=True)
            schemas.schemas(Bench([], databases, home, given.sizes, say=_say))
    except WrongResultError as error:
        _say(f"Error: {error}")
        return 1
    except KeyboardInterrupt:
        _say("Interrupted.")
        return 130
    return 0


def _parse(arguments: Sequence[str] | None, peers: Sequence[Peer]) -> argparse.Namespace:
    def names(text: str) -> list[str]:
        return text.split(",")

    def numbers(text: str) -> list[int]:
        return sorted({int(number) for number in text.split(",")})

    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measure bridge beside other ways to apply the same migrations.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--sizes", type=numbers, default=SIZES, help="numbers of migrations (10,100,1000,5000)")
    add("--rounds", type=int, help="how often each is measured, in place of each part's own number")
    add("--only", type=names, default=PARTS, help=f"parts, of {','.join(PARTS)}; or {SCHEMAS}")
    add("--peers", type=names, help=f"of {','.join(p.name for p in peers)}; floor is always there")
    add("--json", type=Path, metavar="FILE", help="write all samples there")
    add("--chart", type=Path, metavar="FILE", help="draw the growth over N there, as SVG")
    add("--save", action="store_true", help="put both into tests/benchmark, for the pages")
    add("--database-url", help="a server on which to create databases, in place of one of its own")
    given = parser.parse_args(arguments)
    if unknown := set(given.only) - {*PARTS, SCHEMAS}:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if SCHEMAS in given.only:
        if given.only != [SCHEMAS] or given.save or given.json or given.database_url:
            parser.error(f"{SCHEMAS} is measured alone, on a server of its own, and only printed")
        return given
    if unknown := set(given.peers or ()) - {peer.name for peer in peers}:
        parser.error(f"no such peer: {', '.join(sorted(unknown))}")
    if min(given.sizes) < 2 or (given.rounds is not None and given.rounds < 1):
        parser.error("at least two migrations and one round")
    if given.save:
        given.json, given.chart = HERE / "results.json", PICTURE
    return given


def _choose(names: Sequence[str] | None, peers: Sequence[Peer]) -> list[Peer]:
    chosen = []
    for peer in peers:
        if names and peer.name not in names and peer != FLOOR:
            continue
        if peer.is_there():
            chosen.append(peer)
        else:
            _say(f"{peer.name} is left out: {peer.distribution} is not installed.")
    return chosen


def _write(bench: Bench, about: str, given: argparse.Namespace) -> None:
    results = bench.results
    if given.save:
        saved = json.loads(given.json.read_text())
        results = results.over(Results.from_json(saved["measurements"]))
    if given.json:
        everything: dict[str, Any] = {
            "machine": about,
            "measurements": results.as_json(),
            "goals": goals.as_json(results),
        }
        given.json.write_text(json.dumps(everything, indent=1) + "\n")
    if given.chart:
        from benchmark.chart import draw

        try:
            draw(results, bench.peers, given.chart)
        except ImportError:
            _say("No picture was drawn: matplotlib is not installed.")


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # leave nothing behind then either
    sys.exit(main())
