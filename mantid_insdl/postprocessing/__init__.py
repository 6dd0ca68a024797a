"""Runs processed by themselves after automated reduction: a call, a job of a runner, or a folder that is watched.

The work is done in the worker process (`mantid_insdl.runs` by `mantid_insdl.worker`). This package needs no Qt, no TensorFlow, no h5py and
no Mantid, so that it works beside any of them, and touches neither Mantid's data service nor its logs. `reduce_and_analyse.py` is not
imported by anything: it is the script for a runner, which `insdl postprocess --script` prints.
"""
