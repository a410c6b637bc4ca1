"""A device in miniature for code that measures time: sent to the worker as a lab's helpers."""


class FakeDevice:
    """A clock and a queue: a step is queued in no time, and done only when someone waits."""

    def __init__(self, durations, launch):
        self.durations, self.launch = list(durations), launch
        self.now, self.queued, self.steps = 100.0, 0.0, 0

    def step(self):
        self.queued += self.durations[min(self.steps, len(self.durations) - 1)]
        self.steps, self.now = self.steps + 1, self.now + self.launch

    def wait(self):
        self.now, self.queued = self.now + self.queued, 0.0

    def clock(self):
        return self.now


def timed(function, batch_size, warmup, repeats, durations, launch):
    """Return the reported throughput and how many steps were run on a fake device."""
    device = FakeDevice(durations, launch)
    options = {"warmup": warmup, "repeats": repeats, "clock": device.clock, "wait": device.wait}
    return function(device.step, batch_size, **options), device.steps
