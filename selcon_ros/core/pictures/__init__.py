"""Pictures and depth images: decoded, turned as they are meant, within limits."""
