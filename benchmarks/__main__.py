"""labkit beside its peers, in one run: writes RESULTS.md, results.json and results.png."""

import argparse
import json
import logging
import os
import sys
import time
import warnings
from pathlib import Path

os.environ.setdefault("KINETO_LOG_LEVEL", "5")  # before torch: the profiler's own messages stay quiet

from benchmarks import contrastive, defaults, epoch_profile, inputs, probe, training
from benchmarks.compare import Section
from benchmarks.results import save
from benchmarks.tables import markdown

SECTIONS = {
    "inputs": lambda o: [inputs.supervised_pipeline(o.repeats, o.quick)],
    "views": lambda o: [inputs.simclr_views(o.repeats, o.quick)],
    "ntxent": lambda o: contrastive.nt_xent(o.repeats, o.quick),
    "step": lambda o: training.training_steps(o.repeats, o.quick),
    "probe": lambda o: [probe.linear_probe(o.repeats, o.quick)],
    "epoch": lambda o: training.epochs(o.repeats, o.quick),
    "defaults": lambda o: [defaults.accuracy_of_defaults(o.seeds, o.quick)],
    "profile": lambda o: epoch_profile.where_the_time_goes(o.quick),
}
HERE = Path(__file__).parent


def main() -> None:
    options = parse(sys.argv[1:])
    logging.disable(logging.INFO)
    warnings.filterwarnings("ignore")
    command = " ".join(["python -m benchmarks", *sys.argv[1:]])
    began, done = time.perf_counter(), []
    gpu = json.loads(options.gpu.read_text()) if options.gpu else None
    for name in options.sections or SECTIONS:
        print(f"[{time.perf_counter() - began:4.0f} s] {name}", flush=True)
        for section in SECTIONS[name](options):
            say(section)
            done.append(section)
        path = save(done, options.out, command=command, gpu=gpu)  # after each: nothing measured is lost
    print(f"[{time.perf_counter() - began:4.0f} s] written to {path}")


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog="The peers come with `pip install -e .[bench]`. A section measured "
        "alone replaces its own tables in RESULTS.md only. Leave the machine alone meanwhile.",
    )
    parser.add_argument("sections", nargs="*", help=f"some of: {', '.join(SECTIONS)} (all)")
    parser.add_argument("--repeats", type=int, default=7, help="rounds of each contender (7)")
    parser.add_argument("--seeds", type=int, default=5, help="of the section defaults (5; 2 to 8)")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: to see that it works")
    parser.add_argument("--out", type=Path, default=HERE, help="where RESULTS.md goes (benchmarks/)")
    parser.add_argument("--gpu", type=Path, help="report.json of scripts/gpu_report.sh, shown from now on")
    options = parser.parse_args(arguments)
    wrong = [name for name in options.sections if name not in SECTIONS]
    if wrong:
        parser.error(f"there is no section {wrong[0]!r}; choose from {', '.join(SECTIONS)}")
    if options.repeats < 1 or not 2 <= options.seeds <= 8:
        parser.error("--repeats is at least 1 and --seeds 2 to 8")
    if options.gpu and not options.gpu.is_file():
        parser.error(f"{options.gpu} does not exist: scripts/gpu_report.sh writes it")
    if options.quick and options.out == HERE:
        parser.error("--quick figures are no results: give --out for them")
    return options


def say(section: Section) -> None:
    print(f"\n{section.title}\n{markdown(section.rows)}", flush=True)


if __name__ == "__main__":
    main()
