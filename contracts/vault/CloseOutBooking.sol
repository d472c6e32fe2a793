// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SafeCastLib} from "solady/utils/SafeCastLib.sol";
import {
    AccountId,
    AssetAmount,
    AssetSet,
    CloseOutRequest,
    CloseOutResult,
    Payment,
    Regime,
    RepaidLeg,
    SeizedLeg
} from "interfaces/Types.sol";
import {AssetSets} from "../libraries/AssetSets.sol";
import {Configuration} from "../libraries/Configuration.sol";
import {Positions} from "../libraries/Positions.sol";
import {RAY_PER_WAD} from "../libraries/Units.sol";
import {ValueMath} from "../libraries/ValueMath.sol";
import {CloseOutPlans} from "./CloseOutPlans.sol";

/// @title Booking a close-out: limits, positions, markets, bad debt, buckets, margin call
abstract contract CloseOutBooking is CloseOutPlans {
    using AssetSets for AssetSet;
    using Configuration for Configuration.Asset;
    using Configuration for Configuration.Protocol;
    using Positions for Positions.Account;
    using Positions for uint256;
    using SafeCastLib for uint256;

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
            if (move.covered != 0) _debitClaim(prepared.protocol.insuranceFund(), leg.assetId, move.covered);
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
        bool hasBucket = leg.asset.bucketCapacityWad() != 0 && prepared.plan.regime == Regime.Restorative;
        if (move.toProtocol == 0 && !hasBucket) return;
        SeizureState storage state = _seizureStates[leg.assetId];
        state.protocolClaim += move.toProtocol.toUint120();
        if (hasBucket) {
            uint256 value = ValueMath.collateralValue(move.amount, leg.priceWad, leg.asset.decimals()) / RAY_PER_WAD;
            state.bucketUsedWad = (_bucketUsed(leg) + value).toUint96();
            state.bucketAt = uint40(block.timestamp);
        }
    }

    function _putOnCall(AccountId account, uint256 header, uint256 health) internal {
        _accounts[account].header = header.withCalledAt(block.timestamp);
        emit MarginCalled(account, msg.sender, health);
    }
}
