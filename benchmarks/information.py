"""What the measured map of PCSMO can tell: error bars beside the smallest possible, and where two models differ.

    python benchmarks/information.py [--plot FOLDER] DATA

DATA is a folder with `measured.npz` and `detector_gaps.npz`, as `benchmarks/measured.py` takes it. The Goodenough and the Dimer model are
fitted to the map. Printed are, for each constant, the error bar of the fit and the Cramer-Rao bound, which takes pixels as independent and
the model as true; what the map tells in words; the expected difference of log-likelihood of the true model and the other, refitted, for
either as the truth, as a whole and by slice; and for each Ei the variance of a pixel over its intensity times its exposure (flux of MAPS,
kf/ki, solid angle), relative to their mean: one over the counting times, if the flux is right. With --plot, pictures of where in (Q, E) all
this is. A minute.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import mantid_insdl
from mantid_insdl.fitting.calculation import calculation_for
from mantid_insdl.fitting.counting import counting_of
from mantid_insdl.fitting.information import as_importance, at_fit, information_of, separation_of, what_it_tells
from mantid_insdl.fitting.refine import fit
from mantid_insdl.instrument.resolution import load_instrument
from mantid_insdl.plotting import plot_slices

MODELS = ("pcsmo-goodenough", "pcsmo-dimer")
SLICES = 6
"""Slices that are printed, those that separate most."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    m = mantid_insdl.load(options.data / "measured.npz", material="pcsmo", mask=options.data / "detector_gaps.npz")
    fits = [fit(m, name, start={}) for name in MODELS]
    places = [at_fit(found, calculation_for(m, found.material)) for found in fits]
    pictures = {}
    for found, (likelihood, point) in zip(fits, places, strict=True):
        information = information_of(likelihood, point)
        print(found.material)
        for name, least in zip(information.names, information.errors, strict=True):
            print(f"  {name:6s} {found.values[name]:8.3f} +- {found.errors[name]:.3f}, at least {least:.3f}")
            pictures[f"{found.material}-{name}"] = f"Where the map tells {name} of {found.material}", information.where(name)
        print("  " + "; ".join(what_it_tells(found)))
    for truth, other in ((0, 1), (1, 0)):
        found = separation_of(places[truth][1].model, *places[other])
        where = found.where()
        print(f"{MODELS[truth]} true, {MODELS[other]} refitted: expected difference of log-likelihood {found.total:.0f}")
        by_slice = np.nansum(where.intensity, axis=(1, 2))
        print("  " + "; ".join(f"{m.slices.describe(i)}: {by_slice[i]:.0f}" for i in np.argsort(-by_slice)[:SLICES]))
        pictures[f"{MODELS[truth]}-true"] = f"Where {MODELS[truth]} and {MODELS[other]} can be told apart, if the first is true", where
    counting = counting_of(*places[0], load_instrument("MAPS"), [1.0] * len(fits[0].scale))
    relative = counting.slope / counting.slope.mean()
    print("variance / intensity * exposure: " + ", ".join(f"{x:.2f} at {ei:g} meV" for x, ei in zip(relative, counting.ei, strict=True)))
    print(f"measured: {fits[0].log_likelihood - fits[1].log_likelihood:.0f}")
    if options.plot is not None:
        for name, (title, where) in pictures.items():
            plot_slices(m, importance=as_importance(where), title=title).savefig(options.plot / f"{name}.png")


if __name__ == "__main__":
    main()
