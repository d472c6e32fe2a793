// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IPartialLiquidation} from "./IPartialLiquidation.sol";
import {AssetSet} from "./Types.sol";

/// @title The standard's face of a Vault
/// @notice `account` is the AccountId. `terms`: `abi.encode(CloseOutRequest, bytes)`, the second the data of the caller's own
/// `ICloseOutCallback` (none where empty); the account inside does not count, and a `receiver` of 0 is the caller.
interface IPartialLiquidationAdapter is IPartialLiquidation {
    /// @notice What is inside the Vault belongs to its holder alone: pay in tokens here, or call the Vault's `closeOut`.
    error PaymentNotSupported(AssetSet fromShares, AssetSet fromClaims);
    error UnexpectedCallback(address caller);
    error Reentrancy();
}
