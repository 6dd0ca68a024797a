"""What `run` makes of a task's progress, and which model a result names."""

import pytest

from mantid_insdl.plugin import algorithms


def test_progress_of_the_task_lies_between_reading_and_writing(monkeypatch):
    seen = []

    def run_task(task, maps, options, *, progress, poll):
        assert (task, maps, options) == ("denoise", {"input": 1}, {"model": None})
        poll()
        for fraction in (0.0, 0.5, 1.0):
            progress(fraction, f"at {fraction}")
            poll()
        return {"output": 2}, {"answer": 3}

    monkeypatch.setattr("mantid_insdl.worker.run_task", run_task)
    monkeypatch.setattr(algorithms, "report", lambda algorithm, fraction, text: seen.append((algorithm, fraction, text)))
    assert algorithms.run("me", "denoise", {"input": 1}, {"model": None}) == ({"output": 2}, {"answer": 3})
    assert {algorithm for algorithm, _, _ in seen} == {"me"}
    # a poll repeats what was reported last, so that a cancelled algorithm ends between two reports
    assert [fraction for _, fraction, _ in seen] == pytest.approx([0.02, 0.02, 0.02, 0.485, 0.485, 0.95, 0.95, 0.95])
    assert [text for _, _, text in seen] == ["Starting", *(f"at {x}" for x in (0.0, 0.0, 0.5, 0.5, 1.0, 1.0)), "Writing the result"]


def test_sample_logs_name_the_model_with_its_version_and_digest():
    assert algorithms.identity_logs({"name": "pcsmo-denoiser", "version": "1.2", "sha256": "ab12"}) == {
        "insdl_model": ("pcsmo-denoiser", ""),
        "insdl_model_version": ("1.2", ""),
        "insdl_model_sha256": ("ab12", ""),
    }
