"""Who answers a prompt: the contract, and the personas that keep it."""
