"""One notebook in one process: the kernel, the cells, the status that it leaves, the exported page."""
