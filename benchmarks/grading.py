"""How fast is the autograder? One warm submission, a class of mixed ones graded twice, the public check.

python -m benchmarks.grading --count 100
"""

import argparse
import random
import tempfile
import time
from pathlib import Path

from autograder import audit, public
from autograder.classroom import gradebook, records
from autograder.engine.fork_server import ForkServer
from autograder.grading import grade


def write_class(folder: Path, lab: str, count: int, seed: int = 0) -> None:
    """Write `count` submissions: six of ten wrong, three correct, one hostile."""
    draw = random.Random(seed)
    pools = {kind: audit.cases(lab, [kind]) for kind in audit.KINDS}
    for number in range(count):
        case = draw.choice(pools[draw.choices(["wrong", "correct", "attacks"], [6, 3, 1])[0]])
        own = folder / f"student{number:03d}"
        for name, raw in audit.handed_in(case).contents.items():
            (own / name).parent.mkdir(parents=True, exist_ok=True)
            (own / name).write_bytes(raw)
        own.mkdir(exist_ok=True)


def seconds(work) -> tuple[float, object]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lab", default="lab03")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=None)
    options = parser.parse_args()
    right = audit.handed_in(next(c for c in audit.cases(options.lab, ["correct"]) if c.path.suffix == ".py"))
    with ForkServer() as server:
        cold = seconds(server.wait_until_ready)[0]
        warm = [seconds(lambda: grade(options.lab, right, server))[0] for _ in range(3)]
    print(f"fork server ready {cold:.1f} s; one submission warm {min(warm):.2f} to {max(warm):.2f} s")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "in"
        write_class(folder, options.lab, options.count)
        tables = []
        for turn in ("first", "second"):
            paths = records.submissions(folder)
            spent, reports = seconds(
                lambda t=turn, p=paths: records.grade_class(options.lab, p, Path(place) / t, seed=1, jobs=options.jobs)
            )
            tables.append(gradebook.to_csv(gradebook.gradebook(reports)))
            print(f"{len(paths)} mixed submissions, {turn} time: {spent:.1f} s")
        print("identical tables" if tables[0] == tables[1] else "THE TABLES DIFFER")
        for a, b in zip(*[table.splitlines() for table in tables], strict=True):
            if a != b:
                print(f"  {a}\n  {b}")
        for name, raw in right.contents.items():
            (folder / "student000" / name).write_bytes(raw)
        check = lambda: public.report(options.lab, folder / "student000")  # noqa: E731
        print(f"public check, first call: {seconds(check)[0]:.2f} s")
        public.start.cache_clear()
        public.start().wait_until_ready()  # as when `from autograder import check` stands some lines above
        print(f"public check, first call, fork server ready: {seconds(check)[0]:.2f} s")
        print(f"public check, second call: {seconds(check)[0]:.2f} s")


if __name__ == "__main__":
    main()
