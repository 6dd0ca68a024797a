"""Pages for a browser. Nothing heavy is imported: the process of an automated reduction, which may be Mantid's, writes some, too."""
