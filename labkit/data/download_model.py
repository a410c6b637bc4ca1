"""Download DINOv3 ViT-S/16 from the Hugging Face hub: one pinned revision, resumed, checksummed.

The model is gated: its page wants an accepted licence, the hub a token. The hub's own client says where a
file lies and why it may not be had; the bytes come as those of data sets do, because the client throws away
what it has when a download breaks off (huggingface_hub 2.4).
"""

import hashlib
import os
from pathlib import Path
from urllib.parse import urlsplit

from labkit.data.download import TIMEOUT_S, advice, append_rest, part_of
from labkit.run_folder import DINOV3, LabError, data_dir

REPO = "facebook/dinov3-vits16-pretrain-lvd1689m"
REVISION = "114c1379950215c8b35dfcd4e90a5c251dde0d32"
PAGE = f"https://huggingface.co/{REPO}"
TOKENS_PAGE = "https://huggingface.co/settings/tokens"
SHA256 = {  # of the files of REVISION; the weights (86,406,384 bytes) last: the small one asks for the rights
    "config.json": "9481247be9f95a134a5599402b4bfc838eecdf9a7fffbf4debd1c70ec213898b",
    "model.safetensors": "4610ad75edef83e75afdebf162d148dc628045ea6cbb83d67d4708c709c4f91d",
}


def fetch_dinov3(root: str | Path | None = None, *, token: str | None = None) -> Path:
    """Download the model into `root` (default: the data folder), below models/; return its own folder.

    token: of Hugging Face; None: HF_TOKEN, or what `hf auth login` has saved. What is there and whole is left
    alone and needs no token. Raises LabError where the token is missing or refused, access was not granted,
    there is no network or no space, or a checksum is wrong.
    """
    folder = (Path(root).expanduser() if root else data_dir()) / DINOV3
    try:
        absent = [name for name in SHA256 if not _whole(folder / name)]
        if absent:
            token = _usable(token)
            folder.mkdir(parents=True, exist_ok=True)
        for name in absent:
            _fetch_file(folder / name, token)
    except OSError as error:
        raise LabError(f"Cannot write dinov3 to {folder} ({error}); {advice(error, folder)}.") from error
    return folder


def _whole(file: Path) -> bool:
    """Say whether the file is the pinned one. Raises LabError for another one, which is not written over."""
    if not file.is_file():
        return False
    if _sha256_of(file) != SHA256[file.name]:
        raise LabError(
            f"{file} is not the {file.name} of {REPO} at revision {REVISION[:8]}; if it is a broken copy, "
            f"delete it and run `labkit fetch dinov3` again, else choose another root."
        )
    return True


def _sha256_of(file: Path) -> str:
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _usable(token: str | None) -> str:
    """Return the token to send. Raises LabError where there is none, or one that no header can hold."""
    token = (token or _hub().get_token() or "").strip()
    if not token:
        raise LabError(
            f"dinov3 needs a Hugging Face token: make one at {TOKENS_PAGE}, accept the licence at {PAGE}, "
            f"put HF_TOKEN=... into .env (cp .env.template .env) and run `labkit fetch dinov3` again."
        )
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise LabError(
            f"HF_TOKEN is no token (it has a space or another odd character): copy it again from {TOKENS_PAGE}."
        )
    return token


def _fetch_file(target: Path, token: str) -> None:
    url, secret = _locate(target.name, token)
    part = part_of(target)
    failure = append_rest(url, part, secret=secret)
    if failure:
        kept = f"; the {part.stat().st_size / 2**20:.1f} MiB so far are kept" if part.exists() else ""
        raise LabError(
            f"Cannot download {target.name} of dinov3 ({failure}){kept}; run `labkit fetch dinov3` again, on "
            f"a machine with a network, e.g. a login node."
        )
    found = _sha256_of(part)
    if found != SHA256[target.name]:
        part.unlink()
        raise LabError(
            f"{target.name} has checksum {found} instead of {SHA256[target.name]}; it was deleted: run "
            f"`labkit fetch dinov3` again."
        )
    os.replace(part, target)


def _locate(name: str, token: str) -> tuple[str, dict[str, str]]:
    """Ask the hub where a file of REVISION lies; return its URL and the header for that server alone."""
    hub = _hub()
    endpoint = os.environ.get("HF_ENDPOINT") or None  # a mirror; the client reads it only when it is imported
    url = hub.hf_hub_url(REPO, name, revision=REVISION, endpoint=endpoint)
    try:
        place = hub.get_hf_file_metadata(url, token=token, timeout=TIMEOUT_S, endpoint=endpoint).location
    except hub.errors.HfHubHTTPError as error:
        raise LabError(_refusal(error.response.status_code)) from error
    except Exception as error:  # which one depends on the client's version and on the network's way to fail
        why = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise LabError(
            f"Cannot reach {urlsplit(url).netloc} ({why}); run `labkit fetch dinov3` on a machine with a "
            f"network, e.g. a login node."
        ) from error
    at_the_hub = urlsplit(place).netloc == urlsplit(url).netloc  # else a signed address at a storage server
    return place, {"Authorization": f"Bearer {token}"} if at_the_hub else {}


def _refusal(status: int) -> str:
    """Return the sentence for the hub's answer."""
    again = "then run `labkit fetch dinov3` again"
    if status == 401:
        return (
            f"Hugging Face refuses this HF_TOKEN (401: wrong, expired or revoked): make a new one at "
            f"{TOKENS_PAGE}, {again}."
        )
    if status == 403:
        return (
            f"Your Hugging Face account has no access to dinov3 yet (403): visit {PAGE}, accept the licence "
            f"and wait for the approval (a fine-grained token must also allow gated repositories), {again}."
        )
    if status == 404:
        return (
            f"The hub has no {REPO} at revision {REVISION[:8]} (404): look at {PAGE}, and at HF_ENDPOINT if you set it."
        )
    return f"The hub answers {status} for {REPO}: wait a while, {again}."


def _hub():
    """Import the hub's client where it is used; it comes with transformers."""
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError as error:
        told = "`labkit fetch dinov3` needs huggingface_hub: pip install 'transformers>=5'."
        raise LabError(told) from error
    return huggingface_hub
