"""Codes: the numbers a network makes of a map before its last layer, and the plane in which hundreds of them can be seen at once.

Principal components keep distances, t-SNE keeps neighbours. [L. van der Maaten and G. Hinton, J. Mach. Learn. Res. 9, 2579 (2008)]
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mantid_insdl.errors import InsdlError
from mantid_insdl.explain.gallery import Gallery
from mantid_insdl.explain.subject import Subject
from mantid_insdl.networks.prediction import predict, with_embedding
from mantid_insdl.networks.trained_range import Familiarity

NEIGHBOURS = 10
PERPLEXITY = 20.0
SEED = 0


@dataclass(frozen=True, eq=False)
class Codes:
    """Training maps and one of the user's in the network's own coordinates.

    Attributes
    ----------
    gallery
        The training maps.
    code : (feature,)
        Of the user's map.
    components, own_component : (n, 2), (2,)
        Principal components of the standardised codes.
    explained : (2,)
        Share of the variance along each.
    embedded, own_embedded : (n, 2), (2,)
        t-SNE of all of them together.
    agreement
        Share of the nearest training maps of a training map that are of its material, by all features; and in the t-SNE plane.
    neighbours : (NEIGHBOURS,)
        The training maps nearest to the user's.
    distances, own_distance, limit : (n,), float, float
        By which the in-range rule goes: to the nearest class, and the distance that 95 % of the training maps keep within; NaN where the
        bundle has no such rule.
    """

    gallery: Gallery
    code: np.ndarray
    components: np.ndarray
    own_component: np.ndarray
    explained: np.ndarray
    embedded: np.ndarray
    own_embedded: np.ndarray
    agreement: tuple[float, float]
    neighbours: np.ndarray
    distances: np.ndarray
    own_distance: float
    limit: float

    @property
    def neighbour_shares(self) -> dict[str, float]:
        """Of which materials the nearest training maps are."""
        of = self.gallery.data.material[self.neighbours]
        return {name: float(np.mean(of == number)) for number, name in enumerate(self.gallery.materials)}


def codes_of(subject: Subject, gallery: Gallery) -> Codes:
    """Place a map among the training maps.

    Raises
    ------
    InsdlError
        If scikit-learn is not installed.
    """
    try:
        from sklearn.manifold import TSNE
    except ImportError:
        raise InsdlError("cannot draw the plane of codes", "scikit-learn is not installed", "run pip install scikit-learn") from None
    code = predict(with_embedding(subject.bundle.models[0]), subject.prepared.inputs)[1][0]
    everything = np.vstack([gallery.codes, code])
    spread = gallery.codes.std(axis=0)
    used = spread > 1e-6 * spread.max()
    z = ((everything - gallery.codes.mean(axis=0)) / np.where(used, spread, 1.0))[:, used]
    _, singular, directions = np.linalg.svd(z[:-1], full_matrices=False)
    components = z @ directions[:2].T
    embedded = TSNE(2, perplexity=min(PERPLEXITY, len(z) / 4), init="pca", random_state=SEED).fit_transform(z.astype(np.float32))
    label = gallery.data.material
    agreement = tuple(float(np.mean(label[nearest(one[:-1], one[:-1], own=True)] == label[:, None])) for one in (z, embedded))
    distances, own_distance, limit = _distances(subject, gallery, code)
    return Codes(
        gallery=gallery,
        code=code,
        components=components[:-1],
        own_component=components[-1],
        explained=singular[:2] ** 2 / np.sum(singular**2),
        embedded=embedded[:-1],
        own_embedded=embedded[-1],
        agreement=agreement,
        neighbours=nearest(z[-1:], z[:-1])[0],
        distances=distances,
        own_distance=own_distance,
        limit=limit,
    )


def nearest(points: np.ndarray, among: np.ndarray, *, own: bool = False) -> np.ndarray:
    """The `NEIGHBOURS` of each point, (n, NEIGHBOURS); where the points are those themselves (`own`), without itself."""
    squares = np.sum((points[:, None] - among[None]) ** 2, axis=-1)
    if own:
        np.fill_diagonal(squares, np.inf)
    return np.argsort(squares, axis=1)[:, :NEIGHBOURS]


def _distances(subject: Subject, gallery: Gallery, code: np.ndarray) -> tuple[np.ndarray, float, float]:
    arrays = subject.bundle.arrays
    if "familiar_means_0" not in arrays:
        return np.full(len(gallery), np.nan), np.nan, np.nan
    familiar = Familiarity(arrays["familiar_means_0"], arrays["familiar_precision_0"])
    found = familiar.distance(gallery.codes)
    return found, float(familiar.distance(code[None])[0]), float(np.quantile(found, 0.95))
