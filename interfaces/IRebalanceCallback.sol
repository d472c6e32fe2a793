// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title What the caller of `rebalance` implements to act between what goes out and what comes in
interface IRebalanceCallback {
    /// @notice Called by the Vault after collateral and borrowed tokens were sent, before deposits and repayments are pulled. The Vault is
    /// locked meanwhile.
    function onRebalance(bytes calldata data) external;
}
