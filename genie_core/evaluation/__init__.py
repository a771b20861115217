"""What a world is worth: picture metrics, the player's motion, and names for its actions found without labels."""
