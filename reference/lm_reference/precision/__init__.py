"""Numbers of 16 bits, and what keeps training with them as good as with float32."""
