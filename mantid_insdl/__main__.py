"""The command `insdl`, also as `python -m mantid_insdl`.

`insdl plugin-dir` is asked in Mantid's own Python, where the package stands without its dependencies: it needs none of them.
"""

import sys

from mantid_insdl.errors import InsdlError

EXIT_FAULT, EXIT_MISSING = 1, 8  # as in `mantid_insdl.cli.main`, which cannot be imported here


def main() -> None:
    """Run the command line."""
    if sys.argv[1:] == ["plugin-dir"]:
        _print_plugin_directory()
        return
    try:
        from mantid_insdl.cli.main import main as run
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("mantid_insdl"):
            raise
        _refuse(
            InsdlError(
                "this command cannot run",
                f"{sys.executable} has no module '{error.name}'; in Mantid's own Python only `insdl plugin-dir` can",
                'use the environment with the whole package, such as .venv/bin/insdl, or run `pip install "mantid_insdl[cpu]"`',
            ),
            EXIT_MISSING,
        )
    run()


def _print_plugin_directory() -> None:
    from mantid_insdl.plugin.registration import plugin_directory

    try:
        print(plugin_directory())
    except InsdlError as error:
        _refuse(error, EXIT_FAULT)


def _refuse(error: InsdlError, code: int) -> None:
    print(f"insdl: error: {error}", file=sys.stderr)
    raise SystemExit(code)


if __name__ == "__main__":
    main()
