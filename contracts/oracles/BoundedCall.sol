// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IPriceAdapter, IPriceErrors, PriceStatus} from "interfaces/IPriceAdapter.sol";

/// @dev What an adapter answered.
struct Quote {
    uint256 low;
    uint256 high;
    uint256 time;
    PriceStatus status;
}

/// @title Reading what may burn gas, return megabytes, lie or revert
/// @notice Every call has a gas limit and copies no more than the words asked for: a source can spoil its own answer and nothing else.
library BoundedCall {
    uint256 internal constant MAX_PRICE_WAD = 1e30;

    /// @notice Fills `output` with the first words of the answer. False where the call failed or answered fewer.
    function tryRead(address target, uint256 gasCap, bytes memory input, uint256[] memory output)
        internal
        view
        returns (bool isAnswered)
    {
        assembly ("memory-safe") {
            let size := shl(5, mload(output))
            isAnswered := staticcall(gasCap, target, add(input, 32), mload(input), add(output, 32), size)
            isAnswered := and(isAnswered, iszero(lt(returndatasize(), size)))
        }
    }

    /// @notice One word, for a call of any arguments. False where the call failed or answered less.
    function tryWord(address target, uint256 gasCap, bytes memory input)
        internal
        view
        returns (bool isAnswered, uint256 word)
    {
        uint256[] memory output = new uint256[](1);
        isAnswered = tryRead(target, gasCap, input, output);
        word = output[0];
    }

    /// @notice What an adapter answers; false where it is missing, or answers what no adapter may.
    function tryPrice(address adapter, uint256 gasCap) internal view returns (bool isAnswered, Quote memory quote) {
        bytes4 selector = IPriceAdapter.price.selector;
        uint256 status;
        assembly ("memory-safe") {
            mstore(0, selector)
            isAnswered := staticcall(gasCap, adapter, 0, 4, quote, 128)
            isAnswered := and(isAnswered, gt(returndatasize(), 127))
            status := mload(add(quote, 96))
            // an enum out of its range must not be read as one
            if gt(status, 1) { mstore(add(quote, 96), 1) }
        }
        isAnswered = isAnswered && status <= 1 && quote.low != 0 && quote.low <= quote.high
            && quote.high <= MAX_PRICE_WAD && quote.time <= block.timestamp
            && (status == uint256(PriceStatus.Degraded) || quote.low == quote.high);
    }

    /// @notice The figure of an adapter's primary source. False where it is missing.
    function tryPrimary(address adapter, uint256 gasCap) internal view returns (bool isAnswered, uint256 priceWad) {
        (isAnswered, priceWad) = tryWord(adapter, gasCap, abi.encodeCall(IPriceAdapter.primaryPrice, ()));
        isAnswered = isAnswered && priceWad != 0 && priceWad <= MAX_PRICE_WAD;
    }

    /// @notice As `tryPrice`, for an adapter without which there is no price.
    function readPrice(address adapter, uint256 gasCap) internal view returns (Quote memory quote) {
        bool isAnswered;
        (isAnswered, quote) = tryPrice(adapter, gasCap);
        if (!isAnswered) revert IPriceErrors.SourceMissing(adapter);
    }

    /// @notice As `tryPrimary`, for an adapter without which there is no price.
    function readPrimary(address adapter, uint256 gasCap) internal view returns (uint256 priceWad) {
        bool isAnswered;
        (isAnswered, priceWad) = tryPrimary(adapter, gasCap);
        if (!isAnswered) revert IPriceErrors.SourceMissing(adapter);
    }

    /// @notice Before anything is decided by a failure: was the failed call really given all of `gasCap`?
    /// @dev A caller who chooses his gas could otherwise choose which source answers. A call gets at most 63/64 of what there is, so
    /// whoever has that much left after a failure had enough before it, and the failure was the source's own.
    function requireGenuine(uint256 gasCap) internal view {
        uint256 needed = gasCap + gasCap / 63 + 1;
        if (gasleft() < needed) revert IPriceErrors.GasTooLow(gasleft(), needed);
    }
}
