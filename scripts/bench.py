"""How fast it is, beside others, in one run on this machine: a table, and in _build/bench a picture and more.

    python scripts/bench.py                  everything, about a quarter of an hour
    python scripts/bench.py --quick          a smoke test of seconds, whose numbers mean nothing
    python scripts/bench.py steps runs       some parts alone: steps, compiling, runs, trainings, landscapes
                                             (five minutes together), and book: `make book`, `make test`
    python scripts/bench.py --threads 1      on so many processor cores, without the book

Whoever is compared takes turns, round after round, so that what else the machine does meets all alike. A
number is the least of all rounds; its spread says how far the median lies above. Other work on the machine
disturbs all the same, threads that wait for each other most: the load before is told. Optional packages
that are missing are named: optax (in the requirements of the tests), pytorch_optimizer, torch_optimizer.
What is compared stands in `contests.py`.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import platform
import pstats
import re
import statistics
import sys
import textwrap
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from math import ceil, floor, log10
from pathlib import Path
from typing import Any

from contests import BOUND, PARTS, ROOT, Contest, Goal, Once

Ways = dict[str, list[Callable[[], Any]]]
"""By name, the functions of which the fastest counts."""


@dataclass
class Result:
    title: str
    ms: dict[str, float]
    spread: dict[str, float]
    goals: list[dict[str, Any]]
    not_run: dict[str, str]
    notes: list[str] = field(default_factory=list)
    profiles: list[str] = field(default_factory=list)


def settings(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that all of it runs")
    parser.add_argument("--rounds", type=int, default=0, help="how many turns each takes")
    parser.add_argument("--threads", type=int, default=0, help="processor cores to use; default: all")
    parser.add_argument("--out", type=Path, default=ROOT / "_build" / "bench", help="the folder to write to")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    chosen.parts = chosen.parts or [part for part in PARTS if part != "book" or not chosen.threads]
    chosen.rounds = chosen.rounds or (2 if chosen.quick else 9)
    return chosen


def keep_to(threads: int) -> None:
    """Before torch and jax start: both, and the libraries under them, get the same cores."""
    if threads and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    if threads:
        os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(threads)


# --- Measuring ----------------------------------------------------------------------------------------------


def measured(made: Contest | Once, rounds: int) -> Result:
    if isinstance(made, Contest):
        return measure(made, rounds)
    spread = dict.fromkeys(made.ms, 0.0)
    return Result(made.title, made.ms, spread, told(made.goals, made.ms), made.not_run, made.notes)


def measure(contest: Contest, rounds: int) -> Result:
    ways, failed = warmed(contest)
    times = taken(ways, contest, rounds)
    least = {who: min(map(min, seen)) for who, seen in times.items()}
    spread = {who: statistics.median(map(min, seen)) / least[who] - 1 for who, seen in times.items()}
    goals = told(contest.goals, least)
    missed = {goal["who"]: None for goal in goals if goal["is"] and goal["is"] > goal["at_most"]}
    profiles = [profile(ways[who][0], f"{contest.title}: {who}") for who in missed]
    notes = [*contest.notes, *ranges(times)]
    return Result(contest.title, least, spread, goals, contest.not_run | failed, notes, profiles)


def warmed(contest: Contest) -> tuple[Ways, dict[str, str]]:
    """Who has taken the turns that are not timed, and why the others have not."""
    ways: Ways = {}
    failed: dict[str, str] = {}
    for who, turn in contest.turns.items():
        turns = turn if isinstance(turn, list) else [turn]
        try:
            for one in turns * contest.before:
                one()
            ways[who] = turns
        except Exception as error:
            failed[who] = f"{type(error).__name__}: {str(error).partition(chr(10))[0][:80]}"
    return ways, failed


def taken(ways: Ways, contest: Contest, rounds: int) -> dict[str, list[list[float]]]:
    """By name, of each round, the milliseconds of each way."""
    times: dict[str, list[list[float]]] = {who: [] for who in ways}
    for _ in range(rounds):
        for who, turns in ways.items():
            share = contest.share.get(who, 1.0)
            times[who].append([milliseconds(turn, contest.each) / share for turn in turns])
    return times


def ranges(times: dict[str, list[list[float]]]) -> list[str]:
    """Of those with several ways, how far these lie apart."""
    several = {
        who: [min(way) for way in zip(*seen, strict=True)] for who, seen in times.items() if seen[0][1:]
    }
    return [
        f"{who}: of {len(each)} ways, from {short(min(each))} to {short(max(each))} ms"
        for who, each in several.items()
    ]


KERNEL = re.compile(r"<built-in method [a-z0-9]{40,}.*")  # inductor names it after what is in it


def profile(turn: Callable[[], Any], title: str) -> str:
    """Where the time goes in one who missed a goal: the functions that take most of it by themselves, and how
    often each is called. Looking costs time of its own, so that small functions seem slower than they are."""
    looked, times = cProfile.Profile(), 10
    looked.enable()
    for _ in range(times):
        turn()
    looked.disable()
    found = pstats.Stats(looked).strip_dirs().stats  # type: ignore[attr-defined]
    own = sorted(((took, calls, where) for where, (_, calls, took, *_) in found.items()), reverse=True)
    lines = []
    for took, calls, (file, _, name) in own[:10]:
        name = KERNEL.sub("the compiled kernel", name if file == "~" else f"{file}: {name}")
        lines.append(f"  {1e3 * took / times:10.3f} ms  {calls / times:8.1f} ×  {name[:70]}")
    rest = sum(took for took, *_ in own[10:])
    return "\n".join([title, *lines, f"  {1e3 * rest / times:10.3f} ms  by {len(own) - 10} others", ""])


def milliseconds(turn: Callable[[], Any], each: int) -> float:
    """Of one piece of work; on a GPU by its own clock."""
    import torch

    if torch.cuda.is_available():
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(each):
            turn()
        end.record()
        torch.cuda.synchronize()
        return start.elapsed_time(end) / each
    started = time.perf_counter()
    for _ in range(each):
        turn()
    return 1e3 * (time.perf_counter() - started) / each


def reached(goal: Goal, ms: dict[str, float]) -> float | None:
    """What the goal bounds; None where one of the two did not run."""
    if goal.who not in ms or (goal.versus and goal.versus not in ms):
        return None
    return ms[goal.who] / (ms[goal.versus] if goal.versus else 1.0)


def told(goals: list[Goal], ms: dict[str, float]) -> list[dict[str, Any]]:
    """Each goal, and beside it what it bounds."""
    return [asdict(goal) | {"is": reached(goal, ms)} for goal in goals]


def machine() -> dict[str, Any]:
    import numpy
    import torch

    cpuinfo = Path("/proc/cpuinfo")
    models = (
        [line for line in cpuinfo.read_text().splitlines() if "model name" in line]
        if cpuinfo.exists()
        else []
    )
    has_affinity = hasattr(os, "sched_getaffinity")
    return {
        "day": datetime.now(UTC).date().isoformat(),
        "processor": models[0].partition(":")[2].strip() if models else platform.processor(),
        "cores": len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count(),
        "load before": f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown",
        "torch threads": torch.get_num_threads(),
        "GPU": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
    }


# --- Telling ------------------------------------------------------------------------------------------------


def table(result: Result) -> str:
    lines = [result.title]
    for who, ms in sorted(result.ms.items(), key=lambda item: item[1]):
        lines.append(f"  {who:<26} {ms:12.4g} ms   +{100 * result.spread[who]:.0f} %")
    for goal in result.goals:
        unit = f"× {goal['versus']}" if goal["versus"] else "ms"
        if goal["is"] is None:
            lines.append(f"  goal: {goal['who']} ≤ {short(goal['at_most'])} {unit}: not measured")
            continue
        verdict = "reached" if goal["is"] <= goal["at_most"] else "NOT reached"
        found = f"{short(goal['is'])}, {verdict}"
        lines.append(f"  goal: {goal['who']} ≤ {short(goal['at_most'])} {unit}: {found}")
    lines += [f"  {note}" for note in result.notes]
    lines += [f"  not run: {who} ({why})" for who, why in result.not_run.items()]
    return "\n".join(lines)


def short(number: float) -> str:
    """To three digits, without a power of ten where it is large."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def draw(results: list[Result], path: Path) -> None:
    """Every contest of which anything ran, as a panel."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from gdcourse.figures.style import use_style

    use_style()
    results = [result for result in results if result.ms]
    columns = min(2, len(results))
    rows = -(-len(results) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(5.4 * columns, 2.2 * rows), squeeze=False)
    for ax in axes.flat[len(results) :]:
        ax.axis("off")
    for ax, result in zip(axes.flat, results, strict=False):
        draw_one(ax, result)
    figure.savefig(path, dpi=100)


def draw_one(ax: Any, result: Result) -> None:
    """Points on a logarithmic axis, from the least to the median."""
    from matplotlib.ticker import NullFormatter

    names = sorted(result.ms, key=lambda who: -result.ms[who])
    for at, who in enumerate(names):
        color, least = color_of(who), result.ms[who]
        median = least * (1 + result.spread[who])
        ax.plot([least, median], [at, at], color=color)
        ax.plot(least, at, "o", color=color)
        ax.annotate(f"  {short(least)}", (median, at), va="center", fontsize=7)
    ax.set_yticks(range(len(names)), names, fontsize=7)
    ax.set_ylim(-0.7, len(names) - 0.3)
    ax.set_xscale("log")
    low, high = min(result.ms.values()), max(result.ms.values())
    ax.set_xlim(10 ** floor(log10(low)), 10 ** ceil(log10(3 * high)))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_title(textwrap.fill(result.title, 64), fontsize=8)
    ax.set_xlabel("ms", fontsize=7)
    ax.tick_params(axis="x", labelsize=7)


def color_of(who: str) -> str:
    """Whose it is: ours, torch's, another's, or a yardstick."""
    from gdcourse.figures.style import BLUE, FAINT, GREY, ORANGE

    if who == BOUND:
        return FAINT
    return BLUE if who.startswith("ours") else GREY if who.startswith(("torch,", "torch.")) else ORANGE


def write(results: list[Result], about: dict[str, Any], folder: Path) -> None:
    """The picture, the profiles, and all numbers with what is to be said ``about`` the run."""
    folder.mkdir(parents=True, exist_ok=True)
    draw(results, folder / "bench.png")
    profiles = [text for result in results for text in result.profiles]
    (folder / "profile.txt").write_text("\n".join(profiles), encoding="utf-8")
    numbers = about | {"contests": [asdict(replace(result, profiles=[])) for result in results]}
    text = json.dumps(numbers, indent=1, ensure_ascii=False)
    (folder / "bench.json").write_text(text + "\n", encoding="utf-8")


def summary(results: list[Result]) -> str:
    goals = [goal for result in results for goal in result.goals if goal["is"] is not None]
    return f"{sum(goal['is'] <= goal['at_most'] for goal in goals)} of {len(goals)} goals reached"


# --- One run ------------------------------------------------------------------------------------------------


def ready(threads: int) -> None:
    """Before anything is imported that starts threads."""
    keep_to(threads)
    os.environ["GDCOURSE_STATIC"] = "1"  # one progress bar, ours
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    import torch

    if threads:
        torch.set_num_threads(threads)
    warnings.simplefilter("ignore")


def main(arguments: list[str]) -> int:
    chosen = settings(arguments)
    ready(chosen.threads)
    from tqdm import tqdm

    about = {"machine": machine(), "quick": chosen.quick, "rounds": chosen.rounds}
    print("\n".join(f"{name}: {value}" for name, value in about["machine"].items()) + "\n", flush=True)
    contests = [make for part in chosen.parts for make in PARTS[part](chosen.quick)]
    results = []
    for make in tqdm(contests, desc="contests", leave=False, file=sys.stderr):
        results.append(measured(make(), chosen.rounds))
        tqdm.write(table(results[-1]) + "\n", file=sys.stdout)
        sys.stdout.flush()
    write(results, about, chosen.out)
    print(summary(results) + (", of no meaning with --quick" if chosen.quick else ""))
    print(f"Written: {chosen.out / 'bench.json'}, bench.png, and profile.txt of who missed a goal")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
