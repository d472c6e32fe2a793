// SPDX-License-Identifier: MIT
pragma solidity ^0.8.19;

import {IIrm} from "@morpho-org/morpho-blue/src/interfaces/IIrm.sol";
import {Market, MarketParams} from "@morpho-org/morpho-blue/src/interfaces/IMorpho.sol";

/// @title A stand-in for Morpho's adaptive-curve rate model, which is not on npm
/// @notice Written for this benchmark from the published formula, not taken from their code: the rate at target utilisation is kept
/// per market in one slot and moves exponentially with the distance from the target; the rate of a period is the curve at the
/// mean of start, twice the middle, and end. It touches what theirs touches: one account, one slot read and written, one event.
contract AdaptiveRate is IIrm {
    int256 private constant ONE = 1e18;
    int256 private constant TARGET = 0.9e18;
    int256 private constant STEEPNESS = 4e18;
    int256 private constant SPEED = 50e18 / int256(365 days);
    int256 private constant FIRST = 0.04e18 / int256(365 days);
    int256 private constant LEAST = 0.001e18 / int256(365 days);
    int256 private constant MOST = 2e18 / int256(365 days);
    int256 private constant LN_2 = 0.693147180559945309e18;

    address public immutable morpho;
    mapping(bytes32 market => int256) public rateAtTarget;

    event RateUpdated(bytes32 indexed market, uint256 rate, uint256 rateAtTarget);

    constructor(address morpho_) {
        morpho = morpho_;
    }

    function borrowRateView(MarketParams memory params, Market memory market) external view returns (uint256 rate) {
        (rate,) = _rates(rateAtTarget[keccak256(abi.encode(params))], market);
    }

    function borrowRate(MarketParams memory params, Market memory market) external returns (uint256 rate) {
        require(msg.sender == morpho, "not Morpho");
        bytes32 id = keccak256(abi.encode(params));
        int256 end;
        (rate, end) = _rates(rateAtTarget[id], market);
        rateAtTarget[id] = end;
        emit RateUpdated(id, rate, uint256(end));
    }

    function _rates(int256 start, Market memory market) private view returns (uint256, int256) {
        int256 utilisation = market.totalSupplyAssets == 0
            ? int256(0)
            : int256(uint256(market.totalBorrowAssets) * 1e18 / market.totalSupplyAssets);
        int256 distance = (utilisation - TARGET) * ONE / (utilisation > TARGET ? ONE - TARGET : TARGET);
        if (start == 0) return (_curve(FIRST, distance), FIRST);
        int256 exponent = SPEED * distance / ONE * int256(block.timestamp - market.lastUpdate);
        if (exponent == 0) return (_curve(start, distance), start);
        int256 end = _moved(start, exponent);
        return (_curve((start + end + 2 * _moved(start, exponent / 2)) / 4, distance), end);
    }

    function _curve(int256 atTarget, int256 distance) private pure returns (uint256) {
        int256 slope = distance < 0 ? ONE - ONE * ONE / STEEPNESS : STEEPNESS - ONE;
        return uint256((slope * distance / ONE + ONE) * atTarget / ONE);
    }

    function _moved(int256 rate, int256 exponent) private pure returns (int256 moved) {
        moved = rate * _exp(exponent) / ONE;
        if (moved < LEAST) moved = LEAST;
        if (moved > MOST) moved = MOST;
    }

    /// @dev e^x = 2^k e^r with |r| <= ln 2 / 2, and e^r to the second order.
    function _exp(int256 x) private pure returns (int256) {
        int256 k = (x + (x < 0 ? -LN_2 : LN_2) / 2) / LN_2;
        int256 r = x - k * LN_2;
        int256 power = ONE + r + r * r / ONE / 2;
        return k < 0 ? power >> uint256(-k) : power << uint256(k);
    }
}
