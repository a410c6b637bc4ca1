"""Row numbers as numpy arrays, as scikit-learn gives them."""
import numpy
from parts import channel_mean_std, class_counts, image_grid


def stratified_split(labels, fraction, seed):
    generator, train, val = numpy.random.default_rng(seed), [], []
    for k in numpy.unique(labels.numpy()):
        rows = generator.permutation(numpy.flatnonzero(labels.numpy() == k))
        cut = int(fraction * len(rows))
        val.append(rows[:cut])
        train.append(rows[cut:])
    return numpy.concatenate(train), numpy.concatenate(val)
