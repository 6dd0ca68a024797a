"""Draw docs/images/pcsmo_denoised.png, a measured map before and after denoising with its error bars:

    python docs/denoised_image.py MAP [--mask FILE] [--model BUNDLE] [--slices N] [-o FILE]

The slices shown are N of each incident energy. Gaps are filled, so that it shows what the network makes of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import mantid_insdl as insdl
from mantid_insdl.analysis.denoise import filled_pixels
from mantid_insdl.plotting import plot_comparison


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("map", type=Path)
    parser.add_argument("--mask", type=Path)
    parser.add_argument("--material", default="pcsmo")
    parser.add_argument("--model")
    parser.add_argument("--slices", type=int, default=3)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent / "images" / "pcsmo_denoised.png")
    options = parser.parse_args()
    m = insdl.load(options.map, material=options.material, mask=options.mask)
    denoised = insdl.denoise(m, options.model, fill_gaps=True)
    error = denoised.replace(intensity=denoised.error, error=None)
    filled = filled_pixels(m, denoised)
    known, gaps = (np.nanmedian(denoised.error[part]) for part in (~m.mask, filled))
    print(f"{filled.mean():.1%} of the pixels are filled; median error bar of measured pixels {known:.3g}, of filled ones {gaps:.3g}")
    groups = m.slices.groups_by_ei()
    shown = np.concatenate([group[np.linspace(0, group.size - 1, min(options.slices, group.size)).round().astype(int)] for group in groups])
    maps = {name: one.select(shown) for name, one in (("measured", m), ("denoised", denoised), ("error bar", error))}
    plot_comparison(maps, title="PCSMO, measured and denoised").savefig(options.output)
    print(options.output)


if __name__ == "__main__":
    main()
