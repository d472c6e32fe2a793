// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Status} from "interfaces/IOracleRouter.sol";

/// @title A router and a volatility oracle that say what they were told, of any status: tests of what the Vault makes of it
contract QuoteBoard {
    /// @dev WAD. A target of 0: the volatility oracle does not answer.
    struct Told {
        Status status;
        uint256 collateralWad;
        uint256 debtWad;
        uint256 exchangeWad;
        uint256 targetWad;
    }

    error NothingSampled(address asset);

    mapping(address asset => Told) public told;

    function tell(address[] calldata assets, Told[] calldata words) external {
        for (uint256 i; i < assets.length; ++i) {
            told[assets[i]] = words[i];
        }
    }

    // ---------------------------------------------------------------------------------------------- as OracleRouter

    function readPrice(address asset) external view returns (Status, uint256, uint256, uint256, uint256) {
        Told memory word = told[asset];
        return (word.status, word.collateralWad, word.debtWad, word.exchangeWad, block.timestamp);
    }

    function freshPrice(address asset) external view returns (uint256 priceWad, uint256 time) {
        return (told[asset].exchangeWad, block.timestamp);
    }

    function sourceOf(address) external view returns (address, uint256, uint256, uint256) {
        return (address(this), 0, 0, 0);
    }

    // ------------------------------------------------------------------------------------------ as VolatilityOracle

    /// @dev Whatever it was told, between the two or not: the Vault does not trust it.
    function targetHealthFactorWad(address asset, uint256, uint256) external view returns (uint256 targetWad) {
        targetWad = told[asset].targetWad;
        if (targetWad == 0) revert NothingSampled(asset);
    }
}
