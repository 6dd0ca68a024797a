"""Training recipes: YAML files that say everything a bundle was trained with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mantid_insdl._version import __version__
from mantid_insdl.errors import BundleError, InsdlError
from mantid_insdl.untrusted.reading import Origin, read_text
from mantid_insdl.untrusted.text import LONGEST_YAML, yaml_of

if TYPE_CHECKING:
    from mantid_insdl.networks.bundles import Bundle

RECIPE_FOLDER = Path(__file__).parent / "recipes"
QUICK_SIZE = 24
"""Pixels along each axis in a quick training: as few as all networks can take apart and put together again, and see something in."""

Range = Annotated[tuple[float, float], Field(description="low, high")]


class RecipeError(InsdlError):
    """A recipe that does not exist or is wrong."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Grid(_Section):
    """Pixel centres of both momentum axes, r.l.u."""

    low: float = -1.0
    high: float = 1.0
    size: int = 40


class FixedSlices(_Section):
    """The same slices for every map: for each Ei, equal bins between two fractions of it."""

    kind: Literal["fixed"] = "fixed"
    ei: tuple[float, ...]
    energy_fraction: Range
    bins: int


class RandomWindows(_Section):
    """Other slices for every map: 1 to `maximum` equal bins between a random lower and upper cut."""

    kind: Literal["random"] = "random"
    ei: Range
    lower_cut: Range
    upper_cut: Range
    maximum: int = 10


class GroupedSlices(_Section):
    """Up to `groups` incident energies of up to ``usual.bins`` energy bins each, the same for the parameter sets of one chunk.

    Each incident energy has its places among the slices of a map, rising, and so have its bins; places that a map has no slice for are
    empty.
    """

    kind: Literal["grouped"] = "grouped"
    usual: FixedSlices = Field(description="what most measurements have; its number of Ei and bins is the largest")
    usual_share: float = Field(0.5, ge=0, le=1, description="of the chunks; the others draw what follows")
    ei: Range = Field((18.0, 160.0), description="log-uniform; any two differ by a tenth at least")
    bins: tuple[int, int] = (5, 10)
    lowest: Range = Field((0.05, 0.2), description="lower edge of the first bin over Ei")
    highest: Range = Field((0.5, 0.85), description="upper edge of the last bin over Ei")


class Dataset(_Section):
    """Which maps are simulated."""

    name: str
    materials: dict[str, int] = Field(description="number of parameter sets of each material")
    others: dict[str, int] = Field({}, description="number of parameter sets of magnets that are none of the materials")
    prior: str = Field(description="a function of sampling.py")
    grid: Grid = Grid()
    slices: FixedSlices | RandomWindows | GroupedSlices = Field(discriminator="kind")
    chunk: int = Field(20, description="parameter sets that share a draw of the instrument's widths and slices, and a part of the split")
    energy_width_scale: Range = (0.7, 1.5)
    q_sigma_pixels: Range = (0.4, 1.0)
    split: tuple[float, float, float, float] = Field((0.7, 0.1, 0.1, 0.1), description="train, validation, calibration, test")
    seed: int


class Measurement(_Section):
    """What is done to each simulated map, drawn anew for every epoch."""

    counts_per_pixel: Range = Field((0.3, 50.0), description="log-uniform, for each incident energy")
    background: Range = Field((0.0, 1.5), description="of the mean signal, counted and then subtracted")
    background_residual: float = Field(0.1, description="standard deviation of the part of it that subtraction leaves")
    background_left: float = Field(
        0.0, ge=0, le=1, description="probability that it stays, but for what is found to be flat in fixed windows"
    )
    structured_background: float = Field(
        0.0, ge=0, le=1, description="probability of each kind that is neither flat nor smooth: phonons, powder rings, Bragg tails"
    )
    counts_between_ei: float = Field(1.0, ge=1, description="largest factor by which an incident energy has more or fewer counts")
    uneven: float = Field(0.0, ge=0, le=1, description="how much the exposure differs between pixels: standard deviation of its logarithm")
    twin_fraction: Range = (0.3, 0.7)
    misaligned: float = Field(0.0, ge=0, le=1, description="probability of a small turn, shift and stretch of the momentum axes")
    warm: float = Field(0.0, ge=0, le=1, description="probability of a temperature that shows")
    temperature: Range = Field((5.0, 200.0), description="K, log-uniform")
    clipped: float = Field(0.0, ge=0, le=1, description="probability that the brightest pixels, 0.03 to 3 %, were cut to one value")
    slice_scale: float = Field(0.1, description="standard deviation of each slice's efficiency")
    negatives_cut: float = Field(0.5, description="probability that negative intensities were set to zero")
    hot_pixels: float = Field(0.003, description="largest fraction of pixels that are hot")
    gaps: float = Field(0.9, description="probability of detector gaps")
    unmasked_gap_pixels: float = Field(0.1, description="largest fraction of gap pixels left as unmasked zeros")
    missing_ei: float = Field(0.6, description="probability that some incident energies were not measured")
    negatives: float = Field(0.0, ge=0, le=1, description="share of maps made into such that show none of the materials (negatives.py)")
    held_out: tuple[str, ...] = Field((), description="kinds of those, or magnets, that are for testing only")
    foreign: bool = Field(False, description="also the background, resolution and gaps that no training map has, for a test of robustness")


class Fit(_Section):
    """How the network is fitted."""

    epochs: int
    batch: int = 32
    learning_rate: float = 1e-3
    patience: int = 4
    members: int = Field(1, description="networks of an ensemble, which differ in seed")
    seed: int = 1


class Recipe(_Section):
    """Everything a bundle was trained with."""

    name: str
    version: str
    task: Literal["denoise", "classify", "exchange"]
    family: str
    materials: tuple[str, ...]
    answers: str
    dataset: Dataset
    measurement: Measurement = Measurement()
    fit: Fit
    ensemble: int = Field(
        240, ge=6, le=2000, description="parameter sets that a denoiser simulates on the slices of a map, to set its network beside"
    )
    limitations: tuple[str, ...] = ()
    duration: str = Field(description="about how long it takes on two cores")


def recipe_names() -> list[str]:
    """Names of the recipes that come with the package."""
    return sorted(path.stem for path in RECIPE_FOLDER.glob("*.yaml"))


def load_recipe(name_or_path: str | Path) -> Recipe:
    """A shipped recipe by name, or one of your own by path.

    Raises
    ------
    RecipeError
        If there is none, or it is wrong; the message names the entry.
    """
    path = Path(name_or_path)
    if not path.suffix:
        path = RECIPE_FOLDER / f"{name_or_path}.yaml"
    origin = Origin(f"the recipe '{path.name}'", RecipeError)
    try:
        return Recipe.model_validate(yaml_of(read_text(path, origin, LONGEST_YAML), origin))
    except FileNotFoundError:
        raise RecipeError(
            f"there is no recipe '{name_or_path}'", f"known are {', '.join(recipe_names())}", "name one, or give a file's path"
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RecipeError(f"recipe {path.name} is wrong at '{where}'", first["msg"], "correct that entry") from None


def recipe_of(bundle: Bundle) -> Recipe:
    """What a bundle was trained by, as its card says.

    Raises
    ------
    BundleError
        If it is not a recipe that this version can follow.
    """
    try:
        return Recipe.model_validate_json(bundle.card.training.recipe)
    except ValidationError as error:
        raise BundleError(
            f"the training maps of model '{bundle.card.name}' cannot be simulated again",
            f"its card has no recipe that version {__version__} can follow ({error.errors()[0]['msg']})",
            "use what needs no training maps, or train it again with `insdl train`",
        ) from error


def quickened(recipe: Recipe) -> Recipe:
    """A recipe some hundred times smaller and with a third of the pixels, to try that everything runs; its networks are of no use."""
    data = recipe.dataset
    # five chunks of each magnet, of which every part of the split gets at least one: making ready for a chunk takes longer than its maps;
    # of magnets that other recipes share the data set for, none
    others = data.others if recipe.measurement.negatives else ()
    numbers = {"materials": dict.fromkeys(recipe.materials, 10), "others": dict.fromkeys(others, 1)}
    sizes = {"chunk": 2, "split": (0.4, 0.2, 0.2, 0.2), "grid": data.grid.model_copy(update={"size": QUICK_SIZE}), **numbers}
    small = data.model_copy(update={"name": f"{data.name}-quick", **sizes})
    return recipe.model_copy(
        update={
            "version": f"{recipe.version}-quick",
            "dataset": small,
            "ensemble": 6,
            "fit": recipe.fit.model_copy(update={"epochs": 1, "members": min(recipe.fit.members, 2), "batch": 2}),
        }
    )
