// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IOracleRouter, Status} from "interfaces/IOracleRouter.sol";
import {Configuration} from "../libraries/Configuration.sol";
import {ChainlinkReader} from "../oracles/ChainlinkReader.sol";
import {Markets} from "./Markets.sol";

/// @title What an asset is worth, and how sure that is
/// @notice A fresh Chainlink price is read in place, by the library and within the bounds of the asset's own ChainlinkAdapter; whatever
/// is not fresh there, and every other kind of price, is the router's to tell. docs/oracles.md; specification, section 9.
abstract contract Prices is Markets {
    using Configuration for Configuration.Asset;
    using Configuration for Configuration.Protocol;

    /// @dev What an action reads once: the configuration in force, and whether feeds may be read in place now.
    struct Context {
        address table;
        bool mayReadInPlace;
        Configuration.Protocol protocol;
    }

    /// @dev An asset's prices, WAD: what it counts at as collateral and as debt where it is asked whether an account is unhealthy, and
    /// what amounts are exchanged at, 0 where the price is missing. All the same while fresh.
    struct Price {
        Status status;
        uint256 collateralWad;
        uint256 debtWad;
        uint256 exchangeWad;
    }

    /// @dev Fills a context, in memory that is there: whoever holds it in a struct of his own does not pay for a second one.
    function _loadContext(Context memory context) internal view {
        (address table, uint256 askRouterUntil) = (_table, _askRouterUntil);
        Configuration.Protocol memory protocol = context.protocol;
        context.table = table;
        protocol.load(table);
        address sequencer = protocol.sequencerFeed();
        bool mayRead = block.timestamp >= askRouterUntil;
        // where the sequencer is down, just back or silent, it is the adapter behind the router that says what follows
        if (mayRead && sequencer != address(0)) {
            (mayRead,) = ChainlinkReader.isSequencerUp(sequencer, protocol.sequencerGrace());
        }
        context.mayReadInPlace = mayRead;
    }

    /// @dev The fresh price of an asset that is read in place; 0 where it is not, or not fresh.
    function _priceInPlace(Context memory context, Configuration.Asset memory asset) internal view returns (uint256) {
        unchecked {
            if (!context.mayReadInPlace || !asset.hasFlag(Configuration.FLAG_IN_PLACE)) return 0;
            (int256 least, int256 most) = asset.answerBounds();
            (uint256 priceWad, uint256 updatedAt,) =
                ChainlinkReader.readWithin(asset.feed(), asset.feedDecimals(), least, most);
            return block.timestamp - updatedAt > asset.heartbeat() ? 0 : priceWad;
        }
    }

    /// @dev Everything there is to know of a price that is not fresh in place.
    function _priceByRouter(Context memory context, Configuration.Asset memory asset)
        internal
        view
        returns (Price memory price)
    {
        (price.status, price.collateralWad, price.debtWad, price.exchangeWad,) =
            IOracleRouter(context.protocol.oracleRouter()).readPrice(asset.token());
    }
}
