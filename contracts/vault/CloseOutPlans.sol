// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {ILiquidationEngine} from "interfaces/ILiquidationEngine.sol";
import {
    AccountId,
    AssetAmount,
    AssetSet,
    CloseOutRequest,
    CloseOutResult,
    Deleverage,
    Plan,
    Regime,
    RepaidLeg,
    SeizedLeg,
    Snapshot,
    Terms
} from "interfaces/Types.sol";
import {AssetSets} from "../libraries/AssetSets.sol";
import {CloseOutBounds} from "../libraries/CloseOutBounds.sol";
import {Configuration} from "../libraries/Configuration.sol";
import {Positions} from "../libraries/Positions.sol";
import {RAY_PER_WAD, WAD} from "../libraries/Units.sol";
import {ValueMath} from "../libraries/ValueMath.sol";
import {Moves} from "./Moves.sol";

/// @title What a close-out would do: load, plan, check, turn into token units
/// @notice Everything that preview and execution share.
/// @dev Unchecked where only sums of at most 15 values below 2^240 are formed, and what is taken off was bounded by
/// `CloseOutBounds` before; checked where a figure of the engine enters.
abstract contract CloseOutPlans is Moves {
    using AssetSets for AssetSet;
    using Configuration for Configuration.Asset;
    using Configuration for Configuration.Protocol;
    using FixedPointMathLib for uint256;
    using Positions for uint256;

    /// @dev What happens to one leg, in token units; `sharesBurnt` of a debt.
    struct Move {
        bool isSelected;
        uint256 amount;
        uint256 toProtocol;
        uint256 toInsurance;
        uint256 sharesBurnt;
        uint256 badDebt;
        uint256 covered;
    }

    /// @dev A close-out that is decided and not executed: all that preview and execution share.
    struct Prepared {
        Appraisal appraisal;
        Configuration.Protocol protocol;
        Move[] moves;
        Plan plan;
        uint256 healthBefore;
        /// The account is only put on call.
        bool isCallOnly;
    }

    // ------------------------------------------------------------------------------------------------------ prepare

    /// @dev Steps 1 to 3 of a close-out: load, plan, check. Preview and execution share it, so they cannot disagree.
    function _prepare(address table, CloseOutRequest calldata request) internal view returns (Prepared memory prepared) {
        if (block.timestamp > request.deadline) revert DeadlinePassed(request.deadline, block.timestamp);
        if (request.fillWad == 0 || request.fillWad > WAD) revert FillOutOfRange(request.fillWad);
        Configuration.Protocol memory protocol = Configuration.protocol(table);
        if (protocol.engine() == address(0)) revert ConfigurationMissing();
        Appraisal memory appraisal = _appraise(table, request.account);
        if (appraisal.debtValue == 0) revert AccountHealthy(type(uint256).max);
        if (appraisal.header.actedAt() == uint40(block.timestamp)) revert AccountActedNow(block.timestamp);
        uint256 health = ValueMath.healthFactor(appraisal.weightedCollateral, appraisal.debtValue);
        (prepared.appraisal, prepared.protocol, prepared.healthBefore) = (appraisal, protocol, health);

        Terms memory terms = _termsOf(request, protocol);
        if (health >= WAD) {
            _requireDeleverage(request.account, appraisal.header, health, terms);
        } else if (health >= protocol.hardFloorWad() && protocol.gracePeriod() != 0) {
            if (!_isOnCall(protocol, appraisal.header)) {
                prepared.isCallOnly = true;
                return prepared;
            }
            uint256 endsAt = appraisal.header.calledAt() + protocol.gracePeriod();
            if (block.timestamp < endsAt) revert GracePeriodRunning(endsAt, block.timestamp);
        }
        terms.isBackstop = _isOnCall(protocol, appraisal.header)
            && block.timestamp > appraisal.header.calledAt() + protocol.backstopDelay();

        Snapshot memory snapshot = _select(prepared, request);
        if (snapshot.setCollateralValue == 0 || snapshot.setDebtValue == 0) revert EmptySet();
        terms.maxSeizedValue = _bucketLimit(prepared, snapshot.setCollateralValue);
        Plan memory plan = ILiquidationEngine(protocol.engine()).plan(snapshot, terms);
        CloseOutBounds.check(snapshot, terms, plan, MAX_TARGET_HEALTH_FACTOR_WAD);
        prepared.plan = plan;
        _toUnits(prepared, snapshot, terms.fixedPenaltyWad);
        if (
            _isInsolvent(prepared) && _hasDebtLeft(prepared)
                && _collateralLeft(prepared) < protocol.dustValueWad() * RAY_PER_WAD
        ) _writeOffRest(prepared);
    }

    function _termsOf(CloseOutRequest calldata request, Configuration.Protocol memory protocol)
        private
        pure
        returns (Terms memory)
    {
        return Terms({
            targetHealthFactorWad: protocol.targetHealthFactorWad(),
            bonusFloorWad: protocol.bonusFloorWad(),
            minBonusFractionWad: protocol.minBonusFractionWad(),
            healthForMaxBonusWad: protocol.healthForMaxBonusWad(),
            steepnessWad: protocol.steepnessWad(),
            minDebtValue: protocol.minDebtValueWad() * RAY_PER_WAD,
            fillWad: request.fillWad,
            maxSeizedValue: type(uint256).max,
            isBackstop: false,
            fixedPenaltyWad: 0
        });
    }

    /// @dev A healthy account can be closed out only where its owner opted in, below his trigger, on his terms.
    function _requireDeleverage(AccountId account, uint256 header, uint256 health, Terms memory terms) private view {
        if (header & Positions.FLAG_DELEVERAGE == 0) revert AccountHealthy(health);
        Deleverage memory own = _deleverages[account];
        if (health >= own.triggerHealthFactorWad) revert AccountHealthy(health);
        terms.targetHealthFactorWad = own.targetHealthFactorWad;
        terms.fixedPenaltyWad = own.penaltyWad;
    }

    /// @dev Sums over the account and over the request's sets. What the account does not hold is ignored, collateral
    /// without value is in no set.
    function _select(Prepared memory prepared, CloseOutRequest calldata request)
        private
        view
        returns (Snapshot memory snapshot)
    {
        unchecked {
            Appraisal memory appraisal = prepared.appraisal;
            snapshot.collateralValue = appraisal.collateralValue;
            snapshot.weightedCollateral = appraisal.weightedCollateral;
            snapshot.bonusWeightedCollateral = appraisal.bonusWeightedCollateral;
            snapshot.debtValue = appraisal.debtValue;
            snapshot.isWholeCollateral = true;
            Move[] memory moves = new Move[](appraisal.legs.length);
            prepared.moves = moves;
            for (uint256 i; i < moves.length; ++i) {
                Leg memory leg = appraisal.legs[i];
                if (leg.isDebt) {
                    if (!request.debts.contains(leg.assetId)) continue;
                    snapshot.setDebtValue += leg.value;
                } else {
                    if (leg.value == 0) continue;
                    if (!request.collaterals.contains(leg.assetId)) {
                        snapshot.isWholeCollateral = false;
                        continue;
                    }
                    snapshot.setCollateralValue += leg.value;
                    snapshot.setWeightedCollateral += leg.value * leg.thresholdBps;
                    snapshot.setBonusWeightedCollateral += leg.value * leg.asset.maxBonusBps();
                }
                moves[i].isSelected = true;
            }
        }
    }

    /// @dev The largest value that the size buckets of the selected collaterals let a close-out seize, RAY.
    function _bucketLimit(Prepared memory prepared, uint256 setValue) private view returns (uint256 limit) {
        unchecked {
            limit = type(uint256).max;
            for (uint256 i; i < prepared.moves.length; ++i) {
                Leg memory leg = prepared.appraisal.legs[i];
                uint256 capacity = leg.asset.bucketCapacityWad();
                if (!prepared.moves[i].isSelected || leg.isDebt || capacity == 0) continue;
                uint256 level = capacity.zeroFloorSub(_bucketUsed(leg)) * RAY_PER_WAD;
                limit = limit.min(level.fullMulDiv(setValue, leg.value));
            }
            if (limit != type(uint256).max) limit = limit.max(prepared.protocol.bucketMinimumWad() * RAY_PER_WAD);
        }
    }

    /// @dev Size buckets are for the shallow part of a crash: where the engine may cut, what was seized counts.
    function _isBucketed(Prepared memory prepared) internal pure returns (bool) {
        uint256 health = prepared.healthBefore;
        return prepared.plan.regime == Regime.Restorative && health < WAD
            && health >= prepared.protocol.healthForMaxBonusWad();
    }

    /// @dev Value taken out of a collateral's bucket and not refilled by now, WAD.
    function _bucketUsed(Leg memory leg) internal view returns (uint256) {
        SeizureState memory state = _seizureStates[leg.assetId];
        return uint256(state.bucketUsedWad).zeroFloorSub(
            leg.asset.bucketRefillWad() * (block.timestamp - state.bucketAt)
        );
    }

    /// @dev docs/liquidation.md, section 6.
    function _toUnits(Prepared memory prepared, Snapshot memory snapshot, uint256 fixedPenaltyWad) private view {
        Plan memory plan = prepared.plan;
        uint256 seizedValue = plan.seizedValue;
        _repayInUnits(prepared, snapshot, true);
        if (_leavesDust(prepared, snapshot.debtValue)) {
            uint256 repaidValue = _repayInUnits(prepared, snapshot, false);
            if (repaidValue == 0) _repayInUnits(prepared, snapshot, true);
            else seizedValue = seizedValue.min(repaidValue + CloseOutBounds.mostBonus(snapshot, fixedPenaltyWad, repaidValue));
        }

        uint256 beta = plan.penaltyRateWad;
        uint256 toProtocolRate = fixedPenaltyWad != 0 ? 0 : beta - _liquidatorRate(prepared.protocol, beta);
        bool isAnything;
        for (uint256 i; i < prepared.moves.length; ++i) {
            Move memory move = prepared.moves[i];
            if (!move.isSelected) continue;
            Leg memory leg = prepared.appraisal.legs[i];
            if (leg.isDebt) {
                if (move.amount != 0 || move.badDebt != 0) isAnything = true;
            } else {
                move.amount = leg.balance.fullMulDiv(seizedValue, snapshot.setCollateralValue);
                move.toProtocol = move.amount.mulDiv(toProtocolRate, WAD + beta);
            }
        }
        if (!isAnything) revert NothingToClose();
    }

    /// @dev Token units of each selected debt, repaid rounded up or down.
    /// @return repaidValue value of what was repaid, rounded down, at most the plan's
    function _repayInUnits(Prepared memory prepared, Snapshot memory snapshot, bool isUp)
        private
        view
        returns (uint256 repaidValue)
    {
        unchecked {
            Plan memory plan = prepared.plan;
            // found here, not taken from the engine: bad debt is nobody's choice
            bool isTerminal = _isInsolvent(prepared);
            for (uint256 i; i < prepared.moves.length; ++i) {
                Move memory move = prepared.moves[i];
                Leg memory leg = prepared.appraisal.legs[i];
                if (!move.isSelected || !leg.isDebt) continue;
                uint256 debt = ValueMath.toDebtUp(leg.balance, leg.index);
                if (isUp) {
                    uint256 burn = leg.balance.fullMulDivUp(plan.repaidValue, snapshot.setDebtValue);
                    move.amount = debt.min(ValueMath.toDebtUp(burn, leg.index));
                } else {
                    uint256 burn = leg.balance.fullMulDiv(plan.repaidValue, snapshot.setDebtValue);
                    move.amount = ValueMath.toDebtDown(burn, leg.index);
                    repaidValue += ValueMath.collateralValue(move.amount, leg.priceWad, leg.asset.decimals());
                }
                uint256 extinguished = move.amount;
                if (isTerminal) {
                    extinguished = plan.extinguishedValue == snapshot.setDebtValue
                        ? debt
                        : ValueMath.toDebtDown(
                            leg.balance.fullMulDiv(plan.extinguishedValue, snapshot.setDebtValue), leg.index
                        );
                    move.amount = move.amount.min(extinguished);
                }
                _extinguish(prepared.protocol, leg, move, extinguished, debt);
            }
            repaidValue = repaidValue.min(plan.repaidValue);
        }
    }

    /// @dev Whether rounding repaid up to units brought what is left of a debt, outside the terminal regime, below the least.
    function _leavesDust(Prepared memory prepared, uint256 debtValue) private pure returns (bool) {
        unchecked {
            uint256 minDebt = prepared.protocol.minDebtValueWad() * RAY_PER_WAD;
            if (debtValue < minDebt || _isInsolvent(prepared)) return false;
            (,, uint256 left) = _sumsLeft(prepared);
            return left != 0 && left < minDebt;
        }
    }

    /// @dev Of the penalty rate, what is the liquidator's, rounded up.
    function _liquidatorRate(Configuration.Protocol memory protocol, uint256 beta) private pure returns (uint256) {
        uint256 share = (beta * (WAD - protocol.feeShareWad())).divUp(WAD);
        return beta.min(share.max(protocol.bonusFloorWad()));
    }

    /// @dev Turns units extinguished into shares burnt and bad debt, and asks the insurance fund for its part.
    function _extinguish(
        Configuration.Protocol memory protocol,
        Leg memory leg,
        Move memory move,
        uint256 extinguished,
        uint256 debt
    ) private view {
        move.sharesBurnt =
            extinguished == debt ? leg.balance : ValueMath.toDebtSharesDown(extinguished, leg.index);
        move.badDebt = extinguished - move.amount;
        if (move.badDebt == 0) return;
        move.covered = move.badDebt.min(_claims[protocol.insuranceFund()][leg.assetId]);
    }

    /// @dev What is left of an insolvent account with next to no collateral: tokens to the insurance fund, debts written off.
    function _writeOffRest(Prepared memory prepared) internal view {
        for (uint256 i; i < prepared.moves.length; ++i) {
            Leg memory leg = prepared.appraisal.legs[i];
            Move memory move = prepared.moves[i];
            move.isSelected = true;
            if (leg.isDebt) {
                uint256 debt = ValueMath.toDebtUp(leg.balance, leg.index);
                _extinguish(prepared.protocol, leg, move, debt, debt);
            } else {
                move.toInsurance = leg.balance - move.amount;
                move.amount = leg.balance;
            }
        }
    }

    function _isInsolvent(Prepared memory prepared) internal pure returns (bool) {
        unchecked {
            return prepared.appraisal.collateralValue * WAD
                < prepared.appraisal.debtValue * (WAD + prepared.protocol.bonusFloorWad());
        }
    }

    function _hasDebtLeft(Prepared memory prepared) private pure returns (bool) {
        unchecked {
            for (uint256 i; i < prepared.moves.length; ++i) {
                Leg memory leg = prepared.appraisal.legs[i];
                if (leg.isDebt && leg.balance != prepared.moves[i].sharesBurnt) return true;
            }
            return false;
        }
    }

    function _collateralLeft(Prepared memory prepared) private pure returns (uint256 value) {
        (value,,) = _sumsLeft(prepared);
    }

    /// @dev Collateral value, weighted collateral and debt value after the moves.
    function _sumsLeft(Prepared memory prepared)
        private
        pure
        returns (uint256 collateral, uint256 weighted, uint256 debt)
    {
        unchecked {
            for (uint256 i; i < prepared.moves.length; ++i) {
                Leg memory leg = prepared.appraisal.legs[i];
                Move memory move = prepared.moves[i];
                uint256 decimals = leg.asset.decimals();
                if (leg.isDebt) {
                    debt += ValueMath.debtValue(leg.balance - move.sharesBurnt, leg.index, leg.priceWad, decimals);
                } else {
                    uint256 value = ValueMath.collateralValue(leg.balance - move.amount, leg.priceWad, decimals);
                    collateral += value;
                    weighted += value * leg.thresholdBps;
                }
            }
        }
    }

    function _resultOf(Prepared memory prepared) internal pure returns (CloseOutResult memory result) {
        unchecked {
            Move[] memory moves = prepared.moves;
            (uint256 seizedLegs, uint256 repaidLegs) = (0, 0);
            for (uint256 i; i < moves.length; ++i) {
                if (!moves[i].isSelected) continue;
                if (prepared.appraisal.legs[i].isDebt) ++repaidLegs;
                else ++seizedLegs;
            }
            (result.seized, result.repaid) = (new SeizedLeg[](seizedLegs), new RepaidLeg[](repaidLegs));
            for (uint256 i = moves.length; i != 0;) {
                Move memory move = moves[--i];
                if (!move.isSelected) continue;
                uint256 assetId = prepared.appraisal.legs[i].assetId;
                if (prepared.appraisal.legs[i].isDebt) {
                    result.repaid[--repaidLegs] = RepaidLeg(assetId, move.amount, move.badDebt, move.covered);
                } else {
                    result.seized[--seizedLegs] = SeizedLeg(assetId, move.amount, move.toProtocol, move.toInsurance);
                }
            }
            (, uint256 weighted, uint256 debt) = _sumsLeft(prepared);
            result.regime = prepared.plan.regime;
            result.isExecuted = true;
            result.penaltyRateWad = prepared.plan.penaltyRateWad;
            result.healthFactorBeforeWad = prepared.healthBefore;
            result.healthFactorAfterWad = ValueMath.healthFactor(weighted, debt);
        }
    }

    /// @dev No named collateral may give less per unit repaid than the liquidator said, of any debt.
    function _requireLimits(CloseOutRequest calldata request, CloseOutResult memory result) internal pure {
        if (request.leastSeized.length == 0 && request.mostRepaid.length == 0) return;
        for (uint256 j; j < result.repaid.length; ++j) {
            RepaidLeg memory repaid = result.repaid[j];
            uint256 most = _amountOf(request.mostRepaid, repaid.assetId);
            for (uint256 i; i < request.leastSeized.length; ++i) {
                AssetAmount calldata least = request.leastSeized[i];
                if (_toLiquidator(result.seized, least.assetId) * most < repaid.repaid * least.amount) {
                    revert SlippageExceeded(least.assetId, repaid.assetId);
                }
            }
            if (most == 0 && repaid.repaid != 0) revert SlippageExceeded(type(uint256).max, repaid.assetId);
        }
    }

    function _amountOf(AssetAmount[] calldata amounts, uint256 assetId) private pure returns (uint256) {
        for (uint256 i; i < amounts.length; ++i) {
            if (amounts[i].assetId == assetId) return amounts[i].amount;
        }
        return 0;
    }

    function _toLiquidator(SeizedLeg[] memory seized, uint256 assetId) private pure returns (uint256) {
        for (uint256 i; i < seized.length; ++i) {
            if (seized[i].assetId == assetId) return seized[i].seized - seized[i].toProtocol - seized[i].toInsurance;
        }
        return 0;
    }
}
