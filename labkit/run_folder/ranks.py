"""What torchrun and Slurm steps leave in the environment of a rank, and what they start must not inherit."""

import re
from collections.abc import Mapping

_RANK = re.compile(r"(LOCAL_|GROUP_|ROLE_)?(RANK|WORLD_SIZE)$|ROLE_NAME$|MASTER_|TORCHELASTIC_")


def without_ranks(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without rank, world size and meeting point of a surrounding launcher."""
    return {name: value for name, value in environment.items() if not _RANK.match(name)}
