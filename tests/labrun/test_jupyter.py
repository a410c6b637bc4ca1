"""How JupyterLab is started: with options that the real server knows, and it ends when left alone."""

from jupyter_server.serverapp import ServerApp
from jupyter_server.services.kernels.kernelmanager import MappingKernelManager

from labrun import jupyter

KNOWN = {one.__name__: one.class_trait_names() for one in (ServerApp, MappingKernelManager)}


def started_with(idle_s):
    words = [word for word in jupyter.command(idle_s) if word.startswith("--") and "=" in word]
    return dict(word[2:].split("=", 1) for word in words)


def test_a_server_that_nobody_uses_ends_and_so_do_its_kernels():
    given = started_with(90.0)
    assert given["ServerApp.shutdown_no_activity_timeout"] == "90"
    assert given["MappingKernelManager.cull_idle_timeout"] == "90"
    assert 0 < jupyter.IDLE_S <= 3600


def test_every_word_is_an_option_of_the_real_server():
    """A word that it does not know would be passed over with a warning in the log."""
    for word in started_with(90.0):
        owner, trait = word.split(".")
        assert trait in KNOWN[owner], word
