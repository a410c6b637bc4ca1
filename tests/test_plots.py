"""Figures: pixels and numbers arrive unchanged, axes have labels, colors stay apart, alt text travels."""

import base64
import itertools

import numpy as np
import pytest
import torch
from PIL import Image

from labkit import plots
from labkit.run_folder import LabError, RunFolder

# Machado, Oliveira and Fernandes (2009), severity 1: what a dichromat sees of linear RGB.
DICHROMATS = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    "full vision": np.eye(3).tolist(),
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab_color(code: str, eye: str) -> np.ndarray:
    """Return the CIE L*a*b* coordinates in which `eye` sees a color written #RRGGBB."""
    rgb = np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    seen = np.clip(np.array(DICHROMATS[eye]) @ linear, 0, 1)
    x, y, z = np.cbrt(XYZ @ seen / (XYZ @ np.ones(3)))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("eye", DICHROMATS)
def test_colors_are_told_apart_by_every_eye(eye):
    distances = {
        (a, b): np.linalg.norm(lab_color(a, eye) - lab_color(b, eye))
        for a, b in itertools.combinations(plots.PALETTE, 2)
    }
    assert min(distances.values()) > 8, min(distances, key=distances.get)  # 2.3 is just noticeable


@pytest.fixture
def run(tmp_path):
    return RunFolder(tmp_path / "run")


@pytest.fixture
def images():
    return torch.randint(0, 256, (7, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


ROWS = [
    {
        "epoch": e + 1,
        "train_loss": 2.0 - 0.5 * e,
        "val_loss": 2.1 - 0.4 * e,
        "train_accuracy": 0.2 * e,
        "val_accuracy": (0.1, 0.4, 0.3)[e],
    }
    for e in range(3)
]

CHARTS = {
    "lines": lambda: plots.plot_lines(
        {"a": ([1, 2, 4], [1, 2, 3]), "b": ([1, 2, 4], [2, 1, 5])},
        log_x=2,
        x_label="Batch size (images)",
        y_label="Throughput (images/s)",
    ),
    "groups": lambda: plots.plot_groups(
        {"train": {"cat": 3, "dog": 4}, "val": {"cat": 1, "dog": 2}}, x_label="Class", y_label="Images"
    ),
    "histogram": lambda: plots.plot_histogram({"red": [0.1, 0.2, 0.2]}, x_label="Pixel value (0 to 1)"),
    "heatmap": lambda: plots.plot_heatmap(np.eye(3), x_label="View", y_label="View", unit="Cosine"),
    "curves": lambda: plots.plot_curves({"cnn": ROWS, "vit": ROWS}),
    "confusion": lambda: plots.plot_confusion([[3, 1], [0, 4]], classes=["cat", "dog"]),
}


@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_names_its_axes(name):
    fig = CHARTS[name]()
    assert any(ax.get_xlabel() for ax in fig.axes) and any(ax.get_ylabel() for ax in fig.axes)


def test_bars_write_each_value_at_its_bar_and_read_from_the_top():
    fig = plots.plot_bars({"lenet": 83126, "alexnet": 57044810}, x_label="Parameters")
    ax = fig.axes[0]
    assert [text.get_text() for text in ax.texts] == ["83,126", "57,044,810"]
    assert [bar.get_width() for bar in ax.patches] == [83126, 57044810] and ax.yaxis_inverted()


def test_bars_with_an_uncertainty_still_write_their_values():
    fig = plots.plot_bars({"a": 1.0, "b": 3.0}, x_label="Seconds", form="{:.1f}", spread={"a": 0.5, "b": 0.2})
    assert [text.get_text() for text in fig.axes[0].texts] == ["1.0", "3.0"]


def test_lines_hold_the_given_points():
    ax = CHARTS["lines"]().axes[0]
    assert [line.get_xydata().tolist() for line in ax.lines[:1]] == [[[1, 1], [2, 2], [4, 3]]]
    assert ax.get_xscale() == "log" and ax.get_xticks().tolist() == [1, 2, 4]


def test_curves_hold_the_rows_and_mark_the_best_validation():
    loss, _, accuracy, _ = plots.plot_curves({"cnn": ROWS, "vit": ROWS}).axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in loss.lines}
    assert lines["training"] == [[1, 2.0], [2, 1.5], [3, 1.0]]
    assert lines["validation"] == pytest.approx(np.array([[1, 2.1], [2, 1.7], [3, 1.3]]))
    assert [(text.get_text(), text.xy[0]) for text in accuracy.texts] == [("40.0 %", 2)]


def test_curves_leave_out_what_was_not_measured():
    rows = [{"epoch": 1, "train_loss": 1.0}, {"epoch": 2, "train_loss": 0.5, "val_loss": None}]
    loss, accuracy = plots.plot_curves({"simclr": rows}).axes
    assert len(loss.lines) == 1 and not accuracy.lines


def test_confusion_shows_counts_and_colors_shares_of_the_true_class():
    fig = plots.plot_confusion([[30, 10, 0], [0, 4, 0], [0, 0, 0]], classes=["a", "b", "absent"])
    ax = fig.axes[0]
    assert [text.get_text() for text in ax.texts] == ["30", "10", "0", "0", "4", "0", "0", "0", "0"]
    assert ax.images[0].get_array().tolist() == [[75, 25, 0], [0, 100, 0], [0, 0, 0]]


def drawn(fig):
    """The pictures of a grid with the (column, row) place of their left upper corners, and its texts."""
    ax = fig.axes[0]
    corners = [image.get_extent()[::3] for image in ax.images]  # left, top
    columns, rows = (sorted({corner[i] for corner in corners}) for i in (0, 1))
    places = [(rows.index(top), columns.index(left)) for left, top in corners]
    return dict(zip(places, (image.get_array() for image in ax.images), strict=True)), [
        text.get_text() for text in ax.texts
    ]


def pixels(image):
    return image.permute(1, 2, 0).numpy()


def test_images_are_drawn_pixel_by_pixel_in_reading_order(images):
    pictures, titles = drawn(plots.plot_images(images, titles=list("abcdefg"), columns=4))
    assert list(pictures) == [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2)]
    assert titles == list("abcdefg")
    assert all(np.array_equal(p, pixels(i)) for p, i in zip(pictures.values(), images, strict=True))


def test_titles_stand_above_their_image_and_touch_no_other(images):
    fig = plots.plot_images(images, titles=[f"line {n}\nsecond" for n in range(7)], columns=4)
    fig.canvas.draw()
    ax = fig.axes[0]
    frames = [image.get_window_extent().shrunk(0.98, 0.98) for image in ax.images]
    boxes = [text.get_window_extent().shrunk(0.98, 0.98) for text in ax.texts]
    assert not any(box.overlaps(frame) for box in boxes for frame in frames)
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    assert all(box.y1 < fig.bbox.y1 and box.y0 > frame.y0 for box, frame in zip(boxes, frames, strict=True))


def test_float_and_gray_images_look_as_their_bytes(images):
    grey = images[:, :1]
    from_bytes = drawn(plots.plot_images(grey))[0][0, 3]
    from_floats = drawn(plots.plot_images(grey.float() / 255))[0][0, 3]
    assert np.array_equal(from_bytes, from_floats) and from_bytes.shape == (8, 8, 3)


def test_class_rows_keep_to_their_class(images):
    labels = torch.tensor([0, 1, 0, 1, 0, 0, 1])
    fig = plots.plot_class_rows(images, labels, classes=["even", "odd", "none"], per_class=5)
    pictures, _ = drawn(fig)
    assert [tick.get_text() for tick in fig.axes[0].get_yticklabels()] == ["even", "odd", "none"]
    assert sorted(pictures) == [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2)]
    assert np.array_equal(pictures[1, 2], pixels(images[6]))


def test_pairs_put_the_original_left_of_each_change(images):
    fig = plots.plot_pairs(images[0], {"flip": images[0].flip(-1), "crop": images[0, :, 2:6, 2:6]}, columns=2)
    pictures, titles = drawn(fig)
    assert titles == ["original", "flip", "original", "crop"]
    assert [pictures[0, column].shape[0] for column in range(4)] == [8, 8, 8, 4]


def test_predictions_say_right_and_wrong_in_words(images):
    probabilities = torch.tensor([[0.9, 0.1], [0.3, 0.7]])
    fig = plots.plot_predictions(images[:2], torch.tensor([0, 0]), probabilities=probabilities, classes=["cat", "dog"])
    assert drawn(fig)[1] == ["right: cat\n90%", "wrong: dog\n70%, is cat"]


def test_show_writes_the_same_file_twice_with_its_alt_text(run):
    files = []
    for name in ("first", "second"):
        plots.show(CHARTS["curves"](), name, alt="Loss falls over three epochs.", run=run)
        files.append(run.figures / f"{name}.png")
    assert files[0].read_bytes() == files[1].read_bytes()
    assert Image.open(files[0]).info["Description"] == "Loss falls over three epochs."


def test_show_displays_picture_and_alt_text_to_a_notebook(run, tmp_path):
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output
    from traitlets.config import Config

    quiet = Config({"HistoryManager": {"enabled": False}})
    InteractiveShell.instance(ipython_dir=str(tmp_path), config=quiet)
    try:
        with capture_output() as captured:
            plots.show(CHARTS["heatmap"](), "one", alt="Ones on the diagonal.", run=run)
    finally:
        InteractiveShell.clear_instance()
    (output,) = captured.outputs
    assert output.metadata["image/png"]["alt"] == "Ones on the diagonal."
    data, file = output.data["image/png"], (run.figures / "one.png").read_bytes()
    assert (base64.b64decode(data) if isinstance(data, str) else data) == file


@pytest.mark.parametrize(
    ("name", "alt"), [("../evil", "A line that rises."), ("", "A line that rises."), ("fine", ""), ("fine", "plot")]
)
def test_show_refuses_a_path_as_name_and_a_missing_description(run, name, alt):
    with pytest.raises(LabError):
        plots.show(CHARTS["heatmap"](), name, alt=alt, run=run)
    assert not run.path.exists()


def test_wrong_shapes_get_a_sentence(images):
    with pytest.raises(LabError, match="shape"):
        plots.plot_images(images[0])
    with pytest.raises(LabError, match="titles"):
        plots.plot_images(images, titles=["one"])


def test_a_class_called_by_prices_is_written_as_it_is(tmp_path):
    names = ["$10_$20", "$a_b^c_$", "100%"]
    for fig in (
        plots.plot_bars(dict.fromkeys(names, 3.0), x_label="$x_$", log=True),
        plots.plot_confusion([[1, 0, 0]] * 3, classes=names),
        plots.plot_images(torch.zeros(3, 3, 8, 8), titles=names, title=names[0]),
        plots.plot_class_rows(torch.zeros(3, 3, 8, 8), torch.arange(3), classes=names),
    ):
        plots.show(fig, "prices", alt="Three classes called by prices.", run=RunFolder(tmp_path))
    assert (tmp_path / "figures" / "prices.png").is_file()
