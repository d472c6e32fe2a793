// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title A Chainlink-shaped feed whose answers anyone publishes: local chains and testnets only
contract TestAggregator {
    uint8 public immutable decimals;
    string public description;
    uint256 public constant version = 4;

    struct Round {
        int192 answer;
        uint64 updatedAt;
    }

    uint80 public latestRound;
    mapping(uint80 => Round) private _rounds;

    event AnswerUpdated(int256 indexed current, uint256 indexed roundId, uint256 updatedAt);

    constructor(uint8 decimals_, string memory description_) {
        (decimals, description) = (decimals_, description_);
    }

    /// @notice Publishes a round with the block's time.
    function publish(int192 answer) external {
        publishAt(answer, uint64(block.timestamp));
    }

    function publishAt(int192 answer, uint64 updatedAt) public {
        _rounds[++latestRound] = Round(answer, updatedAt);
        emit AnswerUpdated(answer, latestRound, updatedAt);
    }

    function getRoundData(uint80 roundId)
        public
        view
        returns (uint80, int256 answer, uint256 startedAt, uint256 updatedAt, uint80)
    {
        Round memory round = _rounds[roundId];
        return (roundId, round.answer, round.updatedAt, round.updatedAt, roundId);
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return getRoundData(latestRound);
    }
}
