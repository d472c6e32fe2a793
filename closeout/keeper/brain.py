"""Watch-list, screen and planner behind one door: a block in, a decision out. See `closeout.keeper.ports.Brain`.

Calls of the node per block: one for the logs, two for prices and configuration; one for all candidates and the sample
that is verified; three for the pools, only where something is to be planned.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random

from closeout.indexer import LogsIncomplete
from closeout.keeper.health import Screen, Valuation
from closeout.keeper.planner import PlannerSettings, Situation, plan
from closeout.keeper.ports import (
    AccountLine,
    Block,
    Candidate,
    ChainReader,
    Confirmation,
    Decision,
    Intent,
    Log,
    Reason,
    Refusal,
    Workload,
)
from closeout.keeper.twin import Account
from closeout.keeper.watchlist import Followed, WatchList
from closeout.units import WAD

__all__ = ["BrainSettings", "Keeper"]

PRICE_CALLS, POOL_CALLS = 2, 3
_BYTES = 1_000
"""Size for which an L2's data fee is asked; it is taken to be proportional."""


@dataclass(frozen=True, slots=True)
class BrainSettings:
    """Every `verify_blocks` blocks `verify_accounts` of them are held to the chain (0 blocks: never).

    `worker` of `workers`: accounts are shared out by hash, and the others' are let be. `most_plans` bounds what one
    block may plan: those that were planned longest ago come first, then those with the most debt.
    """

    planner: PlannerSettings = field(default_factory=PlannerSettings)
    verify_blocks: int = 50
    verify_accounts: int = 20
    worker: int = 0
    workers: int = 1
    most_plans: int = 200
    seed: int | None = None


class Keeper:
    """The brain on a reader and a watch-list.

    `inventory`: the keeper's own tokens, units by asset id; may be replaced between blocks.
    """

    def __init__(self, reader: ChainReader, watch: WatchList, settings: BrainSettings | None = None) -> None:
        self._reader, self._watch = reader, watch
        self._settings = settings or BrainSettings()
        self._random = Random(self._settings.seed)  # a sample need not be secret, only unforeseen
        self._screen = self._new_screen()
        self._verified_at: int | None = None
        self._rebuilt_at: int | None = None
        self._planned_at: dict[int, int] = {}
        self.inventory: dict[int, int] = {}

    # ---------------------------------------------------------------------------------------------------------- ports

    def on_block(self, block: Block) -> Decision:
        followed = self._follow(block)
        if followed.is_behind:
            return Decision(block)
        prices = tuple(self._reader.prices(block))
        configuration = self._reader.configuration(block)
        valuation = Valuation(configuration, prices, self._watch.indices(len(prices), block.timestamp), block.timestamp)
        self._screen.revalue(valuation)
        candidates = self._candidates()
        mine = [one for one in candidates if self._is_ours(one.account)]
        refusals = [Refusal(one.account, Reason.NOT_OURS) for one in candidates if not self._is_ours(one.account)]
        asked, sample = self._next(mine, block), self._sample(block)
        confirmations = self._confirm([one.account for one in asked], sample, block)
        differing = self._verify(confirmations, sample, block)
        intents: tuple[Intent, ...] = ()
        calls = followed.node_calls + PRICE_CALLS + bool(confirmations)
        if asked:
            worth_it, more = self._sorted_out(asked, confirmations)
            refusals += more
            if worth_it:
                calls += POOL_CALLS
                planned = plan(worth_it, self._situation(valuation, block), self._settings.planner)
                intents, refusals = planned.intents, [*refusals, *planned.refusals]
        return Decision(
            block=block,
            intents=intents,
            refusals=tuple(refusals),
            candidates=tuple(candidates),
            prices=prices,
            margin_called=tuple(log.values["account"] for log in followed.logs if log.name == "MarginCalled"),
            bad_debt=_bad_debt(followed.logs),
            workload=Workload(
                accounts=self._watch.account_count,
                touched=self._screen.touched,
                candidates=len(candidates),
                node_calls=calls,
                reorged_blocks=followed.reorged_blocks,
                verified=len(sample),
                differing=len(differing),
            ),
        )

    def nearest(self, count: int) -> Sequence[AccountLine]:
        return self._screen.nearest(count)

    # ------------------------------------------------------------------------------------------------------ following

    def _new_screen(self) -> Screen:
        return Screen(self._watch.rows, self._watch.collateral, self._watch.debt_shares)

    def _follow(self, block: Block) -> Followed:
        """Catches up; anew from the first block where the logs do not fit together: the node left some out."""
        try:
            followed = self._watch.follow(block)
        except LogsIncomplete:
            self._watch.start_anew()
            followed = self._watch.follow(block)
        self._screen = self._new_screen()
        return followed

    def _sample(self, block: Block) -> list[int]:
        every = self._settings.verify_blocks
        if not every or (self._verified_at is not None and block.number < self._verified_at + every):
            return []
        self._verified_at = block.number
        return self._watch.sample(self._settings.verify_accounts, self._random)

    def _verify(self, confirmations: Mapping[int, Confirmation], sample: Sequence[int], block: Block) -> list[int]:
        """Accounts that are not the chain's: logs were missing. All is read anew then, but not at every sample."""
        differing = self._watch.differing([confirmations[account] for account in sample], block.timestamp)
        every = max(1, self._settings.verify_blocks)
        if differing and (self._rebuilt_at is None or block.number >= self._rebuilt_at + 20 * every):
            self._rebuilt_at = block.number
            self._watch.start_anew()
        return differing

    # ----------------------------------------------------------------------------------------------------- candidates

    def _candidates(self) -> list[Candidate]:
        levels = {account: terms.trigger_health_factor_wad for account, terms in self._watch.deleverages().items()}
        return self._screen.candidates(WAD, levels)

    def _next(self, candidates: Sequence[Candidate], block: Block) -> list[Candidate]:
        """As many as one block may plan; where there are more, nobody waits behind those that never pay."""
        before = self._planned_at
        order = sorted(candidates, key=lambda one: (before.get(one.account, -1), -one.debt_value_wad, one.account))
        chosen = order[: self._settings.most_plans]
        self._planned_at = {one.account: before[one.account] for one in candidates if one.account in before}
        self._planned_at |= {one.account: block.number for one in chosen}
        return chosen

    def _is_ours(self, account: int) -> bool:
        workers = self._settings.workers
        if workers == 1:
            return True
        digest = sha256(account.to_bytes(32, "big")).digest()
        return int.from_bytes(digest[:8], "big") % workers == self._settings.worker

    def _confirm(self, accounts: Sequence[int], sample: Sequence[int], block: Block) -> dict[int, Confirmation]:
        asked = list(dict.fromkeys([*accounts, *sample]))
        if not asked:
            return {}
        return {one.account: one for one in self._reader.confirm(asked, block)}

    def _sorted_out(
        self, candidates: Sequence[Candidate], confirmations: Mapping[int, Confirmation]
    ) -> tuple[list[Account], list[Refusal]]:
        """The candidates that the chain, too, calls due, as the planner takes them; and why the others are not."""
        due: list[Account] = []
        refusals: list[Refusal] = []
        for candidate in candidates:
            said = confirmations[candidate.account]
            terms = self._watch.deleverages().get(candidate.account)
            level = max(WAD, terms.trigger_health_factor_wad if terms else 0)
            if said.failure:
                refusals.append(Refusal(candidate.account, Reason.UNPRICED, said.failure))
            elif said.health_factor_wad >= level:
                refusals.append(Refusal(candidate.account, Reason.HEALTHY, f"health factor {said.health_factor_wad}"))
            else:
                due.append(
                    Account(
                        id=candidate.account,
                        collateral=self._watch.collateral.row(candidate.account),
                        debt_shares=self._watch.debt_shares.row(candidate.account),
                        called_at=said.called_at,
                        acted_at=said.acted_at,
                        deleverage=terms,
                    )
                )
        return due, refusals

    def _situation(self, valuation: Valuation, block: Block) -> Situation:
        return Situation(
            block=block,
            configuration=valuation.configuration,
            prices=valuation.prices,
            markets=self._watch.markets(len(valuation.prices), block.timestamp),
            pools=self._reader.pools(block),
            inventory=self.inventory,
            fee_per_byte=-(-self._reader.l1_data_fee(_BYTES, block) // _BYTES),
        )


def _bad_debt(logs: Sequence[Log]) -> dict[int, int]:
    totals: defaultdict[int, int] = defaultdict(int)
    for log in logs:
        if log.name == "BadDebt":
            totals[log.values["assetId"]] += log.values["amount"]
    return dict(totals)
