"""What happened over time, drawn in text."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from benchmarks import schedule
from benchmarks.measures import Run

WIDTH, HEIGHT = 78, 14

#: A symbol, and a value for each column.
Curve = tuple[str, list[float]]


def plot(run: Run) -> str:
    """Two plots of one run: jobs in flight beside the ideal's, and how many had come how far."""
    best = schedule.ideal([run.delays[name] for name in run.names], run.slots, run.start_rate)
    last = max([*run.delivered.values(), run.started_at + schedule.makespan(best)]) - run.started_at
    columns = [last * (number + 1) / WIDTH for number in range(WIDTH)]

    def reached(moments: Sequence[float]) -> list[float]:
        ordered = sorted(moment - run.started_at for moment in moments)
        return [float(bisect_right(ordered, column)) for column in columns]

    def running(starts: Sequence[float], ends: Sequence[float]) -> list[float]:
        return [up - down for up, down in zip(reached(starts), reached(ends), strict=True)]

    ideal_starts = [run.started_at + each.start for each in best]
    ideal_ends = [run.started_at + each.end for each in best]
    in_flight: list[Curve] = [
        (".", running(ideal_starts, ideal_ends)),
        ("f", running(list(run.started.values()), list(run.ready.values()))),
    ]
    passed: list[Curve] = [
        (".", reached(ideal_ends)),
        ("s", reached(list(run.started.values()))),
        ("r", reached(list(run.ready.values()))),
        ("d", reached(list(run.delivered.values()))),
    ]
    return "\n".join(
        [
            f"{run.system}: f in flight at AWS, . the ideal's",
            draw(in_flight, last),
            f"{run.system}: s started, r ready, d delivered, . the ideal's ready",
            draw(passed, last),
        ]
    )


def draw(curves: Sequence[Curve], seconds: float) -> str:
    """A plot of curves over time; where they meet, the later in the list is seen."""
    top = max((max(values) for _, values in curves), default=0.0) or 1.0
    grid = [[" "] * WIDTH for _ in range(HEIGHT)]
    for symbol, values in curves:
        for column, value in enumerate(values):
            row = round(value / top * (HEIGHT - 1))
            grid[HEIGHT - 1 - row][column] = symbol
    labels = {0: f"{top:.0f}", HEIGHT - 1: "0"}
    lines = [f"{labels.get(number, ''):>7} |{''.join(row)}" for number, row in enumerate(grid)]
    lines = [line.rstrip() for line in lines]
    axis = f"{'':7} +{'-' * WIDTH}"
    scale = f"{'':7}  0 s{f'{seconds:.0f} s':>{WIDTH - 3}}"
    return "\n".join([*lines, axis, scale])
