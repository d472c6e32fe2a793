"""What a close-out would do, decided and not executed: shared by preview and execution."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from closeout.model._accounts import RAY_PER_WAD
from closeout.model._close_out import Plan, Regime, Terms, keep_covered, plan_close_out
from closeout.model._ledger import AccountId, BucketState, Deleverage, Header
from closeout.model._positions import (
    CollateralPosition,
    DebtPosition,
    Snapshot,
    health_factor,
    selected_collaterals,
    selected_debts,
    take_decided,
    take_snapshot,
)
from closeout.model._quotes import Status
from closeout.model._rebalancing import Rebalances
from closeout.model._requests import CloseOutRequest, CloseOutResult
from closeout.model._reverts import ModelRevert
from closeout.model._rounding import MAX_UINT256, mul_div_down
from closeout.model._settlement import Extinction, RepaidLeg, SeizedLeg, extinguish_all, seize
from closeout.model._vault_base import INSURANCE_FUND
from closeout.units import WAD


@dataclass(slots=True)
class Prepared:
    """An account at deciding prices, the plan for it and every leg by asset id.

    No plan where it is only put on call.
    """

    collaterals: list[CollateralPosition]
    debts: list[DebtPosition]
    plan: Plan | None = None
    seized: dict[int, SeizedLeg] = field(default_factory=dict)
    extinguished: dict[int, Extinction] = field(default_factory=dict)

    @property
    def collateral_value(self) -> int:
        """Before the close-out, RAY."""
        return sum(c.value for c in self.collaterals)

    @property
    def debt_value(self) -> int:
        """Before the close-out, RAY."""
        return sum(debt.value for debt in self.debts)

    @property
    def health_before(self) -> int:
        """Health factor before the close-out, WAD, rounded down."""
        return health_factor(sum(c.value * c.threshold_bps for c in self.collaterals), self.debt_value)

    def is_insolvent(self, bonus_floor_wad: int) -> bool:
        """Whether collateral is worth less than the debts and the smallest penalty."""
        return self.collateral_value * WAD < self.debt_value * (WAD + bonus_floor_wad)

    def collaterals_left(self) -> list[CollateralPosition]:
        """Collaterals after the close-out."""
        return [
            replace(c, amount=c.amount - self.seized[c.asset_id].seized) if c.asset_id in self.seized else c
            for c in self.collaterals
        ]

    def debts_left(self) -> list[DebtPosition]:
        """Debts after the close-out; those without shares are none."""
        left = []
        for debt in self.debts:
            burnt = self.extinguished[debt.asset_id].shares if debt.asset_id in self.extinguished else 0
            if debt.shares > burnt:
                left.append(replace(debt, shares=debt.shares - burnt))
        return left

    def health_after(self) -> int:
        """Health factor after the close-out, WAD, rounded down."""
        weighted = sum(c.value * c.threshold_bps for c in self.collaterals_left())
        return health_factor(weighted, sum(debt.value for debt in self.debts_left()))

    def write_off_rest(self) -> None:
        """What tokens are left become the insurance fund's, all debt that is left becomes bad debt."""
        for collateral in self.collaterals:
            leg = self.seized.get(collateral.asset_id, SeizedLeg(collateral.asset_id, 0, 0))
            rest = collateral.amount - leg.seized
            self.seized[collateral.asset_id] = replace(leg, seized=collateral.amount, to_insurance=rest)
        for debt in self.debts:
            repaid = self.extinguished[debt.asset_id].repaid if debt.asset_id in self.extinguished else 0
            self.extinguished[debt.asset_id] = Extinction(repaid, debt.units - repaid, debt.shares)


class Preparation(Rebalances):
    """Steps 1 to 3 of a close-out: load, plan, turn into token units."""

    def preview_close_out(self, request: CloseOutRequest) -> CloseOutResult:
        """What `close_out` would do for the same request in this second, to the unit; raises as it would."""
        return self._result_of(request, self._prepare(request))

    def _prepare(self, request: CloseOutRequest) -> Prepared:
        if self._now > request.deadline:
            raise ModelRevert("DeadlinePassed", request.deadline, self._now)
        if not 0 < request.fill_wad <= WAD:
            raise ModelRevert("FillOutOfRange", request.fill_wad)
        header = self._header(request.account)
        if not header.debt_ids:
            raise ModelRevert("AccountHealthy", MAX_UINT256)
        if header.acted_at == self._now:
            raise ModelRevert("AccountActedNow", self._now)

        prepared = Prepared(self._collaterals(request.account), self._debts(request.account))
        health, opt_in = prepared.health_before, None
        if health >= WAD:
            opt_in = self._deleverage_of(request.account, health)
        elif self._is_call_due(header, health):
            return prepared
        self._plan(request, prepared, opt_in)
        return prepared

    def _plan(self, request: CloseOutRequest, prepared: Prepared, opt_in: Deleverage | None) -> None:
        """The plan, and what it comes to in token units."""
        snapshot = take_snapshot(prepared.collaterals, prepared.debts, request.collaterals, request.debts)
        if not snapshot.set_collateral_value or not snapshot.set_debt_value:
            raise ModelRevert("EmptySet")
        seizable = selected_collaterals(prepared.collaterals, request.collaterals)
        chosen = selected_debts(prepared.debts, request.debts)
        terms = self._terms(request, prepared, opt_in)
        if Status.DEGRADED in {c.status for c in seizable} | {debt.status for debt in chosen}:
            terms = replace(terms, target_health_factor_wad=WAD, min_debt_value=0)
        if opt_in is None and prepared.health_before >= terms.health_for_max_bonus_wad:
            terms = replace(terms, max_seized_value=self._bucket_limit(seizable, snapshot.set_collateral_value))
        decided = take_decided(prepared.collaterals, prepared.debts, request.collaterals, request.debts)
        prepared.plan = keep_covered(plan_close_out(snapshot, terms), snapshot, terms, decided)
        self._settle(prepared, snapshot, terms, prepared.plan, seizable, chosen)
        if not terms.is_covered and prepared.debts_left():
            value_left = sum(c.value for c in prepared.collaterals_left())
            if value_left < max(1, self._parameters.dust_value_wad * RAY_PER_WAD):
                prepared.write_off_rest()

    def _settle(
        self,
        prepared: Prepared,
        snapshot: Snapshot,
        terms: Terms,
        plan: Plan,
        seizable: list[CollateralPosition],
        chosen: list[DebtPosition],
    ) -> None:
        taken = {debt.asset_id: debt for debt in chosen}
        plan, prepared.extinguished = extinguish_all(
            [taken.get(debt.asset_id, debt) for debt in prepared.debts],
            chosen,
            plan,
            snapshot,
            min_debt_value=terms.min_debt_value,
            fixed_penalty_wad=terms.fixed_penalty_wad,
            is_covered=terms.is_covered,
        )
        fee_share = 0 if terms.fixed_penalty_wad else self._parameters.fee_share_wad
        for collateral in seizable:
            leg = seize(collateral, plan, snapshot, fee_share, terms.bonus_floor_wad)
            prepared.seized[leg.asset_id] = leg

    def _is_call_due(self, header: Header, health: int) -> bool:
        """Whether grace applies and the account is not on call yet. Raises GracePeriodRunning(endsAt, timestamp)."""
        parameters = self._parameters
        if not parameters.grace_period or health < parameters.hard_floor_wad:
            return False
        if not self._is_on_call(header):
            return True
        ends_at = header.called_at + parameters.grace_period
        if self._now < ends_at:
            raise ModelRevert("GracePeriodRunning", ends_at, self._now)
        return False

    def _is_on_call(self, header: Header) -> bool:
        return header.called_at != 0 and self._now <= header.called_at + self._parameters.call_lifetime

    def _deleverage_of(self, account: AccountId, health: int) -> Deleverage:
        """The owner's opt-in, where his trigger is reached. Raises AccountHealthy(H) and PriceNotFresh(assetId)."""
        opt_in = self._ledger.deleverages.get(account)
        if opt_in is None or health >= opt_in.trigger_health_factor_wad:
            raise ModelRevert("AccountHealthy", health)
        self._require_fresh(account)
        return opt_in

    def _terms(self, request: CloseOutRequest, prepared: Prepared, opt_in: Deleverage | None) -> Terms:
        parameters, header = self._parameters, self._header(request.account)
        is_backstop = self._is_on_call(header) and self._now > header.called_at + parameters.backstop_delay
        return Terms(
            target_health_factor_wad=opt_in.target_health_factor_wad if opt_in else self._target(prepared),
            bonus_floor_wad=parameters.bonus_floor_wad,
            min_bonus_fraction_wad=parameters.min_bonus_fraction_wad,
            health_for_max_bonus_wad=parameters.health_for_max_bonus_wad,
            steepness_wad=parameters.steepness_wad,
            min_debt_value=parameters.min_debt_value_wad * RAY_PER_WAD,
            fill_wad=request.fill_wad,
            fixed_penalty_wad=opt_in.penalty_wad if opt_in else 0,
            is_backstop=is_backstop,
            is_covered=not prepared.is_insolvent(parameters.bonus_floor_wad),
        )

    def _target(self, prepared: Prepared) -> int:
        """`h*` of a set whose prices are all fresh: deeper where what the account holds is volatile. WAD."""
        target = self._parameters.target_health_factor_wad
        value = raised = 0
        for collateral in prepared.collaterals:
            if collateral.status is not Status.MISSING:
                own = max(target, self._volatility_targets.get(collateral.asset_id, target))
                value += collateral.value
                raised += collateral.value * (own - target)
        return target + raised // value if value else target

    def _bucket_limit(self, selected: list[CollateralPosition], set_value: int) -> int:
        """The largest value that the size buckets of the selected collaterals let a close-out seize, RAY."""
        limits = []
        for collateral in selected:
            bucket = self._assets[collateral.asset_id].bucket
            if bucket is not None:
                level = max(0, bucket.capacity_wad - self._bucket_used(collateral.asset_id)) * RAY_PER_WAD
                limits.append(mul_div_down(level, set_value, collateral.value))
        if not limits:
            return MAX_UINT256
        return max(min(limits), self._parameters.bucket_minimum_wad * RAY_PER_WAD)

    def _bucket_used(self, asset_id: int) -> int:
        """Value taken out of a collateral's bucket and not refilled by now, WAD."""
        state, bucket = self._ledger.buckets.get(asset_id, BucketState()), self._assets[asset_id].bucket
        refill = bucket.refill_wad if bucket else 0
        if not self._quotes[asset_id].is_fresh:
            refill = mul_div_down(refill, self._parameters.degraded_refill_wad, WAD)
        return max(0, state.used_wad - refill * (self._now - state.at))

    def _result_of(self, request: CloseOutRequest, prepared: Prepared) -> CloseOutResult:
        """Raises SlippageExceeded(collateralId, debtId)."""
        plan = prepared.plan
        if plan is None:
            return CloseOutResult(Regime.HEALTHY, False, 0, prepared.health_before, prepared.health_before)
        result = CloseOutResult(
            regime=plan.regime,
            is_executed=True,
            penalty_rate_wad=plan.penalty_rate_wad,
            health_factor_before_wad=prepared.health_before,
            health_factor_after_wad=prepared.health_after(),
            seized=self._seized_legs(prepared),
            repaid=self._repaid_legs(prepared),
            plan=plan,
        )
        _require_limits(request, result)
        return result

    @staticmethod
    def _seized_legs(prepared: Prepared) -> tuple[SeizedLeg, ...]:
        return tuple(prepared.seized[asset_id] for asset_id in sorted(prepared.seized))

    def _repaid_legs(self, prepared: Prepared) -> tuple[RepaidLeg, ...]:
        legs = []
        for asset_id in sorted(prepared.extinguished):
            gone = prepared.extinguished[asset_id]
            covered = min(gone.bad_debt, self.claim_of(INSURANCE_FUND, asset_id))
            legs.append(RepaidLeg(asset_id, gone.repaid, gone.bad_debt, covered))
        return tuple(legs)


def _require_limits(request: CloseOutRequest, result: CloseOutResult) -> None:
    if not request.least_seized and not request.most_repaid:
        return
    taken = {leg.asset_id: leg.to_liquidator for leg in result.seized}
    for leg in result.repaid:
        most = request.most_repaid.get(leg.asset_id, 0)
        for collateral_id, least in request.least_seized.items():
            if taken.get(collateral_id, 0) * most < leg.repaid * least:
                raise ModelRevert("SlippageExceeded", collateral_id, leg.asset_id)
        if leg.repaid and not most:
            raise ModelRevert("SlippageExceeded", MAX_UINT256, leg.asset_id)
