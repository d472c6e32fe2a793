// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {TestAggregator} from "./TestAggregator.sol";

/// @title A feed that publishes its answer anew in every block, until it is told a time: prices stand still and never age. Tests only
contract LiveAggregator is TestAggregator {
    /// @dev Stands for the time of whatever block is looked at.
    uint64 private constant NOW = type(uint64).max;

    constructor(uint8 decimals_, string memory description_) TestAggregator(decimals_, description_) {}

    function publish(int192 answer) external override {
        publishAt(answer, NOW);
    }

    function latestRoundData() public view override returns (uint80, int256, uint256, uint256, uint80) {
        Round memory round = _latest;
        uint256 updatedAt = round.updatedAt == NOW ? block.timestamp : round.updatedAt;
        return (round.roundId, round.answer, updatedAt, updatedAt, round.roundId);
    }
}
