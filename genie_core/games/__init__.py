"""What is known of single games. No other file of genie_core or app knows one."""
