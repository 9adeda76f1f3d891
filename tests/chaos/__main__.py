"""`make chaos`: storms of several seeds, with what happens as it happens and a table in the end."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.chaos.audit import Audit
from tests.chaos.plan import plan
from tests.chaos.storm import Storm
from tests.conftest import make_stack


def main() -> int:
    """Run the seeds of the command line; 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seeds", default="1,2,3", help="seeds, separated by commas")
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--blows", type=int, default=24)
    parser.add_argument("--lease", type=float, default=15.0, help="seconds; 15 is the default's")
    options = parser.parse_args()
    table = [_storm(int(seed), options) for seed in options.seeds.split(",")]
    print()
    print(
        f"{'seed':>6} {'jobs':>6} {'blows':>6} {'s':>6}  {'starts':>6} {'doubled':>7} {'lost':>5}"
        f" {'slowest recovery':>17}  wrong"
    )
    for line, _ in table:
        print(line)
    return 0 if all(good for _, good in table) else 1


def _storm(seed: int, options: argparse.Namespace) -> tuple[str, bool]:
    print(f"\nseed {seed}: {options.jobs} jobs, {options.blows} blows, lease {options.lease:g} s")
    with (
        tempfile.TemporaryDirectory(prefix="chaos-") as folder,
        make_stack(Path(folder)) as stack,
    ):
        storm = Storm(stack, plan(seed, options.jobs, options.blows), options.lease, print)
        storm.blow()
        audit = Audit(storm)
        rows = audit.rows()
        for row in rows:
            print(f"  {'ok   ' if not row.wrong else 'WRONG'} {row.question}: {len(row.wrong)}")
            for what in row.wrong[:10]:
                print(f"          {what}")
        states = Counter(record.state.value for record in audit.records.values())
        print(f"  {dict(states)}; {dict(storm.blows)}")
        wrong = sum(len(row.wrong) for row in rows)
        slowest = max(storm.recoveries, default=0.0)
        line = (
            f"{seed:>6} {options.jobs:>6} {options.blows:>6} {storm.seconds:>6.0f}  "
            f"{audit.starts:>6} {len(audit.doubled()):>7} {len(audit.lost):>5} {slowest:>15.1f} s"
            f"  {wrong}"
        )
    return line, wrong == 0


if __name__ == "__main__":
    sys.exit(main())
