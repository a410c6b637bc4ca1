"""Number format and memory layout: the fastest that a device has, or those configured."""

import logging

import torch
from torch import nn

log = logging.getLogger("labkit")

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_precision(wanted: str, device: torch.device) -> str:
    """Return the number format of the forward pass; "auto" is the fastest that the device has.

    A GPU that has no bf16 gets fp16 (with a scaled loss) in its place, with a warning in the log.
    """
    has_bf16 = device.type != "cuda" or torch.cuda.get_device_capability(device) >= (8, 0)
    if wanted == "bf16" and not has_bf16:
        log.warning("%s has no bf16: training goes on in fp16 with a scaled loss.", device)
        return "fp16"
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bf16" if has_bf16 else "fp16"
    # A CPU gains by bf16 products with AMX, and with AVX-512 on AMD. Intel's AVX-512 has them at no higher rate than
    # fp32 (measured: 70 against 110 GFLOP/s on a core without AMX), so there autocast only adds conversions.
    amx = getattr(torch.cpu, "_is_amx_tile_supported", bool)()
    avx = getattr(torch.cpu, "_is_avx512_bf16_supported", bool)()
    gains = amx or (avx and "AuthenticAMD" in _cpu_vendor())
    return "bf16" if device.type == "cpu" and gains else "fp32"


def choose_layout(wanted: str | bool, model: nn.Module, precision: str, device: torch.device) -> torch.memory_format:
    """Return the memory order of images: channels last for convnets on the kernels that gain by it."""
    convolves = any(isinstance(module, nn.Conv2d) for module in model.modules())
    gains = device.type == "cpu" or (device.type == "cuda" and precision != "fp32")
    chosen = convolves and (gains if wanted == "auto" else wanted)
    return torch.channels_last if chosen else torch.contiguous_format


def _cpu_vendor() -> str:
    """Return the line of /proc/cpuinfo that names the maker ("" where there is no such file)."""
    try:
        with open("/proc/cpuinfo") as file:
            return next((line for line in file if line.startswith("vendor_id")), "")
    except OSError:
        return ""
