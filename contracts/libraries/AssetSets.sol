// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AssetSet} from "interfaces/Types.sol";

/// @title Sets of assets as bitmaps
library AssetSets {
    function contains(AssetSet set, uint256 assetId) internal pure returns (bool) {
        return (AssetSet.unwrap(set) >> assetId) & 1 != 0;
    }

    function isEmpty(AssetSet set) internal pure returns (bool) {
        return AssetSet.unwrap(set) == 0;
    }
}
