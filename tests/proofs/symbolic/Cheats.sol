// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @dev What Halmos gives to a proof: a caller, what is assumed, and any call of a contract.
interface ICheats {
    function prank(address caller) external;
    function assume(bool isSo) external;
    function createCalldata(string calldata contractName) external view returns (bytes memory call);
}

/// @dev Foundry's cheats, and Halmos's own.
ICheats constant VM = ICheats(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);
ICheats constant SVM = ICheats(0xF3993A62377BCd56AE39D773740A5390411E8BC9);
