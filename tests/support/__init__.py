"""What tests share: servers, accounts, messages, waiting."""
