"""What to do about the accounts that can be closed out: which first, which sets, how much, by which sales.

Pure: states and prices in, intents and refusals out. What a close-out comes to is the reference model's own preview of
it, what sales come to are the pools' own integers; an intent's profit is the penalty less pool fees, price impact and
gas. Accounts are planned one after the other, the one with the largest penalty first, each against the pools that the
ones before it leave.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from closeout.keeper.costs import Costs, Work
from closeout.keeper.ports import (
    Action,
    Block,
    Configuration,
    Funding,
    Intent,
    Leg,
    PoolState,
    Price,
    PriceStatus,
    Reason,
    Refusal,
)
from closeout.keeper.routes import Depth
from closeout.keeper.selling import Basket, Seller, Worth
from closeout.keeper.twin import Account, Twin
from closeout.model import CloseOutResult, Market, ModelRevert, mul_div_down, mul_div_up
from closeout.units import WAD

__all__ = ["Plan", "PlannerSettings", "Situation", "plan"]

# Of the largest close-out, from more to less, until the pools carry one at a profit: each a quarter of the one before.
LADDER = tuple(WAD // 4**n for n in range(1, 7))
# Price impact and fees below this part of the penalty leave little to gain by a smaller fill or set.
GOOD_ENOUGH = WAD // 4
MOST_SETS = 8
# What a rate in floats may be off by.
SCREEN_SLACK = 1e-9


@dataclass(frozen=True, slots=True)
class PlannerSettings:
    """What the operator wants. Parts and values WAD, times seconds.

    `native_token`: the listed token that gas is priced by; where none is, `native_price_wad` says its price.
    `tolerance_wad`: the part of an expected profit that may be lost to others' trades before the transaction reverts.
    `unsold_discount_wad`: what a seized token that is kept is worth less than the oracle says. `writes_off`: end
    accounts whose collateral is dust, which earns nothing.
    """

    native_token: str | None = None
    native_price_wad: int = 0
    priority_fee: int = 0
    least_profit_wad: int = 0
    tolerance_wad: int = WAD // 5
    unsold_discount_wad: int = WAD // 100
    deadline_seconds: int = 120
    lead_seconds: int = 1
    most_hops: int = 3
    slices: int = 8
    with_flash: bool = True
    writes_off: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """One block as the planner sees it.

    `markets` by asset id, as of the last log; `inventory` in token units by asset id; `fee_per_byte` wei.
    """

    block: Block
    configuration: Configuration
    prices: Sequence[Price]
    markets: Sequence[Market]
    pools: Sequence[PoolState] = ()
    inventory: Mapping[int, int] | None = None
    fee_per_byte: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """Intents in the order in which they were planned, which is the order to send them in."""

    intents: tuple[Intent, ...]
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True)
class _Option:
    """One way to close out an account."""

    intent: Intent
    depth: Depth
    spends: Mapping[int, int]


class _Unfit(Exception):
    """Why an option is none: the reason and what was compared."""

    def __init__(self, reason: Reason, detail: str = "", earns: int | None = None, costs: int | None = None) -> None:
        super().__init__(detail)
        self.reason, self.detail, self.earns, self.costs = reason, detail, earns, costs


# reasons from the least to the most telling: of several options that are none, the most telling one is reported
_TELLING = (
    Reason.REFUSED,
    Reason.NO_INVENTORY,
    Reason.NO_ROUTE,
    Reason.NO_DEPTH,
    Reason.TOO_DEAR,
    Reason.NOT_YET,
    Reason.HEALTHY,
)
_NOT_YET = ("GracePeriodRunning", "AccountActedNow")
_HEALTHY = ("AccountHealthy",)


def plan(accounts: Iterable[Account], situation: Situation, settings: PlannerSettings) -> Plan:
    """Intents and refusals for these accounts, each account in one of the two."""
    return _Planner(situation, settings).plan(accounts)


class _Planner:
    def __init__(self, situation: Situation, settings: PlannerSettings) -> None:
        self._situation, self._settings = situation, settings
        now = situation.block.timestamp + settings.lead_seconds
        self._twin = Twin(situation.configuration, situation.prices, situation.markets, now)
        self._tokens = [asset.token for asset in situation.configuration.assets]
        self._worth = Worth(
            {
                asset.token: (price.exchange_wad, asset.parameters.decimals)
                for asset, price in zip(situation.configuration.assets, situation.prices, strict=True)
            }
        )
        self._costs = Costs(
            fee_per_gas=situation.block.base_fee + settings.priority_fee,
            native_price_wad=self._native_price(),
            fee_per_byte=situation.fee_per_byte,
        )
        self._seller = Seller(
            self._worth,
            self._costs.of(Work.of_flash(0, 0, 1, ())) - self._costs.of(Work.of_flash(0, 0, 0, ())),
            most_hops=settings.most_hops,
            slices=settings.slices,
            unsold_discount_wad=settings.unsold_discount_wad,
        )
        self._depth = Depth.of(situation.pools)
        self._inventory = dict(situation.inventory or {})

    def _native_price(self) -> int:
        for asset, price in zip(self._situation.configuration.assets, self._situation.prices, strict=True):
            if asset.token == self._settings.native_token:
                return price.collateral_wad
        return self._settings.native_price_wad

    def plan(self, accounts: Iterable[Account]) -> Plan:
        intents: list[Intent] = []
        refusals: list[Refusal] = []
        for account in sorted(accounts, key=lambda one: (-self._promise(one), one.id)):
            try:
                intents.append(self._best(account))
            except _Unfit as unfit:
                refusals.append(Refusal(account.id, unfit.reason, unfit.detail, unfit.earns, unfit.costs))
        return Plan(tuple(intents), tuple(refusals))

    def _promise(self, account: Account) -> int:
        """The whole penalty of the whole account, WAD USD: what there is to earn before costs."""
        try:
            return self._gross(self._twin.preview(account))
        except ModelRevert:
            return 0

    # ------------------------------------------------------------------------------------------------------ an account

    def _best(self, account: Account) -> Intent:
        """The option that earns most. Raises _Unfit with the most telling reason where none earns enough."""
        why: _Unfit | None = None
        best: _Option | None = None
        for collaterals, debts in self._sets(account):
            try:
                option = self._filled(account, collaterals, debts)
            except _Unfit as unfit:
                if why is None or _TELLING.index(unfit.reason) > _TELLING.index(why.reason):
                    why = unfit
                # no smaller set costs the borrower more than the whole account: gas that eats that penalty eats any
                if unfit.reason in (Reason.HEALTHY, Reason.NOT_YET, Reason.TOO_DEAR):
                    break
                continue
            if option.intent.action is Action.MARGIN_CALL:
                return option.intent
            if best is None or option.intent.expected_profit_wad > best.intent.expected_profit_wad:
                best = option
            if self._is_good(option.intent):
                break
        if best is None:
            if self._settings.writes_off and self._twin.can_write_off(account):
                work = Work.of_write_off(len(account.collateral), len(account.debt_shares))
                return self._unpaid(Action.WRITE_OFF, account, work)
            raise why or _Unfit(Reason.REFUSED, "nothing that has a price on both sides")
        self._depth = best.depth
        for asset_id, units in best.spends.items():
            self._inventory[asset_id] -= units
        return best.intent

    def _is_good(self, intent: Intent) -> bool:
        """Whether pools took so little that no smaller set or fill can do much better."""
        gross = intent.expected_profit_wad + intent.expected_gas_cost_wad + intent.expected_slippage_wad
        return intent.expected_slippage_wad <= mul_div_down(gross, GOOD_ENOUGH, WAD)

    def _sets(self, account: Account) -> Iterator[tuple[frozenset[int], frozenset[int]]]:
        """The whole account first, then all collateral for one debt, one collateral for all, and the pairs."""
        held, owed = self._priced(account.collateral), self._priced(account.debt_shares)
        if not held or not owed:
            return
        choices = [(held, owed)]
        choices += [(frozenset({collateral}), owed) for collateral in sorted(held)]
        choices += [(held, frozenset({debt})) for debt in sorted(owed)]
        choices += [
            (frozenset({collateral}), frozenset({debt})) for collateral in sorted(held) for debt in sorted(owed)
        ]
        yield from list(dict.fromkeys(choices))[:MOST_SETS]

    def _priced(self, assets: Iterable[int]) -> frozenset[int]:
        prices = self._situation.prices
        return frozenset(asset_id for asset_id in assets if prices[asset_id].status is not PriceStatus.MISSING)

    def _filled(self, account: Account, collaterals: frozenset[int], debts: frozenset[int]) -> _Option:
        """The fill of these sets that earns most: the whole one unless the pools make it dear.

        What pools charge grows about with the square of an amount. So two fills tell about where the profit, `g f -
        (a f + b f^2)`, is largest; what is taken is the best of those that were really quoted.
        """
        quoted: dict[int, _Option] = {}
        why = self._try(account, collaterals, debts, WAD, quoted)
        if WAD in quoted and (self._is_good(quoted[WAD].intent) or quoted[WAD].intent.action is Action.MARGIN_CALL):
            return quoted[WAD]
        if why is None or self._may_do_in_part(why):
            self._descend(account, collaterals, debts, quoted)
            for fill in self._promising(quoted):
                self._try(account, collaterals, debts, fill, quoted)
        if not quoted:
            raise why or _Unfit(Reason.REFUSED)
        return max(quoted.values(), key=lambda option: option.intent.expected_profit_wad)

    def _descend(
        self, account: Account, collaterals: frozenset[int], debts: frozenset[int], quoted: dict[int, _Option]
    ) -> None:
        """Smaller and smaller fills until two are quoted that the pools carry, or gas eats the penalty."""
        for fill in LADDER:
            unfit = self._try(account, collaterals, debts, fill, quoted)
            if unfit is not None and not self._may_do_in_part(unfit):
                return
            if len(quoted) >= 2:
                return

    def _try(
        self,
        account: Account,
        collaterals: frozenset[int],
        debts: frozenset[int],
        fill: int,
        quoted: dict[int, _Option],
    ) -> _Unfit | None:
        """Quotes one fill; why there is none."""
        if fill not in quoted:
            try:
                quoted[fill] = self._option(account, collaterals, debts, fill)
            except _Unfit as unfit:
                return unfit
        return None

    @staticmethod
    def _may_do_in_part(unfit: _Unfit) -> bool:
        """Whether a smaller fill may do what the whole could not: not where gas alone is more than all the penalty."""
        is_amount = unfit.reason in (Reason.NO_DEPTH, Reason.NO_INVENTORY, Reason.TOO_DEAR)
        return is_amount and (unfit.earns is None or unfit.costs is None or unfit.earns > unfit.costs)

    def _promising(self, quoted: Mapping[int, _Option]) -> list[int]:
        """Where the profit is largest by what two fills cost, and half and twice of that."""
        if len(quoted) < 2:
            return [part for fill in quoted for part in (fill // 2, 2 * fill) if part < WAD]
        (less, first), (more, second) = sorted(quoted.items())[:2]
        unit_less, unit_more = (
            option.intent.expected_slippage_wad * WAD // fill for fill, option in ((less, first), (more, second))
        )
        steepness = (unit_more - unit_less) * WAD // (more - less)
        gross = first.intent.expected_profit_wad + first.intent.expected_gas_cost_wad
        net = (gross + first.intent.expected_slippage_wad) * WAD // less - (
            unit_less - mul_div_down(steepness, less, WAD)
        )
        if steepness <= 0 or net <= 0:
            return []
        best = net * WAD // (2 * steepness)
        return [fill for fill in (best, best // 2, 2 * best) if 0 < fill < WAD]

    # ------------------------------------------------------------------------------------------------------- an option

    def _option(self, account: Account, collaterals: frozenset[int], debts: frozenset[int], fill: int) -> _Option:
        try:
            result = self._twin.preview(account, collaterals, debts, fill)
        except ModelRevert as revert:
            reason = Reason.NOT_YET if revert.name in _NOT_YET else Reason.REFUSED
            raise _Unfit(Reason.HEALTHY if revert.name in _HEALTHY else reason, str(revert)) from None
        if not result.is_executed:
            return self._margin_call(account)
        intent = Intent(
            action=Action.CLOSE_OUT,
            account=account.id,
            block=self._situation.block,
            collaterals=collaterals,
            debts=debts,
            fill_wad=fill,
            deadline=self._situation.block.timestamp + self._settings.deadline_seconds,
            regime=result.regime,
            expected_seized=tuple(Leg(leg.asset_id, leg.to_liquidator) for leg in result.seized),
            expected_repaid=tuple(Leg(leg.asset_id, leg.repaid) for leg in result.repaid),
        )
        options, why = [], _Unfit(Reason.NO_INVENTORY)
        for fund in (self._from_inventory, self._flash):
            try:
                options.append(fund(intent, self._gross(result)))
            except _Unfit as unfit:
                if _TELLING.index(unfit.reason) >= _TELLING.index(why.reason):
                    why = unfit
        if not options:
            raise why
        return max(options, key=lambda option: option.intent.expected_profit_wad)

    def _gross(self, result: CloseOutResult) -> int:
        """What the liquidator gets less what he pays, at exchange prices, WAD USD."""
        seized = sum(self._worth.of(self._tokens[leg.asset_id], leg.to_liquidator) for leg in result.seized)
        return seized - sum(self._worth.of(self._tokens[leg.asset_id], leg.repaid) for leg in result.repaid)

    def _flash(self, intent: Intent, gross: int) -> _Option:
        """Without capital: what is seized is sold on the way."""
        if not self._settings.with_flash:
            raise _Unfit(Reason.NO_INVENTORY, "flash close-outs are switched off")
        seized = {self._tokens[leg.asset_id]: leg.amount for leg in intent.expected_seized if leg.amount}
        owed = {self._tokens[leg.asset_id]: leg.amount for leg in intent.expected_repaid if leg.amount}
        rate = self._seller.best_rate(self._depth, seized, owed)
        if not rate:
            raise _Unfit(Reason.NO_ROUTE)
        if self._worth.of_all(seized) * rate * (1 + SCREEN_SLACK) < self._worth.of_all(owed):
            raise _Unfit(Reason.NO_DEPTH, f"a dollar seized brings {rate:.4f} at most", earns=0, costs=gross)
        basket = self._seller.settle(self._depth, seized, owed)
        if basket is None:
            raise _Unfit(Reason.NO_DEPTH, f"fill {intent.fill_wad}")
        work = Work.of_flash(len(seized), len(owed), basket.hops, basket.sales)
        cost = self._costs.of(work)
        profit = self._seller.value(replace(basket, hops=0), owed) - cost
        self._require_profit(profit, gross, cost)
        least = self._least_profits(basket, profit)
        return _Option(
            replace(
                intent,
                funding=Funding.FLASH,
                sales=tuple(basket.sales),
                least_profits=least,
                expected_profit_wad=profit,
                expected_gas_cost_wad=cost,
                expected_slippage_wad=gross - profit - cost,
                gas_limit=work.gas_limit,
            ),
            basket.depth,
            {},
        )

    def _least_profits(self, basket: Basket, profit: int) -> dict[str, int]:
        """What must be left over of each token: all but the tolerated part of the profit, never less than gas costs."""
        whole = self._worth.of_all(basket.left)
        least = whole - mul_div_up(profit, self._settings.tolerance_wad, WAD)
        return {token: mul_div_up(units, least, whole) for token, units in basket.left.items()}

    def _from_inventory(self, intent: Intent, gross: int) -> _Option:
        """With the keeper's own tokens: what is seized is sold later, at a discount."""
        spends = {leg.asset_id: leg.amount for leg in intent.expected_repaid if leg.amount}
        for asset_id, units in spends.items():
            if self._inventory.get(asset_id, 0) < units:
                raise _Unfit(
                    Reason.NO_INVENTORY, f"asset {asset_id}: {self._inventory.get(asset_id, 0)} held, {units} needed"
                )
        seized = {leg.asset_id: leg.amount for leg in intent.expected_seized if leg.amount}
        work = Work.of_inventory(len(seized), len(spends))
        cost = self._costs.of(work)
        value = sum(self._worth.of(self._tokens[asset_id], units) for asset_id, units in seized.items())
        discount = mul_div_up(value, self._settings.unsold_discount_wad, WAD)
        profit = gross - discount - cost
        self._require_profit(profit, gross, cost)
        # the tolerated part of the profit, as a part of what is seized
        slack = mul_div_up(profit, self._settings.tolerance_wad, value)
        return _Option(
            replace(
                intent,
                funding=Funding.INVENTORY,
                least_seized={a: mul_div_up(units, WAD - slack, WAD) for a, units in seized.items()},
                most_repaid=spends,
                expected_profit_wad=profit,
                expected_gas_cost_wad=cost,
                expected_slippage_wad=discount,
                gas_limit=work.gas_limit,
            ),
            self._depth,
            spends,
        )

    def _require_profit(self, profit: int, gross: int, cost: int) -> None:
        if profit <= 0 or profit < self._settings.least_profit_wad:
            slippage = gross - profit - cost
            raise _Unfit(
                Reason.NO_DEPTH
                if gross > cost and slippage > mul_div_down(gross, GOOD_ENOUGH, WAD)
                else Reason.TOO_DEAR,
                f"penalty {gross}, pools {slippage}, gas {cost}",
                earns=gross,
                costs=cost,
            )

    def _margin_call(self, account: Account) -> _Option:
        """Starts the grace period, where what comes after it would earn more than both transactions cost."""
        parameters = self._situation.configuration.protocol
        work = Work.of_margin_call()
        now = self._situation.block.timestamp + self._settings.lead_seconds
        later = replace(account, called_at=now - parameters.grace_period)
        try:
            gross = self._gross(self._twin.preview(later))
        except ModelRevert as revert:
            raise _Unfit(Reason.REFUSED, str(revert)) from None
        both = self._costs.of(work) + self._costs.of(
            Work.of_inventory(len(account.collateral), len(account.debt_shares))
        )
        if gross <= both:
            raise _Unfit(Reason.TOO_DEAR, "after its grace period", earns=gross, costs=both)
        return _Option(self._unpaid(Action.MARGIN_CALL, account, work), self._depth, {})

    def _unpaid(self, action: Action, account: Account, work: Work) -> Intent:
        """A transaction that earns nothing itself."""
        block, cost = self._situation.block, self._costs.of(work)
        return Intent(
            action=action,
            account=account.id,
            block=block,
            deadline=block.timestamp + self._settings.deadline_seconds,
            expected_profit_wad=-cost,
            expected_gas_cost_wad=cost,
            gas_limit=work.gas_limit,
        )
