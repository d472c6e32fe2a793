// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AssetSet} from "./Types.sol";

/// @title PauseGuardian: pauses that end by themselves
/// @notice The only one who may call `Vault.setPauses`. The guardian stops borrowing of, and withdrawing while
/// owing from, the assets he names; he can start nothing again, and what he stopped ends after a while unless the governor
/// confirms it. Nothing here reaches
/// repayments, deposits or close-outs.
interface IPauseGuardian {
    /// @notice The guardian did this to the asset not long ago: he may again at `nextAt`.
    error PausedTooSoon(uint256 assetId, uint256 nextAt, uint256 timestamp);
    error NotPaused(uint256 assetId);
    error StillPaused(uint256 assetId, uint256 until, uint256 timestamp);
    error UntilOutOfRange(uint256 until, uint256 least, uint256 most);

    event Paused(AssetSet borrowing, AssetSet withdrawing, uint256 until);
    event PauseConfirmed(AssetSet borrowing, AssetSet withdrawing, uint256 until);
    event PauseEnded(AssetSet borrowing, AssetSet withdrawing);

    /// @notice Stops borrowing of, and withdrawing while owing from, the assets in the two sets for PAUSE_PERIOD. What is paused already
    /// stays as it is. Restricted (guardian).
    function pause(AssetSet borrowing, AssetSet withdrawing) external;

    /// @notice Keeps what is paused in the two sets paused until then, at most MAX_CONFIRMED_PAUSE from now. Restricted (governor).
    function confirmPause(AssetSet borrowing, AssetSet withdrawing, uint256 until) external;

    /// @notice Ends the pause of the assets in the two sets before its time. Restricted (governor).
    function unpause(AssetSet borrowing, AssetSet withdrawing) external;

    /// @notice Takes pauses whose time is over out of the Vault. Anyone may.
    function lift(AssetSet borrowing, AssetSet withdrawing) external;

    /// @notice What is paused in the Vault now, whether its time is over or not.
    function paused() external view returns (AssetSet borrowing, AssetSet withdrawing);

    /// @notice Until when the two actions of an asset are paused; 0: not.
    function pauseOf(uint256 assetId) external view returns (uint256 borrowingUntil, uint256 withdrawingUntil);
}
