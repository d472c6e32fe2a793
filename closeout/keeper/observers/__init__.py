"""Who watches the keeper: metrics, alerts, logs and the table. Each sees every step and every failure."""

from __future__ import annotations

from .alerts import Alert, Alerts, Severity, Thresholds, Webhook
from .logs import JsonLog
from .metrics import Metrics, SenderView
from .naming import AssetName, account_text
from .panel import Panel

__all__ = [
    "Alert",
    "Alerts",
    "AssetName",
    "JsonLog",
    "Metrics",
    "Panel",
    "SenderView",
    "Severity",
    "Thresholds",
    "Webhook",
    "account_text",
]
