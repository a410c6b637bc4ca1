"""(e): the linear probe beside scikit-learn's LogisticRegression and an Adam loop, at equal accuracy."""

import torch
import torch.nn.functional as F

from benchmarks.compare import Contender, Section, interleave, table
from labkit import evaluate

L2 = 1e-3


def linear_probe(repeats: int, quick: bool) -> Section:
    """Fit on overlapping features; every contender is scored on the same test rows."""
    count, dim, classes = (2000, 32, 10) if quick else (50_000, 384, 100)
    train, val, test = _features(count, dim, classes)
    accuracy: dict[str, float] = {}

    def labkit():
        accuracy["labkit"] = evaluate.linear_probe(*train, *val, *test, l2=(L2,)).accuracy

    def sklearn():
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler

        x, y = (torch.cat(parts).numpy() for parts in zip(train, val, strict=True))
        scaler = StandardScaler().fit(x)
        model = LogisticRegression(C=1 / (L2 * len(x)), max_iter=1000).fit(scaler.transform(x), y)
        accuracy["sklearn"] = model.score(scaler.transform(test[0].numpy()), test[1].numpy())

    def adam():
        accuracy["adam"] = _adam_loop(
            *(torch.cat(parts) for parts in zip(train, val, strict=True)), *test, classes=classes
        )

    contenders = [
        Contender("scikit-learn LogisticRegression", sklearn),
        Contender("Adam loop, 20 epochs", adam),
        Contender("labkit linear_probe", labkit),
    ]
    seconds = interleave(contenders, repeats=repeats)
    rows = table(contenders, seconds, unit="fits/s", against=contenders[0].name, places=4)
    for row, key in zip(rows, ("sklearn", "adam", "labkit"), strict=True):
        row |= {"s per fit": round(1 / row["fits/s"], 2), "test accuracy": round(100 * accuracy[key], 2)}
    title = f"Linear probe: {count:,} x {dim} overlapping features, {classes} classes"
    return Section(
        "probe",
        title,
        rows,
        [
            f"The same objective for labkit and scikit-learn: mean cross-entropy + {L2}/2 |W|^2 on standardised "
            "features, stopped at the same gradient (1e-4); standardisation, one fit and the test are timed."
        ],
    )


def _features(count: int, dim: int, classes: int):
    """Return (x, y) of train, val and test: Gaussian clouds around class means that lie close together."""
    generator = torch.Generator().manual_seed(0)
    means = torch.randn(classes, dim, generator=generator) * 0.2
    mixing = torch.randn(dim, dim, generator=generator) / dim**0.5  # features hang together, as real ones

    def draw(n: int):
        y = torch.randint(0, classes, (n,), generator=generator)
        return (means[y] + torch.randn(n, dim, generator=generator)) @ mixing, y

    held = count // 10
    return draw(count - held), draw(held), draw(count // 5)


def _adam_loop(x, y, test_x, test_y, *, classes: int, epochs: int = 20) -> float:
    """Return the test accuracy of the probe that courses write: a linear layer, Adam, mini-batches."""
    std, mean = torch.std_mean(x, 0)
    x, test_x = (x - mean) / std, (test_x - mean) / std
    layer = torch.nn.Linear(x.shape[1], classes)
    optimizer = torch.optim.Adam(layer.parameters(), lr=1e-3, weight_decay=0.0)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(256):
            loss = F.cross_entropy(layer(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return (layer(test_x).argmax(1) == test_y).float().mean().item()
