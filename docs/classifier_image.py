"""Draw how good the PCSMO classifier is, from its bundle: ``python docs/classifier_image.py`` writes docs/images/pcsmo_classifier.png."""

from pathlib import Path

from mantid_insdl.networks.bundles import load_bundle
from mantid_insdl.plotting import plot_classifier

if __name__ == "__main__":
    plot_classifier(load_bundle("pcsmo-classifier")).savefig(Path(__file__).parent / "images" / "pcsmo_classifier.png", dpi=80)
