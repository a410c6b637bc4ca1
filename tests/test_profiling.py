"""Costs against closed forms and published figures; clocks against work of known length."""

import time

import pytest
import torch
from torch import nn

from labkit import profiling
from labkit.models import MODELS, SupervisedModel, build
from labkit.run_folder import LabError


def convolution(**options):
    model = nn.Sequential(nn.Conv2d(3, 8, 5, padding=2, **options))
    model.channels = 3
    return model


def test_parameters_are_counted_once_and_frozen_ones_apart():
    layer = nn.Linear(4, 4)
    model = nn.ModuleList([layer, nn.Linear(4, 2), layer])
    assert profiling.parameter_count(model) == 20 + 10
    layer.requires_grad_(False)
    assert profiling.parameter_count(model, trainable=True) == 10


def test_a_convolutions_flop_are_two_per_multiply_add():
    assert profiling.flops(convolution(), 16) == 2 * (16 * 16 * 8) * (5 * 5 * 3)


def test_an_attention_layers_flop():
    model = build("vit", dim=32, depth=1, heads=2, head_dim=16, mlp_dim=64)
    tokens, dim = 65, 32
    layer = tokens * (dim * 3 * dim + dim * dim + 2 * dim * 64) + 2 * tokens * tokens * dim
    assert profiling.flops(model) == 2 * (64 * 48 * dim + layer + dim * 10)


@pytest.mark.parametrize(
    ("name", "size", "gflop"),
    [("wide_resnet", 32, 4.824), ("resnet18", 32, 1.111), ("resnet34", 32, 2.319), ("alexnet", 70, 0.190)],
)
def test_flop_are_the_published_ones(name, size, gflop):
    model = build(name, num_classes=100 if name == "wide_resnet" else 10, image_size=size)
    assert round(profiling.flops(model, size) / 1e9, 3) == gflop


def test_a_convolution_keeps_its_input_and_relu_its_output():
    model = convolution()
    model.append(nn.ReLU())
    model.append(nn.Conv2d(8, 4, 1))
    # The input and ReLU's output, which is the last convolution's input too and counts once; no weights.
    assert profiling.activation_memory(model, 16) == 4 * (3 + 8) * 16 * 16


def test_batchnorm_keeps_its_input_as_well_and_in_place_relu_nothing_more():
    model = convolution(bias=False)
    model.append(nn.BatchNorm2d(8))
    model.append(nn.ReLU(inplace=True))
    assert profiling.activation_memory(model, 16) == 4 * (3 + 8 + 8) * 16 * 16


def test_a_frozen_backbone_keeps_only_what_the_head_reads():
    model = SupervisedModel(build("cnn", num_classes=None), 10)
    model.backbone.requires_grad_(False)
    assert profiling.activation_memory(model) == 4 * 512


def test_measuring_changes_nothing():
    model = build("resnet_tiny")
    model.stages.eval()
    modes = [m.training for m in model.modules()]
    before = {k: v.clone() for k, v in model.state_dict().items()}
    torch.manual_seed(5)
    state = torch.get_rng_state()
    profiling.flops(model)
    profiling.activation_memory(model)
    profiling.layer_shapes(model)
    profiling.model_table(["vit_tiny"])
    assert torch.equal(torch.get_rng_state(), state)
    assert [m.training for m in model.modules()] == modes
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_the_table_has_a_row_per_model_with_its_costs():
    rows = profiling.model_table(["lenet", "resnet_tiny"], num_classes=200)
    assert [row["model"] for row in rows] == ["lenet", "resnet_tiny"]
    assert rows[0]["parameters"] == 99_276
    multiply_adds = 6 * 32**2 * 75 + 16 * 12**2 * 150 + 576 * 120 + 120 * 84 + 84 * 200
    assert rows[0]["forward_gflop"] == pytest.approx(2 * multiply_adds / 1e9)
    assert rows[1]["activation_mb"] > rows[0]["activation_mb"] > 0


def test_the_table_of_all_models_is_the_dict_of_models(monkeypatch):
    few = {name: MODELS[name] for name in ("lenet", "resnet_tiny")}
    monkeypatch.setattr(profiling, "MODELS", few)
    assert [row["model"] for row in profiling.model_table()] == list(few)


def test_the_table_of_all_models_leaves_out_what_cannot_take_the_images(monkeypatch):
    few = {name: MODELS[name] for name in ("lenet", "dinov3_tiny")}
    monkeypatch.setattr(profiling, "MODELS", few)
    assert [row["model"] for row in profiling.model_table(image_size=30)] == ["lenet"]
    with pytest.raises(LabError, match="do not tile 30 px"):
        profiling.model_table(["dinov3_tiny"], 30)
    with pytest.raises(LabError, match="num_classes"):  # no model at all is no table
        profiling.model_table(num_classes=0)


def test_costs_of_the_tiny_dinov3():
    (row,) = profiling.model_table(["dinov3_tiny"], num_classes=10)
    width, patches, layers = 64, 64, 3
    tokens = patches + 1 + 4
    linear = tokens * (4 * width**2 + 2 * width * 4 * width) + 2 * tokens**2 * width  # of one layer
    assert row["forward_gflop"] == pytest.approx(2 * (layers * linear + patches * width * 4 * 4 * 3 + width * 10) / 1e9)
    assert row["parameters"] == 154_442 and row["activation_mb"] > 0


def test_the_table_names_a_model_that_does_not_exist_or_does_not_fit():
    with pytest.raises(LabError, match="lenet"):
        profiling.model_table(["lent"])
    with pytest.raises(LabError, match="12"):
        profiling.model_table(["lenet"], 8)


def test_layers_of_lenet_by_hand():
    rows = profiling.layer_shapes(build("lenet"))
    shapes = {row["layer"]: (row["kind"], row["output"], row["parameters"]) for row in rows}
    assert shapes["maps.0"] == ("Conv2d", (6, 32, 32), 456)
    assert shapes["maps.5"] == ("AvgPool2d", (16, 6, 6), 0)
    assert shapes["maps.6"] == ("Flatten", (576,), 0)
    assert rows[-1] == {"layer": "head", "kind": "Linear", "output": (10,), "parameters": 850}


@pytest.mark.parametrize("name", ["alexnet", "resnet18", "vit_small"])
def test_layers_sum_to_the_model_and_leave_no_hook_behind(name):
    model = build(name, **({"dim": 32, "depth": 2} if name == "vit_small" else {}))
    rows = profiling.layer_shapes(model)
    assert sum(row["parameters"] for row in rows) == profiling.parameter_count(model)
    assert not any(m._forward_hooks for m in model.modules())


def test_a_timer_reads_the_time_that_passes():
    with profiling.Timer() as timer:
        time.sleep(0.05)
    assert 0.05 <= timer.seconds < 1


def test_a_timer_waits_for_the_accelerator_on_both_sides(monkeypatch):
    """400 ms of work queued before the block do not count, 100 ms in it do."""
    queue = [0.4]

    def drain(device=None):
        while queue:
            time.sleep(queue.pop())

    monkeypatch.setattr(profiling, "synchronize", drain)
    with profiling.Timer() as timer:
        queue.append(0.1)
    assert 0.1 <= timer.seconds < 0.4 and not queue


def test_warm_up_calls_are_told_apart_and_the_median_is_taken():
    sleeps = iter([0.2, 0.1, 0.01, 0.01, 0.3])
    timings = profiling.time_calls(lambda: time.sleep(next(sleeps)), warmup=2, repeats=3)
    assert [seconds >= 0.1 for seconds in timings.warmup_s] == [True, True]
    assert 0.01 <= timings.median_s < 0.1


def test_throughput_is_images_over_the_median_call():
    speed = profiling.throughput(lambda: time.sleep(0.02), 10, warmup=0, repeats=3)
    assert 20 < speed <= 10 / 0.02


def test_peak_memory_is_what_lives_at_once():
    def work():
        a = torch.zeros(1000)
        b = a + 1  # two at once
        del a
        return b * 2  # again two

    assert profiling.peak_memory(work) == 2 * 4000


def test_peak_memory_of_a_training_step_holds_activations_and_gradients():
    model = build("cnn")
    kept, weights = profiling.activation_memory(model) * 16, 4 * profiling.parameter_count(model)
    step = profiling.training_step(model, 16)
    step()  # the optimizer's momentum exists from here on
    peak = profiling.peak_memory(step)
    assert max(kept, weights) < peak < 2 * (kept + weights)


def test_in_place_updates_of_older_tensors_are_no_new_memory():
    old = torch.zeros(1000)
    assert profiling.peak_memory(lambda: old.add_(1)) == 0


def test_the_sweep_ends_where_memory_ends():
    def make_step(batch):
        if batch > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return lambda: torch.zeros(1000 * batch)

    rows = profiling.throughput_by_batch(make_step, [1, 2, 4, 8], warmup=0, repeats=1)
    assert [(r["batch_size"], r["peak_bytes"], r["note"]) for r in rows] == [
        (1, 4000, ""),
        (2, 8000, ""),
        (4, None, "out of memory"),
    ]
    assert rows[1]["images_per_second"] > 0 and rows[2]["images_per_second"] is None


def test_the_sweep_stops_before_a_limit_and_passes_other_errors_on():
    rows = profiling.throughput_by_batch(
        lambda batch: lambda: torch.zeros(1000 * batch), [1, 2, 4], warmup=0, repeats=1, limit_bytes=5000
    )
    assert [r["note"] for r in rows] == ["", "over the limit"]
    with pytest.raises(RuntimeError, match="size"):
        profiling.throughput_by_batch(lambda batch: lambda: torch.zeros(2) + torch.zeros(batch), [3])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_a_timer_sees_the_work_and_not_its_queueing():
    a = torch.randn(8192, 8192, device="cuda")
    slow = profiling.time_calls(lambda: [a @ a for _ in range(5)], device="cuda").median_s
    assert slow > 5 * 2 * 8192**3 / 2e15
    assert profiling.peak_memory(lambda: a + 1, device="cuda") == a.nbytes
