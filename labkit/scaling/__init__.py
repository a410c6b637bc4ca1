"""Scaling: throughput measured on 1..N real processes, and the communication model that predicts it."""

from labkit.scaling.communication import Link, allreduce_time, ddp_buckets, fit_link, predict_step_time
from labkit.scaling.launch import Nodes, nodes_of_job, torchrun
from labkit.scaling.measure import Measurement, Scaling, measure
from labkit.scaling.tables import allreduce_table, prediction_table, scaling_table

__all__ = [
    "Link",
    "Measurement",
    "Nodes",
    "Scaling",
    "allreduce_table",
    "allreduce_time",
    "ddp_buckets",
    "fit_link",
    "measure",
    "nodes_of_job",
    "predict_step_time",
    "prediction_table",
    "scaling_table",
    "torchrun",
]
