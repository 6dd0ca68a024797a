"""Detailed balance."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mantid_insdl.instrument.temperature import BOLTZMANN, bose

energies = st.floats(1e-6, 1e3)
temperatures = st.floats(0.01, 1e3)


def test_zero_temperature_changes_no_intensity():
    assert bose([1e-9, 1.0, 300.0], 0.0).tolist() == [1, 1, 1]


def test_no_warning_and_no_infinity_at_the_edges():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert bose([0.0, 0.0], [0.0, 300.0]).tolist() == [0, 0]
        assert bose(1e3, 1e-3) == 1
        assert np.isnan(bose(np.nan, 5.0))


def test_value_at_one_kt():
    assert bose(BOLTZMANN * 50, 50.0) == pytest.approx(1 / (1 - np.exp(-1)))


@given(energies, temperatures)
def test_balance_between_loss_and_gain(energy, temperature):
    # S(-E) = exp(-E / kT) S(E), with a response that is odd in E; and n + 1 less n is one
    loss, gain = bose(energy, temperature), -bose(-energy, temperature)
    assert gain == pytest.approx(np.exp(-energy / (BOLTZMANN * temperature)) * loss, rel=1e-9, abs=1e-300)
    assert loss - gain == pytest.approx(1, abs=1e-9 * loss)


@given(temperatures)
def test_classical_limit(temperature):
    thermal = BOLTZMANN * temperature
    assert bose(1e-6 * thermal, temperature) == pytest.approx(1e6, rel=1e-5)


@pytest.mark.parametrize("temperature", [-1.0, np.nan])
def test_no_such_temperature(temperature):
    with pytest.raises(ValueError, match="kelvin"):
        bose(1.0, temperature)
