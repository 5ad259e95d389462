"""Prometheus metrics of one instance."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, generate_latest


class Metrics:
    """A registry of its own, so that instances in one process do not mix."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._signins = Counter(
            "b2b_idp_signins",
            "Sign-ins that ended, by home tenant and outcome: allowed, or the code of the refusal.",
            ("home", "outcome"),
            registry=self._registry,
        )
        self._double_mfa = Counter(
            "b2b_idp_double_mfa",
            "Guests who said they did MFA at home and were challenged here too, by home tenant.",
            ("home",),
            registry=self._registry,
        )

    def observe(self, home: str, outcome: str, double_mfa: bool) -> None:
        """Counts a sign-in that ended. `home` is the tenantId of a configured home, or `none`."""
        self._signins.labels(home, outcome).inc()
        if double_mfa:
            self._double_mfa.labels(home).inc()

    def text(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self._registry)
