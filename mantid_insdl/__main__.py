"""The command `insdl`, also as `python -m mantid_insdl`."""

import atexit
import gc
import sys

from mantid_insdl.errors import InsdlError

EXIT_MISSING = 8  # as in `mantid_insdl.cli.main`, which cannot be imported where this is needed


def main() -> None:
    """Run the command line."""
    # modules make many objects, which stay to the end: looking through them for garbage takes a quarter of the start
    gc.set_threshold(100_000, 10, 10)
    atexit.register(gc.freeze)
    try:
        from mantid_insdl.cli.main import main as run
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("mantid_insdl"):
            raise
        refusal = InsdlError(
            "insdl cannot run",
            f"{sys.executable} has no module '{error.name}'",
            'use the environment with the whole package, such as .venv/bin/insdl, or run `pip install "mantid_insdl[cpu]"`',
        )
        print(f"insdl: error: {refusal}", file=sys.stderr)
        raise SystemExit(EXIT_MISSING) from None
    run()


if __name__ == "__main__":
    main()
