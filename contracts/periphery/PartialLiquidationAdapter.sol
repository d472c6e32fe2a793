// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {ICloseOutCallback} from "interfaces/ICloseOutCallback.sol";
import {IPartialLiquidation, Liquidation, RepaidAsset, SeizedAsset} from "interfaces/IPartialLiquidation.sol";
import {IPartialLiquidationAdapter} from "interfaces/IPartialLiquidationAdapter.sol";
import {IVault} from "interfaces/IVault.sol";
import {AccountId, AssetSet, CloseOutRequest, CloseOutResult, RepaidLeg, SeizedLeg} from "interfaces/Types.sol";
import {Configuration} from "../libraries/Configuration.sol";

/// @title PartialLiquidationAdapter
/// @notice The Vault's close-outs by the words of docs/draft-erc-partial-liquidation.md. Outside the trusted base: it has no role and
/// holds nothing. Approve it for the debts' tokens, or raise them in the callback.
/// @dev Why nobody can use it against whoever approved it:
/// 1. It takes tokens only of the caller of `liquidate`, inside his own call: `onCloseOut` is the Vault's while one runs, and there is
///    one at a time.
/// 2. What it takes is what the Vault takes next; it approves the Vault of no more, and sends everything else to where the caller says.
contract PartialLiquidationAdapter is IPartialLiquidationAdapter, ICloseOutCallback {
    using Configuration for Configuration.Asset;

    IVault public immutable VAULT;

    address private transient _liquidator;

    constructor(IVault vault) {
        VAULT = vault;
    }

    /// @inheritdoc IPartialLiquidation
    function previewLiquidation(bytes32 account, bytes calldata terms) external view returns (Liquidation memory) {
        (CloseOutRequest memory request, ) = _understood(account, terms);
        return _inStandardTerms(VAULT.configuration(), VAULT.previewCloseOut(request));
    }

    /// @inheritdoc IPartialLiquidation
    function liquidate(bytes32 account, bytes calldata terms) external returns (Liquidation memory) {
        if (_liquidator != address(0)) revert Reentrancy();
        _liquidator = msg.sender;
        (CloseOutRequest memory request, bytes memory data) = _understood(account, terms);
        // the Vault's views are closed during the callback
        address table = VAULT.configuration();
        CloseOutResult memory result = VAULT.closeOut(request, abi.encode(account, table, data));
        _liquidator = address(0);
        return _inStandardTerms(table, result);
    }

    /// @inheritdoc ICloseOutCallback
    function onCloseOut(CloseOutResult calldata result, bytes calldata data) external {
        address liquidator = _liquidator;
        if (msg.sender != address(VAULT) || liquidator == address(0)) revert UnexpectedCallback(msg.sender);
        (bytes32 account, address table, bytes memory inner) = abi.decode(data, (bytes32, address, bytes));
        _announce(account, liquidator, _inStandardTerms(table, result));
        if (inner.length != 0) ICloseOutCallback(liquidator).onCloseOut(result, inner);
        for (uint256 i; i < result.repaid.length; ++i) {
            uint256 amount = result.repaid[i].repaid;
            if (amount == 0) continue;
            address token = _tokenOf(table, result.repaid[i].assetId);
            SafeTransferLib.safeTransferFrom(token, liquidator, address(this), amount);
            SafeTransferLib.safeApproveWithRetry(token, address(VAULT), amount);
        }
    }

    function _announce(bytes32 account, address liquidator, Liquidation memory done) private {
        emit PartialLiquidation(
            account,
            liquidator,
            done.repaid,
            done.seized,
            done.penaltyWad,
            done.healthBeforeWad,
            done.healthAfterWad
        );
    }

    /// @dev Empty terms: all of the account, as far as it goes, at any price, for the caller. The account inside does not count.
    function _understood(
        bytes32 account,
        bytes calldata terms
    ) private view returns (CloseOutRequest memory request, bytes memory data) {
        if (terms.length == 0) {
            request.collaterals = request.debts = AssetSet.wrap(type(uint128).max);
            request.fillWad = 1e18;
            request.deadline = type(uint256).max;
        } else {
            (request, data) = abi.decode(terms, (CloseOutRequest, bytes));
        }
        if (AssetSet.unwrap(request.fromShares) | AssetSet.unwrap(request.fromClaims) != 0) {
            revert PaymentNotSupported(request.fromShares, request.fromClaims);
        }
        request.account = AccountId.wrap(uint256(account));
        if (request.receiver == address(0)) request.receiver = msg.sender;
    }

    /// @dev Nothing done yet (only put on call): empty lists, equal healths.
    function _inStandardTerms(
        address table,
        CloseOutResult memory result
    ) private view returns (Liquidation memory done) {
        done.repaid = new RepaidAsset[](result.repaid.length);
        bool isPaid;
        for (uint256 i; i < result.repaid.length; ++i) {
            RepaidLeg memory leg = result.repaid[i];
            done.repaid[i] = RepaidAsset(_tokenOf(table, leg.assetId), leg.repaid, leg.badDebt, leg.covered);
            if (leg.repaid != 0) isPaid = true;
        }
        done.seized = new SeizedAsset[](result.seized.length);
        for (uint256 i; i < result.seized.length; ++i) {
            SeizedLeg memory leg = result.seized[i];
            done.seized[i] = SeizedAsset(
                _tokenOf(table, leg.assetId),
                leg.seized,
                leg.seized - leg.toProtocol - leg.toInsurance
            );
        }
        if (isPaid) done.penaltyWad = result.penaltyRateWad;
        (done.healthBeforeWad, done.healthAfterWad) = (result.healthFactorBeforeWad, result.healthFactorAfterWad);
    }

    function _tokenOf(address table, uint256 assetId) private view returns (address) {
        return Configuration.asset(table, assetId).token();
    }
}
