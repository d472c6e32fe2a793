// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {BorrowParameters, CollateralParameters} from "./IRiskConfigurator.sol";

/// @title RiskSteward: small steps round what the governor set
/// @notice Moves an asset's ratios, caps and rates, at most one stated step per cool-down, within a band round the figures that the
/// governor set last (the anchor). It does not choose price sources, rate models or buckets, lists nothing and makes nothing a
/// collateral or to be borrowed that is not. Every relation between parameters is the RiskConfigurator's, as for anybody.
interface IRiskSteward {
    /// @notice The parameter, the value asked for and the values allowed: those of a step from what is in force, and those of the band.
    error StepTooLarge(bytes32 parameter, uint256 value, uint256 least, uint256 most);
    error OutsideBand(bytes32 parameter, uint256 value, uint256 least, uint256 most);
    error NotTheStewards(bytes32 parameter, uint256 current, uint256 proposed);
    error SteppedTooSoon(uint256 assetId, uint256 nextAt, uint256 timestamp);
    /// @notice The governor has not said what the band is round.
    error NoAnchor(uint256 assetId);
    error RampRunning(uint256 assetId, uint256 end);

    event Anchored(uint256 indexed assetId, CollateralParameters collateral, BorrowParameters borrowing);
    event Stepped(uint256 indexed assetId, CollateralParameters collateral, BorrowParameters borrowing);

    /// @notice Takes what is in force now as what the governor wants: the band is round it from here on. Restricted (governor).
    function anchor(uint256 assetId) external;

    /// @notice Changes an asset's parameters by a step. A lower threshold is reached over `rampDuration`. Restricted (steward).
    function step(
        uint256 assetId,
        CollateralParameters calldata collateral,
        BorrowParameters calldata borrowing,
        uint256 rampDuration
    ) external;

    /// @notice The anchor and when the steward may step next; all zero where there is no anchor.
    function anchorOf(uint256 assetId)
        external
        view
        returns (CollateralParameters memory collateral, BorrowParameters memory borrowing, uint256 nextAt);

    /// @notice Whether the governor has said what the band is round.
    function isAnchored(uint256 assetId) external view returns (bool);
}
