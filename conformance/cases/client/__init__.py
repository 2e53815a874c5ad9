"""Cases that test clients through their driver."""
