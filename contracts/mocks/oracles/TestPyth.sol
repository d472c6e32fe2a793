// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {MockPyth} from "@pythnetwork/pyth-sdk-solidity/MockPyth.sol";

/// @title Pyth's own mock, from its package: local chains and testnets only
/// @notice Nothing is added; the name gives the project's build an artifact of its own.
contract TestPyth is MockPyth {
    constructor(uint256 validTimePeriod, uint256 singleUpdateFee) MockPyth(validTimePeriod, singleUpdateFee) {}
}
