// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";

/// @title Authority: OpenZeppelin's AccessManager, who may call what and after which delay
/// @notice Nothing is added; the name gives the project's build an artifact of its own.
contract Authority is AccessManager {
    constructor(address initialAdmin) AccessManager(initialAdmin) {}
}
