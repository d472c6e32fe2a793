// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {IVolatilityOracle} from "interfaces/IVolatilityOracle.sol";
import {Status} from "interfaces/IOracleRouter.sol";
import {
    AssetAmount, CloseOutRequest, CloseOutResult, Plan, RepaidLeg, SeizedLeg, Snapshot, Terms
} from "interfaces/Types.sol";
import {CloseOutBounds} from "../libraries/CloseOutBounds.sol";
import {Configuration} from "../libraries/Configuration.sol";
import {RAY_PER_WAD, WAD, WAD_PER_BPS} from "../libraries/Units.sol";
import {ValueMath} from "../libraries/ValueMath.sol";
import {BoundedCall} from "../oracles/BoundedCall.sol";
import {Moves} from "./Moves.sol";

/// @title A close-out's plan in token units: docs/liquidation.md, section 6
/// @dev Unchecked where only sums of at most 15 values below 2^240 are formed, and what is taken off was bounded by
/// `CloseOutBounds` before; checked where a figure of the engine enters.
abstract contract CloseOutUnits is Moves {
    using Configuration for Configuration.Asset;
    using Configuration for Configuration.Protocol;
    using FixedPointMathLib for uint256;

    /// @dev A close-out that is decided and not executed: all that preview and execution share. The units that move stand in the legs.
    struct Prepared {
        Appraisal appraisal;
        Configuration.Protocol protocol;
        Terms terms;
        Plan plan;
        CloseOutResult result;
        /// At deciding prices, as `left...`.
        uint256 healthBefore;
        /// What the account keeps, RAY, and RAY times bps.
        uint256 leftCollateral;
        uint256 leftWeighted;
        uint256 leftDebt;
        /// Terminal, and so at deciding prices too: debt beyond what is repaid is written off.
        bool isInsolvent;
        /// A debt is repaid, or a part of it extinguished.
        bool isAnything;
        /// What it takes counts in the size buckets.
        bool isBucketed;
        /// The account is only put on call.
        bool isCallOnly;
    }

    /// @dev Where in memory, in bytes from its beginning, what it points to stands; and its bytes with all that.
    uint256 private constant TO_PLAN = 0x1a0;
    uint256 private constant TO_RESULT = 0x240;
    uint256 private constant PREPARED_BYTES = 0x320;

    /// @dev Gas a volatility oracle gets. One that fails leaves the target where it is.
    uint256 private constant VOLATILITY_GAS = 100_000;

    /// @dev Less collateral than what closing out all of the debt at the smallest penalty takes.
    function _isShort(Configuration.Protocol memory protocol, uint256 collateral, uint256 debt)
        internal
        pure
        returns (bool)
    {
        unchecked {
            return collateral * WAD < debt * (WAD + protocol.bonusFloorWad());
        }
    }

    function _toUnits(Prepared memory prepared) internal view {
        Terms memory terms = prepared.terms;
        uint256 seizedValue = prepared.plan.seizedValue;
        _moveUnits(prepared, seizedValue, true);
        uint256 left = prepared.leftDebt;
        // rounding repaid up to units may bring what is left below the least: then it is rounded down
        if (left < terms.minDebtValue && left != 0 && !prepared.isInsolvent) {
            Snapshot memory sums = prepared.appraisal.sums;
            uint256 repaidValue = sums.debtValue < terms.minDebtValue ? 0 : _repaidValueDown(prepared);
            if (repaidValue != 0) {
                uint256 bonus = CloseOutBounds.mostBonus(sums, terms.fixedPenaltyWad, repaidValue);
                _moveUnits(prepared, seizedValue.min(repaidValue + bonus), false);
            }
        }
        if (!prepared.isAnything) revert NothingToClose();
        if (
            prepared.isInsolvent && prepared.leftDebt != 0
                && prepared.leftCollateral < (prepared.protocol.dustValueWad() * RAY_PER_WAD).max(1)
        ) _writeOffRest(prepared);
    }

    /// @dev Token units of every selected leg, repaid rounded up or down, seized down; and what the account keeps.
    function _moveUnits(Prepared memory prepared, uint256 seizedValue, bool isUp) private view {
        (uint256 toProtocolRate, uint256 factor) = _split(prepared);
        unchecked {
            (uint256 collateral, uint256 weighted, uint256 debt) = (0, 0, 0);
            prepared.isAnything = false;
            Leg memory next = prepared.appraisal.first;
            for (uint256 i = prepared.appraisal.legCount; i != 0; --i) {
                Leg memory leg = next;
                assembly ("memory-safe") {
                    next := add(leg, LEG_BYTES)
                }
                uint256 value = leg.value;
                if (leg.isDebt) {
                    if (leg.isSelected) {
                        _repayInUnits(prepared, leg, isUp);
                        value = ValueMath.debtValue(
                            leg.balance - leg.sharesBurnt, leg.index, leg.decidingWad, leg.unit
                        );
                    }
                    debt += value;
                } else {
                    if (leg.isSelected) {
                        uint256 amount =
                            leg.balance.fullMulDiv(seizedValue, prepared.appraisal.sums.setCollateralValue);
                        SeizedLeg memory sold = leg.seized;
                        (sold.assetId, sold.seized) = (leg.assetId, amount);
                        sold.toProtocol = amount.mulDiv(toProtocolRate, factor);
                        value = ValueMath.collateralValue(
                            leg.balance - amount, leg.decidingWad, leg.unit
                        );
                    }
                    collateral += value;
                    weighted += value * leg.thresholdBps;
                }
            }
            (prepared.leftCollateral, prepared.leftWeighted, prepared.leftDebt) = (collateral, weighted, debt);
        }
    }

    function _repayInUnits(Prepared memory prepared, Leg memory leg, bool isUp) private view {
        unchecked {
            Plan memory plan = prepared.plan;
            uint256 setValue = prepared.appraisal.sums.setDebtValue;
            (uint256 shares, uint256 index) = (leg.balance, leg.index);
            uint256 debt = ValueMath.toDebtUp(shares, index);
            (uint256 repaid, uint256 extinguished) = (0, 0);
            if (prepared.isInsolvent) {
                extinguished = plan.extinguishedValue == setValue
                    ? debt
                    : ValueMath.debtPartDown(shares, index, plan.extinguishedValue, setValue);
                repaid = extinguished.min(ValueMath.debtPartUp(shares, index, plan.repaidValue, setValue));
            } else {
                // up over whole shares: no fewer are burnt than are due to the target
                repaid = isUp
                    ? debt.min(ValueMath.toDebtUp(shares.fullMulDivUp(plan.repaidValue, setValue), index))
                    : ValueMath.debtPartDown(shares, index, plan.repaidValue, setValue);
                extinguished = repaid;
            }
            _extinguish(prepared, leg, repaid, extinguished, debt);
        }
    }

    /// @dev Value of what is repaid where it is rounded down, rounded down, at most the plan's.
    function _repaidValueDown(Prepared memory prepared) private pure returns (uint256 value) {
        unchecked {
            (uint256 planned, uint256 setValue) = (prepared.plan.repaidValue, prepared.appraisal.sums.setDebtValue);
            Leg memory next = prepared.appraisal.first;
            for (uint256 i = prepared.appraisal.legCount; i != 0; --i) {
                Leg memory leg = next;
                assembly ("memory-safe") {
                    next := add(leg, LEG_BYTES)
                }
                if (!leg.isDebt || !leg.isSelected) continue;
                uint256 repaid = ValueMath.debtPartDown(leg.balance, leg.index, planned, setValue);
                value += ValueMath.collateralValue(repaid, leg.priceWad, leg.unit);
            }
            return value.min(planned);
        }
    }

    /// @dev Turns units extinguished into shares burnt and bad debt, of which the insurance fund pays what it has.
    function _extinguish(Prepared memory prepared, Leg memory leg, uint256 repaid, uint256 extinguished, uint256 debt)
        private
        view
    {
        unchecked {
            leg.sharesBurnt =
                extinguished == debt ? leg.balance : ValueMath.toDebtSharesDown(extinguished, leg.index);
            if (extinguished != 0) prepared.isAnything = true;
            uint256 badDebt = extinguished - repaid;
            uint256 covered =
                badDebt == 0 ? 0 : badDebt.min(_claims[prepared.protocol.insuranceFund()][leg.assetId]);
            RepaidLeg memory paid = leg.repaid;
            (paid.assetId, paid.repaid, paid.badDebt, paid.covered) = (leg.assetId, repaid, badDebt, covered);
        }
    }

    /// @dev Of what is seized, the protocol's part as a fraction: the penalty rate less the liquidator's, rounded up, over the incentive
    /// factor. Checked: the rate is the engine's figure.
    function _split(Prepared memory prepared) private pure returns (uint256 toProtocolRate, uint256 factor) {
        uint256 rate = prepared.plan.penaltyRateWad;
        factor = WAD + rate;
        if (prepared.terms.fixedPenaltyWad != 0) return (0, factor);
        Configuration.Protocol memory protocol = prepared.protocol;
        uint256 share = (rate * (WAD - protocol.feeShareWad())).divUp(WAD);
        toProtocolRate = rate - rate.min(share.max(protocol.bonusFloorWad()));
    }

    /// @dev What is left of an insolvent account with next to no collateral: tokens to the insurance fund, debts written off.
    function _writeOffRest(Prepared memory prepared) internal view {
        unchecked {
            Leg memory next = prepared.appraisal.first;
            for (uint256 i = prepared.appraisal.legCount; i != 0; --i) {
                Leg memory leg = next;
                assembly ("memory-safe") {
                    next := add(leg, LEG_BYTES)
                }
                if (leg.isDebt) {
                    uint256 debt = ValueMath.toDebtUp(leg.balance, leg.index);
                    _extinguish(prepared, leg, leg.repaid.repaid, debt, debt);
                } else {
                    SeizedLeg memory sold = leg.seized;
                    (sold.assetId, sold.toInsurance) = (leg.assetId, leg.balance - sold.seized);
                    sold.seized = leg.balance;
                }
                leg.isSelected = true;
            }
            (prepared.leftCollateral, prepared.leftWeighted, prepared.leftDebt) = (0, 0, 0);
        }
    }

    /// @dev Value taken out of a collateral's bucket and not refilled by now, WAD. While its price is in doubt it refills slowly.
    function _bucketUsed(Configuration.Protocol memory protocol, Leg memory leg) internal view returns (uint256) {
        unchecked {
            SeizureState storage state = _seizureStates[leg.assetId];
            (uint256 used, uint256 usedAt) = (state.bucketUsedWad, state.bucketAt);
            uint256 refill = leg.asset.bucketRefillWad();
            if (leg.status == Status.Degraded) refill = refill * protocol.degradedRefillWad() / WAD;
            return used.zeroFloorSub(refill * (block.timestamp - usedAt));
        }
    }

    /// @dev The target lifted by the value-weighted mean of what the volatility of each collateral asks for.
    function _targetByVolatility(Appraisal memory appraisal, uint256 target)
        internal
        view
        returns (uint256)
    {
        uint256 lift;
        Leg memory next = appraisal.first;
        for (uint256 i = appraisal.legCount; i != 0; --i) {
            Leg memory leg = next;
            assembly ("memory-safe") {
                next := add(leg, LEG_BYTES)
            }
            uint256 most = leg.asset.mostTargetBps() * WAD_PER_BPS;
            if (leg.isDebt || most <= target || leg.status == Status.Missing) continue;
            bytes memory call =
                abi.encodeCall(IVolatilityOracle.targetHealthFactorWad, (leg.asset.token(), target, most));
            (bool isAnswered, uint256 own) =
                BoundedCall.tryWord(appraisal.context.protocol.volatilityOracle(), VOLATILITY_GAS, call);
            if (isAnswered && own > target) lift += leg.value * (own.min(most) - target);
        }
        return lift == 0 ? target : target + lift / appraisal.sums.pricedCollateralValue;
    }

    // ------------------------------------------------------------------------------------------------------- result

    /// @dev Fills in the result; nothing but the health factor where the account is only put on call.
    function _conclude(Prepared memory prepared) internal pure {
        unchecked {
            CloseOutResult memory result = prepared.result;
            uint256 health = prepared.healthBefore;
            (result.healthFactorBeforeWad, result.healthFactorAfterWad) = (health, health);
            if (prepared.isCallOnly) return;
            Leg memory next = prepared.appraisal.first;
            (SeizedLeg[] memory seized, RepaidLeg[] memory repaid) = _newResultLegs(prepared.appraisal.legCount);
            for (uint256 i = prepared.appraisal.legCount; i != 0; --i) {
                Leg memory leg = next;
                assembly ("memory-safe") {
                    next := add(leg, LEG_BYTES)
                }
                if (!leg.isSelected) continue;
                if (leg.isDebt) _append(repaid, leg.repaid);
                else _append(seized, leg.seized);
            }
            (result.seized, result.repaid) = (seized, repaid);
            result.regime = prepared.plan.regime;
            result.isExecuted = true;
            result.penaltyRateWad = prepared.plan.penaltyRateWad;
            result.healthFactorAfterWad = _healthLeft(prepared);
        }
    }

    function _healthLeft(Prepared memory prepared) internal pure returns (uint256) {
        return ValueMath.healthFactor(prepared.leftWeighted, prepared.leftDebt);
    }

    /// @dev As `new Prepared[](1)`, all of it in one row; without appraisal, protocol and terms: those are set before they are read.
    function _newPrepared() internal pure returns (Prepared[] memory one) {
        assembly ("memory-safe") {
            one := mload(0x40)
            mstore(one, 1)
            let prepared := add(one, 64)
            mstore(add(one, 32), prepared)
            mstore(0x40, add(prepared, PREPARED_BYTES))
            calldatacopy(prepared, calldatasize(), PREPARED_BYTES)
            mstore(add(prepared, 0x60), add(prepared, TO_PLAN))
            mstore(add(prepared, 0x80), add(prepared, TO_RESULT))
            // two empty arrays
            mstore(add(prepared, add(TO_RESULT, 0xa0)), 0x60)
            mstore(add(prepared, add(TO_RESULT, 0xc0)), 0x60)
        }
    }

    /// @dev Two empty arrays with room for `length` legs.
    function _newResultLegs(uint256 length) private pure returns (SeizedLeg[] memory seized, RepaidLeg[] memory repaid) {
        assembly ("memory-safe") {
            let size := mul(add(length, 1), 32)
            seized := mload(0x40)
            repaid := add(seized, size)
            mstore(0x40, add(repaid, size))
            mstore(seized, 0)
            mstore(repaid, 0)
        }
    }

    function _append(SeizedLeg[] memory legs, SeizedLeg memory leg) private pure {
        assembly ("memory-safe") {
            let length := add(mload(legs), 1)
            mstore(legs, length)
            mstore(add(legs, mul(length, 32)), leg)
        }
    }

    function _append(RepaidLeg[] memory legs, RepaidLeg memory leg) private pure {
        assembly ("memory-safe") {
            let length := add(mload(legs), 1)
            mstore(legs, length)
            mstore(add(legs, mul(length, 32)), leg)
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
        unchecked {
            for (uint256 i; i < amounts.length; ++i) {
                if (amounts[i].assetId == assetId) return amounts[i].amount;
            }
            return 0;
        }
    }

    function _toLiquidator(SeizedLeg[] memory seized, uint256 assetId) private pure returns (uint256) {
        unchecked {
            for (uint256 i; i < seized.length; ++i) {
                if (seized[i].assetId == assetId) return seized[i].seized - seized[i].toProtocol - seized[i].toInsurance;
            }
            return 0;
        }
    }
}
