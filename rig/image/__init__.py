"""Images: catalogue, store, overlays, and the builders of those the rig makes itself."""
