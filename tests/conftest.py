"""What every test shares: nothing but how Hypothesis searches."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# One commit has one verdict, on a busy machine too; `pytest --hypothesis-profile=default` explores.
settings.register_profile(
    "joy311", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("joy311")
