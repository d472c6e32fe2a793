// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title A Chainlink-shaped feed whose answers anyone publishes: local chains and testnets only
/// @notice Keeps the last round, in one slot: a long price path does not make the chain grow.
contract TestAggregator {
    error NoDataPresent(uint80 roundId);
    error AnswerTooLarge(int256 answer);

    uint8 public immutable decimals;
    string public description;
    uint256 public constant version = 4;

    struct Round {
        int160 answer;
        uint64 updatedAt;
        uint32 roundId;
    }

    Round internal _latest;

    event AnswerUpdated(int256 indexed current, uint256 indexed roundId, uint256 updatedAt);

    constructor(uint8 decimals_, string memory description_) {
        (decimals, description) = (decimals_, description_);
    }

    /// @notice Publishes a round with the block's time.
    function publish(int192 answer) external virtual {
        publishAt(answer, uint64(block.timestamp));
    }

    function publishAt(int192 answer, uint64 updatedAt) public {
        if (answer != int160(answer)) revert AnswerTooLarge(answer);
        uint32 roundId = _latest.roundId + 1;
        _latest = Round(int160(answer), updatedAt, roundId);
        emit AnswerUpdated(answer, roundId, updatedAt);
    }

    /// @notice The last round; of earlier ones nothing is kept.
    function getRoundData(uint80 roundId)
        external
        view
        returns (uint80, int256 answer, uint256 startedAt, uint256 updatedAt, uint80)
    {
        if (roundId != _latest.roundId) revert NoDataPresent(roundId);
        return latestRoundData();
    }

    /// @notice The older interface, which some protocols still read.
    function latestAnswer() external view returns (int256) {
        return _latest.answer;
    }

    function latestRoundData() public view virtual returns (uint80, int256, uint256, uint256, uint80) {
        Round memory round = _latest;
        return (round.roundId, round.answer, round.updatedAt, round.updatedAt, round.roundId);
    }
}
