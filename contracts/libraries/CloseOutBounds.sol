// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {IVaultEvents} from "interfaces/IVault.sol";
import {Plan, Snapshot, Terms} from "interfaces/Types.sol";
import {BPS, WAD, WAD_PER_BPS} from "./Units.sol";

/// @title What the Vault accepts from any engine
/// @notice Specification, section 10. A replaced or hostile engine can choose neither the account nor more than these bounds leave:
/// they are recomputed here from the sums alone, without the engine's figures for rates or regime.
library CloseOutBounds {
    using FixedPointMathLib for uint256;

    /// @dev The largest `maxBonus` that can be listed, and the largest penalty an owner can offer.
    uint256 internal constant MAX_PENALTY_WAD = 0.2e18;
    /// @dev Slack of the bounds, 1e-27 USD: what the plan's own rounding, down or up by one each, can add.
    uint256 private constant SLACK = 2;

    function check(Snapshot memory account, Terms memory terms, Plan memory plan, uint256 maxTarget) internal pure {
        unchecked {
            (uint256 repaid, uint256 seized) = (plan.repaidValue, plan.seizedValue);
            if (seized > account.setCollateralValue) revert IVaultEvents.PlanAboveBalances(seized, account.setCollateralValue);
            if (plan.extinguishedValue > account.setDebtValue || repaid > plan.extinguishedValue) {
                revert IVaultEvents.PlanAboveBalances(plan.extinguishedValue, account.setDebtValue);
            }

            // P13: within the value-weighted mean of maxBonus of what is seized, or the owner's own penalty
            uint256 bonus = mostBonus(account, terms.fixedPenaltyWad, repaid);
            if (seized > repaid + bonus + SLACK) revert IVaultEvents.PlanAboveBonus(seized, repaid + bonus + SLACK);

            bool isShort = account.collateralValue * WAD < account.debtValue * (WAD + terms.bonusFloorWad);
            if (isShort && !terms.isCovered) {
                // P12, P21: debt disappears in proportion to the collateral taken, so that C / B stays. The plan's seized value is
                // rounded down, before the fill and after it; each of these units stands for B / C of debt
                uint256 most = (seized + SLACK).fullMulDivUp(account.debtValue, account.collateralValue) + SLACK;
                if (plan.extinguishedValue > most) revert IVaultEvents.PlanExtinguishesTooMuch(plan.extinguishedValue, most);
                // and no less: the fill rounds it down twice
                uint256 mostSeized = (plan.extinguishedValue + SLACK).fullMulDivUp(account.collateralValue, account.debtValue);
                if (seized > mostSeized) revert IVaultEvents.PlanLowersHealth(seized, mostSeized);
                return;
            }
            if (plan.extinguishedValue > repaid) revert IVaultEvents.PlanExtinguishesTooMuch(plan.extinguishedValue, repaid);
            // short at exchange prices, covered at those that decide: the smallest penalty is paid, and nothing raises health at it
            if (isShort) return;

            // P4: the health factor is not lowered, W / B <= (W - lost) / (B - repaid)
            uint256 lost = seized.fullMulDiv(account.setWeightedCollateral, account.setCollateralValue);
            // the engine compares what sets sell by WAD digits: a set as good as the whole account may be off by a few
            uint256 slack = SLACK * BPS + repaid.fullMulDivUp(SLACK * BPS, WAD);
            uint256 mostLost = repaid.fullMulDivUp(account.weightedCollateral, account.debtValue) + slack;
            if (lost > mostLost) revert IVaultEvents.PlanLowersHealth(lost, mostLost);

            // No more than needed: H' <= maxTarget. Only where even leaving `minDebtValue` stays within it may all be repaid.
            if (account.debtValue < terms.minDebtValue) return;
            uint256 counted = repaid.min(account.debtValue - terms.minDebtValue);
            uint256 lostForCounted = counted == repaid ? lost : lost.fullMulDiv(counted, repaid);
            uint256 left = (account.weightedCollateral - lostForCounted) * WAD_PER_BPS;
            uint256 mostLeft = maxTarget * (account.debtValue - counted + SLACK);
            if (left > mostLeft) revert IVaultEvents.PlanAboveMaxTarget(left, mostLeft);
        }
    }

    /// @notice The largest bonus for a value repaid, RAY, rounded down: by the value-weighted mean of `maxBonus`, or the owner's penalty.
    function mostBonus(Snapshot memory account, uint256 fixedPenaltyWad, uint256 repaid) internal pure returns (uint256) {
        unchecked {
            return fixedPenaltyWad == 0
                ? repaid.fullMulDiv(account.setBonusWeightedCollateral, account.setCollateralValue * BPS)
                : repaid.fullMulDiv(fixedPenaltyWad, WAD);
        }
    }
}
