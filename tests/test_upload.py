"""Sending runs to Weights & Biases later: each fit goes up once, whole, however often it was interrupted."""

import sys
from types import SimpleNamespace

import pytest

from labkit.run_folder import LabError, RunFolder
from labrun.results.tracking import send


class Server:
    """Stands in for the module wandb: remembers each run that was begun and what it was told."""

    def __init__(self):
        self.runs, self.away = [], False

    def Settings(self, **given):
        return given

    def init(self, **given):
        if self.away:
            raise ConnectionError("no route")
        run = SimpleNamespace(id=given["id"], given=given, rows=[], summary={}, finished=False)
        run.define_metric = lambda *_, **__: None
        run.log = run.rows.append
        run.finish = lambda: setattr(run, "finished", True)
        self.runs.append(run)
        return run


@pytest.fixture
def server(monkeypatch):
    server = Server()
    monkeypatch.setitem(sys.modules, "wandb", server)
    return server


@pytest.fixture
def run(tmp_path):
    run = RunFolder(tmp_path / "my.run").create({"values": {"lr": 0.1}})
    for fit, step in [("net", 1), ("net", 2), ("probe", 1)]:
        run.append_metrics({"fit": fit, "kind": "step", "step": step, "loss": 0.5 * step})
    run.summarize(main="accuracy", accuracy=0.75)
    run.write_status("done")
    return run


def test_each_fit_is_one_whole_run_with_values_history_and_summary(run, server):
    assert send(run) == ["my-run-net", "my-run-probe"]
    net, probe = server.runs
    assert (net.given["id"], net.given["mode"], net.given["config"]) == ("my-run-net", "online", {"lr": 0.1})
    assert net.rows == [{"step/loss": 0.5, "step": 1}, {"step/loss": 1.0, "step": 2}]
    assert probe.rows == [{"step/loss": 0.5, "step": 1}]
    assert net.summary == {"accuracy": 0.75} and net.finished and probe.finished


def test_what_was_sent_is_not_sent_again_and_what_was_refused_is(run, server):
    server.away = True
    with pytest.raises(LabError, match=r"W&B did not take my\.run .*no route.*upload it again"):
        send(run)
    server.away = False
    assert len(send(run)) == 2 and send(run) == []
    run.append_metrics({"fit": "third", "step": 1, "loss": 1.0})
    assert send(run) == ["my-run-third"]


def test_a_run_that_is_not_done_is_refused(run, server):
    run.write_status("interrupted")
    with pytest.raises(LabError, match="is not done"):
        send(run)
    assert server.runs == []
