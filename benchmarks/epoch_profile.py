"""Where the time of an epoch goes: the profiler's operators, gathered into a few kinds."""

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.compare import Section
from benchmarks.steps import Case, batches_for, make_update

KINDS = {  # the first kind whose words an operator's name holds
    "optimizer": ("_fused_", "_foreach"),
    "convolution, backward": ("convolution_backward",),
    "convolution, forward": ("convolution", "conv2d"),
    "normalisation": ("batch_norm", "layer_norm"),
    "matrix products": ("mm", "bmm", "linear", "scaled_dot"),
    "activation and pooling": ("relu", "threshold", "clamp_min", "gelu", "pool", "dropout"),
    "gather and copies": ("index", "copy_", "gather", "to_copy", "clone"),
}


def where_the_time_goes(quick: bool) -> list[Section]:
    """Return the profile of some steps, input pipeline included, per model."""
    cases = [
        Case("cnn", "cnn", 128),
        Case("resnet18", "resnet18", 64),
        Case("simclr resnet_tiny", "resnet_tiny", 128, views=2),
    ]
    return [_profile(case, steps=2 if quick else 8) for case in (cases[:1] if quick else cases)]


def _profile(case: Case, *, steps: int) -> Section:
    device = torch.device("cpu")
    batches = batches_for(case, device, images=case.batch_size * (steps + 2))

    def feed():
        epoch = batches.epoch(0)
        while True:
            with torch.profiler.record_function("input pipeline"):
                batch = next(epoch)
            yield batch

    update = make_update(case, device, feed())
    update(), update()
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        for _ in range(steps):
            update()
    totals: dict[str, float] = {}
    inside = 0.0
    for event in seen.events():
        if event.name == "input pipeline":
            inside += event.cpu_time_total
    for row in seen.key_averages():
        kind = next((k for k, words in KINDS.items() if any(w in row.key for w in words)), "other")
        totals[kind] = totals.get(kind, 0.0) + row.self_cpu_time_total
    whole = sum(totals.values())
    rows = [
        {"": kind, "share of the step (%)": round(100 * spent / whole, 1), "ms per step": round(spent / 1e3 / steps, 2)}
        for kind, spent in sorted(totals.items(), key=lambda item: -item[1])
    ]
    rows.append(
        {
            "": "of all this: input pipeline",
            "share of the step (%)": round(100 * inside / whole, 1),
            "ms per step": round(inside / 1e3 / steps, 2),
        }
    )
    return Section(
        f"profile-{case.title}",
        f"Where a step's time goes: {case.title}, batch {case.batch_size}",
        rows,
        ["torch.profiler, self time of operators; the last row counts across the kinds."],
    )
