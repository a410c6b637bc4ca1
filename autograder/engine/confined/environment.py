"""Where this Python and everything that it can import really lie: what the jail must show, wherever that is.

Packages may be links that leave the environment (uv, Nix, Spack), and libraries may lie outside of both.
"""

import contextlib
import importlib
import importlib.util
import json
import os
import signal
import sys

SYSTEM = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/opt"]
SKIPPED = {"__pycache__", "site-packages", "dist-packages"}  # below an import folder; those that count are on sys.path
LATE = {  # package -> a module of it that nothing has imported when a submission starts
    "numpy": "numpy.polynomial",
    "PIL": "PIL.ImageFile",
    "torch": "torch.utils.mobile_optimizer",
    "torchvision": "torchvision.transforms.v2",
    "tqdm": "tqdm.auto",
    "scipy": "scipy.linalg",
    "pandas": "pandas",
    "sklearn": "sklearn.linear_model",
    "matplotlib": "matplotlib.pyplot",
    "kornia": "kornia.augmentation",
    "transformers": "transformers.models.dinov2.configuration_dinov2",
}
SURVEY_S = 120


def inside(path: str, folders) -> bool:
    """Say whether a path is one of the folders or lies below one."""
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)


def visible(preloaded: list[str], hidden: list[str]) -> list[str]:
    """Return every folder and file that imports need outside of SYSTEM, as it is named, links unresolved.

    A link into a `hidden` folder (labkit, where it is installed as a link) is none of them.
    """
    imports = [folder for folder in sys.path if os.path.isdir(folder)]
    libraries = filter(os.path.isdir, os.environ.get("LD_LIBRARY_PATH", "").split(":"))
    found = [sys.prefix, sys.base_prefix, sys.exec_prefix, *imports, sys.executable, *libraries]
    known = [*SYSTEM, *map(os.path.realpath, found)]
    strange = _targets(imports, [*known, *hidden])
    known += map(os.path.realpath, strange)
    strange += [folder for folder in _libraries() if not inside(folder, known)]
    if strange:  # an unusual environment: its late imports may map libraries from further places
        known += map(os.path.realpath, strange)
        strange += [folder for folder in _in_a_child(_late_libraries, preloaded) if not inside(folder, known)]
    return list(dict.fromkeys(path for path in [*found, *strange] if path not in ("/", "/usr", "")))


def _targets(folders: list[str], known: list[str]) -> list[str]:
    """Return what links in the import folders lead to outside of `known`, and what links in there lead to."""
    found, known, waiting = [], list(known), list(folders)
    for top in waiting:  # grows while it is read
        for link in _links(top):
            real = os.path.realpath(link)
            if os.path.exists(real) and not inside(real, known):
                place = _place(os.path.relpath(link, top), real)
                found.append(os.path.join(os.path.dirname(link), os.readlink(link)) if place == real else place)
                known.append(place)
                waiting += [place] if os.path.isdir(place) else []
    return found


def _place(relative: str, real: str) -> str:
    """Return the package's own folder where a linked file has its like in one, else the file or folder itself."""
    package, _, rest = relative.partition("/")
    return real.removesuffix("/" + rest) if rest and real.endswith(f"/{package}/{rest}") else real


def _links(top: str) -> list[str]:
    found, waiting = [], [top]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_symlink():
                    found.append(entry.path)
                elif entry.is_dir(follow_symlinks=False) and entry.name not in SKIPPED:
                    waiting.append(entry.path)
    return found


def _libraries() -> list[str]:
    """Return the folders of the shared libraries that this process has mapped."""
    with open("/proc/self/maps") as maps:
        paths = {line.split(maxsplit=5)[5].strip() for line in maps if "/" in line and ".so" in line}
    return sorted({os.path.dirname(path) for path in paths if os.path.exists(path)})


def _late_libraries(names: list[str]) -> list[str]:
    for name in [*names, *LATE.values()]:
        with contextlib.suppress(Exception):
            importlib.import_module(name.partition(":")[0])
    return _libraries()


def importable(hidden: list[str]) -> dict[str, list[str]]:
    """Return the packages of LATE that this Python has, and the path of all that has a first name to import.

    What lies in a `hidden` folder is left out.
    """
    paths = []
    for folder in sys.path:
        with contextlib.suppress(OSError):
            paths += [os.path.join(folder, name) for name in os.listdir(folder)]
    paths = [path for path in paths if os.path.exists(path) and not inside(os.path.realpath(path), hidden)]
    return {"packages": [name for name in LATE if importlib.util.find_spec(name)], "paths": paths}


def failures(importable: dict) -> dict[str, str]:
    """Return what cannot be found or imported here of `importable`, and why. Runs in a worker, as its user."""
    failed = {path: "is not there" for path in importable["paths"] if not os.path.exists(path)}
    for name in importable["packages"]:
        try:
            importlib.import_module(LATE[name])
        except BaseException as error:
            failed[name] = f"{type(error).__name__}: {error}"[:300]
    return failed


def _in_a_child(function, argument) -> list[str]:
    """Return function(argument), computed in a child of this process, so that nothing of it stays; [] if it dies."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(SURVEY_S)
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            with os.fdopen(write, "w") as file:
                file.write(json.dumps(function(argument)))
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as file:
        text = file.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else []
