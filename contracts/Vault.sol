// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {Multicallable} from "solady/utils/Multicallable.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {ICloseOutCallback} from "interfaces/ICloseOutCallback.sol";
import {AccountId, AssetSet, CloseOutRequest, CloseOutResult, Payment} from "interfaces/Types.sol";
import {IVaultCore} from "interfaces/IVault.sol";
import {AssetSets} from "./libraries/AssetSets.sol";
import {Configuration} from "./libraries/Configuration.sol";
import {BPS, RAY_PER_WAD} from "./libraries/Units.sol";
import {CloseOutBooking} from "./vault/CloseOutBooking.sol";
import {Accounts} from "./vault/Accounts.sol";

/// @title Vault
/// @notice Holds all user funds; see interfaces/IVault.sol. Its accounting is immutable: what governance can do is to plug in
/// another configuration table, and to pause borrowing and withdrawing while owing. What is called less often stands in the
/// VaultExtension, an immutable second half of this code that runs on this storage.
contract Vault is IVaultCore, CloseOutBooking, Multicallable {
    using AssetSets for AssetSet;
    using Configuration for Configuration.Asset;
    using Configuration for Configuration.Protocol;
    using FixedPointMathLib for uint256;

    address public immutable EXTENSION;

    /// @param authority the AccessManager
    /// @param extension the VaultExtension, made with the same `maxTargetHealthFactorWad`
    /// @param maxTargetHealthFactorWad no engine may restore a health factor above it
    constructor(address authority, address extension, uint256 maxTargetHealthFactorWad)
        Accounts(authority, maxTargetHealthFactorWad)
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
        Configuration.Asset memory asset;
        (bool isNew, bool isRescue) = _addCollateral(asset, account, assetId, amount);
        if (isNew) _requireMinimumDebt(account);
        uint256 balance = _pull(asset.token(), msg.sender, amount);
        if (!isRescue) _requireCollateralCap(assetId, asset, balance);
    }

    /// @inheritdoc IVaultCore
    function withdrawCollateral(AccountId account, uint256 assetId, uint256 amount, address to)
        external
        nonReentrant
        returns (uint256 withdrawn)
    {
        _requireAuthorized(account);
        bool owes;
        (withdrawn, owes) = _removeCollateral(account, assetId, amount, to);
        if (owes) {
            _requireInitialMargin(_look(account)[0]);
        }
        SafeTransferLib.safeTransfer(_tokenOf(assetId), to, withdrawn);
    }

    /// @inheritdoc IVaultCore
    function borrow(AccountId account, uint256 assetId, uint256 amount, address to)
        external
        nonReentrant
        returns (uint256 shares)
    {
        _requireAuthorized(account);
        Configuration.Asset memory asset;
        shares = _addDebt(asset, account, assetId, amount, to);
        _requireHealthy(account);
        SafeTransferLib.safeTransfer(asset.token(), to, amount);
    }

    /// @inheritdoc IVaultCore
    function repay(AccountId account, uint256 assetId, uint256 amount) external nonReentrant returns (uint256 repaid) {
        Configuration.Asset memory asset;
        repaid = _removeDebt(asset, account, assetId, amount, Payment.Tokens);
        _pull(asset.token(), msg.sender, repaid);
    }

    // -------------------------------------------------------------------------------------------------- close-outs

    /// @inheritdoc IVaultCore
    function closeOut(CloseOutRequest calldata request, bytes calldata data) external returns (CloseOutResult memory) {
        _lock();
        bytes memory encoded = _closeOut(request, data);
        _unlock();
        assembly ("memory-safe") {
            return(add(encoded, 32), mload(encoded))
        }
    }

    /// @return encoded the result: encoded once, for the log and for the caller
    function _closeOut(CloseOutRequest calldata request, bytes calldata data) private returns (bytes memory encoded) {
        Prepared memory prepared = _prepare(request)[0];
        CloseOutResult memory result = prepared.result;
        _conclude(prepared);
        if (prepared.isCallOnly) {
            _putOnCall(request.account, prepared.appraisal.header, prepared.healthBefore);
            return abi.encode(result);
        }
        _requireLimits(request, result);
        _book(request.account, prepared, request.fromShares, request.fromClaims);
        encoded = abi.encode(result);
        (bytes32 topic, AccountId account) = (CloseOut.selector, request.account);
        assembly ("memory-safe") {
            // emit CloseOut(account, msg.sender, result)
            log3(add(encoded, 32), mload(encoded), topic, account, caller())
        }
        _sendCollateral(prepared, request);
        if (data.length != 0) ICloseOutCallback(msg.sender).onCloseOut(result, data);
        _pullRepayments(prepared);
    }

    /// @inheritdoc IVaultCore
    function previewCloseOut(CloseOutRequest calldata request)
        external
        view
        whenSettled
        returns (CloseOutResult memory result)
    {
        Prepared memory prepared = _prepare(request)[0];
        _conclude(prepared);
        result = prepared.result;
        if (!prepared.isCallOnly) _requireLimits(request, result);
    }

    /// @inheritdoc IVaultCore
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
        Appraisal memory appraisal = _look(account)[0];
        return (
            appraisal.decidingCollateral / RAY_PER_WAD,
            _borrowingPower(appraisal) / (BPS * RAY_PER_WAD),
            appraisal.decidingWeighted / (BPS * RAY_PER_WAD),
            appraisal.decidingDebt.divUp(RAY_PER_WAD),
            _healthOf(appraisal)
        );
    }

    /// @inheritdoc IVaultCore
    function writeOff(AccountId account) external nonReentrant {
        Prepared memory prepared = _newPrepared()[0];
        prepared.appraisal = _look(account)[0];
        Configuration.Protocol memory protocol = prepared.appraisal.context.protocol;
        prepared.protocol = protocol;
        (uint256 collateral, uint256 debt) = (prepared.appraisal.decidingCollateral, prepared.appraisal.decidingDebt);
        if (!_isShort(protocol, collateral, debt)) {
            revert AccountNotInsolvent(collateral / RAY_PER_WAD, FixedPointMathLib.divUp(debt, RAY_PER_WAD));
        }
        uint256 dust = protocol.dustValueWad();
        if (collateral != 0 && collateral >= dust * RAY_PER_WAD) revert CollateralNotDust(collateral / RAY_PER_WAD, dust);
        _writeOffRest(prepared);
        _conclude(prepared);
        _book(account, prepared, NOTHING, NOTHING);
        emit WrittenOff(account, prepared.result.seized, prepared.result.repaid);
    }
}
