# A script for automated reduction: `reduce.py` of an instrument, with the analysis after the reduction.
#
# Parameters stand at the start of a line, as `name = value`: the runner rewrites each line that starts with its name. No name is the
# beginning of another line.
reduced_files = ["MAP00001_Ei50meV.nxs"]
results_dir = "/output"
material = "pcsmo"
steps = "map,analyse"
incident_energy = None
mask_file = None
refine = "fast"
time_limit = 3600
together = False
page_title = "Runs of this proposal"

# The reduction goes here, and leaves the names of the files that it has saved in reduced_files.

from mantid_insdl.postprocessing.job import run_job  # noqa: E402

# What was written, relative to results_dir. The last line in the log is JSON, whether it succeeds or not.
output = run_job(
    reduced_files,
    results_dir,
    steps=steps,
    material=material,
    ei=incident_energy,
    mask=mask_file,
    refine=refine,
    time_limit=time_limit,
    together=together,
    title=page_title,
)
