"""Speed-up, efficiency and prediction beside measurement, as rows for a table."""

from labkit.run_folder import LabError, unknown_name
from labkit.scaling.communication import allreduce_time, ddp_buckets, predict_step_time
from labkit.scaling.measure import Measurement, Scaling


def scaling_table(result: Scaling, *, kind: str = "strong") -> list[dict]:
    """Return a row per number of ranks: step time, images/s, speed-up and efficiency against one rank.

    Strong (global batch fixed): speed-up T1/TN, efficiency of it /N. Weak (batch per rank fixed): efficiency
    T1/TN, scaled speed-up X_N/X_1 = N times that. One rank here has the threads of one rank. `over_all_cores`
    compares images/s with one process that has all the cores, where that was measured: 1 means that N ranks
    are no better than threads.
    """
    one = _one(result, scaling="strong", ranks=1, threads=result.threads_per_rank)
    rows = []
    for m in _of_kind(result, kind):
        ratio = one.step_s / m.step_s
        speedup, efficiency = (ratio, ratio / m.ranks) if kind == "strong" else (m.ranks * ratio, ratio)
        rows.append(
            {
                "ranks": m.ranks,
                "threads": m.threads,
                "batch_per_rank": m.batch_size,
                "global_batch": m.ranks * m.batch_size,
                "step_ms": 1e3 * m.step_s,
                "images_per_s": m.images_per_second,
                "first_step_ms": 1e3 * m.first_step_s,
                "start_up_s": m.start_up_s,
                "speedup": speedup,
                "efficiency": efficiency,
            }
        )
        if result.device == "cpu":
            threads = max(result.cores, result.threads_per_rank)
            everything = _one(result, scaling="strong", ranks=1, threads=threads)
            rows[-1]["over_all_cores"] = m.images_per_second / everything.images_per_second
    return rows


def prediction_table(result: Scaling, *, kind: str = "strong") -> list[dict]:
    """Return a row per number of ranks above one: the ring model's predicted step beside the measured one.

    The model knows one rank's step at the local batch, part by part, and the link fitted to all-reduce times;
    it does not know that ranks on one machine share memory bandwidth, nor the cores that messages take.
    """
    buckets, rows = ddp_buckets(result.parameter_bytes), []
    for m in _of_kind(result, kind):
        if m.ranks == 1:
            continue
        link = result.link(m.ranks)
        local = _one(result, ranks=1, batch_size=m.batch_size, threads=result.threads_per_rank)
        predicted = predict_step_time(**local.phases, buckets=buckets, world_size=m.ranks, link=link)
        allreduce_s = sum(allreduce_time(b, world_size=m.ranks, link=link) for b in buckets)
        rows.append(
            {
                "ranks": m.ranks,
                "batch_per_rank": m.batch_size,
                "one_rank_ms": 1e3 * local.step_s,
                "allreduce_ms": 1e3 * allreduce_s,
                "predicted_ms": 1e3 * predicted,
                "measured_ms": 1e3 * m.step_s,
                "measured_over_predicted": m.step_s / predicted,
            }
        )
    return rows


def allreduce_table(result: Scaling) -> list[dict]:
    """Return a row per message: measured time, the fitted link's, and the bytes/s through each rank."""
    rows = []
    for ranks, times in result.allreduce_s.items():
        for size, seconds in times.items():
            fitted = allreduce_time(size, world_size=ranks, link=result.link(ranks))
            speed = 2 * (ranks - 1) / ranks * size / seconds
            row = {"ranks": ranks, "bytes": size, "measured_ms": 1e3 * seconds, "fitted_ms": 1e3 * fitted}
            rows.append(row | {"gigabytes_per_s": speed / 1e9})
    return rows


def _of_kind(result: Scaling, kind: str) -> list[Measurement]:
    """Return one rank's measurement (of either kind) and those of `kind`, by ranks."""
    if kind not in ("strong", "weak"):
        raise unknown_name("kind of scaling", kind, ("strong", "weak"))
    many = [m for m in result.measurements if m.scaling == kind and m.ranks > 1]
    one = _one(result, scaling="strong", ranks=1, threads=result.threads_per_rank)
    return [one, *sorted(many, key=lambda m: m.ranks)]


def _one(result: Scaling, **wanted: object) -> Measurement:
    """Return the measurement with these values."""
    for m in result.measurements:
        if all(getattr(m, name) == value for name, value in wanted.items()):
            return m
    values = ", ".join(f"{name}={value}" for name, value in wanted.items())
    raise LabError(f"There is no measurement with {values}; measure again.")
