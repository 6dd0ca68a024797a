"""What the pictures of an explanation show, what to look for in them, and what they do not show."""

from __future__ import annotations

from mantid_insdl.explain.attribution import METHODS, heading

_MAXIMISED = (
    "Your map, the one that the network thinks shows {} most (grown from noise), and the simulated map most like that; every "
    "other slice. Where the second is not like the third the network also answers to patterns that no magnet makes, which is why "
    "strange maps are refused by other rules than its probability."
)
CAPTIONS = {
    "map.png": "The map as it was read. Everything below is about what a network makes of it.",
    "faithfulness.png": (
        "The score of the network as the most important pixels are masked (left) and uncovered (right). An explanation "
        "can be believed where its curves leave those of random and of the brightest pixels. Scores of a few uncovered "
        "pixels lie outside of what the network has seen: look at the order of the curves, not at their height."
    ),
    "physicist.png": (
        "Where the two models differ by more than the noise: expected difference of log-likelihood of each pixel, the "
        "other model's constants refitted. A physicist who misses nothing would look here. It knows nothing of the "
        "network."
    ),
    "slices.png": (
        "Which slices the importance lies in, when the network is asked why the one model rather than the other, beside "
        "those in which the two differ. Published for this question: the edge of the gap, 36 to 41 meV at Ei = 70 meV. "
        "Tall blue bars without an orange one are information that the network leaves."
    ),
    "between.png": (
        "How much more the network believes the one model than the other, along the straight line in exchange constants "
        "between your map's best fits by either, noise-free on its slices. Where it crosses zero the network changes its "
        "mind; the nearer that is to the middle, the more even-handed it is."
    ),
    "turn.png": (
        "The first map on that line that the network takes for the other model, above the best fit of your map's: what "
        "would have to be different."
    ),
    "activations.png": (
        "What each filter of the layer shows, in the slice where it shows most. Patterns that look like bands are what "
        "the network has learnt to see; a filter that is dark everywhere says nothing about this map, a dead one about "
        "none."
    ),
    "filters.png": (
        "Weights of the first filters of each convolution, red for more, blue for less, Qh from left to right (of "
        "along_energy the energy). Neighbouring weights of a network that was trained long enough are alike; the number "
        "compares them with untrained ones. Smooth filters need not be right."
    ),
    "codes.png": (
        "Training maps, simulated again, by the numbers that the network makes of them. Your map should lie among those"
        " of one model. t-SNE shows who is whose neighbour; distances between groups mean nothing there."
    ),
    "constants.png": (
        "The same plane coloured by each exchange constant: a constant that changes smoothly across it is one that the "
        "network reads, even though it was only asked for the model."
    ),
    "atlas.png": "The same plane as a grid; each cell has the training map nearest to the mean of its codes, one slice of it.",
    "features.png": (
        "Training maps that drive a feature of the last convolution most, with the slice and the patch that do, and the "
        "exchange constants of each. What the patches share is what the feature stands for."
    ),
    "classes.png": (
        "Training maps that the network is surest of, with the slice and the patch that speak most for the class, and the "
        "exchange constants of each. Large constants that all of them share are what makes a class easy to tell."
    ),
    "maximised.png": _MAXIMISED.format("the class or constant"),
    "maximised-feature.png": _MAXIMISED.format("the first of the features"),
}
"""What each picture shows, what to look for, and what it does not show."""


_ASKED = {
    "cam": "what each pixel adds to the score, which is their sum. It knows no finer detail than its own pixels, four of the map's wide",
    "grad-cam": "where the patterns lie that the score follows, weighed slice by slice",
    "grad-cam++": "as Grad-CAM, counting several places of one pattern alike: broader, and less exact",
    "integrated-gradients": "each pixel's share in the score's difference from a map without pattern. Single pixels are noise",
    "occlusion-slice": "how much the score falls without the slice. A slice whose signs are also elsewhere costs little",
    "occlusion-patch": "how much the score falls without a patch. Edges of the patches mean nothing",
}


def stem(name: str) -> str:
    """The beginning of a file's name, of a method."""
    return name.replace("++", "-plus-plus")


def caption(file: str) -> str:
    """What a picture shows, by its file's name."""
    if file in CAPTIONS:
        return CAPTIONS[file]
    for name in METHODS:
        if file == f"{stem(name)}.png":
            return f"{heading(name)}: {_ASKED[name]}. The map in grey, the more orange a pixel the more it decided."
    raise KeyError(file)
