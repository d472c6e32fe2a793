// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {IVaultExtension} from "interfaces/IVault.sol";
import {AccountId, AssetSet, CloseOutRequest, CloseOutResult, Deleverage} from "interfaces/Types.sol";
import {AccountIds} from "./libraries/AccountIds.sol";
import {CloseOutBounds} from "./libraries/CloseOutBounds.sol";
import {Configuration} from "./libraries/Configuration.sol";
import {Positions} from "./libraries/Positions.sol";
import {BPS, RAY_PER_WAD, WAD} from "./libraries/Units.sol";
import {ValueMath} from "./libraries/ValueMath.sol";
import {CloseOutBooking} from "./vault/CloseOutBooking.sol";
import {CloseOutPlans} from "./vault/CloseOutPlans.sol";

/// @title VaultExtension: the second half of the Vault's code
/// @notice Runs on the Vault's storage, by delegatecall from its fallback; on its own it holds nothing and knows nothing. Split
/// off because one contract may not have more than 24 576 bytes (EIP-170): what is here is not on the hot path.
contract VaultExtension is IVaultExtension, CloseOutBooking {
    using AccountIds for AccountId;
    using Configuration for Configuration.Asset;
    using Configuration for Configuration.Protocol;
    using FixedPointMathLib for uint256;
    using Positions for Positions.Account;
    using Positions for uint256;

    constructor(uint256 maxTargetHealthFactorWad) CloseOutPlans(maxTargetHealthFactorWad) {}

    // -------------------------------------------------------------------------------------------------- close-outs

    /// @inheritdoc IVaultExtension
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

    /// @inheritdoc IVaultExtension
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

    /// @inheritdoc IVaultExtension
    function marginCall(AccountId account) external nonReentrant {
        Configuration.Protocol memory protocol = Configuration.protocol(_table);
        Appraisal memory appraisal = _appraise(_table, account);
        uint256 health = ValueMath.healthFactor(appraisal.weightedCollateral, appraisal.debtValue);
        if (health >= protocol.marginCallHealthFactorWad() || _isOnCall(protocol, appraisal.header)) {
            revert MarginCallRefused(health, protocol.marginCallHealthFactorWad());
        }
        _putOnCall(account, appraisal.header, health);
    }

    /// @inheritdoc IVaultExtension
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

    /// @inheritdoc IVaultExtension
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

    // ----------------------------------------------------------------------------------------------------- claims

    /// @inheritdoc IVaultExtension
    function claim(uint256 assetId, uint256 amount, address to) external nonReentrant {
        if (amount == 0) revert ZeroAmount();
        address token = _assetAt(_table, assetId).token();
        _debitClaim(msg.sender, assetId, amount);
        emit Claimed(msg.sender, assetId, to, amount);
        SafeTransferLib.safeTransfer(token, to, amount);
    }

    /// @inheritdoc IVaultExtension
    function creditClaim(uint256 assetId, uint256 amount, address holder) external nonReentrant {
        if (amount == 0) revert ZeroAmount();
        address token = _assetAt(_table, assetId).token();
        _creditClaim(holder, assetId, amount);
        _pull(token, msg.sender, amount);
    }

    // -------------------------------------------------------------------------------------------------- operators

    /// @inheritdoc IVaultExtension
    function setOperator(address operator, bool isApproved) external nonReentrant {
        _operators[msg.sender][operator] = isApproved;
        emit OperatorSet(msg.sender, operator, isApproved);
    }

    // ------------------------------------------------------------------------------------------------------ views

    /// @inheritdoc IVaultExtension
    function configuration() external view returns (address table) {
        return _table;
    }

    /// @inheritdoc IVaultExtension
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

    /// @inheritdoc IVaultExtension
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

    /// @inheritdoc IVaultExtension
    function timesOf(AccountId account) external view whenSettled returns (uint256 calledAt, uint256 actedAt) {
        uint256 header = _accounts[account].header;
        return (header.calledAt(), header.actedAt());
    }

    /// @inheritdoc IVaultExtension
    function marketOf(uint256 assetId)
        external
        view
        whenSettled
        returns (uint256 idle, uint256 debt, uint256 supplyShares, uint256 index, uint256 ratePerYear)
    {
        Market memory market = _loadMarket(assetId, _assetAt(_table, assetId));
        return (market.idle, _totalDebt(market), market.supplyShares, market.index, market.ratePerYear);
    }

    /// @inheritdoc IVaultExtension
    function deleverageOf(AccountId account) external view whenSettled returns (Deleverage memory) {
        return _deleverages[account];
    }

    /// @inheritdoc IVaultExtension
    function supplySharesOf(uint256 assetId, address holder) external view whenSettled returns (uint256 shares) {
        address table = _table;
        shares = _supplyShares[assetId][holder];
        if (holder == Configuration.protocol(table).treasury()) {
            shares += _loadMarket(assetId, _assetAt(table, assetId)).supplyShares - _heldShares[assetId];
        }
    }

    /// @inheritdoc IVaultExtension
    function claimOf(address holder, uint256 assetId) external view whenSettled returns (uint256 amount) {
        amount = _claims[holder][assetId];
        if (holder == Configuration.protocol(_table).penaltySplitter()) amount += _seizureStates[assetId].protocolClaim;
    }

    /// @inheritdoc IVaultExtension
    function isOperator(address owner, address operator) external view returns (bool) {
        return _operators[owner][operator];
    }
}
