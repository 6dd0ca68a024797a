"""What a user should know of a fit as a whole:
whether it is one of the right thing, and whether it explains the map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mantid_insdl.fitting.results import Fit
from mantid_insdl.fitting.unexplained import LIMIT, evidence_of
from mantid_insdl.materials import Material


def reviewed(found: Fit, material: Material, warnings: Sequence[str] = ()) -> Fit:
    """A fit with what is to be said of it, after `warnings`;
    where the map holds no signal, no parameter counts as determined.
    """
    said = [*warnings]
    if found.data.frame and material.frame and found.data.frame != material.frame:
        said.append(
            f"The r.l.u. of the map are those of another lattice ({found.data.frame}); {material.name} has those of: "
            f"{material.frame}. The momenta are taken as they are."
        )
    evidence = evidence_of(found, LIMIT)
    if evidence.unexplained == 1 and evidence.uncertainty == 0:
        said.append(
            "Nothing in the map stands out of its noise and varies in momentum as spin waves do: "
            "there is no signal to fit, and the parameters mean nothing."
        )
        found = replace(found, parameters=tuple(replace(one, determined=one.fixed) for one in found.parameters))
    elif not evidence.explained:
        said.append(evidence.reason())
    return replace(found, warnings=tuple(dict.fromkeys(said)))
