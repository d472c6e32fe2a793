// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IPriceAdapter, PriceStatus} from "interfaces/IPriceAdapter.sol";
import {Configuration} from "../libraries/Configuration.sol";
import {ChainlinkReader} from "./ChainlinkReader.sol";

/// @title The price of a listed asset: a Chainlink feed read in place, or an adapter
library PriceReader {
    using Configuration for Configuration.Asset;

    error PriceMissing(uint256 assetId);
    error PriceStale(uint256 assetId, uint256 age, uint256 heartbeat);

    /// @notice WAD per whole token, fresh.
    function read(Configuration.Asset memory asset, uint256 assetId) internal view returns (uint256 priceWad) {
        uint256 updatedAt;
        if (asset.hasFlag(Configuration.FLAG_ADAPTER)) {
            PriceStatus status;
            (priceWad,, updatedAt, status) = IPriceAdapter(asset.feed()).price();
            if (status != PriceStatus.Fresh) {
                revert PriceStale(assetId, block.timestamp - updatedAt, asset.heartbeat());
            }
            if (priceWad == 0 || priceWad > ChainlinkReader.MAX_PRICE_WAD) revert PriceMissing(assetId);
            return priceWad;
        }
        (priceWad, updatedAt) = ChainlinkReader.read(asset.feed(), asset.feedDecimals());
        if (priceWad == 0) revert PriceMissing(assetId);
        uint256 age = block.timestamp - updatedAt;
        if (age > asset.heartbeat()) revert PriceStale(assetId, age, asset.heartbeat());
    }
}
