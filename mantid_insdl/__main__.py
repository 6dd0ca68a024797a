"""`python -m mantid_insdl` is `insdl`."""

from mantid_insdl.cli import main

main()
