"""Probes before they run and while they speak: manifests, the toolchain, the bundle, the ABI check, the stream."""
