// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SafeCastLib} from "solady/utils/SafeCastLib.sol";
import {ICloseOutCallback} from "interfaces/ICloseOutCallback.sol";
import {
    AccountId,
    AssetAmount,
    AssetSet,
    CloseOutRequest,
    CloseOutResult,
    Deleverage,
    Regime,
    RepaidLeg,
    SeizedLeg
} from "interfaces/Types.sol";
import {AccountIds} from "../libraries/AccountIds.sol";
import {AssetSets} from "../libraries/AssetSets.sol";
import {CloseOutBounds} from "../libraries/CloseOutBounds.sol";
import {Configuration} from "../libraries/Configuration.sol";
import {Positions} from "../libraries/Positions.sol";
import {SharesMath} from "../libraries/SharesMath.sol";
import {RAY_PER_WAD, WAD} from "../libraries/Units.sol";
import {ValueMath} from "../libraries/ValueMath.sol";
import {CloseOutPlans} from "./CloseOutPlans.sol";

/// @title Close-outs, margin calls and write-offs: what changes state
abstract contract CloseOuts is CloseOutPlans {
    using AccountIds for AccountId;
    using AssetSets for AssetSet;
    using Configuration for Configuration.Asset;
    using Configuration for Configuration.Protocol;
    using Positions for Positions.Account;
    using Positions for uint256;
    using SafeCastLib for uint256;

    // ------------------------------------------------------------------------------------------------ entry points

    function closeOut(CloseOutRequest calldata request, bytes calldata data)
        external
        nonReentrant
        returns (CloseOutResult memory result)
    {
        Prepared memory prepared = _prepare(_table, request);
        if (prepared.isCallOnly) {
            _putOnCall(request.account, prepared.appraisal.header, prepared.healthBefore);
            result.healthFactorBeforeWad = result.healthFactorAfterWad = prepared.healthBefore;
            return result;
        }
        result = _resultOf(prepared);
        _requireLimits(request, result);
        _book(request.account, prepared, result, request.fromShares, request.fromClaims);
        emit CloseOut(request.account, msg.sender, result);
        _sendCollateral(prepared, request);
        if (data.length != 0) ICloseOutCallback(msg.sender).onCloseOut(result, data);
        _pullRepayments(prepared, request);
    }

    function previewCloseOut(CloseOutRequest calldata request)
        external
        view
        whenSettled
        returns (CloseOutResult memory result)
    {
        Prepared memory prepared = _prepare(_table, request);
        if (prepared.isCallOnly) {
            result.healthFactorBeforeWad = result.healthFactorAfterWad = prepared.healthBefore;
            return result;
        }
        result = _resultOf(prepared);
        _requireLimits(request, result);
    }

    function writeOff(AccountId account) external nonReentrant {
        address table = _table;
        Prepared memory prepared;
        prepared.protocol = Configuration.protocol(table);
        prepared.appraisal = _appraise(table, account);
        prepared.moves = new Move[](prepared.appraisal.legs.length);
        (uint256 collateral, uint256 debt) = (prepared.appraisal.collateralValue, prepared.appraisal.debtValue);
        if (!_isInsolvent(prepared)) {
            revert AccountNotInsolvent(collateral / RAY_PER_WAD, debt / RAY_PER_WAD);
        }
        uint256 dust = prepared.protocol.dustValueWad();
        if (collateral >= dust * RAY_PER_WAD) revert CollateralNotDust(collateral / RAY_PER_WAD, dust);
        _writeOffRest(prepared);
        CloseOutResult memory result = _resultOf(prepared);
        _book(account, prepared, result, AssetSet.wrap(0), AssetSet.wrap(0));
        emit WrittenOff(account, result.seized, result.repaid);
    }

    function marginCall(AccountId account) external nonReentrant {
        Configuration.Protocol memory protocol = Configuration.protocol(_table);
        Appraisal memory appraisal = _appraise(_table, account);
        uint256 health = ValueMath.healthFactor(appraisal.weightedCollateral, appraisal.debtValue);
        if (health >= protocol.marginCallHealthFactorWad() || _isOnCall(protocol, appraisal.header)) {
            revert MarginCallRefused(health, protocol.marginCallHealthFactorWad());
        }
        _putOnCall(account, appraisal.header, health);
    }

    function clearMarginCall(AccountId account) external nonReentrant {
        Configuration.Protocol memory protocol = Configuration.protocol(_table);
        Appraisal memory appraisal = _appraise(_table, account);
        if (appraisal.header.calledAt() == 0) revert NotOnCall(account);
        uint256 health = ValueMath.healthFactor(appraisal.weightedCollateral, appraisal.debtValue);
        if (health < protocol.marginCallHealthFactorWad()) {
            revert MarginCallRefused(health, protocol.marginCallHealthFactorWad());
        }
        _accounts[account].header = appraisal.header.withCalledAt(0);
        emit MarginCallCleared(account, health);
    }

    function setDeleverage(AccountId account, Deleverage calldata terms) external nonReentrant {
        if (msg.sender != account.ownerOf()) revert NotAuthorized(account.ownerOf(), msg.sender);
        (uint256 trigger, uint256 target, uint256 penalty) =
            (terms.triggerHealthFactorWad, terms.targetHealthFactorWad, terms.penaltyWad);
        bool isOff = trigger == 0 && target == 0 && penalty == 0;
        bool isInRange = trigger > WAD && trigger <= 2 * WAD && target > trigger && target <= MAX_TARGET_HEALTH_FACTOR_WAD
            && penalty >= Configuration.protocol(_table).bonusFloorWad() && penalty <= CloseOutBounds.MAX_PENALTY_WAD;
        if (!isOff && !isInRange) revert DeleverageOutOfRange(trigger, target, penalty);
        uint256 header = _accounts[account].header;
        _accounts[account].header =
            isOff ? header & ~Positions.FLAG_DELEVERAGE : header | Positions.FLAG_DELEVERAGE;
        _deleverages[account] = terms;
        emit DeleverageSet(account, terms);
    }

    function deleverageOf(AccountId account) external view whenSettled returns (Deleverage memory) {
        return _deleverages[account];
    }

    // ------------------------------------------------------------------------------------------------------- settle

    /// @dev No named collateral may give less per unit repaid than the liquidator said, of any debt.
    function _requireLimits(CloseOutRequest calldata request, CloseOutResult memory result) private pure {
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
    ) private {
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
        if (fromShares.contains(leg.assetId)) {
            uint256 shares =
                SharesMath.toSharesUp(move.amount, _supplyAssets(market) + move.amount, market.supplyShares);
            _burnShares(leg.assetId, market, msg.sender, shares);
            emit Withdrawn(leg.assetId, msg.sender, address(this), move.amount, shares);
        } else {
            if (fromClaims.contains(leg.assetId)) {
                _debitClaim(msg.sender, leg.assetId, move.amount);
                emit Claimed(msg.sender, leg.assetId, address(this), move.amount);
            }
            market.idle += move.amount;
        }
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

    /// @dev A leg whose token does not move becomes the receiver's claim: it stops nobody.
    function _sendCollateral(Prepared memory prepared, CloseOutRequest calldata request) private {
        for (uint256 i; i < prepared.moves.length; ++i) {
            Leg memory leg = prepared.appraisal.legs[i];
            Move memory move = prepared.moves[i];
            if (leg.isDebt || !move.isSelected) continue;
            uint256 amount = move.amount - move.toProtocol - move.toInsurance;
            if (amount == 0) continue;
            if (request.asClaims.contains(leg.assetId) || !_trySend(leg.asset.token(), request.receiver, amount)) {
                _creditClaim(request.receiver, leg.assetId, amount);
            }
        }
    }

    function _pullRepayments(Prepared memory prepared, CloseOutRequest calldata request) private {
        for (uint256 i; i < prepared.moves.length; ++i) {
            Leg memory leg = prepared.appraisal.legs[i];
            uint256 amount = prepared.moves[i].amount;
            if (!leg.isDebt || amount == 0) continue;
            if (request.fromShares.contains(leg.assetId) || request.fromClaims.contains(leg.assetId)) continue;
            _pull(leg.asset.token(), msg.sender, amount);
        }
    }

    function _putOnCall(AccountId account, uint256 header, uint256 health) private {
        _accounts[account].header = header.withCalledAt(block.timestamp);
        emit MarginCalled(account, msg.sender, health);
    }
}
