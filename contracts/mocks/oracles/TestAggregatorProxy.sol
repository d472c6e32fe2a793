// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title An aggregator that clamps what it publishes, as Chainlink's do: local chains and testnets only
contract ClampingAggregator {
    struct Round {
        int192 answer;
        uint64 updatedAt;
    }

    uint8 public immutable decimals;
    int192 public immutable minAnswer;
    int192 public immutable maxAnswer;
    string public constant description = "clamping";
    uint256 public constant version = 6;

    uint80 public latestRound;
    mapping(uint80 => Round) private _rounds;

    constructor(uint8 decimals_, int192 minAnswer_, int192 maxAnswer_) {
        (decimals, minAnswer, maxAnswer) = (decimals_, minAnswer_, maxAnswer_);
    }

    /// @notice Publishes a round, clamped to [minAnswer, maxAnswer].
    function publish(int192 answer, uint64 updatedAt) external {
        answer = answer < minAnswer ? minAnswer : answer > maxAnswer ? maxAnswer : answer;
        _rounds[++latestRound] = Round(answer, updatedAt);
    }

    function getRoundData(uint80 roundId) public view returns (uint80, int256, uint256, uint256, uint80) {
        Round memory round = _rounds[roundId];
        return (roundId, round.answer, round.updatedAt, round.updatedAt, roundId);
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return getRoundData(latestRound);
    }
}

/// @title A proxy before aggregators, with phases, as Chainlink's: local chains and testnets only
contract TestAggregatorProxy {
    struct Phase {
        uint16 id;
        ClampingAggregator aggregator;
    }

    Phase private _current;
    mapping(uint16 => ClampingAggregator) public phaseAggregators;

    constructor(ClampingAggregator aggregator_) {
        confirmAggregator(aggregator_);
    }

    /// @notice Changes the aggregator, which begins a new phase.
    function confirmAggregator(ClampingAggregator aggregator_) public {
        uint16 id = _current.id + 1;
        _current = Phase(id, aggregator_);
        phaseAggregators[id] = aggregator_;
    }

    function aggregator() external view returns (address) {
        return address(_current.aggregator);
    }

    function phaseId() external view returns (uint16) {
        return _current.id;
    }

    function decimals() external view returns (uint8) {
        return _current.aggregator.decimals();
    }

    function description() external view returns (string memory) {
        return _current.aggregator.description();
    }

    function version() external view returns (uint256) {
        return _current.aggregator.version();
    }

    /// @dev Round ids carry the phase in their upper bits.
    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        Phase memory phase = _current;
        (uint80 id, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredIn) =
            phase.aggregator.latestRoundData();
        uint80 prefix = uint80(phase.id) << 64;
        return (prefix | id, answer, startedAt, updatedAt, prefix | answeredIn);
    }

    function getRoundData(uint80 roundId) external view returns (uint80, int256, uint256, uint256, uint80) {
        (, int256 answer, uint256 startedAt, uint256 updatedAt,) =
            phaseAggregators[uint16(roundId >> 64)].getRoundData(uint64(roundId));
        return (roundId, answer, startedAt, updatedAt, roundId);
    }
}
