"""Structured logs: one JSON object a line, of what happened and not of what did not."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, TextIO

from closeout.keeper.observers.naming import account_text
from closeout.keeper.sender import Happened
from closeout.keeper.service import Failure, Step
from closeout.units import WAD_DECIMALS, format_units

__all__ = ["JsonLog"]


class JsonLog:
    """An observer. Blocks in which nothing happened are logged once in `quiet_blocks`; amounts are decimal text."""

    def __init__(self, stream: TextIO, quiet_blocks: int = 50, clock: Callable[[], float] = time.time) -> None:
        self._stream, self._quiet_blocks, self._clock = stream, quiet_blocks, clock
        self._logged_block = -quiet_blocks
        self._refused: set[tuple[int, str]] = set()

    def write(self, event: str, **fields: Any) -> None:
        line = {"time": round(self._clock(), 3), "event": event} | fields
        self._stream.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._stream.flush()

    def on_step(self, step: Step) -> None:
        decision, work = step.decision, step.decision.workload
        number = step.block.number
        is_told = bool(step.happened or decision.margin_called or decision.bad_debt or work.reorged_blocks)
        if is_told or number - self._logged_block >= self._quiet_blocks or number < self._logged_block:
            self._logged_block = number
            self.write(
                "block",
                number=number,
                hash=step.block.hash,
                age=round(step.age, 1),
                seconds=round(step.seconds, 3),
                accounts=work.accounts,
                candidates=len(decision.candidates),
                intents=len(decision.intents),
                reorged=work.reorged_blocks,
                node_calls=work.node_calls,
            )
        for item in step.happened:
            self.write("transaction", block=number, **_fields(item))
        for account in decision.margin_called:
            self.write("margin call", block=number, account=account_text(account, is_short=False))
        for asset_id, units in decision.bad_debt.items():
            self.write("bad debt", block=number, asset=asset_id, units=str(units))
        if work.differing:
            self.write("differing", block=number, accounts=work.differing)
        self._of_refusals(step)

    def _of_refusals(self, step: Step) -> None:
        """Each once for as long as it stands: an account that does not pay is refused in every block."""
        now = {(refusal.account, refusal.reason.name) for refusal in step.decision.refusals}
        for refusal in step.decision.refusals:
            if (refusal.account, refusal.reason.name) not in self._refused:
                self.write(
                    "refused",
                    block=step.block.number,
                    account=account_text(refusal.account, is_short=False),
                    reason=refusal.reason.name.lower(),
                    detail=refusal.detail,
                    earns=None if refusal.earns_wad is None else format_units(refusal.earns_wad, WAD_DECIMALS),
                    costs=None if refusal.costs_wad is None else format_units(refusal.costs_wad, WAD_DECIMALS),
                )
        self._refused = now

    def on_failure(self, failure: Failure) -> None:
        fields: dict[str, Any] = {"kind": failure.kind.value, "text": failure.text, "in_a_row": failure.in_a_row}
        self.write("failed", **fields, **({"trace": failure.trace} if failure.trace else {}))

    def on_silence(self, seconds: float) -> None:
        """Told by alerts, not by a line in every second."""


def _fields(item: Happened) -> dict[str, Any]:
    fields: dict[str, Any] = {"what": item.what.value, "action": item.key[0]}
    if item.key[0] in ("close out", "margin call", "write off"):
        fields["account"] = account_text(item.key[1], is_short=False)
    if item.nonce is not None:
        fields["nonce"] = item.nonce
    if item.hash:
        fields["hash"] = item.hash
    if item.detail:
        fields["detail"] = item.detail
    if item.gas or item.net_wad:
        fields["net"] = format_units(item.net_wad, WAD_DECIMALS)
        fields["gas"] = format_units(item.gas, WAD_DECIMALS)
    return fields
