"""Where data, runs and caches live, and what keeps every tool inside the repository."""

import os
from pathlib import Path

DINOV3 = Path("models", "dinov3-vits16")  # below the data folder: where `labkit fetch dinov3` puts it


def repo_root() -> Path:
    """Return the course's folder: where labkit lies, else the nearest one above that holds `notebooks/`."""
    here = Path(__file__).resolve().parents[2]
    if (here / "pyproject.toml").is_file():
        return here
    start = Path.cwd()
    return next((p for p in (start, *start.parents) if (p / "notebooks").is_dir()), start)


def data_dir() -> Path:
    """Return the folder of the data sets (environment variable LABKIT_DATA, else `<repo>/data`)."""
    return _chosen("LABKIT_DATA", "data")


def runs_dir() -> Path:
    """Return the folder that holds one folder per run (LABKIT_RUNS, else `<repo>/runs`)."""
    return _chosen("LABKIT_RUNS", "runs")


def cache_dir() -> Path:
    """Return the folder for what can be made again (LABKIT_CACHE, else `<repo>/.cache`)."""
    return _chosen("LABKIT_CACHE", ".cache")


def private_environment() -> dict[str, str]:
    """Return the variables that make Jupyter, matplotlib, W&B, Hugging Face, torch write under `cache_dir()`.

    A variable that the user has set already keeps its value, but for Jupyter's and IPython's: a kernel
    specification in someone's home folder would start another Python than this one.
    """
    cache = cache_dir()
    ours = {name: str(cache / folder) for name, folder in _JUPYTER.items()}
    ours |= {name: os.environ.get(name) or str(cache / folder) for name, folder in _LIBRARIES.items()}
    return ours | {"JUPYTER_PLATFORM_DIRS": "1"}


_JUPYTER = {
    "IPYTHONDIR": "ipython",
    "JUPYTER_CONFIG_DIR": "jupyter/config",
    "JUPYTER_DATA_DIR": "jupyter/data",
    "JUPYTER_RUNTIME_DIR": "jupyter/runtime",
}

_LIBRARIES = {
    "MPLCONFIGDIR": "matplotlib",
    "WANDB_DIR": "wandb",
    "WANDB_CACHE_DIR": "wandb/cache",
    "WANDB_CONFIG_DIR": "wandb/config",
    "WANDB_DATA_DIR": "wandb/data",
    "WANDB_ARTIFACT_DIR": "wandb/artifacts",
    "HF_HOME": "huggingface",
    "TORCH_HOME": "torch",
    "TORCHINDUCTOR_CACHE_DIR": "torch/inductor",
    "TRITON_CACHE_DIR": "torch/triton",
    "NUMBA_CACHE_DIR": "numba",
}


def _chosen(variable: str, folder: str) -> Path:
    """Return the folder that the environment names, or the repository's own; always absolute."""
    named = os.environ.get(variable)
    return Path(named).expanduser().absolute() if named else repo_root() / folder
