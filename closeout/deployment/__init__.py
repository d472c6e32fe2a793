"""From a checked network file to contracts on a chain, and proof that they are what the file says.

protocol    the deployment as a plan: `deploy_protocol` recorded as steps, each with its address or calldata beforehand
plan        steps and the recorder            effects    how a chain shows that a step is done
journal     what was signed, on disk first    sending    one signer's transactions, through crashes and lost connections
execution   does what is left of a plan       rehearsal  the same on a fork: what it costs, and that it works
preflight   file against chain, before        record     deployments/NETWORK.json
drift       file against chain, after         proposal   the difference, as governance calls
handover    everything to the governor, and that the deployer holds nothing
"""
