// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IPyth} from "@pythnetwork/pyth-sdk-solidity/IPyth.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {AccountId} from "interfaces/Types.sol";
import {IVaultCore} from "interfaces/IVault.sol";

/// @title PythPoster: a price update and the action that needs it, in one transaction
/// @notice Outside the trusted base. Posting needs no right; to act for an owner it has to be his operator, and then acts for nobody but
/// him. Whoever closes out through a contract of his own posts there and needs none of this.
contract PythPoster {
    error FeeTooLow(uint256 paid, uint256 fee);
    error NotTheOwner(address owner, address caller);
    error CallNotForwarded(bytes4 selector);

    IPyth public immutable PYTH;
    address public immutable VAULT;

    constructor(IPyth pyth, address vault) {
        (PYTH, VAULT) = (pyth, vault);
    }

    /// @notice Posts updates, pays Pyth's fee and gives back what was sent beyond it.
    function post(bytes[] calldata updates) external payable {
        _post(updates);
    }

    /// @notice Posts updates, then makes calls to the Vault: borrowing and withdrawing, from the caller's own accounts.
    /// @dev Any call that fails undoes all of it, with the Vault's own error.
    function postAndCall(bytes[] calldata updates, bytes[] calldata calls) external payable {
        _post(updates);
        for (uint256 i; i < calls.length; ++i) {
            _requireOwn(calls[i]);
            (bool isDone, bytes memory data) = VAULT.call(calls[i]);
            if (!isDone) {
                assembly ("memory-safe") {
                    revert(add(data, 32), mload(data))
                }
            }
        }
    }

    function _post(bytes[] calldata updates) private {
        uint256 fee = PYTH.getUpdateFee(updates);
        if (msg.value < fee) revert FeeTooLow(msg.value, fee);
        PYTH.updatePriceFeeds{value: fee}(updates);
        if (msg.value > fee) SafeTransferLib.safeTransferETH(msg.sender, msg.value - fee);
    }

    /// @dev Both calls begin with the account, whose upper 160 bits are its owner.
    function _requireOwn(bytes calldata data) private view {
        bytes4 selector = bytes4(data);
        if (selector != IVaultCore.borrow.selector && selector != IVaultCore.withdrawCollateral.selector) {
            revert CallNotForwarded(selector);
        }
        AccountId account = abi.decode(data[4:], (AccountId));
        address owner = address(uint160(AccountId.unwrap(account) >> 96));
        if (owner != msg.sender) revert NotTheOwner(owner, msg.sender);
    }
}
