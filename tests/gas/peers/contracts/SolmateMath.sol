// SPDX-License-Identifier: MIT
pragma solidity ^0.8.19;

import {FixedPointMathLib as Solady} from "solady/src/utils/FixedPointMathLib.sol";
import {FixedPointMathLib as Solmate} from "solmate-6/src/utils/FixedPointMathLib.sol";

/// @title What solmate 7, which is not on npm, has in one library: solmate 6, and exponential and logarithm from Solady
/// @notice For Exactly's sources, which call it by this name. One internal call more for each: some dozens of gas a transaction.
library FixedPointMathLib {
    function mulWadDown(uint256 x, uint256 y) internal pure returns (uint256) {
        return Solmate.mulWadDown(x, y);
    }

    function mulWadUp(uint256 x, uint256 y) internal pure returns (uint256) {
        return Solmate.mulWadUp(x, y);
    }

    function divWadDown(uint256 x, uint256 y) internal pure returns (uint256) {
        return Solmate.divWadDown(x, y);
    }

    function divWadUp(uint256 x, uint256 y) internal pure returns (uint256) {
        return Solmate.divWadUp(x, y);
    }

    function mulDivDown(uint256 x, uint256 y, uint256 denominator) internal pure returns (uint256) {
        return Solmate.mulDivDown(x, y, denominator);
    }

    function mulDivUp(uint256 x, uint256 y, uint256 denominator) internal pure returns (uint256) {
        return Solmate.mulDivUp(x, y, denominator);
    }

    function sqrt(uint256 x) internal pure returns (uint256) {
        return Solmate.sqrt(x);
    }

    function expWad(int256 x) internal pure returns (int256) {
        return Solady.expWad(x);
    }

    function lnWad(int256 x) internal pure returns (int256) {
        return Solady.lnWad(x);
    }
}
