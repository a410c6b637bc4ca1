"""Settings from people: pydantic models, YAML and JSON files, every mistake explained in one sentence."""

from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from labkit.run_folder.errors import LabError, unknown_name


class Settings(BaseModel):
    """A frozen set of named settings that refuses what it does not know, in one sentence (LabError)."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    def __init__(self, /, **values: Any):
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise explain(error, type(self)) from None

    def but(self, **changes: Any) -> Self:
        """Return a copy with some settings changed, checked like the first."""
        return type(self)(**{name: getattr(self, name) for name in self.model_fields_set} | changes)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Return the mapping a YAML file holds ({} where the file is empty)."""
    try:
        values = parse_yaml(Path(path).read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise LabError(f"Cannot read the configuration {path}: {reason}. Check the path.") from error
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise LabError(f"The configuration {path} holds a {type(values).__name__}; write `name: value`.")
    return values


def explain(error: ValidationError, kind: type[BaseModel]) -> LabError:
    """Return every mistake that pydantic found, one sentence for each setting, with the nearest names."""
    mistakes: dict[str, list[ErrorDetails]] = {}
    for item in error.errors(include_url=False):
        # a place is the setting, then list positions and the branches of unions that pydantic tried
        place = [str(part) for i, part in enumerate(item["loc"]) if i == 0 or isinstance(part, int)]
        mistakes.setdefault(".".join(place), []).append(item)
    sentences = []
    for key, items in mistakes.items():  # items: the alternatives that one setting failed
        first, cause = items[0], items[0].get("ctx", {}).get("error")
        reasons = [item["msg"].removeprefix("Value error, ").removeprefix("Input should ") for item in items]
        if isinstance(cause, LabError):
            sentences.append(f"In {key!r}: {cause}" if key else str(cause))
        elif first["type"] == "extra_forbidden":
            sentences.append(str(unknown_name("setting", key, kind.model_fields)))
        elif first["type"] == "missing":
            sentences.append(f"Setting {key!r} is missing.")
        elif not key:
            sentences.append(f"{kind.__name__}: {'; '.join(reasons)}.")
        else:
            expected = " or ".join(dict.fromkeys(reasons)).replace("a valid string", "text: quote it, as '12'")
            sentences.append(f"Setting {key!r} is {first['input']!r} but should {expected}.")
    return LabError(" ".join(sentences))


def parse_yaml(text: str, where: str) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise LabError("Reading YAML needs PyYAML: pip install pyyaml") from error
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise LabError(f"{where} is not valid YAML: {' '.join(str(error).split())}") from error
