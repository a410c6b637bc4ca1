"""Notebook 04 as a job of two nodes: its own cells start torchrun under srun, one rank on each."""

from pathlib import Path

import nbformat
import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
CELLS = ("04-02", "04-04", "04-10", "04-14", "04-16", "04-19", "04-21")  # "Two real processes", and what it stands on
DIES = '''(folder / "dies.py").write_text("""import sys, time
from labkit import distributed
distributed.setup(60)
if distributed.rank() == 1:
    sys.exit("rank one has had enough")
time.sleep(600)
""")
try:
    scaling.torchrun([str(folder / "dies.py")], ranks=2, nodes=nodes, timeout_s=90)
except labkit.run_folder.errors.LabError as error:
    said = str(error)'''
MEASURES = """result = scaling.measure((1, 2), batch_size=16, model="lenet", windows=3, steps_per_window=1,
                         seconds_per_case=0.5, limit=64, allreduce_bytes=(4096, 8192), nodes=nodes)
run.summarize(main="ranks", ranks=max(m.ranks for m in result.measurements), nodes=nodes.count, said=said,
              places=[rank["node"] for rank in held], equal=bool(checks.iloc[1] == 0),
              left=[path.name for path in run.path.glob("labkit-*")])"""


def test_its_ranks_sit_on_both_nodes_agree_bit_for_bit_and_one_that_dies_is_shown(lab):
    book = nbformat.read(ROOT / "notebooks" / "04_scaling.ipynb", as_version=4)
    ours = [nbformat.v4.new_code_cell(source) for source in ("import labkit\n" + DIES, MEASURES)]
    book.cells = [cell for cell in book.cells if cell.id in CELLS] + ours
    nbformat.write(book, lab.folder / "04_short.ipynb")
    sent = lab.labkit("run", "04_short.ipynb", "--site", "laptop", "--nodes", "2", "--name", "two-nodes")
    assert sent.returncode == 0, sent.stderr
    run = lab.run("two-nodes")
    assert lab.ended(run, timeout_s=240) == ["done"], lab.picture(run)
    found = run.read_summary()
    assert sorted(found["places"]) == ["node1", "node2"] and found["nodes"] == found["ranks"] == 2
    assert found["equal"] is True
    assert "Rank 1 of 2 failed" in found["said"] and "rank one has had enough" in found["said"]
    assert found["left"] == [], "logs of ranks are taken away"
