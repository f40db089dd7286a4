"""What is on a disk that somebody brings: tables, file systems, loaders, kernels; which entry of the catalogue fits.

Nothing is mounted, written or run. All bytes are a stranger's: what is damaged is a finding, and work is bounded.
"""
