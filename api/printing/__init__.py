"""Paper: what people take away, made as PDF in memory."""
