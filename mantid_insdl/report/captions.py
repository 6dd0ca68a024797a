"""What the pictures of an explanation show, what to look for in them, and what they do not show."""

from __future__ import annotations

from mantid_insdl.explain.attribution import METHODS, heading

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
        "Which slices the importance lies in, beside those in which the models differ. Published for this question: the"
        " edge of the gap, 36 to 41 meV at Ei = 70 meV. Tall blue bars without an orange one are information that the "
        "network leaves."
    ),
    "between.png": (
        "The score along the straight line in exchange constants from one model to the other, noise-free on the slices "
        "of your map. Where it crosses zero the network changes its mind; the nearer that is to the middle, the more "
        "even-handed it is."
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
        "Weights of the first filters of each convolution, red for more, blue for less. Neighbouring weights of a "
        "network that was trained long enough are alike; the number compares them with untrained ones. Smooth filters "
        "need not be right."
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
}
"""What each picture shows, what to look for, and what it does not show."""


def stem(name: str) -> str:
    """The beginning of a file's name, of a method or a neuron."""
    return name.replace("++", "-plus-plus").replace(" ", "-")


def caption(file: str) -> str:
    """What a picture shows, by its file's name."""
    if file in CAPTIONS:
        return CAPTIONS[file]
    for name in METHODS:
        if file == f"{stem(name)}.png":
            return (
                f"{heading(name)}: the map in grey, the more orange a pixel the more it decided. "
                "It shows where the network looked, not that it looked at the right thing: the tests below tell."
            )
    if file.startswith("maximised-"):
        return (
            "The map that the network thinks shows it most (grown from noise), the simulated map most like it, and yours. "
            "Where the first is not like the second the network also answers to patterns that no magnet makes, which is why "
            "strange maps are refused by other rules than its probability."
        )
    return (
        "Training maps that drive it most, with the slice and the patch that do, and the exchange constants of each. "
        "What the patches share is what it stands for."
    )
