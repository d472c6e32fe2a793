"""What anybody may do for a deployment and somebody has to: pokes, pauses that are over, sources, notes of losses.

decisions   whether a chore is due, from what was read: pure
chores      which there are, read from a chain, each judged by simulating it
accounts    those of accounts, which are found in the Vault's logs
command     one pass as a person asks for it: the table, and what is sent
"""
