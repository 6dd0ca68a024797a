"""`python -m mantid_insdl` is `insdl`."""

from mantid_insdl.cli.main import main

main()
