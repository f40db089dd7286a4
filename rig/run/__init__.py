"""Where guests and evidence meet: plan, sessions of guests, probe runs, the pytest plugin."""
