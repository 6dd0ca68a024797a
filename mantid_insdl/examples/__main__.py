"""`python -m mantid_insdl.examples` makes the shipped example again."""

from mantid_insdl import examples
from mantid_insdl.files import save
from mantid_insdl.output import staged_file

with staged_file(examples.path()) as part:
    save(examples.make(), part, name="pcsmo_simulated_measurement")
print(examples.path())
