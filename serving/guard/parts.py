"""What the guard of one worker holds: keys, tokens, rates, the audit log, limits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from pipelines.monitoring.audit_log import AuditLog
from pipelines.monitoring.pseudonym import open_pseudonyms
from pipelines.platform.issuer import ensure_issuer
from pipelines.settings import Settings
from pipelines.store.valkey import Valkey
from serving import metrics
from serving.guard.keys import IssuerKeys
from serving.guard.rates import SYNC_S, Rates
from serving.guard.tokens import Tokens
from serving.poller import Poller

_KEYS_SECONDS = 60.0
_SHOW_SECONDS = 2.0


@dataclass(frozen=True)
class Guard:
    """The parts behind the guard; none of them lets a request wait for a server."""

    keys: IssuerKeys
    tokens: Tokens
    rates: Rates
    audit: AuditLog
    max_request_bytes: int
    request_timeout_s: float
    pollers: Sequence[Poller] = ()

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Start all parts; none of them needs its server to be there yet.

        Raises:
            SettingsError: the settings would let in tokens that nobody answers for.
            MonitoringError: there is no key for pseudonyms.
            PlatformError: the keys of the development issuer are damaged.
        """
        settings.require_guard()
        if settings.is_own_issuer:
            ensure_issuer(settings)
        keys = IssuerKeys(settings.jwks)
        rates = Rates(Valkey(settings.valkey), settings.rate_limit_per_minute)
        audit = AuditLog(settings.database, settings.home / "spill" / "audit")
        pollers = [
            Poller("issuer-keys", keys.look, _KEYS_SECONDS),
            Poller("rates", rates.sync, SYNC_S),
            Poller(
                "audit-meter", lambda: metrics.show_log(metrics.AUDIT_ROWS, audit.counts),
                _SHOW_SECONDS,
            ),
        ]  # fmt: skip
        audit.start()
        for poller in pollers:
            poller.start()
        return cls(
            keys=keys,
            tokens=Tokens(settings, keys, open_pseudonyms(settings)),
            rates=rates,
            audit=audit,
            max_request_bytes=settings.max_request_bytes,
            request_timeout_s=settings.request_timeout_s,
            pollers=pollers,
        )

    def close(self) -> None:
        """Stop all parts; the audit log last, with everything written."""
        for poller in self.pollers:
            poller.stop()
        self.rates.close()
        self.keys.close()
        self.audit.close()
