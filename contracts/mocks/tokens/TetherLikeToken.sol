// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ZooToken} from "./ZooToken.sol";

/// @title Like USDT: nothing is returned, an approval must be 0 before it is changed, and a fee that can be switched on
contract TetherLikeToken is ZooToken {
    uint256 public feeBps;

    error ApprovalRace(uint256 current, uint256 wanted);

    constructor(string memory symbol_, uint8 decimals_) ZooToken(symbol_, decimals_) {}

    function setFee(uint256 bps) external {
        feeBps = bps;
    }

    function approve(address spender, uint256 amount) external {
        uint256 current = allowance[msg.sender][spender];
        if (amount != 0 && current != 0) revert ApprovalRace(current, amount);
        allowance[msg.sender][spender] = amount;
        emit Approval(msg.sender, spender, amount);
    }

    function transfer(address to, uint256 amount) external {
        _moveLessFee(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external {
        _spend(from, amount);
        _moveLessFee(from, to, amount);
    }

    function _moveLessFee(address from, address to, uint256 amount) private {
        uint256 fee = amount * feeBps / 1e4;
        _move(from, to, amount - fee);
        if (fee != 0) _move(from, address(this), fee);
    }
}
