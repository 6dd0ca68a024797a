"""Linear spin-wave theory: lattice and bonds -> Hamiltonian -> modes -> what a neutron sees,
for many parameter sets at once.

The Hamiltonian is SpinW's (energies in meV, every bond counted once, J > 0 antiferromagnetic)::

    H = sum_bonds S_i^T J_ij S_j + sum_i S_i^T A_i S_i - muB sum_i B^T g_i S_i

Every 3 x 3 matrix is a named parameter times a constant matrix, so that H is linear in the parameters: one table of
matrices over momenta serves all parameter sets, and it is also the derivative of H with respect to each parameter.
"""

from mantid_insdl.spinwave.derivatives import spectrum_derivatives
from mantid_insdl.spinwave.hamiltonian import Hamiltonian
from mantid_insdl.spinwave.lattice import Lattice
from mantid_insdl.spinwave.model import Bond, Dipoles, Field, OnSite, Site, SpinModel
from mantid_insdl.spinwave.modes import Modes, complex_energies, spin_waves
from mantid_insdl.spinwave.relaxation import relax, relax_spiral
from mantid_insdl.spinwave.spiral import spiral_waves
from mantid_insdl.spinwave.structure import ordering_vector

__all__ = [
    "Bond",
    "Dipoles",
    "Field",
    "Hamiltonian",
    "Lattice",
    "Modes",
    "OnSite",
    "Site",
    "SpinModel",
    "complex_energies",
    "ordering_vector",
    "relax",
    "relax_spiral",
    "spectrum_derivatives",
    "spin_waves",
    "spiral_waves",
]
