// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ChainlinkReader} from "../../oracles/ChainlinkReader.sol";

/// @title What a call costs, and what comes of it with a given amount of gas: tests and benchmarks only
contract GasMeter {
    error CallFailed(address target);

    /// @notice Makes a call with `gasLimit` (0: all there is). @return used gas, the call's own 2 600 or 100 included.
    function measure(address target, bytes calldata data, uint256 gasLimit)
        external
        returns (bool isDone, uint256 used, bytes memory answer)
    {
        bytes memory input = data;
        uint256 before = gasleft();
        if (gasLimit == 0) gasLimit = before;
        assembly ("memory-safe") {
            isDone := call(gasLimit, target, 0, add(input, 32), mload(input), 0, 0)
        }
        used = before - gasleft();
        assembly ("memory-safe") {
            answer := mload(0x40)
            let size := returndatasize()
            if gt(size, 1024) { size := 1024 }
            mstore(answer, size)
            returndatacopy(add(answer, 32), 0, size)
            mstore(0x40, add(answer, 1088))
        }
    }

    /// @notice Makes several calls one after the other, the first cold: what each costs.
    function measureRow(address[] calldata targets, bytes[] calldata data) external returns (uint256[] memory used) {
        used = new uint256[](targets.length);
        for (uint256 i; i < targets.length; ++i) {
            (address target, bytes memory input) = (targets[i], data[i]);
            bool isDone;
            uint256 before = gasleft();
            assembly ("memory-safe") {
                isDone := call(gas(), target, 0, add(input, 32), mload(input), 0, 0)
            }
            used[i] = before - gasleft();
            require(isDone, CallFailed(target));
        }
    }

    /// @notice The bare call that every reader of a Chainlink-shaped feed makes, with its answer and time decoded.
    function bareRead(address feed) external view returns (uint256 used, int256 answer, uint256 updatedAt) {
        uint256 before = gasleft();
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, shl(224, 0xfeaf968c))
            pop(staticcall(gas(), feed, free, 4, free, 160))
            answer := mload(add(free, 32))
            updatedAt := mload(add(free, 96))
        }
        used = before - gasleft();
    }

    /// @notice The same feed read in place, with all of ChainlinkReader's guards and a heartbeat.
    function guardedRead(address feed, uint256 decimals, int256 least, int256 most, uint256 heartbeat)
        external
        view
        returns (uint256 used, uint256 priceWad, bool isFresh)
    {
        uint256 before = gasleft();
        uint256 updatedAt;
        (priceWad, updatedAt,) = ChainlinkReader.readWithin(feed, decimals, least, most);
        isFresh = priceWad != 0 && block.timestamp - updatedAt <= heartbeat;
        used = before - gasleft();
    }
}
