// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccountId, Deleverage} from "interfaces/Types.sol";
import {IVault} from "interfaces/IVault.sol";

interface IBalanceOf {
    function balanceOf(address holder) external view returns (uint256);
}

/// @title Everything that a Vault says of some accounts and holders, in one call, in plain words: tests only
contract WholeView {
    /// @notice For each account: collateral and debt by asset id, health (5), times (2), deleverage (3). For each asset: market (5),
    /// the Vault's balance, then supply shares, claims and balance of each holder.
    function read(IVault vault, AccountId[] calldata accounts, address[] calldata tokens, address[] calldata holders)
        external
        view
        returns (uint256[] memory words)
    {
        uint256 perAccount = 2 * tokens.length + 10;
        words = new uint256[](accounts.length * perAccount + tokens.length * (6 + 3 * holders.length));
        for (uint256 i; i < accounts.length; ++i) {
            _readAccount(vault, accounts[i], words, i * perAccount, tokens.length);
        }
        uint256 place = accounts.length * perAccount;
        for (uint256 assetId; assetId < tokens.length; ++assetId) {
            place = _readAsset(vault, assetId, tokens[assetId], holders, words, place);
        }
    }

    function _readAccount(IVault vault, AccountId account, uint256[] memory words, uint256 place, uint256 assets)
        private
        view
    {
        {
            (uint256[] memory ids, uint256[] memory amounts, uint256[] memory debtIds, uint256[] memory debts) =
                vault.positionOf(account);
            for (uint256 i; i < ids.length; ++i) {
                words[place + ids[i]] = amounts[i];
            }
            for (uint256 i; i < debtIds.length; ++i) {
                words[place + assets + debtIds[i]] = debts[i];
            }
        }
        place += 2 * assets;
        (words[place], words[place + 1], words[place + 2], words[place + 3], words[place + 4]) = vault.healthOf(account);
        (words[place + 5], words[place + 6]) = vault.timesOf(account);
        Deleverage memory terms = vault.deleverageOf(account);
        words[place + 7] = terms.triggerHealthFactorWad;
        words[place + 8] = terms.targetHealthFactorWad;
        words[place + 9] = terms.penaltyWad;
    }

    function _readAsset(
        IVault vault,
        uint256 assetId,
        address token,
        address[] calldata holders,
        uint256[] memory words,
        uint256 place
    ) private view returns (uint256) {
        (words[place], words[place + 1], words[place + 2], words[place + 3], words[place + 4]) = vault.marketOf(assetId);
        words[place + 5] = IBalanceOf(token).balanceOf(address(vault));
        place += 6;
        for (uint256 i; i < holders.length; ++i) {
            words[place] = vault.supplySharesOf(assetId, holders[i]);
            words[place + 1] = vault.claimOf(holders[i], assetId);
            words[place + 2] = IBalanceOf(token).balanceOf(holders[i]);
            place += 3;
        }
        return place;
    }
}
