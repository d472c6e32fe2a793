// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {AccountId, AssetSet, Payment} from "interfaces/Types.sol";
import {AssetSets} from "../libraries/AssetSets.sol";
import {Configuration} from "../libraries/Configuration.sol";
import {Positions} from "../libraries/Positions.sol";
import {SharesMath} from "../libraries/SharesMath.sol";
import {ValueMath} from "../libraries/ValueMath.sol";
import {Accounts} from "./Accounts.sol";

/// @title The four moves of an account, booked: collateral in and out, debt up and down
/// @notice Each checks what concerns the move itself, writes and emits. Margins, and moving the tokens, are the caller's: so that
/// a single action and a rebalancing of many moves share them.
abstract contract Moves is Accounts {
    using AssetSets for AssetSet;
    using Configuration for Configuration.Asset;
    using FixedPointMathLib for uint256;
    using Positions for Positions.Account;
    using Positions for uint256;

    /// @param asset filled with the asset's configuration
    /// @return isNew the account did not hold it before
    /// @return isRescue the account owes and held it before: no cap stops such a deposit (P16)
    function _addCollateral(Configuration.Asset memory asset, AccountId account, uint256 assetId, uint256 amount)
        internal
        returns (bool isNew, bool isRescue)
    {
        if (amount == 0) revert ZeroAmount();
        _loadAsset(asset, _table, assetId);
        if (!asset.hasFlag(Configuration.FLAG_COLLATERAL)) revert AssetNotCollateral(assetId);
        Positions.Account storage stored = _accounts[account];
        uint256 header = stored.header;
        (uint256 place, bool isDebt) = header.findAsset(assetId);
        if (isDebt) revert AssetHeldAsDebt(assetId);
        isNew = place == Positions.NOT_FOUND;
        isRescue = !isNew && header.hasDebts();
        if (isNew) {
            _requireAuthorized(account);
            (uint256 collaterals,) = header.countSides();
            if (collaterals == Positions.MAX_COLLATERALS) revert TooManyAssets(Positions.MAX_COLLATERALS);
            place = header.count();
            stored.header = header.append(assetId);
        }
        uint256 balance = stored.balanceAt(place) + amount;
        if (balance > asset.maxAmount()) revert AmountTooLarge(balance, asset.maxAmount());
        stored.raiseBalanceAt(place, amount);
        emit CollateralDeposited(account, assetId, msg.sender, amount);
    }

    /// @dev Checked when the tokens are there: what the Vault holds beyond idle supply is taken for collateral, so that no
    /// running total has to be kept. Claims and donations count too, against the depositor.
    /// @param balance what the Vault holds of it, the deposit included
    function _requireCollateralCap(uint256 assetId, Configuration.Asset memory asset, uint256 balance) internal view {
        uint256 cap = asset.collateralCap();
        // idle supply need not be known where all of it would fit too
        if (balance <= cap || cap == type(uint112).max) return;
        uint256 held = balance - _supplyStates[assetId].idle;
        if (held > cap) revert CapExceeded(assetId, held, cap);
    }

    /// @param amount the largest uint256: all of it
    /// @return withdrawn token units
    /// @return owes the account has debts left: its margin is to be checked
    function _removeCollateral(AccountId account, uint256 assetId, uint256 amount, address to)
        internal
        returns (uint256 withdrawn, bool owes)
    {
        Positions.Account storage stored = _accounts[account];
        uint256 header = stored.header;
        uint256 place = header.find(assetId);
        if (place == Positions.NOT_FOUND) revert AssetNotHeld(account, assetId);
        uint256 balance = stored.balanceAt(place);
        withdrawn = amount == type(uint256).max ? balance : amount;
        if (withdrawn == 0) revert ZeroAmount();
        if (withdrawn > balance) revert InsufficientCollateral(balance, withdrawn);

        owes = header.hasDebts();
        if (withdrawn == balance) header = stored.removeAt(header, place);
        else stored.lowerBalanceAt(place, withdrawn);
        if (owes) {
            if (_isAnyPaused && AssetSet.wrap(uint128(_pauses >> 128)).contains(assetId)) revert ActionPaused(assetId);
            header = header.withActedAt(block.timestamp);
        }
        stored.header = header;
        emit CollateralWithdrawn(account, assetId, to, withdrawn);
    }

    /// @param asset filled with the asset's configuration
    /// @return shares debt shares, rounded up
    function _addDebt(
        Configuration.Asset memory asset,
        AccountId account,
        uint256 assetId,
        uint256 amount,
        address to
    ) internal returns (uint256 shares) {
        if (amount == 0) revert ZeroAmount();
        _loadAsset(asset, _table, assetId);
        if (!asset.hasFlag(Configuration.FLAG_BORROWABLE)) revert AssetNotBorrowable(assetId);
        if (_isAnyPaused && AssetSet.wrap(uint128(_pauses)).contains(assetId)) revert ActionPaused(assetId);
        Positions.Account storage stored = _accounts[account];
        uint256 header = stored.header;
        (uint256 place, bool isDebt) = header.findAsset(assetId);
        if (place == Positions.NOT_FOUND) {
            (, uint256 debts) = header.countSides();
            if (debts == Positions.MAX_DEBTS) revert TooManyAssets(Positions.MAX_DEBTS);
            place = header.count();
            header = header.append(assetId | Positions.DEBT_SIDE);
        } else if (!isDebt) {
            revert AssetHeldAsCollateral(assetId);
        }

        Market memory market = _loadMarket(assetId, asset);
        if (amount > market.idle) revert InsufficientLiquidity(market.idle, amount);
        shares = ValueMath.toDebtSharesUp(amount, market.index);
        market.idle -= amount;
        market.debtShares += shares;
        uint256 total = _totalDebt(market);
        if (total > asset.borrowCap()) revert CapExceeded(assetId, total, asset.borrowCap());
        _storeMarket(assetId, asset, market);
        stored.raiseBalanceAt(place, shares);
        stored.header = header.withActedAt(block.timestamp);
        emit Borrowed(account, assetId, to, amount, shares);
    }

    /// @param asset filled with the asset's configuration
    /// @param amount clamped to the debt, so that the largest uint256 repays all of it, whatever accrued
    /// @param payment tokens are to be pulled by the caller of this; supply shares and claims of msg.sender are taken here
    /// @return repaid token units
    function _removeDebt(
        Configuration.Asset memory asset,
        AccountId account,
        uint256 assetId,
        uint256 amount,
        Payment payment
    ) internal returns (uint256 repaid) {
        if (amount == 0) revert ZeroAmount();
        Positions.Account storage stored = _accounts[account];
        uint256 header = stored.header;
        uint256 place = header.find(assetId | Positions.DEBT_SIDE);
        if (place == Positions.NOT_FOUND) revert AssetNotHeld(account, assetId);
        _loadAsset(asset, _table, assetId);
        Market memory market = _loadMarket(assetId, asset);
        uint256 balance = stored.balanceAt(place);
        uint256 debt = ValueMath.toDebtUp(balance, market.index);
        repaid = amount.min(debt);
        uint256 shares = repaid == debt ? balance : ValueMath.toDebtSharesDown(repaid, market.index);

        market.debtShares -= shares;
        _receive(assetId, market, repaid, payment);
        _storeMarket(assetId, asset, market);
        if (shares == balance) stored.header = stored.removeAt(header, place);
        else stored.lowerBalanceAt(place, shares);
        emit Repaid(account, assetId, msg.sender, repaid, shares);
    }

    /// @dev Books a repayment that has left `market.debtShares` already. Supply shares are valued with the repayment counted in, so
    /// that the debt they extinguish and they themselves leave the market at the same value.
    function _receive(uint256 assetId, Market memory market, uint256 amount, Payment payment) internal {
        if (payment == Payment.SupplyShares) {
            uint256 shares = SharesMath.toSharesUp(amount, (_supplyAssets(market) + amount).zeroFloorSub(_uncoveredLoss(assetId)), market.supplyShares);
            _burnShares(assetId, market, msg.sender, shares);
            emit Withdrawn(assetId, msg.sender, address(this), amount, shares);
            return;
        }
        if (payment == Payment.Claims) {
            _debitClaim(msg.sender, assetId, amount);
            emit Claimed(msg.sender, assetId, address(this), amount);
        }
        market.idle += amount;
    }
}
