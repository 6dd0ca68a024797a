"""Parsing what nobody vouches for: maps, material files, CIF files, cards and bundles come from colleagues, e-mails and shared folders.

Every file is opened by `untrusted.reading`, and its contents go through `untrusted.text` (YAML, JSON), `untrusted.archives` (zip, npz) or
`untrusted.hdf5`. Each of them knows how much it may read before it reads, follows nothing to another file, and turns every failure into an
error of this package. docs/security.md says what that promises.
"""
