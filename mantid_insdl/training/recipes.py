"""Training recipes: YAML files that say everything a bundle was trained with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mantid_insdl.errors import InsdlError
from mantid_insdl.untrusted.reading import Origin, read_text
from mantid_insdl.untrusted.text import LONGEST_YAML, yaml_of

RECIPE_FOLDER = Path(__file__).parent / "recipes"

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


class Dataset(_Section):
    """Which maps are simulated."""

    name: str
    materials: dict[str, int] = Field(description="number of parameter sets of each material")
    prior: str = Field(description="a function of sampling.py")
    grid: Grid = Grid()
    slices: FixedSlices | RandomWindows = Field(discriminator="kind")
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
    twin_fraction: Range = (0.3, 0.7)
    slice_scale: float = Field(0.1, description="standard deviation of each slice's efficiency")
    negatives_cut: float = Field(0.5, description="probability that negative intensities were set to zero")
    hot_pixels: float = Field(0.003, description="largest fraction of pixels that are hot")
    gaps: float = Field(0.9, description="probability of detector gaps")
    unmasked_gap_pixels: float = Field(0.1, description="largest fraction of gap pixels left as unmasked zeros")
    missing_ei: float = Field(0.6, description="probability that some incident energies were not measured")


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


def quickened(recipe: Recipe) -> Recipe:
    """A recipe a hundred times smaller, to try that everything runs; its networks are of no use."""
    data = recipe.dataset
    small = data.model_copy(update={"name": f"{data.name}-quick", "materials": dict.fromkeys(data.materials, 24)})
    return recipe.model_copy(
        update={
            "version": f"{recipe.version}-quick",
            "dataset": small,
            "fit": recipe.fit.model_copy(update={"epochs": 1, "members": min(recipe.fit.members, 2), "batch": 8}),
        }
    )
