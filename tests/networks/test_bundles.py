"""Bundles: what is written comes back, and whatever is damaged, altered or able to carry code is refused in one sentence."""

from __future__ import annotations

import importlib
import json
import pickle
import shutil
import zipfile

import numpy as np
import pytest

from mantid_insdl.errors import BundleError, OutputError, TensorFlowMissingError
from mantid_insdl.networks import backend, bundle_writing, bundles
from mantid_insdl.networks.allowed import ALLOWED
from mantid_insdl.networks.cards import Card, content_hash

pytestmark = pytest.mark.tensorflow

CARD = {
    "name": "tiny",
    "version": "1.0",
    "task": "classify",
    "family": "pcsmo",
    "answers": "nothing: it is a test",
    "materials": ["pcsmo-goodenough", "pcsmo-dimer"],
    "input": {
        "axes": [{"name": name, "unit": "r.l.u.", "centres": np.linspace(-1, 1, 8).tolist()} for name in ("qh", "qk")],
        "slices": {"ei": [50.0], "energy_min": [8.0], "energy_max": [11.0]},
        "groups": 1,
        "bins": 10,
        "ei_tolerance": 0.02,
        "intensity": "arb. units",
        "preprocessing": "none",
    },
    "outputs": [{"name": "J1", "unit": "meV", "low": -1.0, "high": 1.0}],
    "training": {
        "recipe": "tiny-recipe",
        "seed": 1,
        "package_version": "0.1.0",
        "data_sha256": "0" * 64,
        "ranges": {"pcsmo-dimer": {"J1": [-1.0, 1.0]}},
        "samples": {"train": 1, "validation": 1, "calibration": 1, "test": 1},
        "seconds": 1.0,
        "date": "2026-11-22",
    },
    "calibration": {"temperature": 1.5, "scale": [1.0, 2.0]},
    "test": [{"metric": "accuracy", "value": 0.9, "interval": [0.8, 0.95], "n": 100}],
    "limitations": ["a test"],
    "licence": "CC0-1.0",
}


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    keras = backend.import_keras()
    keras.utils.set_random_seed(3)
    layers = keras.layers
    inputs = layers.Input((8, 8, 1))
    x = layers.TimeDistributed(layers.Conv1D(3, 3, activation="relu"))(inputs)
    x = layers.BatchNormalization()(x)
    x = keras.ops.mean(x, axis=(1, 2))
    model = keras.Model(inputs, layers.Dense(2, activation="softmax")(x))
    model.compile("adam", loss=lambda truth, answer: keras.ops.mean(truth - answer))  # the trainer's own function must not be stored
    directory = tmp_path_factory.mktemp("bundles") / "tiny"
    bundle_writing.save_bundle(directory, Card.model_validate(CARD), {"member_0.keras": model}, {"mean": np.arange(3.0)})
    return directory, model


@pytest.fixture
def bundle(original, tmp_path):
    return shutil.copytree(original[0], tmp_path / "tiny")


def reseal(directory, **changes):
    """Write a card that agrees with the files again, as somebody who alters a bundle on purpose would."""
    file = directory / "card.json"
    content = {**json.loads(file.read_text()), **changes}
    content["files"] = {f.name: bundle_writing.hash_file(f) for f in directory.iterdir() if f.name in content["files"]}
    content["sha256"] = content_hash(content)
    file.write_text(json.dumps(content))


def rewrite_network(directory, change_config=lambda config: None, extra=None):
    file = directory / "member_0.keras"
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change_config(config)
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in {**members, **(extra or {})}.items():
            archive.writestr(name, content)
    reseal(directory)


def refusal(directory):
    """The one sentence with which the bundle is refused; `verify_bundle` must list the same."""
    with pytest.raises(BundleError) as caught:
        bundles.load_bundle(directory).models  # noqa: B018
    message = str(caught.value)
    assert message in bundles.verify_bundle(directory)
    assert "\n" not in message
    return message


def test_round_trip_keeps_predictions_card_and_arrays(original):
    directory, model = original
    loaded = bundles.load_bundle(directory)
    maps = np.random.default_rng(0).random((5, 8, 8, 1), dtype=np.float32)
    np.testing.assert_allclose(loaded.models[0].predict(maps, verbose=0), model.predict(maps, verbose=0), rtol=1e-6)
    np.testing.assert_array_equal(loaded.arrays["mean"], np.arange(3.0))
    stored = json.loads(loaded.card.to_json())
    assert {name: stored[name] for name in ("name", "input", "training", "calibration", "limitations")} == {
        name: json.loads(json.dumps(CARD))[name] for name in ("name", "input", "training", "calibration", "limitations")
    }
    assert sorted(loaded.card.files) == ["arrays.npz", "member_0.keras"]
    assert loaded.card.keras == backend.import_keras().__version__
    assert bundles.verify_bundle(directory) == []


def test_compilation_is_not_stored(original):
    with zipfile.ZipFile(original[0] / "member_0.keras") as archive:
        assert not json.loads(archive.read("config.json")).get("compile_config")


def test_unused_options_that_an_older_keras_would_refuse_are_not_stored(original):
    with zipfile.ZipFile(original[0] / "member_0.keras") as archive:
        config = archive.read("config.json").decode()
    assert '"GlorotUniform"' in config  # Keras 3.15 writes `input_axes` for it, Keras 3.10 does not know that
    for option in ("quantization_config", "input_axes", "output_axes"):
        assert option not in config


def test_same_content_gives_the_same_warm_bundle(bundle):
    first = bundles.load_bundle(bundle)
    assert first.models is bundles.load_bundle(str(bundle)).models
    bundle_writing.rewrite_card(bundle, limitations=("another",))
    second = bundles.load_bundle(bundle)
    assert second is not first
    assert second.identity.sha256 != first.identity.sha256
    assert second.card.limitations == ("another",)


def test_path_of_the_card_is_accepted(bundle):
    assert bundles.find_bundle(bundle / "card.json") == bundle.resolve()


def test_unknown_name_lists_valid_names_and_the_nearest(monkeypatch, bundle):
    monkeypatch.setattr(bundles, "models_directory", lambda: bundle.parent)
    with pytest.raises(BundleError, match=r"no model bundle 'tinny': available are tiny \(did you mean 'tiny'\?\)"):
        bundles.find_bundle("tinny")
    with pytest.raises(BundleError, match="no model bundle ''"):
        bundles.find_bundle("")
    assert bundles.find_bundle("tiny") == bundle


def test_default_bundle_is_the_newest_of_task_and_family(monkeypatch, bundle):
    monkeypatch.setattr(bundles, "models_directory", lambda: bundle.parent)
    for name, version in (("tiny-new", "1.10"), ("tiny-old", "1.9")):
        other = shutil.copytree(bundle, bundle.parent / name)
        reseal(other, name=name, version=version)
    assert bundles.bundles_for("classify", "pcsmo") == ["tiny-new", "tiny-old", "tiny"]
    assert bundles.default_bundle("classify", "pcsmo") == "tiny-new"
    with pytest.raises(BundleError, match="o trained model can give the exchange constants of 'pcsmo'"):
        bundles.default_bundle("exchange", "pcsmo")


def test_a_damaged_bundle_does_not_hide_a_sound_one(monkeypatch, bundle):
    monkeypatch.setattr(bundles, "models_directory", lambda: bundle.parent)
    broken = shutil.copytree(bundle, bundle.parent / "broken")
    (broken / "card.json").write_text("{")
    assert bundles.bundles_for("classify", "pcsmo") == ["tiny"]
    shutil.rmtree(bundle)
    with pytest.raises(BundleError, match="annot read the card"):
        bundles.bundles_for("classify", "pcsmo")


def test_shipped_bundles_are_sound():
    for name in bundles.bundle_names():
        assert bundles.verify_bundle(name) == []


# ---- damage


def test_truncated_weights(bundle):
    file = bundle / "member_0.keras"
    file.write_bytes(file.read_bytes()[:-100])
    assert "'member_0.keras' of the bundle 'tiny' is damaged or was altered" in refusal(bundle)


def test_weights_changed_between_check_and_use(bundle):
    checked = bundles.load_bundle(bundle)
    (bundle / "member_0.keras").write_bytes(b"something else")
    with pytest.raises(BundleError, match="is damaged or was altered"):
        checked.models  # noqa: B018


def test_missing_weights(bundle):
    (bundle / "member_0.keras").unlink()
    message = refusal(bundle)
    assert "lacks 'member_0.keras'" in message
    assert "`insdl train tiny`" in message


def test_altered_card(bundle):
    file = bundle / "card.json"
    file.write_text(file.read_text().replace('"value": 0.9', '"value": 0.99'))
    assert "was altered" in refusal(bundle)


def test_missing_card(bundle):
    (bundle / "card.json").unlink()
    assert "is not a model bundle: it has no card.json" in refusal(bundle)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff\xfe\x00", b'"card"'])
def test_unreadable_card(bundle, text):
    (bundle / "card.json").write_bytes(text)
    assert "annot read the card" in refusal(bundle)


@pytest.mark.parametrize("value", [2, "1", None])
def test_wrong_format_version(bundle, value):
    reseal(bundle, format=value)
    assert f"has format {value!r}" in refusal(bundle)


@pytest.mark.parametrize(
    ("change", "where"),
    [({"task": "guess"}, "task"), ({"surprise": 1}, "surprise"), ({"materials": "pcsmo"}, "materials"), ({"version": ""}, "version")],
)
def test_wrong_card_names_the_entry(bundle, change, where):
    reseal(bundle, **change)
    assert f": {where}:" in refusal(bundle)


def test_card_without_a_network(bundle):
    (bundle / "member_0.keras").unlink()
    content = json.loads((bundle / "card.json").read_text())
    reseal(bundle, files={"arrays.npz": content["files"]["arrays.npz"]})
    assert "has no network" in refusal(bundle)


def test_not_a_keras_file(bundle):
    (bundle / "member_0.keras").write_bytes(b"not a zip archive")
    reseal(bundle)
    assert "'member_0.keras' of the bundle 'tiny': it is truncated or damaged" in refusal(bundle)


# ---- things that could carry code


def test_file_that_is_not_on_the_card(bundle):
    (bundle / "extra.pkl").write_bytes(pickle.dumps(1))
    assert "contains 'extra.pkl'" in refusal(bundle)


@pytest.mark.parametrize(
    "name", ["weights.pkl", "code.py", "../outside.keras", "sub/dir.keras", "/etc/passwd", ".hidden.keras", "card.json"]
)
def test_card_cannot_list_other_kinds_of_file(bundle, name):
    content = json.loads((bundle / "card.json").read_text())
    content["files"][name] = "0" * 64
    content["sha256"] = content_hash(content)
    (bundle / "card.json").write_text(json.dumps(content))
    assert "not a plain file name of an allowed kind" in refusal(bundle)


def test_lambda_is_refused(bundle):
    keras = backend.import_keras()
    inputs = keras.Input((8, 8, 1))
    keras.Model(inputs, keras.layers.Lambda(lambda x: x * 2)(inputs)).save(bundle / "member_0.keras")
    reseal(bundle)
    assert "'keras.layers.Lambda'" in refusal(bundle)


def test_custom_layer_is_refused_even_if_registered(bundle):
    keras = backend.import_keras()

    @keras.saving.register_keras_serializable("insdl_test")
    class Doubling(keras.layers.Layer):
        def call(self, x):
            return 2 * x

    inputs = keras.Input((8, 8, 1))
    keras.Model(inputs, Doubling()(inputs)).save(bundle / "member_0.keras")
    reseal(bundle)
    assert "Doubling" in refusal(bundle)


@pytest.mark.parametrize(
    "planted",
    [
        {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"},
        {"module": "builtins", "class_name": "function", "config": "eval", "registered_name": "function"},
        {"module": "keras.utils", "class_name": "function", "config": "get_file", "registered_name": "get_file"},
        {"class_name": "__lambda__", "config": {"value": "code"}},
        {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "/tmp"}, "registered_name": None},
        {"module": "mantid_insdl.worker", "class_name": "Anything", "config": {}},
    ],
)
def test_planted_object_is_refused(bundle, planted):
    rewrite_network(bundle, lambda config: config["config"]["layers"][1]["config"].update(activation=planted))
    assert "could run code or read files" in refusal(bundle)


def test_extra_member_of_the_archive_is_refused(bundle):
    rewrite_network(bundle, extra={"assets/vocabulary.txt": b"secret"})
    assert "assets/vocabulary.txt" in refusal(bundle)


def test_arrays_of_python_objects_are_refused(bundle):
    np.savez(bundle / "arrays.npz", mean=np.array([{"a": 1}, print], dtype=object))
    reseal(bundle)
    assert "'mean' holds pickled Python objects, which could run code" in refusal(bundle)


def test_pickle_in_the_place_of_arrays_is_refused(bundle):
    (bundle / "arrays.npz").write_bytes(pickle.dumps(np.arange(3)))
    reseal(bundle)
    assert "'arrays.npz' of the bundle 'tiny': it is truncated or damaged" in refusal(bundle)


# ---- what networks may be made of


def test_everything_allowed_is_a_part_of_keras():
    """The list is not older than Keras, and names nothing that it lacks."""
    keras = backend.import_keras()
    for module, names in ALLOWED.items():
        found = keras if module == "keras" else None if module is None else importlib.import_module(module)
        assert found is None or not [name for name in names if not hasattr(found, name)]


def test_nothing_allowed_runs_code_or_reads_files():
    """Layers of Keras that load, look up or call something; what Keras adds is refused until somebody has looked at it."""
    harmful = {"Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "StringLookup", "IntegerLookup", "TextVectorization"}
    assert not harmful & ALLOWED["keras.layers"]
    assert not {"__lambda__", "__typespec__", "function"} & frozenset().union(*ALLOWED.values())


def test_operations_on_arrays_are_read_back(tmp_path):
    keras = backend.import_keras()
    inputs = keras.Input((3, 8, 8, 2))
    x = keras.ops.reshape(inputs[..., 0], (-1, 8, 8, 3))[:, 1:5]
    kinks = keras.initializers.Constant(np.linspace(0, 1, 4))
    x = keras.layers.Conv2D(4, 3, padding="same", bias_initializer=kinks)(keras.ops.flip(x, (1, 2)) / (1e-6 + keras.ops.sum(x)))
    outputs = keras.layers.LayerNormalization()(keras.layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, outputs)
    bundle_writing.save_bundle(tmp_path / "tiny", Card.model_validate(CARD), {"m.keras": model})
    maps = np.random.default_rng(0).random((2, 3, 8, 8, 2), dtype=np.float32)
    loaded = bundles.load_bundle(tmp_path / "tiny").models[0]
    np.testing.assert_allclose(loaded.predict(maps, verbose=0), model.predict(maps, verbose=0), rtol=1e-5)


def test_a_class_that_only_this_process_has_registered_is_refused(bundle):
    rewrite_network(bundle, lambda config: config["config"]["layers"][1].update(registered_name="insdl_test>Doubling"))
    assert "could run code or read files" in refusal(bundle)


@pytest.mark.parametrize("mark", ["__lambda__", "__typespec__", "__bytes__"])
@pytest.mark.parametrize("module", [None, "builtins", "keras.layers", "keras"])
def test_marks_of_what_is_no_plain_value_are_refused_under_any_module(bundle, mark, module):
    keras = backend.import_keras()
    planted = {"class_name": mark, "module": module, "config": {"value": "code"}, "registered_name": None}
    rewrite_network(bundle, lambda config: config["config"]["layers"][1]["config"].update(activation=planted))
    with keras.src.saving.serialization_lib.SafeModeScope(safe_mode=False):  # as after keras.config.enable_unsafe_deserialization()
        assert mark in refusal(bundle)


def test_an_array_of_a_strange_type_is_refused(bundle):
    planted = {"class_name": "__numpy__", "config": {"value": [1], "dtype": "S1000000000"}}
    rewrite_network(bundle, lambda config: config["config"]["layers"][1]["config"].update(bias_initializer=planted))
    assert "'__numpy__'" in refusal(bundle)


# ---- Keras


def test_network_that_this_keras_cannot_read_names_both_versions(bundle):
    rewrite_network(bundle, lambda config: config["config"]["layers"][1]["config"].update(option_of_the_future=1))
    reseal(bundle, keras="99.0")
    with pytest.raises(BundleError, match=r"Keras \S+ cannot load 'member_0\.keras' .* written by Keras 99.0"):
        bundles.load_bundle(bundle).models  # noqa: B018


def test_corrupt_weights_inside_a_sound_archive(bundle):
    file = bundle / "member_0.keras"
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["model.weights.h5"] = members["model.weights.h5"][:200]
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    reseal(bundle)
    assert "its weights are damaged (Unable to" in refusal(bundle)


# ---- writing


def test_nothing_is_written_where_something_is(original, bundle):
    with pytest.raises(OutputError, match="exists already"):
        bundle_writing.save_bundle(bundle, Card.model_validate(CARD), {"member_0.keras": original[1]})
    bundle_writing.save_bundle(bundle, Card.model_validate(CARD), {"member_0.keras": original[1]}, replace=True)
    assert bundles.verify_bundle(bundle) == []
    assert not bundles.load_bundle(bundle).arrays


def test_refused_bundle_leaves_no_trace(tmp_path, original):
    with pytest.raises(BundleError, match="holds Python objects"):
        bundle_writing.save_bundle(tmp_path / "new", Card.model_validate(CARD), {"m.keras": original[1]}, {"bad": np.array([None])})
    assert list(tmp_path.iterdir()) == []


def test_parent_that_is_a_file(tmp_path, original):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="annot write the bundle"):
        bundle_writing.save_bundle(tmp_path / "file" / "new", Card.model_validate(CARD), {"m.keras": original[1]})


# ---- TensorFlow


def test_missing_tensorflow_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(backend.importlib, "import_module", lambda name: (_ for _ in ()).throw(ModuleNotFoundError(name=name)))
    monkeypatch.delitem(backend.sys.modules, "keras")
    with pytest.raises(
        TensorFlowMissingError, match=r'has no module \'tensorflow\'; run `pip install "mantid_insdl\[cpu\]"` .* INSDL_PYTHON'
    ):
        backend.import_keras()


def test_broken_tensorflow_names_the_reason(monkeypatch):
    def fails(name):
        raise ValueError("Not a datatype (not a datatype)")

    monkeypatch.setattr(backend.importlib, "import_module", fails)
    monkeypatch.delitem(backend.sys.modules, "keras")
    with pytest.raises(TensorFlowMissingError, match=r"installed but cannot be imported: ValueError in .*: Not a datatype"):
        backend.import_keras()


def test_other_keras_backend_is_refused(monkeypatch):
    monkeypatch.setattr(backend.import_keras().backend, "backend", lambda: "jax")
    with pytest.raises(TensorFlowMissingError, match="Keras runs on jax"):
        backend.import_keras()
