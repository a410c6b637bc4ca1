"""What every test shares: one thread a process, the quick choice, and an order in which two workers end together."""

import json
import os
import shutil
import tempfile
from collections import defaultdict
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: the workers fill the cores themselves

DURATIONS = Path(__file__).with_name("durations.json")  # test -> seconds, where not quick
QUICK_S = 0.5
UNKNOWN_S = 5.0  # an integration test that was not recorded yet


def pytest_addoption(parser):
    parser.addoption("--quick", action="store_true", help=f"no integration, and no test that takes {QUICK_S} s or more")
    parser.addoption("--record-durations", action="store_true", help="write tests/durations.json after a whole run")


def pytest_configure(config):
    place = Path(tempfile.mkdtemp(prefix="labkit-tests-"))  # nothing is written into the source tree
    config.add_cleanup(lambda: shutil.rmtree(place, ignore_errors=True))
    for name in ("LABKIT_CACHE", "LABKIT_DATA", "RUFF_CACHE_DIR", "HYPOTHESIS_STORAGE_DIRECTORY"):
        os.environ.setdefault(name, str(place / name.lower()))  # workers inherit those of the main process
    if config.getoption("record_durations"):
        config.pluginmanager.register(Recorder())


def known_seconds() -> dict[str, float]:
    return json.loads(DURATIONS.read_text()) if DURATIONS.exists() else {}


def group_of(nodeid: str) -> str:
    """Return what one worker runs together: a file, whose fixtures are made once, one notebook, or all of Slurm."""
    file, _, test = nodeid.partition("::")
    if file.endswith("notebooks/test_execute.py"):
        return test.partition("[")[2] or "01_data_visualization.ipynb]"
    return "tests/slurm" if file.startswith("tests/slurm/") else file


def pytest_xdist_make_scheduler(config, log):
    """Give each free worker the first group that is left (as `--dist loadgroup` does, which pytest 9.2 has broken)."""
    from xdist.scheduler import LoadScopeScheduling

    class LoadGroups(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return group_of(nodeid)

    config.option.loadscopereorder = False
    return LoadGroups(config, log)


def pytest_collection_modifyitems(config, items):
    """Put the longest groups first, so that no worker begins one when the others are done; make the quick choice."""
    known, of_group = known_seconds(), defaultdict(float)

    def seconds(item):
        return known.get(item.nodeid, UNKNOWN_S if item.get_closest_marker("integration") else 0)

    for item in items:
        of_group[group_of(item.nodeid)] += seconds(item)
    items.sort(key=lambda item: (-of_group[group_of(item.nodeid)], group_of(item.nodeid)))
    if config.getoption("quick"):  # a function whose first case waits for a fixture is slow in any of its cases
        functions = {name.partition("[")[0] for name, taken in known.items() if taken >= QUICK_S}
        slow = {
            item
            for item in items
            if item.get_closest_marker("integration")
            or item.nodeid.partition("[")[0] in functions
            or "server" in item.fixturenames  # the grader's, which loads transformers
        }
        config.hook.pytest_deselected(items=list(slow))
        items[:] = [item for item in items if item not in slow]


class Recorder:
    """Keeps the duration (with set-up) of each test."""

    def __init__(self):
        self.seconds = defaultdict(float)

    def pytest_runtest_logreport(self, report):
        self.seconds[report.nodeid] += report.duration

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session):
        if hasattr(session.config, "workerinput"):
            return  # the reports of all workers reach the main process
        kept = {name: round(seconds, 1) for name, seconds in sorted(self.seconds.items()) if seconds >= QUICK_S}
        DURATIONS.write_text(json.dumps(kept, indent=1) + "\n")
