"""OAuth 2.0 and SMART App Launch 2.2: how apps and partners get tokens (`DECISIONS.md`)."""
