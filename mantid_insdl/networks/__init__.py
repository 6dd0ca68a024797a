"""What answering needs of networks: bundles and their cards, architectures, what a network sees, its range,
and what its outputs mean.
"""
