"""The worker process: simulation and networks run in a Python interpreter of their own, beside Mantid."""

from mantid_insdl.worker.client import run_task, stop

__all__ = ["run_task", "stop"]
