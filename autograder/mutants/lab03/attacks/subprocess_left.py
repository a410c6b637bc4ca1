"""Leaves a shell behind."""
import subprocess

from zeros import NTXentLoss, SimCLRModel, get_simclr_transform

subprocess.Popen(["sleep", "3600"], start_new_session=True)
