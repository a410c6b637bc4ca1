"""Prints pip's configuration as `export` lines for uv, which reads none of it.

Run with the Python whose pip is meant: `pip config list` merges configuration files and PIP_ variables.
Exit code 1 where uv has no such setting: then pip must install.
"""

import ast
import os
import shlex
import subprocess
import sys

# pip's option -> (uv's variables, what separates their values; None: a single value)
SETTINGS: dict[str, tuple[tuple[str, ...], str | None]] = {
    "index-url": (("UV_DEFAULT_INDEX",), None),
    "extra-index-url": (("UV_EXTRA_INDEX_URL",), " "),
    "find-links": (("UV_FIND_LINKS",), ","),
    "trusted-host": (("UV_INSECURE_HOST",), " "),
    "constraint": (("UV_CONSTRAINT",), " "),
    "cert": (("SSL_CERT_FILE",), None),
    "proxy": (("HTTPS_PROXY", "HTTP_PROXY"), None),
    "timeout": (("UV_HTTP_TIMEOUT",), None),
    "default-timeout": (("UV_HTTP_TIMEOUT",), None),
    "retries": (("UV_HTTP_RETRIES",), None),
}
WITHOUT_EFFECT = {  # on what uv installs, or from where
    "cache-dir",
    "config-file",
    "disable-pip-version-check",
    "no-cache-dir",
    "no-color",
    "no-input",
    "no-warn-script-location",
    "progress-bar",
    "quiet",
    "require-virtualenv",
    "root-user-action",
    "verbose",
}


def main() -> int:
    """Print one `export NAME=VALUE` for each setting that the environment does not hold already."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    options = merged(listed)
    unknown = sorted(set(options) - set(SETTINGS) - WITHOUT_EFFECT)
    if unknown:
        print(f"pip's option {', '.join(unknown)} has no counterpart in uv", file=sys.stderr)
        return 1
    exports = {"UV_INDEX_STRATEGY": "unsafe-best-match"}  # as pip does: the best version of all indexes
    for option in options.keys() & SETTINGS.keys():
        names, separator = SETTINGS[option]
        value = separator.join(options[option].split()) if separator else options[option]
        exports |= dict.fromkeys(names, value)
    for name in sorted(exports.keys() - os.environ.keys()):
        print(f"export {name}={shlex.quote(exports[name])}")
    return 0


def merged(listed: str) -> dict[str, str]:
    """Return option -> value of `pip config list`: environment over [install] over [global]."""
    sections: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        section, _, option = key.rpartition(".")
        if section in sections:  # another command's section says nothing about installing
            sections[section][option] = str(ast.literal_eval(value))
    return sections["global"] | sections["install"] | sections[":env:"]


if __name__ == "__main__":
    sys.exit(main())
