"""Slurm: sites, the sbatch script, the queue, submitting."""
