// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {ILiquidationEngine} from "interfaces/ILiquidationEngine.sol";
import {AccountId, CloseOutRequest, Deleverage, Plan, Regime, Snapshot, Terms} from "interfaces/Types.sol";
import {CloseOutBounds} from "../libraries/CloseOutBounds.sol";
import {Configuration} from "../libraries/Configuration.sol";
import {Positions} from "../libraries/Positions.sol";
import {RAY_PER_WAD, WAD} from "../libraries/Units.sol";
import {CloseOutUnits} from "./CloseOutUnits.sol";

/// @title What a close-out would do: load, plan, check, turn into token units
/// @notice Everything that preview and execution share, so that they cannot disagree.
abstract contract CloseOutPlans is CloseOutUnits {
    using Configuration for Configuration.Asset;
    using Configuration for Configuration.Protocol;
    using FixedPointMathLib for uint256;
    using Positions for uint256;

    /// @dev Lengths of a Snapshot, of Terms, of a Plan, and of the call that asks for one.
    uint256 private constant SUMS_BYTES = 0x140;
    uint256 private constant TERMS_BYTES = 0x160;
    uint256 private constant PLAN_BYTES = 0xa0;
    uint256 private constant PLAN_CALL_BYTES = 0x2a4;

    /// @dev Steps 1 to 3 of a close-out: load, plan, check.
    function _prepare(CloseOutRequest calldata request) internal view returns (Prepared[] memory one) {
        if (block.timestamp > request.deadline) revert DeadlinePassed(request.deadline, block.timestamp);
        if (request.fillWad == 0 || request.fillWad > WAD) revert FillOutOfRange(request.fillWad);
        one = _newPrepared();
        Prepared memory prepared = one[0];
        Appraisal memory appraisal = _appraise(request.account, request.collaterals, request.debts, TERMS_BYTES)[0];
        Configuration.Protocol memory protocol = appraisal.context.protocol;
        (prepared.appraisal, prepared.protocol) = (appraisal, protocol);
        if (protocol.engine() == address(0)) revert ConfigurationMissing();
        if (appraisal.decidingDebt == 0) revert AccountHealthy(type(uint256).max);
        if (appraisal.header.actedAt() == uint40(block.timestamp)) revert AccountActedNow(block.timestamp);

        uint256 health = _healthOf(appraisal);
        prepared.healthBefore = health;
        _setTerms(prepared, request.fillWad);
        Terms memory terms = prepared.terms;
        if (health >= WAD) {
            _requireDeleverage(request.account, appraisal, health, terms);
        } else {
            if (health >= protocol.hardFloorWad() && _isGraceRunning(protocol, appraisal.header)) {
                prepared.isCallOnly = true;
                return one;
            }
            _aim(appraisal, terms);
        }
        terms.isBackstop = _isOnCall(protocol, appraisal.header)
            && block.timestamp > appraisal.header.calledAt() + protocol.backstopDelay();

        Snapshot memory sums = appraisal.sums;
        if (sums.setCollateralValue == 0 || sums.setDebtValue == 0) revert EmptySet();
        // size buckets are for the shallow part of a crash: where the engine may cut, what was seized counts
        bool isShallow = health < WAD && health >= protocol.healthForMaxBonusWad();
        if (isShallow) terms.maxSeizedValue = _bucketLimit(protocol, appraisal);
        terms.isCovered =
            !_isShort(protocol, appraisal.decidingCollateral, appraisal.decidingDebt);
        Plan memory plan = prepared.plan;
        _ask(protocol.engine(), sums, plan);
        CloseOutBounds.check(sums, terms, plan, MAX_TARGET_HEALTH_FACTOR_WAD);
        prepared.isBucketed = isShallow && plan.regime == Regime.Restorative;
        // found here, not taken from the engine: bad debt is nobody's choice
        bool isShort = _isShort(protocol, sums.collateralValue, sums.debtValue);
        if (isShort && terms.isCovered) _keepCovered(protocol, appraisal, plan);
        prepared.isInsolvent = isShort && !terms.isCovered;
        _toUnits(prepared);
    }

    /// @dev Short at exchange prices, covered at those that decide: as much is closed out as leaves it covered at those.
    function _keepCovered(Configuration.Protocol memory protocol, Appraisal memory appraisal, Plan memory plan) private pure {
        Snapshot memory sums = appraisal.sums;
        uint256 factor = WAD + protocol.bonusFloorWad();
        // in a throttled set collateral decides at no less, debt at no more, than they are exchanged at
        uint256 setCollateral = sums.setCollateralValue + appraisal.decidingCollateral - sums.collateralValue;
        uint256 setDebt = sums.setDebtValue + appraisal.decidingDebt - sums.debtValue;
        uint256 cost = plan.seizedValue.fullMulDivUp(setCollateral, sums.setCollateralValue) * WAD;
        uint256 relief = plan.repaidValue.fullMulDiv(setDebt, sums.setDebtValue) * factor;
        uint256 cover = appraisal.decidingCollateral * WAD - appraisal.decidingDebt * factor;
        if (cost <= relief + cover) return;
        plan.seizedValue = plan.seizedValue.fullMulDiv(cover, cost - relief);
        plan.repaidValue = plan.repaidValue.fullMulDivUp(cover, cost - relief);
        plan.extinguishedValue = plan.repaidValue;
    }

    /// @dev The terms of an ordinary close-out, in the room behind the sums.
    function _setTerms(Prepared memory prepared, uint256 fillWad) private pure {
        unchecked {
            Snapshot memory sums = prepared.appraisal.sums;
            assembly ("memory-safe") {
                mstore(add(prepared, 0x40), add(sums, SUMS_BYTES))
            }
            Terms memory terms = prepared.terms;
            Configuration.Protocol memory protocol = prepared.protocol;
            terms.targetHealthFactorWad = protocol.targetHealthFactorWad();
            terms.bonusFloorWad = protocol.bonusFloorWad();
            terms.minBonusFractionWad = protocol.minBonusFractionWad();
            terms.healthForMaxBonusWad = protocol.healthForMaxBonusWad();
            terms.steepnessWad = protocol.steepnessWad();
            terms.minDebtValue = protocol.minDebtValueWad() * RAY_PER_WAD;
            terms.fillWad = fillWad;
            terms.maxSeizedValue = type(uint256).max;
        }
    }

    /// @dev `engine.plan(sums, terms)`: both stand in memory as its calldata has them, and the plan is written to where it is kept.
    function _ask(address engine, Snapshot memory sums, Plan memory plan) private view {
        bytes4 selector = ILiquidationEngine.plan.selector;
        assembly ("memory-safe") {
            mstore(sub(sums, 32), shr(224, selector))
            if iszero(staticcall(gas(), engine, sub(sums, 4), PLAN_CALL_BYTES, plan, PLAN_BYTES)) {
                let free := mload(0x40)
                returndatacopy(free, 0, returndatasize())
                revert(free, returndatasize())
            }
            // what the compiler's decoder asks for: five words, the first of them a regime
            if or(lt(returndatasize(), PLAN_BYTES), gt(mload(plan), 3)) { revert(0, 0) }
        }
    }

    /// @dev A healthy account can be closed out only where its owner opted in, below his trigger, on his terms, at fresh prices.
    function _requireDeleverage(AccountId account, Appraisal memory appraisal, uint256 health, Terms memory terms)
        private
        view
    {
        if (appraisal.header & Positions.FLAG_DELEVERAGE == 0) revert AccountHealthy(health);
        Deleverage memory own = _deleverages[account];
        if (health >= own.triggerHealthFactorWad) revert AccountHealthy(health);
        _requireFresh(appraisal);
        terms.targetHealthFactorWad = own.targetHealthFactorWad;
        terms.fixedPenaltyWad = own.penaltyWad;
    }

    /// @return isRunning true: the account is to be put on call, and no more. Reverts where it is on call and its grace runs.
    function _isGraceRunning(Configuration.Protocol memory protocol, uint256 header) private view returns (bool isRunning) {
        if (protocol.gracePeriod() == 0) return false;
        if (!_isOnCall(protocol, header)) return true;
        uint256 endsAt = header.calledAt() + protocol.gracePeriod();
        if (block.timestamp < endsAt) revert GracePeriodRunning(endsAt, block.timestamp);
    }

    /// @dev Where to: at a price in doubt no further than to health, and no dust rule; in a turbulent market a little further.
    function _aim(Appraisal memory appraisal, Terms memory terms) private view {
        if (appraisal.isThrottled) {
            (terms.targetHealthFactorWad, terms.minDebtValue) = (WAD, 0);
        } else if (appraisal.context.protocol.volatilityOracle() != address(0)) {
            terms.targetHealthFactorWad = _targetByVolatility(appraisal, terms.targetHealthFactorWad);
        }
    }

    /// @dev The largest value that the size buckets of the selected collaterals let a close-out seize, RAY.
    function _bucketLimit(Configuration.Protocol memory protocol, Appraisal memory appraisal)
        private
        view
        returns (uint256 limit)
    {
        unchecked {
            limit = type(uint256).max;
            Leg memory next = appraisal.first;
            for (uint256 i = appraisal.legCount; i != 0; --i) {
                Leg memory leg = next;
                assembly ("memory-safe") {
                    next := add(leg, LEG_BYTES)
                }
                if (leg.isDebt || !leg.isSelected) continue;
                uint256 capacity = leg.asset.bucketCapacityWad();
                if (capacity == 0) continue;
                leg.bucketUsedWad = _bucketUsed(protocol, leg);
                uint256 level = capacity.zeroFloorSub(leg.bucketUsedWad) * RAY_PER_WAD;
                limit = limit.min(level.fullMulDiv(appraisal.sums.setCollateralValue, leg.value));
            }
            if (limit != type(uint256).max) limit = limit.max(protocol.bucketMinimumWad() * RAY_PER_WAD);
        }
    }
}
