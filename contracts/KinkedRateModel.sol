// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IRateModel} from "interfaces/IRateModel.sol";
import {InterestMath} from "./libraries/InterestMath.sol";
import {WAD} from "./libraries/Units.sol";

/// @title KinkedRateModel: two slopes that meet at a kink
/// @notice The model that the Vault computes in place from an asset's own parameters, as a contract: for an asset that is to
/// share one model with others, and as the shape of any other model.
contract KinkedRateModel is IRateModel {
    error KinkOutOfRange(uint256 kinkWad);
    error RateOutOfRange(uint256 ratePerYear, uint256 maximum);

    /// @notice Yearly rates, nine decimals.
    uint256 public immutable BASE;
    uint256 public immutable SLOPE1;
    uint256 public immutable SLOPE2;
    uint256 public immutable KINK_WAD;

    constructor(uint256 base, uint256 slope1, uint256 slope2, uint256 kinkWad) {
        if (kinkWad > WAD) revert KinkOutOfRange(kinkWad);
        uint256 most = base + slope1 + slope2;
        if (most > InterestMath.MAX_RATE) revert RateOutOfRange(most, InterestMath.MAX_RATE);
        (BASE, SLOPE1, SLOPE2, KINK_WAD) = (base, slope1, slope2, kinkWad);
    }

    /// @inheritdoc IRateModel
    function ratePerYear(uint256 utilisationWad) external view returns (uint256) {
        return InterestMath.kinkedRate(utilisationWad, BASE, SLOPE1, SLOPE2, KINK_WAD);
    }
}
