// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SafeCastLib} from "solady/utils/SafeCastLib.sol";
import {
    AccountId, AssetSet, CloseOutRequest, Payment, RepaidLeg, SeizedLeg
} from "interfaces/Types.sol";
import {AssetSets} from "../libraries/AssetSets.sol";
import {Configuration} from "../libraries/Configuration.sol";
import {Positions} from "../libraries/Positions.sol";
import {RAY_PER_WAD} from "../libraries/Units.sol";
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
            Leg memory next = prepared.appraisal.first;
            Positions.Account storage stored = _accounts[account];
            uint256 header = prepared.appraisal.header;
            (uint256 list, uint256 pair) = (0, 0);
            for (uint256 i = prepared.appraisal.legCount; i != 0; --i) {
                Leg memory leg = next;
                assembly ("memory-safe") {
                    next := add(leg, LEG_BYTES)
                }
                uint256 balance = leg.balance;
                if (leg.isSelected) {
                    if (leg.isDebt) {
                        balance -= leg.sharesBurnt;
                        _bookDebt(account, prepared, leg, fromShares, fromClaims);
                    } else {
                        balance -= leg.seized.seized;
                        _bookCollateral(prepared, leg);
                    }
                }
                (list, pair) = stored.keep(list, pair, leg.isDebt ? leg.assetId | Positions.DEBT_SIDE : leg.assetId, balance);
            }
            header = stored.finish(header, list, pair);
            if (header.calledAt() != 0) {
                uint256 health = _healthLeft(prepared);
                if (health >= prepared.protocol.marginCallHealthFactorWad()) {
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
                    address fund = prepared.protocol.insuranceFund();
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
            if (payment == Payment.Tokens) leg.toMove = repaid.repaid;
            _receive(assetId, market, repaid.repaid, payment);
            _storeMarket(assetId, leg.asset, market);
        }
    }

    function _bookCollateral(Prepared memory prepared, Leg memory leg) private {
        unchecked {
            SeizedLeg memory sold = leg.seized;
            leg.toMove = sold.seized - sold.toProtocol - sold.toInsurance;
            if (sold.toInsurance != 0) {
                _creditClaim(prepared.protocol.insuranceFund(), leg.assetId, sold.toInsurance);
            }
            bool hasBucket = prepared.isBucketed && leg.asset.bucketCapacityWad() != 0;
            if (sold.toProtocol == 0 && !hasBucket) return;
            SeizureState storage state = _seizureStates[leg.assetId];
            uint256 claim = state.protocolClaim + sold.toProtocol;
            (uint256 used, uint256 usedAt) = (state.bucketUsedWad, state.bucketAt);
            if (hasBucket) {
                uint256 value = ValueMath.collateralValue(sold.seized, leg.priceWad, leg.unit) / RAY_PER_WAD;
                (used, usedAt) = (leg.bucketUsedWad + value, block.timestamp);
            }
            (state.protocolClaim, state.bucketUsedWad, state.bucketAt) = (claim.toUint120(), used.toUint96(), uint40(usedAt));
        }
    }

    /// @dev A leg whose token does not move becomes the receiver's claim: it stops nobody.
    function _sendCollateral(Prepared memory prepared, CloseOutRequest calldata request) internal {
        unchecked {
            (AssetSet asClaims, address receiver) = (request.asClaims, request.receiver);
            Leg memory next = prepared.appraisal.first;
            for (uint256 i = prepared.appraisal.legCount; i != 0; --i) {
                Leg memory leg = next;
                assembly ("memory-safe") {
                    next := add(leg, LEG_BYTES)
                }
                uint256 amount = leg.toMove;
                if (leg.isDebt || amount == 0) continue;
                if (asClaims.contains(leg.assetId) || !_trySend(leg.asset.token(), receiver, amount)) {
                    _creditClaim(receiver, leg.assetId, amount);
                }
            }
        }
    }

    function _pullRepayments(Prepared memory prepared) internal {
        unchecked {
            Leg memory next = prepared.appraisal.first;
            for (uint256 i = prepared.appraisal.legCount; i != 0; --i) {
                Leg memory leg = next;
                assembly ("memory-safe") {
                    next := add(leg, LEG_BYTES)
                }
                if (leg.isDebt && leg.toMove != 0) _pull(leg.asset.token(), msg.sender, leg.toMove);
            }
        }
    }
}
