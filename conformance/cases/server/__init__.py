"""Cases that test servers: one module or folder a chapter; one folder a profile that needs several."""
