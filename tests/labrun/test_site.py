"""Sites: the YAML files that come with labkit are whole, and a wrong one is told in one sentence."""

import pytest

from labkit.run_folder import LabError
from labrun.slurm.executor import SlurmExecutor
from labrun.slurm.render import resources
from labrun.slurm.site_config import load_site, seconds, site_names


@pytest.mark.parametrize("name", site_names())
def test_every_site_that_comes_with_labkit_is_whole(name):
    site = load_site(name)
    assert site.name == name and site.description and seconds(site.time) > site.warn_s


def test_the_two_sites_of_the_course_ask_for_what_their_documents_say():
    byu, olivia = load_site("byu"), load_site("olivia")
    assert (byu.qos, byu.cpus, byu.memory, byu.time) == ("dw87", 8, "32G", "04:00:00")
    assert byu.gpu_option.format(gpus=byu.gpus) == "--gres=gpu:a100:1"
    assert (olivia.partition, olivia.cpus, olivia.memory) == ("accel", 72, "110G")
    assert olivia.account_needed and olivia.container.endswith("arm64.sif")


def test_what_is_typed_goes_over_the_sites_own(monkeypatch):
    assert load_site("byu", time="10", gpus=None).time == "10"
    monkeypatch.setenv("LABKIT_SITE", "byu")
    assert load_site().name == "byu" and load_site("generic").name == "generic"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("30", 1800), ("1:30", 90), ("04:00:00", 14400), ("1-0", 86400), ("1-12:30", 131400), ("2-00:00:01", 172801)],
)
def test_a_time_limit_is_read_as_slurm_reads_it(text, wanted):
    assert seconds(text) == wanted


@pytest.mark.parametrize("text", ["", "soon", "0", "1:2:3:4", "-5", "1-", "x-1"])
def test_a_time_limit_that_is_none_is_refused(text):
    with pytest.raises(LabError, match=r"'time' is .* but should be a time limit"):
        load_site("generic", time=text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gpu: 2", "Site mine: Unknown setting 'gpu'. Did you mean gpus"),
        ("gpus: -1", "Setting 'gpus' is -1 but should be greater"),
        ("account: a b\n", "Setting 'account' is 'a b' but should be one word"),
        ("- a list", "holds a list; write `name: value`"),
        ("a: b: c", "is not valid YAML"),
    ],
)
def test_a_wrong_site_file_is_told_in_one_sentence(tmp_path, text, said):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(LabError, match=said):
        load_site(str(file))


def test_an_unknown_site_names_those_there_are(tmp_path):
    with pytest.raises(LabError, match=r"Unknown site 'biu'. Did you mean byu\?"):
        load_site("biu")
    with pytest.raises(LabError, match=r"Cannot read the configuration .*none\.yaml"):
        load_site(str(tmp_path / "none.yaml"))


def test_ones_own_file_is_a_site(tmp_path):
    file = tmp_path / "home.yaml"
    file.write_text("partition: night\ngpus: 0\n")
    assert (load_site(str(file)).name, load_site(str(file)).partition) == ("home", "night")


@pytest.mark.parametrize(
    "option", ["--output=x", "reservation=x", "--reservation=a b", "-p", "--array=0-3", "--dep=afterok:1", "--wait"]
)
def test_options_that_would_break_a_job_are_refused(option):
    with pytest.raises(LabError, match=r"Setting 'extra' is .* but should (be long options|leave --[a-z-]+ to labkit)"):
        load_site("generic", extra=[option])


def test_further_options_reach_the_script_and_another_cluster_gets_nothing(tmp_path, monkeypatch):
    site = load_site("generic", extra=["--reservation=class", "--mail-type=END"])
    assert resources(site)[-2:] == ["--reservation=class", "--mail-type=END"]
    for name, said in (("sbatch", ""), ("scontrol", "Configuration data\nClusterName             = laptop")):
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{said}'\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for name in ("laptop", "generic"):
        SlurmExecutor(load_site(name)).check()
    with pytest.raises(LabError, match=r"This is the cluster laptop, not byu: log in there, or .* \(--site laptop\)"):
        SlurmExecutor(load_site("byu", account="a")).check()
    (tmp_path / "mine.yaml").write_text("partition: main\nextra: [--qos=long]\n")
    mine = load_site(str(tmp_path / "mine.yaml"), extra=["--reservation=class"])
    SlurmExecutor(mine).check()  # it names no cluster
    assert mine.extra == ["--qos=long", "--reservation=class"]
    with pytest.raises(LabError, match="This is the cluster laptop, not ours"):
        SlurmExecutor(load_site("generic", cluster="ours")).check()
