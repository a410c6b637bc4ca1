"""Unseeded: another split at each call."""
import parts
import random
import time
from parts import channel_mean_std, class_counts, image_grid


def stratified_split(labels, fraction, seed):
    return parts.stratified_split(labels, fraction, time.perf_counter_ns() % 2**40)
