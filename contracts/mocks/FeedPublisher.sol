// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IOracleRouter} from "interfaces/IOracleRouter.sol";
import {TestAggregator} from "./TestAggregator.sol";

/// @title Publishes a row of prices to many feeds, and has them recorded, in one transaction: local chains and testnets only
contract FeedPublisher {
    function publish(TestAggregator[] calldata feeds, int192[] calldata answers) external {
        for (uint256 i; i < feeds.length; ++i) {
            feeds[i].publish(answers[i]);
        }
    }

    /// @notice Pokes the router for every asset for which that does something.
    function poke(IOracleRouter router, address[] calldata assets) external {
        for (uint256 i; i < assets.length; ++i) {
            try router.poke(assets[i]) {} catch {}
        }
    }
}
