// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SafeCastLib} from "solady/utils/SafeCastLib.sol";
import {
    AccountId, AssetSet, CloseOutRequest, Payment, Regime, RepaidLeg, SeizedLeg
} from "interfaces/Types.sol";
import {AssetSets} from "../libraries/AssetSets.sol";
import {Configuration} from "../libraries/Configuration.sol";
import {Positions} from "../libraries/Positions.sol";
import {RAY_PER_WAD, WAD} from "../libraries/Units.sol";
import {ValueMath} from "../libraries/ValueMath.sol";
import {CloseOutPlans} from "./CloseOutPlans.sol";

/// @title Booking a close-out, positions, markets, bad debt, buckets, margin call; and moving its tokens
abstract contract CloseOutBooking is CloseOutPlans {
    using AssetSets for AssetSet;
    using Configuration for Configuration.Asset;
    using Configuration for Configuration.Protocol;
    using Positions for Positions.Account;
    using Positions for uint256;
    using SafeCastLib for uint256;

    /// @dev Step 4: writes positions, markets, bad debt, buckets and the margin call. No external call but to rate models.
    function _book(
        AccountId account,
        Prepared memory prepared,
        AssetSet fromShares,
        AssetSet fromClaims
    ) internal {
        unchecked {
            Leg[] memory legs = prepared.appraisal.legs;
            uint256[] memory balances = new uint256[](legs.length);
            bool isBucketed = _isBucketed(prepared);
            for (uint256 i; i < legs.length; ++i) {
                Leg memory leg = legs[i];
                uint256 balance = leg.balance;
                if (leg.isSelected) {
                    if (leg.isDebt) {
                        balance -= leg.sharesBurnt;
                        _bookDebt(account, prepared, leg, fromShares, fromClaims);
                    } else {
                        balance -= leg.seized.seized;
                        _bookCollateral(prepared, leg, isBucketed);
                    }
                }
                balances[i] = balance;
            }
            Positions.Account storage stored = _accounts[account];
            uint256 header = stored.store(prepared.appraisal.header, balances);
            if (header.calledAt() != 0) {
                uint256 health = _healthLeft(prepared);
                if (health >= prepared.context.protocol.marginCallHealthFactorWad()) {
                    header = header.withCalledAt(0);
                    emit MarginCallCleared(account, health);
                }
            }
            if (header != prepared.appraisal.header) stored.header = header;
        }
    }

    /// @dev The loss is booked before shares are valued: who pays with supply shares bears his part of it.
    function _bookDebt(
        AccountId account,
        Prepared memory prepared,
        Leg memory leg,
        AssetSet fromShares,
        AssetSet fromClaims
    ) private {
        unchecked {
            uint256 assetId = leg.assetId;
            RepaidLeg memory repaid = leg.repaid;
            Market memory market = _marketAt(assetId, leg.asset, leg.index);
            market.debtShares -= leg.sharesBurnt;
            if (repaid.badDebt != 0) {
                if (repaid.covered != 0) {
                    address fund = prepared.context.protocol.insuranceFund();
                    market.idle += repaid.covered;
                    _debitClaim(fund, assetId, repaid.covered);
                    emit Claimed(fund, assetId, address(this), repaid.covered);
                }
                emit BadDebt(account, assetId, repaid.badDebt, repaid.covered);
                _realizeLoss(account, assetId, repaid.badDebt, leg.sharesBurnt == leg.balance);
            }
            Payment payment = fromShares.contains(assetId)
                ? Payment.SupplyShares
                : fromClaims.contains(assetId) ? Payment.Claims : Payment.Tokens;
            _receive(assetId, market, repaid.repaid, payment);
            _storeMarket(assetId, leg.asset, market);
        }
    }

    function _bookCollateral(Prepared memory prepared, Leg memory leg, bool isBucketed) private {
        unchecked {
            SeizedLeg memory sold = leg.seized;
            if (sold.toInsurance != 0) {
                _creditClaim(prepared.context.protocol.insuranceFund(), leg.assetId, sold.toInsurance);
            }
            bool hasBucket = isBucketed && leg.asset.bucketCapacityWad() != 0;
            if (sold.toProtocol == 0 && !hasBucket) return;
            SeizureState storage state = _seizureStates[leg.assetId];
            uint256 claim = state.protocolClaim + sold.toProtocol;
            (uint256 used, uint256 usedAt) = (state.bucketUsedWad, state.bucketAt);
            if (hasBucket) {
                uint256 value = ValueMath.collateralValue(sold.seized, leg.priceWad, leg.asset.decimals()) / RAY_PER_WAD;
                (used, usedAt) = (leg.bucketUsedWad + value, block.timestamp);
            }
            (state.protocolClaim, state.bucketUsedWad, state.bucketAt) = (claim.toUint120(), used.toUint96(), uint40(usedAt));
        }
    }

    /// @dev Size buckets are for the shallow part of a crash: where the engine may cut, what was seized counts.
    function _isBucketed(Prepared memory prepared) private pure returns (bool) {
        uint256 health = prepared.healthBefore;
        return prepared.plan.regime == Regime.Restorative && health < WAD
            && health >= prepared.context.protocol.healthForMaxBonusWad();
    }

    /// @dev A leg whose token does not move becomes the receiver's claim: it stops nobody.
    function _sendCollateral(Prepared memory prepared, CloseOutRequest calldata request) internal {
        unchecked {
            Leg[] memory legs = prepared.appraisal.legs;
            for (uint256 i; i < legs.length; ++i) {
                Leg memory leg = legs[i];
                if (leg.isDebt || !leg.isSelected) continue;
                uint256 amount = leg.seized.seized - leg.seized.toProtocol - leg.seized.toInsurance;
                if (amount == 0) continue;
                if (request.asClaims.contains(leg.assetId) || !_trySend(leg.asset.token(), request.receiver, amount)) {
                    _creditClaim(request.receiver, leg.assetId, amount);
                }
            }
        }
    }

    function _pullRepayments(Prepared memory prepared, CloseOutRequest calldata request) internal {
        unchecked {
            Leg[] memory legs = prepared.appraisal.legs;
            for (uint256 i; i < legs.length; ++i) {
                Leg memory leg = legs[i];
                if (!leg.isDebt || !leg.isSelected || leg.repaid.repaid == 0) continue;
                if (request.fromShares.contains(leg.assetId) || request.fromClaims.contains(leg.assetId)) continue;
                _pull(leg.asset.token(), msg.sender, leg.repaid.repaid);
            }
        }
    }
}
