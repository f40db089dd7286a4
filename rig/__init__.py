"""The PureDarwin test rig."""
