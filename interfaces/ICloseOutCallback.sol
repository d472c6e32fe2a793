// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {CloseOutResult} from "./Types.sol";

/// @title What a liquidator implements to close out without capital of his own
interface ICloseOutCallback {
    /// @notice Called by the Vault after the collateral was sent and before the repayment is pulled. The Vault is locked:
    /// none of its functions, views included, can be called from here.
    /// @param data what the liquidator passed to `closeOut`
    function onCloseOut(CloseOutResult calldata result, bytes calldata data) external;
}
