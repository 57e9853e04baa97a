"""Hypothesis profiles, without deadlines: `ci` (the default) and `large` draw the same examples each time, `explore` new ones."""

from hypothesis import HealthCheck, settings

settings.register_profile("ci", deadline=None, derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("large", deadline=None, derandomize=True, max_examples=1000, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", deadline=None, max_examples=1000, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("ci")
