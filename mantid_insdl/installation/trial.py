"""One call through the worker, as an algorithm makes it. Run by Mantid's own Python, which prints one line of JSON.

Arguments: folders that Mantid has in its search path (key `pythonscripts.directories`).
"""

from __future__ import annotations

import json
import time

#: A map on which the call is made: its slices fit the denoiser of PCSMO.
MATERIAL, EI, PIXELS = "pcsmo-goodenough", 50.0, 40

#: What Mantid's Python is given to run: the package is found as it is found in Mantid.
PROGRAM = "import sys; sys.path += sys.argv[1:]; from mantid_insdl.installation.trial import main; main()"


def main() -> None:
    """Simulate slices in the worker and have a network denoise them there."""
    from mantid_insdl.errors import InsdlError
    from mantid_insdl.worker import run_task, stop

    started = time.monotonic()
    edges = [-1 + 2 * i / PIXELS for i in range(PIXELS + 1)]
    windows = [EI * (0.1 + 0.06 * i) for i in range(11)]
    axis = {"unit": "r.l.u.", "values": edges, "is_edges": True}
    try:
        maps, _ = run_task(
            "simulate",
            {},
            {
                "material": MATERIAL,
                "qh": {"name": "qh", **axis},
                "qk": {"name": "qk", **axis},
                "slices": {"ei": [EI] * 10, "energy_min": windows[:-1], "energy_max": windows[1:]},
                "counts": 1e5,
            },
        )
        maps, _ = run_task("denoise", {"input": maps["output"]}, {"model": None})
        answer = {"seconds": time.monotonic() - started, "shape": list(maps["output"].shape)}
    except InsdlError as error:
        answer = {"error": str(error)}
    stop()
    print(json.dumps(answer), flush=True)
