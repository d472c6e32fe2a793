// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SafeCastLib} from "solady/utils/SafeCastLib.sol";
import {AccountId, AssetSet, CloseOutResult, Payment} from "interfaces/Types.sol";
import {AssetSets} from "../libraries/AssetSets.sol";
import {Configuration} from "../libraries/Configuration.sol";
import {Positions} from "../libraries/Positions.sol";
import {RAY_PER_WAD} from "../libraries/Units.sol";
import {ValueMath} from "../libraries/ValueMath.sol";
import {CloseOutPlans} from "./CloseOutPlans.sol";

/// @title Booking a close-out: positions, markets, bad debt, buckets, margin call
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
        CloseOutResult memory result,
        AssetSet fromShares,
        AssetSet fromClaims
    ) internal {
        Move[] memory moves = prepared.moves;
        uint256[] memory balances = new uint256[](moves.length);
        for (uint256 i; i < moves.length; ++i) {
            Leg memory leg = prepared.appraisal.legs[i];
            Move memory move = moves[i];
            if (leg.isDebt) {
                balances[i] = leg.balance - move.sharesBurnt;
                if (move.isSelected) _bookDebt(account, prepared, leg, move, fromShares, fromClaims);
            } else {
                balances[i] = leg.balance - move.amount;
                if (move.isSelected) _bookCollateral(prepared, leg, move);
            }
        }
        Positions.Account storage stored = _accounts[account];
        uint256 header = stored.store(prepared.appraisal.header, balances);
        uint256 health = result.healthFactorAfterWad;
        if (header.calledAt() != 0 && health >= prepared.protocol.marginCallHealthFactorWad()) {
            header = header.withCalledAt(0);
            emit MarginCallCleared(account, health);
        }
        stored.header = header;
    }

    /// @dev The loss is booked before shares are valued: who pays with supply shares bears his part of it.
    function _bookDebt(
        AccountId account,
        Prepared memory prepared,
        Leg memory leg,
        Move memory move,
        AssetSet fromShares,
        AssetSet fromClaims
    ) private {
        Market memory market = _loadMarket(leg.assetId, leg.asset);
        market.debtShares -= move.sharesBurnt;
        market.idle += move.covered;
        if (move.badDebt != 0) {
            if (move.covered != 0) {
                _debitClaim(prepared.protocol.insuranceFund(), leg.assetId, move.covered);
                emit Claimed(prepared.protocol.insuranceFund(), leg.assetId, address(this), move.covered);
            }
            emit BadDebt(account, leg.assetId, move.badDebt, move.covered);
        }
        Payment payment = fromShares.contains(leg.assetId)
            ? Payment.SupplyShares
            : fromClaims.contains(leg.assetId) ? Payment.Claims : Payment.Tokens;
        _receive(leg.assetId, market, move.amount, payment);
        _storeMarket(leg.assetId, leg.asset, market);
    }

    function _bookCollateral(Prepared memory prepared, Leg memory leg, Move memory move) private {
        if (move.toInsurance != 0) _creditClaim(prepared.protocol.insuranceFund(), leg.assetId, move.toInsurance);
        bool hasBucket = leg.asset.bucketCapacityWad() != 0 && _isBucketed(prepared);
        if (move.toProtocol == 0 && !hasBucket) return;
        SeizureState storage state = _seizureStates[leg.assetId];
        state.protocolClaim += move.toProtocol.toUint120();
        if (hasBucket) {
            uint256 value = ValueMath.collateralValue(move.amount, leg.priceWad, leg.asset.decimals()) / RAY_PER_WAD;
            state.bucketUsedWad = (_bucketUsed(leg) + value).toUint96();
            state.bucketAt = uint40(block.timestamp);
        }
    }
}
