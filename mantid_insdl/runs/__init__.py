"""One reduced run: its file is read, analysed and fitted as far as that can be done, and what was found is written into a folder.

Importing this package is cheap; `mantid_insdl.runs.process` is what needs h5py, matplotlib and, for networks, TensorFlow.
"""
