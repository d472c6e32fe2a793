// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {Multicallable} from "solady/utils/Multicallable.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {ICloseOutCallback} from "interfaces/ICloseOutCallback.sol";
import {AccountId, AssetSet, CloseOutRequest, CloseOutResult, Payment} from "interfaces/Types.sol";
import {IVaultCore} from "interfaces/IVault.sol";
import {AssetSets} from "./libraries/AssetSets.sol";
import {Configuration} from "./libraries/Configuration.sol";
import {INDEX_ONE, RAY_PER_WAD} from "./libraries/Units.sol";
import {CloseOutBooking} from "./vault/CloseOutBooking.sol";
import {Accounts} from "./vault/Accounts.sol";

/// @title Vault
/// @notice Holds all user funds; see interfaces/IVault.sol. Its accounting is immutable: what governance can do is to plug in
/// another configuration table, and to pause borrowing and withdrawing while owing. What is called less often stands in the
/// VaultExtension, an immutable second half of this code that runs on this storage.
contract Vault is IVaultCore, CloseOutBooking, AccessManaged, Multicallable {
    using AssetSets for AssetSet;
    using Configuration for Configuration.Asset;
    using Configuration for Configuration.Protocol;

    address public immutable EXTENSION;

    /// @param authority the AccessManager
    /// @param extension the VaultExtension, made with the same `maxTargetHealthFactorWad`
    /// @param maxTargetHealthFactorWad no engine may restore a health factor above it
    constructor(address authority, address extension, uint256 maxTargetHealthFactorWad)
        AccessManaged(authority)
        Accounts(maxTargetHealthFactorWad)
    {
        if (Accounts(extension).MAX_TARGET_HEALTH_FACTOR_WAD() != maxTargetHealthFactorWad) {
            revert ConfigurationMissing();
        }
        EXTENSION = extension;
    }

    /// @dev Everything of IVaultExtension: its code is fixed at construction and knows this storage.
    fallback() external {
        address extension = EXTENSION;
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, 0, calldatasize())
            let isDone := delegatecall(gas(), extension, free, calldatasize(), 0, 0)
            returndatacopy(free, 0, returndatasize())
            if isDone { return(free, returndatasize()) }
            revert(free, returndatasize())
        }
    }

    // --------------------------------------------------------------------------------------------------- borrowers

    /// @inheritdoc IVaultCore
    function depositCollateral(AccountId account, uint256 assetId, uint256 amount) external nonReentrant {
        address table = _table;
        (Configuration.Asset memory asset, bool isNew, bool isRescue) = _addCollateral(table, account, assetId, amount);
        if (isNew) _requireMinimumDebt(table, account);
        _pull(asset.token(), msg.sender, amount);
        if (!isRescue) _requireCollateralCap(assetId, asset);
    }

    /// @inheritdoc IVaultCore
    function withdrawCollateral(AccountId account, uint256 assetId, uint256 amount, address to)
        external
        nonReentrant
        returns (uint256 withdrawn)
    {
        _requireAuthorized(account);
        address table = _table;
        bool owes;
        (withdrawn, owes) = _removeCollateral(account, assetId, amount, to);
        if (owes) _requireInitialMargin(_appraise(table, account));
        SafeTransferLib.safeTransfer(_assetAt(table, assetId).token(), to, withdrawn);
    }

    /// @inheritdoc IVaultCore
    function borrow(AccountId account, uint256 assetId, uint256 amount, address to)
        external
        nonReentrant
        returns (uint256 shares)
    {
        _requireAuthorized(account);
        address table = _table;
        Configuration.Asset memory asset;
        (asset, shares) = _addDebt(table, account, assetId, amount, to);
        Appraisal memory appraisal = _appraise(table, account);
        _requireInitialMargin(appraisal);
        _requireMinimumDebt(table, appraisal);
        SafeTransferLib.safeTransfer(asset.token(), to, amount);
    }

    /// @inheritdoc IVaultCore
    function repay(AccountId account, uint256 assetId, uint256 amount) external nonReentrant returns (uint256 repaid) {
        Configuration.Asset memory asset;
        (asset, repaid) = _removeDebt(_table, account, assetId, amount, Payment.Tokens);
        _pull(asset.token(), msg.sender, repaid);
    }

    // -------------------------------------------------------------------------------------------------- close-outs

    /// @inheritdoc IVaultCore
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

    /// @inheritdoc IVaultCore
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

    /// @inheritdoc IVaultCore
    function writeOff(AccountId account) external nonReentrant {
        address table = _table;
        Prepared memory prepared;
        prepared.protocol = Configuration.protocol(table);
        prepared.appraisal = _appraise(table, account);
        prepared.moves = new Move[](prepared.appraisal.legs.length);
        (uint256 collateral, uint256 debt) = (prepared.appraisal.collateralValue, prepared.appraisal.debtValue);
        if (!_isInsolvent(prepared)) {
            revert AccountNotInsolvent(collateral / RAY_PER_WAD, FixedPointMathLib.divUp(debt, RAY_PER_WAD));
        }
        uint256 dust = prepared.protocol.dustValueWad();
        if (collateral >= dust * RAY_PER_WAD) revert CollateralNotDust(collateral / RAY_PER_WAD, dust);
        _writeOffRest(prepared);
        CloseOutResult memory result = _resultOf(prepared);
        _book(account, prepared, result, AssetSet.wrap(0), AssetSet.wrap(0));
        emit WrittenOff(account, result.seized, result.repaid);
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

    // ------------------------------------------------------------------------------------------------------ control

    /// @inheritdoc IVaultCore
    function setConfiguration(address table) external restricted nonReentrant {
        uint256 listed = Configuration.protocol(_table).assetCount();
        uint256 count = Configuration.protocol(table).assetCount();
        // a new asset starts accruing from here; an old one is never unlisted, only emptied
        if (table.code.length == 0 || count < listed) revert ConfigurationMissing();
        for (uint256 assetId = listed; assetId < count; ++assetId) {
            _borrowStates[assetId].index = uint72(INDEX_ONE);
            _borrowStates[assetId].accruedAt = uint40(block.timestamp);
            _assetIds[Configuration.asset(table, assetId).token()] = assetId + 1;
        }
        _table = table;
        emit ConfigurationSet(table);
    }

    /// @inheritdoc IVaultCore
    function setSupplyToken(uint256 assetId, address token) external restricted nonReentrant {
        if (_supplyTokens[assetId] != address(0)) revert SupplyTokenAlreadySet(assetId);
        _supplyTokens[assetId] = token;
        emit SupplyTokenSet(assetId, token);
    }

    /// @inheritdoc IVaultCore
    function setPauses(AssetSet borrowing, AssetSet withdrawing) external restricted nonReentrant {
        _pauses = AssetSet.unwrap(borrowing) | (uint256(AssetSet.unwrap(withdrawing)) << 128);
        emit PausesSet(borrowing, withdrawing);
    }
}
