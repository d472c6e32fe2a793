// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IPauseGuardian} from "interfaces/IPauseGuardian.sol";
import {IVault} from "interfaces/IVault.sol";
import {AssetSet} from "interfaces/Types.sol";

/// @title PauseGuardian
/// @notice See interfaces/IPauseGuardian.sol.
contract PauseGuardian is IPauseGuardian, AccessManaged {
    /// @dev Of one action on one asset; times in seconds, 0 for never.
    struct Pause {
        uint40 until;
        uint40 pausedAt;
    }

    IVault public immutable VAULT;

    /// @notice Long enough for the governor to meet and decide, behind any delay of confirming that is allowed.
    uint256 public constant PAUSE_PERIOD = 7 days;
    /// @notice From one pause of an asset by the guardian to the next: a stolen key stops an asset half of the time at most, until the
    /// governor's delay takes it away.
    uint256 public constant PAUSE_SPACING = 14 days;
    /// @notice By the governor, and then again.
    uint256 public constant MAX_CONFIRMED_PAUSE = 30 days;

    uint256 private constant BORROWING = 0;
    uint256 private constant WITHDRAWING = 1;

    /// @dev By action: the assets paused in the Vault, and how long each.
    uint128[2] private _paused;
    mapping(uint256 assetId => Pause)[2] private _pauses;

    constructor(address authority, IVault vault) AccessManaged(authority) {
        VAULT = vault;
    }

    /// @inheritdoc IPauseGuardian
    function pause(AssetSet borrowing, AssetSet withdrawing) external restricted {
        uint128 newBorrowing = _start(BORROWING, AssetSet.unwrap(borrowing));
        uint128 newWithdrawing = _start(WITHDRAWING, AssetSet.unwrap(withdrawing));
        _publish();
        emit Paused(AssetSet.wrap(newBorrowing), AssetSet.wrap(newWithdrawing), block.timestamp + PAUSE_PERIOD);
    }

    /// @inheritdoc IPauseGuardian
    function confirmPause(AssetSet borrowing, AssetSet withdrawing, uint256 until) external restricted {
        uint256 most = block.timestamp + MAX_CONFIRMED_PAUSE;
        if (until < block.timestamp || until > most) revert UntilOutOfRange(until, block.timestamp, most);
        _confirm(BORROWING, AssetSet.unwrap(borrowing), until);
        _confirm(WITHDRAWING, AssetSet.unwrap(withdrawing), until);
        emit PauseConfirmed(borrowing, withdrawing, until);
    }

    /// @inheritdoc IPauseGuardian
    function unpause(AssetSet borrowing, AssetSet withdrawing) external restricted {
        _end(borrowing, withdrawing, type(uint256).max);
    }

    /// @inheritdoc IPauseGuardian
    function lift(AssetSet borrowing, AssetSet withdrawing) external {
        _end(borrowing, withdrawing, block.timestamp);
    }

    /// @inheritdoc IPauseGuardian
    function paused() external view returns (AssetSet borrowing, AssetSet withdrawing) {
        return (AssetSet.wrap(_paused[BORROWING]), AssetSet.wrap(_paused[WITHDRAWING]));
    }

    /// @inheritdoc IPauseGuardian
    function pauseOf(uint256 assetId) external view returns (uint256 borrowingUntil, uint256 withdrawingUntil) {
        return (_pauses[BORROWING][assetId].until, _pauses[WITHDRAWING][assetId].until);
    }

    /// @dev What is paused already is not paused anew: its time runs on.
    function _start(uint256 action, uint128 assets) private returns (uint128 added) {
        added = assets & ~_paused[action];
        uint256 left = added;
        for (uint256 assetId; left != 0; ++assetId) {
            if (left & 1 != 0) {
                Pause storage last = _pauses[action][assetId];
                uint256 nextAt = last.pausedAt + PAUSE_SPACING;
                if (last.pausedAt != 0 && block.timestamp < nextAt) {
                    revert PausedTooSoon(assetId, nextAt, block.timestamp);
                }
                (last.until, last.pausedAt) = (uint40(block.timestamp + PAUSE_PERIOD), uint40(block.timestamp));
            }
            left >>= 1;
        }
        _paused[action] |= added;
    }

    function _confirm(uint256 action, uint256 left, uint256 until) private {
        for (uint256 assetId; left != 0; ++assetId) {
            if (left & 1 != 0) {
                _requirePaused(action, assetId);
                _pauses[action][assetId].until = uint40(until);
            }
            left >>= 1;
        }
    }

    function _end(AssetSet borrowing, AssetSet withdrawing, uint256 over) private {
        _endOf(BORROWING, AssetSet.unwrap(borrowing), over);
        _endOf(WITHDRAWING, AssetSet.unwrap(withdrawing), over);
        _publish();
        emit PauseEnded(borrowing, withdrawing);
    }

    /// @dev Ends what is paused until `over` at the latest; refuses what is not paused, or for longer.
    function _endOf(uint256 action, uint128 assets, uint256 over) private {
        uint256 left = assets;
        for (uint256 assetId; left != 0; ++assetId) {
            if (left & 1 != 0) {
                _requirePaused(action, assetId);
                Pause storage last = _pauses[action][assetId];
                if (last.until > over) revert StillPaused(assetId, last.until, block.timestamp);
                last.until = 0;
            }
            left >>= 1;
        }
        _paused[action] &= ~assets;
    }

    function _requirePaused(uint256 action, uint256 assetId) private view {
        if ((_paused[action] >> assetId) & 1 == 0) revert NotPaused(assetId);
    }

    function _publish() private {
        VAULT.setPauses(AssetSet.wrap(_paused[BORROWING]), AssetSet.wrap(_paused[WITHDRAWING]));
    }
}
