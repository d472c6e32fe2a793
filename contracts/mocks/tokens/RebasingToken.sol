// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ZooToken, ZooTokenWithReturns} from "./ZooToken.sol";

/// @title A token whose balances grow or shrink by themselves
/// @dev Balances are shares times a factor, rounded down at every turn: a transfer can come out a unit short, as with stETH.
contract RebasingToken is ZooTokenWithReturns {
    uint256 public factorWad = 1e18;

    constructor(string memory symbol_, uint8 decimals_) ZooToken(symbol_, decimals_) {}

    function rebase(uint256 newFactorWad) external {
        factorWad = newFactorWad;
    }

    function balanceOf(address holder) public view override returns (uint256) {
        return _balances[holder] * factorWad / 1e18;
    }

    function _move(address from, address to, uint256 amount) internal override {
        super._move(from, to, amount * 1e18 / factorWad);
    }
}
