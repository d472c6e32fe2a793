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
        Context context;
        Appraisal appraisal;
        Plan plan;
        /// At deciding prices, as `left...`.
        uint256 healthBefore;
        /// What the account keeps, RAY, and RAY times bps.
        uint256 leftCollateral;
        uint256 leftWeighted;
        uint256 leftDebt;
        /// Terminal, and so at deciding prices too: debt beyond what is repaid is written off.
        bool isInsolvent;
        /// The account is only put on call.
        bool isCallOnly;
    }

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

    function _toUnits(Prepared memory prepared, Terms memory terms) internal view {
        uint256 seizedValue = prepared.plan.seizedValue;
        bool isAnything = _moveUnits(prepared, terms, seizedValue, true);
        uint256 left = prepared.leftDebt;
        // rounding repaid up to units may bring what is left below the least: then it is rounded down
        if (left < terms.minDebtValue && left != 0 && !prepared.isInsolvent) {
            Snapshot memory sums = prepared.appraisal.sums;
            uint256 repaidValue = sums.debtValue < terms.minDebtValue ? 0 : _repaidValueDown(prepared);
            if (repaidValue != 0) {
                uint256 bonus = CloseOutBounds.mostBonus(sums, terms.fixedPenaltyWad, repaidValue);
                isAnything = _moveUnits(prepared, terms, seizedValue.min(repaidValue + bonus), false);
            }
        }
        if (!isAnything) revert NothingToClose();
        if (
            prepared.isInsolvent && prepared.leftDebt != 0
                && prepared.leftCollateral < (prepared.context.protocol.dustValueWad() * RAY_PER_WAD).max(1)
        ) _writeOffRest(prepared);
    }

    /// @dev Token units of every selected leg, repaid rounded up or down, seized down; and what the account keeps.
    /// @return isAnything a debt is repaid, or a part of it extinguished
    function _moveUnits(Prepared memory prepared, Terms memory terms, uint256 seizedValue, bool isUp)
        private
        view
        returns (bool isAnything)
    {
        (uint256 toProtocolRate, uint256 factor) = _split(prepared, terms);
        unchecked {
            (uint256 collateral, uint256 weighted, uint256 debt) = (0, 0, 0);
            Leg[] memory legs = prepared.appraisal.legs;
            for (uint256 i; i < legs.length; ++i) {
                Leg memory leg = legs[i];
                uint256 value = leg.value;
                if (leg.isDebt) {
                    if (leg.isSelected) {
                        if (_repayInUnits(prepared, leg, isUp)) isAnything = true;
                        value = ValueMath.debtValue(
                            leg.balance - leg.sharesBurnt, leg.index, leg.decidingWad, leg.asset.decimals()
                        );
                    }
                    debt += value;
                } else {
                    if (leg.isSelected) {
                        uint256 amount =
                            leg.balance.fullMulDiv(seizedValue, prepared.appraisal.sums.setCollateralValue);
                        leg.seized =
                            SeizedLeg(leg.assetId, amount, amount.mulDiv(toProtocolRate, factor), 0);
                        value = ValueMath.collateralValue(
                            leg.balance - amount, leg.decidingWad, leg.asset.decimals()
                        );
                    }
                    collateral += value;
                    weighted += value * leg.thresholdBps;
                }
            }
            (prepared.leftCollateral, prepared.leftWeighted, prepared.leftDebt) = (collateral, weighted, debt);
        }
    }

    function _repayInUnits(Prepared memory prepared, Leg memory leg, bool isUp) private view returns (bool isAnything) {
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
            return extinguished != 0;
        }
    }

    /// @dev Value of what is repaid where it is rounded down, rounded down, at most the plan's.
    function _repaidValueDown(Prepared memory prepared) private pure returns (uint256 value) {
        unchecked {
            (uint256 planned, uint256 setValue) = (prepared.plan.repaidValue, prepared.appraisal.sums.setDebtValue);
            Leg[] memory legs = prepared.appraisal.legs;
            for (uint256 i; i < legs.length; ++i) {
                Leg memory leg = legs[i];
                if (!leg.isDebt || !leg.isSelected) continue;
                uint256 repaid = ValueMath.debtPartDown(leg.balance, leg.index, planned, setValue);
                value += ValueMath.collateralValue(repaid, leg.priceWad, leg.asset.decimals());
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
            uint256 badDebt = extinguished - repaid;
            uint256 covered =
                badDebt == 0 ? 0 : badDebt.min(_claims[prepared.context.protocol.insuranceFund()][leg.assetId]);
            leg.repaid = RepaidLeg(leg.assetId, repaid, badDebt, covered);
        }
    }

    /// @dev Of what is seized, the protocol's part as a fraction: the penalty rate less the liquidator's, rounded up, over the incentive
    /// factor. Checked: the rate is the engine's figure.
    function _split(Prepared memory prepared, Terms memory terms)
        private
        pure
        returns (uint256 toProtocolRate, uint256 factor)
    {
        uint256 rate = prepared.plan.penaltyRateWad;
        factor = WAD + rate;
        if (terms.fixedPenaltyWad != 0) return (0, factor);
        Configuration.Protocol memory protocol = prepared.context.protocol;
        uint256 share = (rate * (WAD - protocol.feeShareWad())).divUp(WAD);
        toProtocolRate = rate - rate.min(share.max(protocol.bonusFloorWad()));
    }

    /// @dev What is left of an insolvent account with next to no collateral: tokens to the insurance fund, debts written off.
    function _writeOffRest(Prepared memory prepared) internal view {
        unchecked {
            Leg[] memory legs = prepared.appraisal.legs;
            for (uint256 i; i < legs.length; ++i) {
                Leg memory leg = legs[i];
                if (leg.isDebt) {
                    uint256 debt = ValueMath.toDebtUp(leg.balance, leg.index);
                    _extinguish(prepared, leg, leg.isSelected ? leg.repaid.repaid : 0, debt, debt);
                } else {
                    SeizedLeg memory sold = leg.seized;
                    (uint256 seized, uint256 toProtocol) = leg.isSelected ? (sold.seized, sold.toProtocol) : (0, 0);
                    leg.seized = SeizedLeg(leg.assetId, leg.balance, toProtocol, leg.balance - seized);
                }
                leg.isSelected = true;
            }
            (prepared.leftCollateral, prepared.leftWeighted, prepared.leftDebt) = (0, 0, 0);
        }
    }

    /// @dev Value taken out of a collateral's bucket and not refilled by now, WAD. While its price is in doubt it refills slowly.
    function _bucketUsed(Configuration.Protocol memory protocol, Leg memory leg) internal view returns (uint256) {
        SeizureState memory state = _seizureStates[leg.assetId];
        uint256 refill = leg.asset.bucketRefillWad();
        if (leg.status == Status.Degraded) refill = refill * protocol.degradedRefillWad() / WAD;
        return uint256(state.bucketUsedWad).zeroFloorSub(refill * (block.timestamp - state.bucketAt));
    }

    /// @dev The target lifted by the value-weighted mean of what the volatility of each collateral asks for.
    function _targetByVolatility(Context memory context, Appraisal memory appraisal, uint256 target)
        internal
        view
        returns (uint256)
    {
        uint256 lift;
        Leg[] memory legs = appraisal.legs;
        for (uint256 i; i < legs.length; ++i) {
            Leg memory leg = legs[i];
            uint256 most = leg.asset.mostTargetBps() * WAD_PER_BPS;
            if (leg.isDebt || most <= target || leg.status == Status.Missing) continue;
            bytes memory call =
                abi.encodeCall(IVolatilityOracle.targetHealthFactorWad, (leg.asset.token(), target, most));
            (bool isAnswered, uint256 own) =
                BoundedCall.tryWord(context.protocol.volatilityOracle(), VOLATILITY_GAS, call);
            if (isAnswered && own > target) lift += leg.value * (own.min(most) - target);
        }
        return lift == 0 ? target : target + lift / appraisal.sums.pricedCollateralValue;
    }

    // ------------------------------------------------------------------------------------------------------- result

    /// @dev Nothing but the health factor where the account is only put on call.
    function _resultOf(Prepared memory prepared) internal pure returns (CloseOutResult memory result) {
        unchecked {
            uint256 health = prepared.healthBefore;
            (result.healthFactorBeforeWad, result.healthFactorAfterWad) = (health, health);
            if (prepared.isCallOnly) return result;
            Leg[] memory legs = prepared.appraisal.legs;
            (SeizedLeg[] memory seized, RepaidLeg[] memory repaid) = _newResultLegs(legs.length);
            (uint256 seizedLegs, uint256 repaidLegs) = (0, 0);
            for (uint256 i; i < legs.length; ++i) {
                Leg memory leg = legs[i];
                if (!leg.isSelected) continue;
                if (leg.isDebt) repaid[repaidLegs++] = leg.repaid;
                else seized[seizedLegs++] = leg.seized;
            }
            assembly ("memory-safe") {
                mstore(seized, seizedLegs)
                mstore(repaid, repaidLegs)
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

    /// @dev Two arrays with room for `length` legs, whose places are set before they are read.
    function _newResultLegs(uint256 length) private pure returns (SeizedLeg[] memory seized, RepaidLeg[] memory repaid) {
        assembly ("memory-safe") {
            let size := mul(add(length, 1), 32)
            seized := mload(0x40)
            repaid := add(seized, size)
            mstore(0x40, add(repaid, size))
            mstore(seized, length)
            mstore(repaid, length)
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
