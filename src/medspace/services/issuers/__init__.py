"""Who is believed for what, what was received from them, what one issues oneself: credentials and status lists."""
