"""Logs of several values: known answers for the average, and a refusal where they are no one value."""

import h5py
import numpy as np
import pytest

import mantid_insdl as insdl
from mantid_insdl.errors import MapError
from mantid_insdl.files.log_values import TimeSeries, averaged, number, time_average
from mantid_insdl.files.workspace_layout import energy_window, incident_energy


def series(values, seconds=None):
    return TimeSeries(np.array(values), np.arange(float(len(values))) if seconds is None else np.array(seconds, float))


def test_a_value_counts_as_long_as_it_lasted():
    """50 for 3 s, 50.5 for 1 s, 50 for 1 s (as long as the one before it): 250.5 / 5."""
    assert time_average(np.array([50.0, 50.5, 50.0]), np.array([0.0, 3.0, 4.0])) == pytest.approx(250.5 / 5)
    assert time_average(np.array([50.0, 50.0, 50.5]), np.array([4.0, 0.0, 3.0])) == pytest.approx(250.5 / 5), "in any order"


def test_time_average_of_one_value_of_one_time_and_of_none():
    assert time_average(np.array([3.0]), np.array([7.0])) == 3
    assert time_average(np.array([3.0, 5.0]), np.array([7.0, 7.0])) == 4
    assert time_average(np.array([np.nan, 5.0]), np.array([0.0, 1.0])) == 5
    assert np.isnan(time_average(np.array([]), np.array([])))


@pytest.mark.parametrize("values", [series([0, 0, 100, 100]), np.array([0.0, 0, 100, 100]), [0, -1, np.nan, 100]])
def test_zeros_before_the_chopper_ran_do_not_halve_the_incident_energy(values):
    ei, note = incident_energy({"Ei": (values, "meV")}, None)
    assert ei == 100
    assert "Ei = 100" in note
    assert "left out" in note


def test_what_was_done_is_said():
    assert number({"Ei": (series([0, 0, 100, 100]), "meV")}, "Ei", positive=True) == (
        100,
        "Ei = 100: time average of 2 values of the log, 2 not positive left out",
    )
    assert number({"x": (np.array([2.0, 2.0, np.nan]), "")}, "x") == (
        2,
        "x = 2: average of 2 values of the log, 1 not finite left out",
    )
    assert number({"x": (np.array([2.0]), "")}, "x") == (2, "")


def test_time_average_and_not_the_plain_mean():
    ei, note = incident_energy({"Ei": (series([50.0, 50.5, 50.0], [0, 3, 4]), "meV")}, None)
    assert ei == pytest.approx(50.1)
    assert "time average of 3 values" in note


@pytest.mark.parametrize(("high", "fits"), [(51.9, True), (52.2, False)])
def test_values_that_spread_by_more_than_two_percent_are_no_one_value(high, fits):
    for log in (series([50.0, high]), np.array([50.0, high])):
        if fits:
            assert 50 < incident_energy({"Ei": (log, "meV")}, None)[0] < high
        else:
            with pytest.raises(MapError, match=r"Ei is not clear: its 2 values go from 50 to 52\.2.*AddSampleLog"):
                incident_energy({"Ei": (log, "meV")}, None)


def test_an_energy_that_the_user_gives_settles_it():
    ei, note = incident_energy({"Ei": (series([50.0, 100.0]), "meV")}, 50.0)
    assert ei == 50
    assert "go from 50 to 100" in note


def test_windows_may_be_zero_or_negative_and_must_be_one_value():
    logs = {"energy_min": (series([-1.0, -1.0]), "meV"), "energy_max": (np.array([0.0, 0.0]), "meV")}
    low, high, names, note = energy_window(logs)
    assert (low, high, names) == (-1, 0, ("energy_min", "energy_max"))
    assert "energy_min = -1: time average of 2 values" in note
    assert "energy_max = 0: average of 2 values" in note
    with pytest.raises(MapError, match="energy_max is not clear"):
        energy_window({**logs, "energy_max": (series([0.0, 5.0]), "meV")})


def test_logs_that_are_kept_are_plain():
    assert averaged(series([1.0, 3.0, 3.0], [0, 3, 4])) == pytest.approx((3 + 3 + 3) / 5)
    assert averaged("text") == "text"


@pytest.fixture
def recorded(slices_map, tmp_path):
    """A function that writes a slice whose logs were recorded in time, as Mantid writes them."""

    def write(**logs):
        path = insdl.save(slices_map.select([0]), tmp_path / "recorded.nxs")
        with h5py.File(path, "r+") as file:
            for name, (values, seconds) in logs.items():
                parent = file["mantid_workspace_1/logs"]
                if name in parent:
                    del parent[name]
                log = parent.create_group(name)
                log.attrs["NX_class"] = np.bytes_("NXlog")
                log["value"] = np.array(values, float)
                if seconds is not None:
                    log["time"] = np.array(seconds, float)
        return path

    return write


def test_in_a_processed_file(recorded):
    m = insdl.load(recorded(Ei=([0, 0, 100, 100], [0, 1, 2, 3]), temperature=([4.0, 6.0, 6.0], [0, 3, 4])))
    assert m.slices.ei[0] == 100
    assert any("time average of 2 values of the log, 2 not positive left out" in line for line in m.provenance)
    assert m.logs["temperature"][0] == pytest.approx((4 * 3 + 6 + 6) / 5)
    m = insdl.load(recorded(Ei=([0, 0, 100, 100], None)))
    assert m.slices.ei[0] == 100
    with pytest.raises(MapError, match="Ei is not clear"):
        insdl.load(recorded(Ei=([50, 100], [0, 1])))
    with pytest.raises(MapError, match="energy_min is not clear"):
        insdl.load(recorded(energy_min=([1, 2], [0, 1])))
