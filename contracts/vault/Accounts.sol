// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {AccountId, AssetSet, Deleverage} from "interfaces/Types.sol";
import {AccountIds} from "../libraries/AccountIds.sol";
import {AssetSets} from "../libraries/AssetSets.sol";
import {Configuration} from "../libraries/Configuration.sol";
import {Positions} from "../libraries/Positions.sol";
import {PriceReader} from "../oracles/PriceReader.sol";
import {BPS, RAY_PER_WAD} from "../libraries/Units.sol";
import {ValueMath} from "../libraries/ValueMath.sol";
import {Markets} from "./Markets.sol";

/// @title Cross-margin accounts: deposit, withdraw, borrow, repay
abstract contract Accounts is Markets {
    using AccountIds for AccountId;
    using AssetSets for AssetSet;
    using Configuration for Configuration.Asset;
    using Configuration for Configuration.Protocol;
    using FixedPointMathLib for uint256;
    using Positions for Positions.Account;
    using Positions for uint256;

    /// @dev One collateral or debt of an account, priced. `balance`: token units, or debt shares. `value`: RAY.
    struct Leg {
        uint256 assetId;
        bool isDebt;
        uint256 balance;
        uint256 priceWad;
        /// Of a debt, accrued to now.
        uint256 index;
        uint256 value;
        /// Of a collateral, now.
        uint256 thresholdBps;
        Configuration.Asset asset;
    }

    /// @dev A whole account, each balance loaded and each price read once. Values RAY, weighted ones RAY times bps.
    struct Appraisal {
        uint256 header;
        Leg[] legs;
        uint256 collateralValue;
        uint256 weightedCollateral;
        uint256 bonusWeightedCollateral;
        uint256 borrowingPower;
        uint256 debtValue;
    }

    // --------------------------------------------------------------------------------------------------- collateral

    function depositCollateral(AccountId account, uint256 assetId, uint256 amount) external nonReentrant {
        if (amount == 0) revert ZeroAmount();
        address table = _table;
        Configuration.Asset memory asset = _assetAt(table, assetId);
        if (!asset.hasFlag(Configuration.FLAG_COLLATERAL)) revert AssetNotCollateral(assetId);
        Positions.Account storage stored = _accounts[account];
        uint256 header = stored.header;
        uint256 place = header.find(assetId);
        bool isNew = place == Positions.NOT_FOUND;
        if (isNew) {
            if (header.find(assetId | Positions.DEBT_SIDE) != Positions.NOT_FOUND) revert AssetHeldAsDebt(assetId);
            _requireAuthorized(account);
            (uint256 collaterals,) = header.countSides();
            if (collaterals == Positions.MAX_COLLATERALS) revert TooManyAssets(Positions.MAX_COLLATERALS);
            place = header.count();
            header = header.append(assetId);
            stored.header = header;
        }

        uint256 balance = stored.balanceAt(place) + amount;
        if (balance > asset.maxAmount()) revert AmountTooLarge(balance, asset.maxAmount());
        stored.setBalanceAt(place, balance);
        if (isNew) _requireMinimumDebt(table, account);

        emit CollateralDeposited(account, assetId, msg.sender, amount);
        _pull(asset.token(), msg.sender, amount);
        uint256 held = SafeTransferLib.balanceOf(asset.token(), address(this)) - _supplyStates[assetId].idle;
        if (held > asset.collateralCap()) revert CapExceeded(assetId, held, asset.collateralCap());
    }

    function withdrawCollateral(AccountId account, uint256 assetId, uint256 amount, address to)
        external
        nonReentrant
        returns (uint256 withdrawn)
    {
        _requireAuthorized(account);
        Positions.Account storage stored = _accounts[account];
        uint256 header = stored.header;
        uint256 place = header.find(assetId);
        if (place == Positions.NOT_FOUND) revert AssetNotHeld(account, assetId);
        uint256 balance = stored.balanceAt(place);
        withdrawn = amount == type(uint256).max ? balance : amount;
        if (withdrawn == 0) revert ZeroAmount();
        if (withdrawn > balance) revert InsufficientCollateral(balance, withdrawn);

        (, uint256 debts) = header.countSides();
        if (withdrawn == balance) header = stored.removeAt(header, place);
        else stored.setBalanceAt(place, balance - withdrawn);
        address table = _table;
        if (debts != 0) {
            if (AssetSet.wrap(uint128(_pauses >> 128)).contains(assetId)) revert ActionPaused(assetId);
            header = header.withActedAt(block.timestamp);
        }
        stored.header = header;
        if (debts != 0) _requireInitialMargin(_appraise(table, account));

        emit CollateralWithdrawn(account, assetId, to, withdrawn);
        SafeTransferLib.safeTransfer(_assetAt(table, assetId).token(), to, withdrawn);
    }

    // -------------------------------------------------------------------------------------------------------- debts

    function borrow(AccountId account, uint256 assetId, uint256 amount, address to)
        external
        nonReentrant
        returns (uint256 shares)
    {
        _requireAuthorized(account);
        if (amount == 0) revert ZeroAmount();
        address table = _table;
        Configuration.Asset memory asset = _assetAt(table, assetId);
        if (!asset.hasFlag(Configuration.FLAG_BORROWABLE)) revert AssetNotBorrowable(assetId);
        if (AssetSet.wrap(uint128(_pauses)).contains(assetId)) revert ActionPaused(assetId);
        Positions.Account storage stored = _accounts[account];
        uint256 header = stored.header;
        if (header.find(assetId) != Positions.NOT_FOUND) revert AssetHeldAsCollateral(assetId);
        uint256 place = header.find(assetId | Positions.DEBT_SIDE);
        if (place == Positions.NOT_FOUND) {
            (, uint256 debts) = header.countSides();
            if (debts == Positions.MAX_DEBTS) revert TooManyAssets(Positions.MAX_DEBTS);
            place = header.count();
            header = header.append(assetId | Positions.DEBT_SIDE);
        }

        Market memory market = _loadMarket(assetId, asset);
        if (amount > market.idle) revert InsufficientLiquidity(market.idle, amount);
        shares = ValueMath.toDebtSharesUp(amount, market.index);
        market.idle -= amount;
        market.debtShares += shares;
        uint256 total = _totalDebt(market);
        if (total > asset.borrowCap()) revert CapExceeded(assetId, total, asset.borrowCap());
        _storeMarket(assetId, asset, market);
        stored.setBalanceAt(place, stored.balanceAt(place) + shares);
        stored.header = header.withActedAt(block.timestamp);
        Appraisal memory appraisal = _appraise(table, account);
        _requireInitialMargin(appraisal);
        _requireMinimumDebt(table, appraisal);

        emit Borrowed(account, assetId, to, amount, shares);
        SafeTransferLib.safeTransfer(asset.token(), to, amount);
    }

    function repay(AccountId account, uint256 assetId, uint256 amount) external nonReentrant returns (uint256 repaid) {
        if (amount == 0) revert ZeroAmount();
        Positions.Account storage stored = _accounts[account];
        uint256 header = stored.header;
        uint256 place = header.find(assetId | Positions.DEBT_SIDE);
        if (place == Positions.NOT_FOUND) revert AssetNotHeld(account, assetId);
        Configuration.Asset memory asset = _assetAt(_table, assetId);
        Market memory market = _loadMarket(assetId, asset);
        uint256 balance = stored.balanceAt(place);
        uint256 debt = ValueMath.toDebtUp(balance, market.index);
        repaid = amount.min(debt);
        uint256 shares = repaid == debt ? balance : ValueMath.toDebtSharesDown(repaid, market.index);

        market.idle += repaid;
        market.debtShares -= shares;
        _storeMarket(assetId, asset, market);
        if (shares == balance) stored.header = stored.removeAt(header, place);
        else stored.setBalanceAt(place, balance - shares);

        emit Repaid(account, assetId, msg.sender, repaid, shares);
        _pull(asset.token(), msg.sender, repaid);
    }

    // ---------------------------------------------------------------------------------------------------- operators

    function setOperator(address operator, bool isApproved) external nonReentrant {
        _operators[msg.sender][operator] = isApproved;
        emit OperatorSet(msg.sender, operator, isApproved);
    }

    function isOperator(address owner, address operator) external view returns (bool) {
        return _operators[owner][operator];
    }

    // -------------------------------------------------------------------------------------------------------- views

    function positionOf(AccountId account)
        external
        view
        whenSettled
        returns (
            uint256[] memory collateralIds,
            uint256[] memory collateralAmounts,
            uint256[] memory debtIds,
            uint256[] memory debtAmounts
        )
    {
        Positions.Account storage stored = _accounts[account];
        uint256 header = stored.header;
        (uint256 collaterals, uint256 debts) = header.countSides();
        (collateralIds, collateralAmounts) = (new uint256[](collaterals), new uint256[](collaterals));
        (debtIds, debtAmounts) = (new uint256[](debts), new uint256[](debts));
        for (uint256 i = collaterals + debts; i != 0;) {
            uint256 entry = header.entryAt(--i);
            uint256 balance = stored.balanceAt(i);
            if (entry & Positions.DEBT_SIDE == 0) {
                (collateralIds[--collaterals], collateralAmounts[collaterals]) = (entry, balance);
            } else {
                uint256 assetId = entry ^ Positions.DEBT_SIDE;
                (debtIds[--debts], debtAmounts[debts]) = (assetId, ValueMath.toDebtUp(balance, _indexOf(assetId)));
            }
        }
    }

    function healthOf(AccountId account)
        external
        view
        whenSettled
        returns (
            uint256 collateralValue,
            uint256 borrowingPower,
            uint256 maintenanceValue,
            uint256 debtValue,
            uint256 healthFactorWad
        )
    {
        Appraisal memory appraisal = _appraise(_table, account);
        return (
            appraisal.collateralValue / RAY_PER_WAD,
            appraisal.borrowingPower / (BPS * RAY_PER_WAD),
            appraisal.weightedCollateral / (BPS * RAY_PER_WAD),
            appraisal.debtValue.divUp(RAY_PER_WAD),
            ValueMath.healthFactor(appraisal.weightedCollateral, appraisal.debtValue)
        );
    }

    function timesOf(AccountId account) external view whenSettled returns (uint256 calledAt, uint256 actedAt) {
        uint256 header = _accounts[account].header;
        return (header.calledAt(), header.actedAt());
    }

    // ----------------------------------------------------------------------------------------------------- internal

    /// @dev Loads an account: every balance once, every price once. docs/liquidation.md, section 2.
    function _appraise(address table, AccountId account) internal view returns (Appraisal memory appraisal) {
        Positions.Account storage stored = _accounts[account];
        uint256 header = stored.header;
        uint256 entries = header.count();
        uint256[] memory balances = stored.balancesOf(entries);
        Leg[] memory legs = new Leg[](entries);
        (appraisal.header, appraisal.legs) = (header, legs);
        for (uint256 i; i < entries; ++i) {
            Leg memory leg = legs[i];
            uint256 entry = header.entryAt(i);
            leg.assetId = entry & ~Positions.DEBT_SIDE;
            leg.isDebt = entry & Positions.DEBT_SIDE != 0;
            leg.balance = balances[i];
            Configuration.Asset memory asset = Configuration.asset(table, leg.assetId);
            leg.asset = asset;
            leg.priceWad = PriceReader.read(asset, leg.assetId);
            if (leg.isDebt) {
                leg.index = _indexOf(leg.assetId);
                leg.value = ValueMath.debtValue(leg.balance, leg.index, leg.priceWad, asset.decimals());
                appraisal.debtValue += leg.value;
            } else {
                uint256 value = ValueMath.collateralValue(leg.balance, leg.priceWad, asset.decimals());
                leg.value = value;
                appraisal.collateralValue += value;
                leg.thresholdBps = asset.thresholdBps(block.timestamp);
                appraisal.weightedCollateral += value * leg.thresholdBps;
                appraisal.bonusWeightedCollateral += value * asset.maxBonusBps();
                appraisal.borrowingPower += value * asset.ltvBps();
            }
        }
    }

    function _requireInitialMargin(Appraisal memory appraisal) private pure {
        if (appraisal.borrowingPower < appraisal.debtValue * BPS) {
            revert BelowInitialMargin(
                appraisal.borrowingPower / (BPS * RAY_PER_WAD), appraisal.debtValue.divUp(RAY_PER_WAD)
            );
        }
    }

    /// @dev A new asset in an account that owes raises the least it may owe.
    function _requireMinimumDebt(address table, AccountId account) private view {
        (, uint256 debts) = _accounts[account].header.countSides();
        if (debts != 0) _requireMinimumDebt(table, _appraise(table, account));
    }

    /// @dev Nobody prices himself out of liquidation with dust in many assets.
    function _requireMinimumDebt(address table, Appraisal memory appraisal) private view {
        Configuration.Protocol memory protocol = Configuration.protocol(table);
        uint256 minimum = protocol.minDebtValueWad() + protocol.minDebtPerAssetWad() * appraisal.legs.length;
        if (appraisal.debtValue < minimum * RAY_PER_WAD) {
            revert DebtBelowMinimum(appraisal.debtValue / RAY_PER_WAD, minimum);
        }
    }
}
