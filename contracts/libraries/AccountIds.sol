// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccountId} from "interfaces/Types.sol";

/// @title Account ids: owner and index in one word
library AccountIds {
    function toAccountId(address owner, uint96 index) internal pure returns (AccountId) {
        return AccountId.wrap((uint256(uint160(owner)) << 96) | index);
    }

    function ownerOf(AccountId account) internal pure returns (address) {
        return address(uint160(AccountId.unwrap(account) >> 96));
    }

    function indexOf(AccountId account) internal pure returns (uint96) {
        return uint96(AccountId.unwrap(account));
    }
}
