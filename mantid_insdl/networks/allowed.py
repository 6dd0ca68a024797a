"""What a network's file may be made of: the layers and operations that our networks use or may use,
and nothing that runs code.

A Keras configuration can name any class of Keras, of which some run code, load other programs' graphs or read
files, and its weights can name other files. So both are read as plain data before Keras sees them, and all that is
not in `ALLOWED` is refused.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mantid_insdl.errors import InsdlError
from mantid_insdl.untrusted.archives import open_archive
from mantid_insdl.untrusted.hdf5 import own_datasets
from mantid_insdl.untrusted.reading import Origin, size_text
from mantid_insdl.untrusted.text import json_of

_LAYERS = """
    Activation Add Average AveragePooling1D AveragePooling2D AveragePooling3D BatchNormalization Concatenate Conv1D
    Conv1DTranspose Conv2D Conv2DTranspose Conv3D Conv3DTranspose Cropping1D Cropping2D Cropping3D Dense DepthwiseConv2D
    Dot Dropout ELU Flatten GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D GlobalMaxPooling1D
    GlobalMaxPooling2D GlobalMaxPooling3D GroupNormalization Identity InputLayer LayerNormalization LeakyReLU
    MaxPooling1D MaxPooling2D MaxPooling3D Maximum Minimum Multiply Normalization PReLU Permute ReLU RepeatVector
    Rescaling Reshape SeparableConv2D Softmax SpatialDropout1D SpatialDropout2D SpatialDropout3D Subtract
    TimeDistributed UnitNormalization UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
"""
_NUMPY = """
    Absolute Add BroadcastTo Clip Concatenate Divide Equal Exp ExpandDims Expm1 Flip GetItem Greater GreaterEqual Less
    LessEqual Log Log1p LogicalAnd LogicalNot LogicalOr Matmul Max Maximum Mean Min Minimum Moveaxis Multiply Negative
    OnesLike Power Prod Repeat Reshape Roll Sign Split Sqrt Square Squeeze Stack Std Subtract Sum Swapaxes Tanh Tile
    Transpose TrueDivide Var Where ZerosLike
"""
_INITIALIZERS = """
    Constant GlorotNormal GlorotUniform HeNormal HeUniform LecunNormal LecunUniform Ones Orthogonal RandomNormal
    RandomUniform TruncatedNormal VarianceScaling Zeros
"""

#: What a configuration may name, by the module it gives; None is for Keras' own marks.
ALLOWED: dict[str | None, frozenset[str]] = {
    None: frozenset({"__keras_tensor__", "__tensor__", "__numpy__", "__ellipsis__", "__slice__"}),
    "keras": frozenset({"DTypePolicy", "Sequential"}),
    "keras.constraints": frozenset({"MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"}),
    "keras.initializers": frozenset(_INITIALIZERS.split()),
    "keras.layers": frozenset(_LAYERS.split()),
    "keras.regularizers": frozenset({"L1", "L1L2", "L2"}),
    "keras.src.models.functional": frozenset({"Functional"}),
    "keras.src.ops.core": frozenset({"Cast"}),
    "keras.src.ops.image": frozenset({"Resize"}),
    "keras.src.ops.math": frozenset({"Rsqrt"}),
    "keras.src.ops.nn": frozenset(
        ["Elu", "Gelu", "LeakyRelu", "LogSoftmax", "Relu", "Relu6", "Sigmoid", "Silu", "Softmax", "Softplus"]
    ),
    "keras.src.ops.numpy": frozenset(_NUMPY.split()),
}

#: Bytes that the members of a network's file may unpack to.
MEMBERS = {"metadata.json": 100_000, "config.json": 10_000_000, "model.weights.h5": 1_000_000_000}

#: Largest integer of a configuration: no layer of ours is wider, and memory is taken for it before a weight is read.
LARGEST_NUMBER = 1_000_000

_NUMBERS = re.compile(r"bool|u?int\d\d?|b?float\d\d")
_NOT_SIZES = {"seed", "shared_object_id"}
_WEIGHTS_BUDGET = MEMBERS["model.weights.h5"]


def network_problems(file: Path, origin: Origin, *, weights: bool) -> Iterator[InsdlError]:
    """What is wrong with a network's file; nothing where all of it is allowed.

    Parameters
    ----------
    file
        A ``.keras`` file.
    origin
        What it is called in the errors.
    weights
        Whether its weights are looked into as well, which needs h5py: not in Mantid's process.
    """
    try:
        with open_archive(file, origin, sum(MEMBERS.values()), follow=False) as archive:
            sizes = {member.filename: member.file_size for member in archive.infolist()}
            if sizes.keys() != MEMBERS.keys():
                strange = ", ".join(sorted(sizes.keys() ^ MEMBERS.keys()))[:300]
                yield origin.refused(f"it must hold the three files of a plain network; wrong: {strange}")
            too_large = [name for name, size in sizes.items() if size > MEMBERS.get(name, 0)]
            if too_large:
                yield origin.refused(f"'{too_large[0]}' in it has {size_text(sizes[too_large[0]])}")
                return
            config = json_of(archive.read("config.json"), origin)
            content = archive.read("model.weights.h5") if weights else b""
    except InsdlError as error:
        yield error
        return
    foreign = ", ".join(sorted(set(_foreign_objects(config))))
    if foreign:
        yield origin.refused(
            f"it names {foreign[:300]}, and what is not known to be harmless could run code or read files"
        )
    large = next(_large_numbers(config), None)
    if large is not None:
        yield origin.refused(
            f"its configuration has the number {large:.3g}, and {LARGEST_NUMBER} is the largest allowed"
        )
    if weights:
        yield from _weight_problems(content, origin)


def _foreign_objects(config: Any) -> Iterator[str]:
    """What a Keras configuration names beyond `ALLOWED`."""
    if isinstance(config, list):
        for item in config:
            yield from _foreign_objects(item)
    elif isinstance(config, dict):
        # Keras takes a dictionary with these keys for an object to make; one of them alone
        # is enough to be suspicious of.
        if config.keys() & {"class_name", "module", "spec_name"} and not _is_allowed(config):
            name, module, registered = (config.get(key) for key in ("class_name", "module", "registered_name"))
            yield f"'{module}.{name}'" if module else f"'{registered or name}'"
        for item in config.values():
            yield from _foreign_objects(item)


def _is_allowed(config: dict[str, Any]) -> bool:
    """Whether an object to make is one of `ALLOWED`, under no other name."""
    name, module, registered = (config.get(key) for key in ("class_name", "module", "registered_name"))
    if not (isinstance(name, str) and (module is None or isinstance(module, str)) and name in ALLOWED.get(module, ())):
        return False
    if name in ("__numpy__", "__tensor__"):
        inner = config.get("config")
        return isinstance(inner, dict) and bool(_NUMBERS.fullmatch(str(inner.get("dtype"))))
    return registered in (None, name)  # another one would lead to whatever this process has registered under it


def _large_numbers(config: Any) -> Iterator[int]:
    if isinstance(config, dict):
        for key, item in config.items():
            if key not in _NOT_SIZES:
                yield from _large_numbers(item)
    elif isinstance(config, list):
        for item in config:
            yield from _large_numbers(item)
    # of floats, which may be constants such as -1e9, none is a size
    elif isinstance(config, int) and abs(config) > LARGEST_NUMBER:
        yield config


def _weight_problems(content: bytes, origin: Origin) -> Iterator[InsdlError]:
    """What is wrong with the weights, an HDF5 file in the archive."""
    import h5py

    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            size = 0
            for node in own_datasets(file, origin):
                if node.dtype.kind not in "fiub":
                    yield origin.refused(f"'{node.name[:80]}' in its weights holds no numbers")
                size += node.size * node.dtype.itemsize
            if size > _WEIGHTS_BUDGET:
                yield origin.refused(
                    f"its weights unpack to {size_text(size)}, and {size_text(_WEIGHTS_BUDGET)} are allowed"
                )
    except InsdlError as error:
        yield error
    # h5py raises any of these for damaged files
    except (OSError, RuntimeError, LookupError, ValueError, TypeError) as error:
        yield origin.refused(f"its weights are damaged ({str(error).splitlines()[0][:200]})")
