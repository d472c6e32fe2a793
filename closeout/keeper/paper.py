"""Paper trading: no key, nothing is sent. What would have been earned is simulated, and counted once per close-out."""

from __future__ import annotations

from collections.abc import Sequence

from closeout.keeper.fees import FeePolicy
from closeout.keeper.ports import Decision, Funding, Intent
from closeout.keeper.sender import SIMULATED_GAS, Happened, What
from closeout.keeper.sending import Encoder, Job, SendingNode, Simulation, Worth

__all__ = ["PaperSender"]


class PaperSender:
    """`owner`: any address; from inventory it is taken to have what it needs, as the planner took it."""

    def __init__(self, node: SendingNode, encoder: Encoder, owner: str, fees: FeePolicy) -> None:
        self._node, self._encoder, self._owner, self._fees = node, encoder, owner, fees
        self._counted: set[tuple[str, int]] = set()

    @property
    def address(self) -> str:
        return self._owner

    def on_block(self, decision: Decision, worth: Worth, jobs: Sequence[Job] = ()) -> list[Happened]:
        """What a sender with a key would earn from this decision. Raises NodeError.

        The chain goes on as if nobody had acted, so a close-out stays wanted: it counts when it is first, and again
        only after a block that did not want it.
        """
        del jobs  # approvals: nothing to approve from
        wanted = {intent.key for intent in decision.intents}
        self._counted &= wanted
        new = [intent for intent in decision.intents if intent.key not in self._counted]
        flash = [intent for intent in new if intent.funding is Funding.FLASH]
        made = [self._encoder.job(intent, self._owner) for intent in flash]
        calls = [(job.to, job.data, job.gas_limit or SIMULATED_GAS) for job in made]
        found = self._node.simulate(self._owner, calls, worth) if calls else []
        by_key = dict(zip((intent.key for intent in flash), found, strict=True))
        return [self._told(intent, by_key.get(intent.key), decision.block.base_fee, worth) for intent in new]

    def _told(self, intent: Intent, simulation: Simulation | None, base_fee: int, worth: Worth) -> Happened:
        if simulation is not None and simulation.error:
            return Happened(What.WOULD_REVERT, intent.key, detail=simulation.text)
        self._counted.add(intent.key)
        if simulation is None or simulation.earned_wad is None:
            return Happened(What.WOULD_EARN, intent.key, detail="as planned", net_wad=intent.expected_profit_wad)
        gas = simulation.gas_used * (base_fee + self._fees.least_tip)
        net = simulation.earned_wad - worth.of_gas(gas)
        return Happened(What.WOULD_EARN, intent.key, detail="as simulated", net_wad=net, gas=gas)
