// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {ILiquidationEngine} from "interfaces/ILiquidationEngine.sol";
import {Plan, Regime, Snapshot, Terms} from "interfaces/Types.sol";
import {PenaltyCurve} from "./libraries/PenaltyCurve.sol";
import {BPS, WAD, WAD_PER_BPS} from "./libraries/Units.sol";
import {ValueMath} from "./libraries/ValueMath.sol";

/// @title LiquidationEngine: closes out exactly what restores the target health factor
/// @notice Pure. Follows docs/liquidation.md, sections 3 to 5, step by step; names are those of that page.
/// @dev Sums of collateral stay below 2^184 (RAY) and 2^197 (RAY times bps), health factors and rates below 2^62: products of a value
/// and a WAD stay in 256 bits, products of two values go through 512. What is owed has no such bound: whether it is covered is found
/// checked, and after that it is below the collateral, so that the way of every solvent close-out is unchecked. A denominator that
/// could vanish is formed checked.
contract LiquidationEngine is ILiquidationEngine {
    using FixedPointMathLib for uint256;

    /// @dev The incentive factor 1 + beta as the fraction `p / q`, and beta in WAD, rounded down.
    struct Incentive {
        uint256 p;
        uint256 q;
        uint256 beta;
    }

    /// @inheritdoc ILiquidationEngine
    function plan(Snapshot calldata account, Terms calldata terms) external pure returns (Plan memory) {
        uint256 health = ValueMath.healthFactor(account.weightedCollateral, account.debtValue);
        bool isDeleverage = terms.fixedPenaltyWad != 0;
        if (health >= (isDeleverage ? terms.targetHealthFactorWad : WAD)) revert AccountHealthy(health);

        if (account.collateralValue * WAD < account.debtValue * (WAD + terms.bonusFloorWad)) {
            return terms.isCovered ? _planInDoubt(account, terms) : _planTerminal(account, terms);
        }

        unchecked {
            uint256 fraction = isDeleverage
                ? 0
                : PenaltyCurve.bonusFraction(
                    health, terms.minBonusFractionWad, terms.healthForMaxBonusWad, terms.steepnessWad
                );
            Incentive memory whole = _incentive(
                account, _rate(account.pricedBonusWeightedCollateral, account.pricedCollateralValue, fraction, terms)
            );
            Regime regime = whole.q == WAD ? Regime.Restorative : Regime.Capped;
            Incentive memory incentive = whole;
            // collateral without value is in no set: what has all the value is the whole
            bool isWhole = account.setCollateralValue == account.pricedCollateralValue;
            if (!isWhole) incentive = _incentiveOfSet(account, terms, fraction, whole);
            bool isAllPriced = account.pricedCollateralValue == account.collateralValue;
            if (!isAllPriced) _keepHealth(account, health, incentive, terms.bonusFloorWad);
            if (!isWhole || !isAllPriced) _requireAdmitted(account, terms, health, whole, incentive, isWhole);

            return _planSolvent(account, terms, regime, incentive.p, incentive.q, incentive.beta);
        }
    }

    // ------------------------------------------------------------------------------------------------- penalty rate

    /// @dev The mean penalty rate of a collateral set, before the cap: `b`.
    function _rate(uint256 bonusWeighted, uint256 value, uint256 fraction, Terms calldata terms)
        private
        pure
        returns (uint256)
    {
        unchecked {
            if (terms.fixedPenaltyWad != 0) return terms.fixedPenaltyWad;
            return FixedPointMathLib.max(terms.bonusFloorWad, bonusWeighted.fullMulDiv(fraction, value * BPS));
        }
    }

    /// @dev `beta = min(b, C / B - 1)`, as a fraction: exact also where the cap binds.
    function _incentive(Snapshot calldata account, uint256 rate) private pure returns (Incentive memory result) {
        unchecked {
            (uint256 c, uint256 b) = (account.collateralValue, account.debtValue);
            if (c * WAD > b * (WAD + rate)) (result.p, result.q, result.beta) = (WAD + rate, WAD, rate);
            else (result.p, result.q, result.beta) = (c, b, c * WAD / b - WAD);
        }
    }

    /// @dev A smaller set costs no more than the whole account would.
    function _incentiveOfSet(Snapshot calldata account, Terms calldata terms, uint256 fraction, Incentive memory whole)
        private
        pure
        returns (Incentive memory incentive)
    {
        uint256 setValue = account.setCollateralValue;
        incentive = _incentive(account, _rate(account.setBonusWeightedCollateral, setValue, fraction, terms));
        uint256 cap = _penaltyCap(account, terms.targetHealthFactorWad, whole.beta);
        if (incentive.beta > cap) incentive = Incentive({p: WAD + cap, q: WAD, beta: cap});
    }

    /// @dev The rate at which the set costs in total what the whole account would:
    /// `beta_A (h* - tau) / (h* - tau_A - beta_A (tau_A - tau))`. Exactly `beta_A` where `tau = tau_A`.
    function _penaltyCap(Snapshot calldata account, uint256 target, uint256 wholeBeta) private pure returns (uint256) {
        uint256 tau = account.setWeightedCollateral * WAD_PER_BPS / account.setCollateralValue;
        uint256 tauWhole = account.pricedWeightedCollateral * WAD_PER_BPS / account.pricedCollateralValue;
        // tau_A (1 + beta_A) < h*, so what is taken off never exceeds h* - tau_A
        uint256 denominator = tau <= tauWhole
            ? target - tauWhole - wholeBeta * (tauWhole - tau) / WAD
            : target - tauWhole + (wholeBeta * (tau - tauWhole)).divUp(WAD);
        return wholeBeta * (target - tau) / denominator;
    }

    /// @dev Collateral without a price stays behind. Where it is the weaker part, what can be taken weighs more than the account does,
    /// and a smaller penalty keeps the health factor where it is.
    function _keepHealth(Snapshot calldata account, uint256 health, Incentive memory incentive, uint256 floor)
        private
        pure
    {
        uint256 tau = (account.setWeightedCollateral * WAD_PER_BPS).divUp(account.setCollateralValue);
        uint256 most = tau == 0 ? type(uint256).max : health * WAD / tau;
        if (incentive.beta + WAD <= most) return;
        // nobody pays more than he gets
        if (most < WAD) revert PenaltyBelowFloor(0, floor);
        (incentive.p, incentive.q, incentive.beta) = (most, WAD, most - WAD);
    }

    /// @dev A set sells no more than the whole account would, and pays at least the smallest penalty.
    function _requireAdmitted(
        Snapshot calldata account,
        Terms calldata terms,
        uint256 health,
        Incentive memory whole,
        Incentive memory incentive,
        bool isWhole
    ) private pure {
        if (incentive.beta < terms.bonusFloorWad) revert PenaltyBelowFloor(incentive.beta, terms.bonusFloorWad);
        if (isWhole) return;
        uint256 sold = account.setWeightedCollateral.fullMulDiv(incentive.p, incentive.q) * WAD_PER_BPS
            / account.setCollateralValue;
        uint256 most = terms.isBackstop
            ? health
            : (account.pricedWeightedCollateral.fullMulDivUp(whole.p, whole.q) * WAD_PER_BPS).divUp(
                account.pricedCollateralValue
            );
        if (sold > most) revert SetSellsTooMuch(sold, most);
    }

    // ------------------------------------------------------------------------------------------------------ amounts

    function _planSolvent(
        Snapshot calldata account,
        Terms calldata terms,
        Regime regime,
        uint256 p,
        uint256 q,
        uint256 beta
    ) private pure returns (Plan memory result) {
        unchecked {
            (uint256 debt, uint256 minDebt) = (account.debtValue, terms.minDebtValue);
            (uint256 repaid, uint256 seized) = _most(account, terms, p, q);
            if (debt >= minDebt && _isDust(debt - repaid, minDebt)) {
                bool canEnd = account.setDebtValue == debt && account.setCollateralValue.fullMulDiv(q, p) >= debt;
                repaid = canEnd ? debt : debt - minDebt;
                if (repaid == 0) revert NothingToClose();
                seized = repaid.fullMulDiv(p, q);
            }

            if (terms.fillWad < WAD) {
                repaid = repaid.fullMulDivUp(terms.fillWad, WAD);
                seized = seized.fullMulDiv(terms.fillWad, WAD);
            }
            bool isCut = regime == Regime.Restorative && seized > terms.maxSeizedValue;
            if (isCut) (repaid, seized) = (terms.maxSeizedValue.fullMulDivUp(q, p), terms.maxSeizedValue);

            if (debt >= minDebt && _isDust(debt - repaid, minDebt)) {
                if (!isCut) revert FillLeavesDust(debt - repaid, minDebt);
                repaid = debt - minDebt;
                seized = repaid.fullMulDiv(p, q);
            }
            (result.regime, result.penaltyRateWad) = (regime, beta);
            (result.repaidValue, result.seizedValue, result.extinguishedValue) = (repaid, seized, repaid);
        }
    }

    /// @dev What restores the target, or the most that balances allow: repaid up, seized down.
    function _most(Snapshot calldata account, Terms calldata terms, uint256 p, uint256 q)
        private
        pure
        returns (uint256 repaid, uint256 seized)
    {
        (uint256 setCollateral, uint256 setDebt) = (account.setCollateralValue, account.setDebtValue);
        // a debt below the least is closed out as far as balances allow
        bool isToTarget = account.debtValue >= terms.minDebtValue;
        uint256 missing;
        uint256 denominator;
        if (isToTarget) (repaid, missing, denominator) = _toTarget(account, terms.targetHealthFactorWad, p, q);
        uint256 room = setCollateral.fullMulDiv(q, p);
        if (room >= setDebt) {
            if (!isToTarget || repaid >= setDebt) return (setDebt, setDebt.fullMulDiv(p, q));
        } else {
            if (mulmod(setCollateral, q, p) != 0) ++room;
            if (!isToTarget || repaid >= room) return (room, setCollateral);
        }
        seized = setCollateral.fullMulDiv(missing, denominator).fullMulDiv(p, q);
    }

    /// @dev `R*`, rounded up; and `N`, exact, with the denominator rounded up: what the penalty takes of `h* C_S` rounded down.
    function _toTarget(Snapshot calldata account, uint256 target, uint256 p, uint256 q)
        private
        pure
        returns (uint256 repaid, uint256 missing, uint256 denominator)
    {
        uint256 weighted;
        unchecked {
            // the health factor is below the target
            missing = target * account.debtValue - account.weightedCollateral * WAD_PER_BPS;
            weighted = account.setWeightedCollateral * WAD_PER_BPS;
        }
        denominator = target * account.setCollateralValue - weighted.fullMulDiv(p, q);
        uint256 denominatorDown = mulmod(weighted, p, q) == 0 ? denominator : denominator - 1;
        repaid = account.setCollateralValue.fullMulDivUp(missing, denominatorDown);
    }

    function _planTerminal(Snapshot calldata account, Terms calldata terms) private pure returns (Plan memory result) {
        (uint256 c, uint256 b) = (account.collateralValue, account.debtValue);
        uint256 factor = WAD + terms.bonusFloorWad;
        uint256 entitled = c.fullMulDiv(account.setDebtValue, b);
        uint256 seized = FixedPointMathLib.min(account.setCollateralValue, entitled);
        uint256 extinguished = seized == entitled ? account.setDebtValue : seized.fullMulDiv(b, c);
        if (terms.fillWad < WAD) {
            seized = seized.fullMulDiv(terms.fillWad, WAD);
            extinguished = extinguished.fullMulDiv(terms.fillWad, WAD);
        }
        result.regime = Regime.Terminal;
        result.penaltyRateWad = terms.bonusFloorWad;
        result.repaidValue = FixedPointMathLib.min(extinguished, seized.fullMulDivUp(WAD, factor));
        result.seizedValue = seized;
        result.extinguishedValue = extinguished;
    }

    /// @dev Short at exchange prices only: in doubt no debt is written off, and what balances allow is closed out at the smallest penalty.
    function _planInDoubt(Snapshot calldata account, Terms calldata terms) private pure returns (Plan memory result) {
        uint256 factor = WAD + terms.bonusFloorWad;
        uint256 seized = FixedPointMathLib.min(account.setCollateralValue, account.setDebtValue * factor / WAD);
        uint256 repaid = FixedPointMathLib.min(account.setDebtValue, seized.fullMulDivUp(WAD, factor));
        if (terms.fillWad < WAD) {
            seized = seized.fullMulDiv(terms.fillWad, WAD);
            repaid = repaid.fullMulDivUp(terms.fillWad, WAD);
        }
        result.regime = Regime.Terminal;
        result.penaltyRateWad = terms.bonusFloorWad;
        (result.repaidValue, result.seizedValue, result.extinguishedValue) = (repaid, seized, repaid);
    }

    function _isDust(uint256 value, uint256 minDebt) private pure returns (bool) {
        return value > 0 && value < minDebt;
    }
}
