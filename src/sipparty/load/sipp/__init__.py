"""SIPp's scenarios."""
