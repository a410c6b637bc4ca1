"""JupyterLab as a job: there with the token, shut without it, on the loopback only, two at once, stopped."""

import os
import re
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.run_folder import read_json
from labrun import jupyter
from labrun.slurm import squeue as queue

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def two(lab):
    """Two servers of two students, started at the same time."""
    for name in ("ann", "ben"):
        folder = jupyter.create(name)
        lab.executor().submit_server(folder)
    folders = [jupyter.find(name) for name in ("ann", "ben")]
    yield [(folder, jupyter.wait_until_ready(folder, patience_s=90)) for folder in folders]
    for folder in folders:
        lab.labkit("jupyter", "stop", folder.name)


def test_two_at_once_answer_on_ports_of_their_own_to_their_own_token(two):
    (ann, at_ann), (ben, at_ben) = two
    assert at_ann["port"] != at_ben["port"]
    tokens = [(folder / "token").read_text() for folder in (ann, ben)]
    assert tokens[0] != tokens[1]
    assert [jupyter.answers(at["port"], token) for at, token in zip((at_ann, at_ben), tokens, strict=True)] == [
        200,
        200,
    ]
    assert jupyter.answers(at_ann["port"], None) == 403
    assert jupyter.answers(at_ann["port"], tokens[1]) == 403


def test_the_token_is_private_and_stands_in_no_argument_and_no_log(two):
    for folder, seen in two:
        token = (folder / "token").read_text()
        assert stat.S_IMODE((folder / "token").stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        place = read_json(folder / "server.json")
        with open(f"/proc/{place['pid']}/cmdline") as arguments:
            assert token not in arguments.read()
        for log in [*folder.glob("*.log"), *folder.glob("*.out"), folder / "job.sh"]:
            assert token not in log.read_text(), log
        assert token not in "\n".join(jupyter.directions(seen, folder))


def test_it_listens_on_the_loopback_only(two):
    _, seen = two[0]
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in {address for address in others if not address.startswith("127.")}:
        assert jupyter.answers(seen["port"], None, host=address) == 0
    with open("/proc/net/tcp") as table:
        bound = [line.split()[1] for line in table if line.split()[3] == "0A"]
    assert [place.partition(":")[0] for place in bound if int(place.partition(":")[2], 16) == seen["port"]] == [
        "0100007F"
    ]


def test_list_and_connect_tell_where_it_is_and_how_long(two, lab):
    shown = lab.labkit("jupyter", "list").stdout
    assert "ann" in shown and "ready" in shown and str(two[0][1]["port"]) in shown
    said = lab.labkit("jupyter", "connect", "ann").stdout
    assert f"http://127.0.0.1:{two[0][1]['port']}/lab" in said and " left)" in said
    assert "name one: ann, ben." in lab.labkit("jupyter", "connect").stderr
    away = jupyter.directions(two[0][1] | {"host": "gpu07"}, two[0][0], login="login.site.edu")
    assert f":{two[0][1]['port']} -J " in away[1] and away[1].endswith("@gpu07")


def test_the_command_starts_one_and_stop_ends_it_with_its_job_and_its_token(lab):
    started = lab.labkit("jupyter", "start", "--site", "laptop", "--name", "cat", "--wait", "90")
    assert started.returncode == 0 and "runs on this machine" in started.stdout, started.stderr
    folder = jupyter.find("cat")
    port, pid = read_json(folder / "server.json")["port"], read_json(folder / "server.json")["pid"]
    assert "already" in lab.labkit("jupyter", "start", "--site", "laptop", "--name", "cat").stderr
    assert lab.labkit("jupyter", "stop", "cat").stdout == "cat is stopped.\n"
    assert not folder.exists() and jupyter.answers(port, None) == 0
    assert not os.path.exists(f"/proc/{pid}")
    queue.forget()
    assert (
        "Unknown JupyterLab 'cat'" in lab.labkit("jupyter", "stop", "cat").stderr
        or "No JupyterLab" in lab.labkit("jupyter", "stop", "cat").stderr
    )


def test_inside_salloc_the_script_serves_until_ctrl_c(lab):
    environment = os.environ | {"LABKIT_PYTHON": sys.executable, "SLURM_CONF": str(lab.cluster.folder / "slurm.conf")}
    script = Path(__file__).parents[2] / "scripts" / "salloc_jupyter.sh"
    terminal = subprocess.Popen(
        ["salloc", "--quiet", "bash", str(script)],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    said = ""
    try:
        for line in terminal.stdout:
            said += line
            if "Ctrl-C here ends it" in line:
                break
        port = int(re.search(r"127\.0\.0\.1:(\d+)/lab", said)[1])
        assert jupyter.answers(port, None) == 403, said
        os.killpg(terminal.pid, signal.SIGINT)
        lab.until(lambda: jupyter.answers(port, None) == 0, timeout_s=40)
        terminal.wait(40)
    finally:
        if terminal.poll() is None:
            os.killpg(terminal.pid, signal.SIGKILL)
    assert not [folder for folder in jupyter.servers() if folder.name in said]  # the token went with it
