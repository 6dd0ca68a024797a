"""What lives in Mantid's process: workspaces, support for the algorithms, and their registration. Networks and fits run in the worker."""
