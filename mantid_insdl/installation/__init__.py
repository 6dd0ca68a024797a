"""Installing the plugin beside a Mantid, looking after it, and taking it out again, byte for byte.

What Mantid needs to know stands in a few places, each with a module here: lines of the user's properties file (`properties`), a folder
from which Mantid's own Python imports this package and what it lacks (`bridge`), a launcher for the Interfaces menu (`launcher`), and the
Python environment of the networks (`environment`). `plan` says what is to be changed; `record` writes that down before the first change,
and undoes it.
"""
